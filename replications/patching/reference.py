"""Activation patching by hooks: one forward pass for each place, nothing clever.

`replications.patching.activation` gives the same numbers fast; its tests compare it with this.
One place of the base run is given what it holds in the source run, and the metric is read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens, Run
from replications.models.edits import Edit, put_rows
from replications.models.network import Network
from replications.models.sites import Place, Site
from replications.patching.metrics import Metric


class HookedNetwork:
    """A network that runs as a lens does, in its clear forward pass, without TransformerLens."""

    def __init__(self, network: Network) -> None:
        self.shape = network.shape
        self._network = network

    def run(
        self, tokens: Tensor, read: Mapping[str, Place] | None = None, edits: Sequence[Edit] = ()
    ) -> Run:
        """Logits [batch pos d_vocab_out], and the places in `read` by their names."""
        logits = self._network.forward(tokens, edits)
        if not read:
            return Run(logits)
        seen = self._network.cache(tokens, edits)
        return Run(logits, {n: seen[p.site(p.layer)][p.index] for n, p in read.items()})

    def scores(self, layer: int, q: Tensor, k: Tensor) -> Tensor:
        """Scores [batch head query key] of q and k [batch pos head d_head]."""
        network, where = self._network, torch.arange(q.shape[1], device=q.device)
        q, k = (network.compared(n, layer, x, where) for n, x in (("q", q), ("k", k)))
        return network.scaled(layer, torch.einsum("bqhd,bkhd->bhqk", q, k))


def hooked(model: Lens | Network) -> Lens | HookedNetwork:
    """The model as something that runs with reads and edits: a lens as it is, a network wrapped."""
    return HookedNetwork(model) if isinstance(model, Network) else model


def sweep_by_hooks(
    model: Lens | Network, base: Tensor, source: Tensor, metric: Metric, site: Site
) -> Tensor:
    """The metric with each layer and position of `site` patched alone: [layer pos batch].

    `base` and `source` are tokens [batch pos]; all heads are patched together. For attention
    patterns, the position is that of the query. Raises BadInput for a site without layers or
    positions, or for tokens of different shapes.
    """
    axis = "query" if "query" in site.axes else "pos"
    if not site.layered or axis not in site.axes:
        raise BadInput(f"site {site.name!r} has no layers or no positions to sweep over")
    if base.shape != source.shape:
        raise BadInput(f"base tokens {[*base.shape]}, source {[*source.shape]}: give one shape")
    runs, found = hooked(model), []
    for layer in range(runs.shape.n_layers):
        values = runs.run(source, {"whole": site(layer)})["whole"]
        for position in range(base.shape[1]):
            place = site(layer).pick(**{axis: position})
            edit = put_rows(place, values[place.index])
            found.append(metric(runs.run(base, edits=[edit]).logits))
    return torch.stack(found).view(runs.shape.n_layers, base.shape[1], -1)


def patch_by_hooks(
    model: Lens | Network, base: Tensor, source: Tensor, metric: Metric, place: Place
) -> Tensor:
    """The metric with one place of the base run taken from the source run: [batch]."""
    runs = hooked(model)
    values = runs.run(source, {"there": place})["there"]
    return metric(runs.run(base, edits=[put_rows(place, values)]).logits)
