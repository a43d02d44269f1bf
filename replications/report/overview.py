"""A whole ledger in one picture: one cell for each claim and kind of subject."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from replications.judging.claim import KINDS
from replications.judging.ledger import Ledger
from replications.judging.row import Row
from replications.plotting.charts import Scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOLDS = Scale("share of the measured models in which it holds", "RdYlBu", 0.0, 1.0)
NOT_MEASURED = "#C8C8C8"


def overview(ledger: Ledger) -> Figure:
    """One strip per system: claims from left to right as in CLAIMS.md, one row per kind of subject.

    Blue means that the claim holds, with its controls rejected, in every measured model of that
    kind, and red that it holds in none.  Grey means that such models exist and none was measured;
    white, that the claim is not about models of that kind.
    """
    from matplotlib.figure import Figure

    strips = _strips(ledger)
    tall = [len(rows) for rows in strips.values()]
    figure = Figure(figsize=(10, 0.62 * len(strips) + 0.24 * sum(tall) + 0.7), layout="constrained")
    panels = figure.subplots(len(strips), 1, squeeze=False, height_ratios=tall)[:, 0]
    widest = max(next(iter(rows.values())).size for rows in strips.values())
    image: Any = None
    for axes, (system, rows) in zip(panels, strips.items(), strict=True):
        values = np.stack(list(rows.values()))
        grey = np.where(values < 0, 1.0, np.nan)
        axes.imshow(grey, cmap=_only(NOT_MEASURED), aspect="auto")
        shown = np.where(values < 0, np.nan, values)
        image = axes.imshow(shown, cmap=HOLDS.colours, vmin=0, vmax=1, aspect="auto")
        axes.set_xlim(-0.5, widest - 0.5)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set_xticks(np.arange(-0.5, values.shape[1]), minor=True)
        axes.set_yticks(np.arange(-0.5, len(rows)), minor=True)
        axes.grid(which="minor", color="white", linewidth=1)
        axes.tick_params(which="both", length=0, labelbottom=False)
        axes.spines[:].set_visible(False)
        axes.set_title(f"{system}: {values.shape[1]} claims", loc="left")
    figure.colorbar(image, ax=panels, label=f"{HOLDS.unit}\n(grey: not measured)", shrink=0.8)
    return figure


def _strips(ledger: Ledger) -> dict[str, dict[str, np.ndarray]]:
    """System → kind → an array with a value per claim.

    The value is the share of judged rows in which the claim holds, -1 if none was judged, and NaN
    if there is no row.
    """
    rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in ledger.rows:
        rows[row.claim, row.kind].append(row)
    strips: dict[str, dict[str, np.ndarray]] = {}
    for system in dict.fromkeys(entry["system"] for entry in ledger.claims.values()):
        claims = [name for name, entry in ledger.claims.items() if entry["system"] == system]
        kinds = [kind for kind in KINDS if any(rows[name, kind] for name in claims)]
        strips[system] = {
            kind: np.array([_share(rows[name, kind]) for name in claims]) for kind in kinds
        }
    return strips


def _share(rows: Sequence[Row]) -> float:
    if not rows:
        return float("nan")
    judged = [row for row in rows if row.holds is not None]
    return sum(row.replicates for row in judged) / len(judged) if judged else -1.0


def _only(colour: str) -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap([colour])
