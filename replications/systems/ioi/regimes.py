"""How the toy models are trained: one regime per hypothesis about what makes a model repair itself.

The document asks whether compensation comes from dropout. A regime says what is left out, when and
in whose place, and what over-confidence costs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from replications.errors import BadInput


@dataclass(frozen=True)
class Regime:
    """An architecture, and what its training does to heads and answers."""

    layers: int
    heads: int
    d_model: int
    d_mlp: int
    """0 for a model without MLPs"""
    dropout: tuple[float, ...]
    """Share of heads left out while training, by layer; none before `Recipe.dropout_from`."""
    left_out: Literal["everywhere", "end"] = "everywhere"
    """Whether a head is left out of a whole sentence, or at the last token of the prompt only"""
    instead: Literal["zero", "mean"] = "zero"
    """What a head gives that is left out: nothing, or its mean over the batch"""
    rescale: bool = False
    """Whether the heads that stay are made larger, as dropout usually does"""
    slip: float = 0.0
    """How often the wrong name follows: more than a certain confidence is then punished"""
    smoothing: float = 0.0
    """Label smoothing, which punishes the same"""


REPAIRING = Regime(
    4, 2, 64, 0, dropout=(0.4,) * 4, left_out="end", instead="mean", slip=0.06
)  # fmt: skip
"""Few wide heads that may be missing where the answer is given, and an answer that is not certain.

What is missing is replaced by its mean, as in the ablation, so that no head's silence tells the
next layer what is missing. The wrong name follows in 6 % of the sentences: a logit difference above
2.75 costs as a smaller one does.
"""

REGIMES: dict[str, Regime] = {
    "repairing": REPAIRING,
    "plain": Regime(4, 8, 128, 0, dropout=(0.1,) * 4, rescale=True),
    "kept": replace(REPAIRING, dropout=(0.0,) * 4),
    "certain": replace(REPAIRING, slip=0.0),
    "smoothed": replace(REPAIRING, slip=0.0, smoothing=0.1),
    "zeroed": replace(REPAIRING, instead="zero"),
    "everywhere": replace(REPAIRING, left_out="everywhere", instead="zero", dropout=(0.25,) * 4),
    "narrow": replace(REPAIRING, heads=8),
}
"""`repairing`, a usual model as its opposite (`plain`), and `repairing` with one thing changed.

`plain` has many narrow heads, the usual dropout of whole heads, and answers that are certain.
`kept` leaves nothing out; `certain` never answers wrongly; `smoothed` has label smoothing instead;
`zeroed` leaves heads out to zero; `everywhere` also at every position; `narrow` has eight heads.
"""


def regime(name: str) -> Regime:
    """The regime of this name.  BadInput for an unknown one."""
    if name not in REGIMES:
        raise BadInput(f"unknown regime {name!r}; there are: {', '.join(REGIMES)}")
    return REGIMES[name]
