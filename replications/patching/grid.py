"""The places of a sweep, as a grid over layers, heads and positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from replications.errors import BadInput
from replications.models import sites
from replications.models.network import Network
from replications.models.sites import Place, Site

SWEPT_SITES = (
    sites.RESID_PRE, sites.RESID_MID, sites.RESID_POST, sites.ATTN_OUT, sites.MLP_OUT,
    sites.Z, sites.Q, sites.K, sites.V, sites.PATTERN,
)  # fmt: skip
"""The sites that can be swept."""


@dataclass(frozen=True)
class Grid:
    """The places of one site, along some of the axes layer, head and pos, in the order given.

    Axes you leave out are patched together, in one go. `layers`, `heads` and `positions` narrow
    the grid; None takes all. For attention patterns, `pos` selects the query position.

    Raises BadInput for a site that cannot be swept, or an axis that the site does not have.
    """

    site: Site
    axes: str
    layers: Sequence[int] | None = None
    heads: Sequence[int] | None = None
    positions: Sequence[int] | None = None

    def __post_init__(self) -> None:
        names = self.axes.split()
        known = ["layer", "pos"] + ["head"] * ("head" in self.site.axes)
        if self.site not in SWEPT_SITES:
            raise BadInput(f"site {self.site.name!r} cannot be swept; use reference.patch_by_hooks")
        if "layer" not in names or len(set(names)) < len(names) or set(names) - set(known):
            raise BadInput(
                f"axes {self.axes!r} of {self.site.name!r}: give 'layer' and any of "
                f"{' and '.join(known[1:])}, each once"
            )

    def labels(self, model: Network, length: int) -> dict[str, tuple[int, ...]]:
        """The layers, heads and positions of the grid, by axis, for prompts of `length` tokens."""
        whole = {
            "layer": (self.layers, model.shape.n_layers),
            "head": (self.heads, model.shape.n_heads),
            "pos": (self.positions, length),
        }
        found = {}
        for axis in self.axes.split():
            chosen, size = whole[axis]
            found[axis] = tuple(range(size) if chosen is None else chosen)
        return found

    def places(self, model: Network, length: int) -> list[Place]:
        """Every place of the grid; the last axis changes fastest."""
        labels = self.labels(model, length)
        rename = {"pos": "query"} if self.site is sites.PATTERN else {}
        found = []
        for values in product(*labels.values()):
            picks = dict(zip(labels, values, strict=True))
            layer = picks.pop("layer")
            found.append(self.site(layer).pick(**{rename.get(a, a): i for a, i in picks.items()}))
        return found


def list_places(
    places: Grid | Sequence[Place], model: Network, length: int
) -> tuple[list[Place], dict[str, tuple[object, ...]]]:
    """The places of a grid or a list, and the labels of the axes they lie along.

    Raises BadInput if there are none.
    """
    labels: dict[str, tuple[object, ...]] = {}
    if isinstance(places, Grid):
        labels |= places.labels(model, length)
        places = places.places(model, length)
    else:
        labels["place"] = tuple(places)
    if not places:
        raise BadInput("no places: give a Grid, or at least one place")
    return list(places), labels
