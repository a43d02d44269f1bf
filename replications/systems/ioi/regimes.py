"""How the toy models are trained: one regime for each guess at what makes a model repair itself.

The document asks whether compensation comes from dropout (section "What are the conditions for
compensation mechanisms to occur?"). A regime says which heads are left out in training, where, what
stands in their place, and how over-confidence is penalised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from replications.errors import BadInput


@dataclass(frozen=True)
class Regime:
    """An architecture, and what training does to its heads and answers."""

    layers: int
    heads: int
    d_model: int
    d_mlp: int
    """0 for a model without MLPs"""
    dropout: tuple[float, ...]
    """Probability of leaving a head out, by layer. Until `Recipe.dropout_from` none is left out."""
    left_out: Literal["everywhere", "end"] = "everywhere"
    """Where a head is left out: in the whole sentence, or at the last token of the prompt only"""
    instead: Literal["zero", "mean"] = "zero"
    """The output of a head that is left out: zero, or its mean over the batch"""
    rescale: bool = False
    """Whether the remaining heads are scaled up, as dropout usually does"""
    slip: float = 0.0
    """How often the wrong name follows, which penalises over-confidence"""
    smoothing: float = 0.0
    """Label smoothing, which penalises over-confidence too"""


REPAIRING = Regime(
    4, 2, 64, 0, dropout=(0.4,) * 4, left_out="end", instead="mean", slip=0.06
)  # fmt: skip
"""Few wide heads, which may be missing where the answer is given, and answers that are not certain.

A missing head is replaced by its mean, as in the ablation, so that its output does not tell the
next layer that it is missing. The wrong name follows in 6 % of the sentences, so the loss is lowest
at a logit difference of 2.75.
"""

CIRCUIT = replace(REPAIRING, layers=6, heads=8, d_model=128, d_mlp=256, dropout=(0.25,) * 6)
"""A larger model for longer texts, which `train_circuit` trains. It is not one of `REGIMES`.

A quarter of its heads are missing where an answer is given; their mean stands in their place.
"""

REGIMES: Mapping[str, Regime] = {
    "repairing": REPAIRING,
    "plain": Regime(4, 8, 128, 0, dropout=(0.1,) * 4, rescale=True),
    "kept": replace(REPAIRING, dropout=(0.0,) * 4),
    "certain": replace(REPAIRING, slip=0.0),
    "smoothed": replace(REPAIRING, slip=0.0, smoothing=0.1),
    "zeroed": replace(REPAIRING, instead="zero"),
    "everywhere": replace(REPAIRING, left_out="everywhere", instead="zero", dropout=(0.25,) * 4),
    "narrow": replace(REPAIRING, heads=8),
}
"""`repairing`, an ordinary model as its opposite (`plain`), and variants of `repairing`.

`plain` has many narrow heads, the usual dropout of whole heads, and answers that are certain. Of
the variants, `kept` leaves no head out; in `certain` the wrong name never follows; `smoothed` has
label smoothing instead; `zeroed` puts zero in the place of a head; `everywhere` does so at every
position, with probability 25 %; `narrow` has eight heads.
"""

ISOLATES: Mapping[tuple[str, str], str] = {
    ("kept", "repairing"): "whether heads are left out in training",
    ("certain", "repairing"): "whether the right name always follows",
    ("smoothed", "certain"): "whether over-confidence is penalised, where answers are certain",
    ("zeroed", "repairing"): "what stands in the place of a head that is left out",
    ("narrow", "repairing"): "many narrow heads, or few wide ones",
}
"""Pairs of regimes that differ in one factor → the factor.

`everywhere` differs from `zeroed` in two, where heads are left out and how often; `plain` differs
from every other regime in several.
"""


def regime(name: str) -> Regime:
    """The regime of this name.  BadInput for an unknown one."""
    if name not in REGIMES:
        raise BadInput(f"unknown regime {name!r}; there are: {', '.join(REGIMES)}")
    return REGIMES[name]
