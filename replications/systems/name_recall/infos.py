"""Which models are measured: gpt2-small, gelu-2l, toys, one written by hand.

What opens them is in `subjects`; nothing here imports torch.
"""

from __future__ import annotations

from replications import fixtures
from replications.judging.claim import SubjectInfo
from replications.systems.seeds import with_listed

SEEDS = range(3)
ONE_LAYER_SEEDS = range(1)
ORIGINALS = ("gpt2-small", "gelu-2l")
TOYS = {
    f"toy/seed{seed}": f"seed{seed}"
    for seed in with_listed(SEEDS, "name_recall/seed{seed}.safetensors")
}
"""Toys of two layers → the name of their file."""
ONE_LAYER = {f"one-layer/seed{seed}": f"one-layer-seed{seed}" for seed in ONE_LAYER_SEEDS}
"""Toys of one layer → the name of their file."""


def _original(name: str) -> SubjectInfo:
    return SubjectInfo(
        system="name_recall",
        name=name,
        group=name,
        kind="original",
        gates=True,
        fixtures=(*fixtures.PRETRAINED[name], f"{name}/tokenizer.json"),
        remedy=f"python -m replications fixtures fetch {name}",
    )


def weights(name: str) -> str:
    """The fixture with the weights of a toy."""
    return f"name_recall/{(TOYS | ONE_LAYER)[name]}.safetensors"


def toy(name: str) -> SubjectInfo:
    """What is known of a toy before it is opened."""
    small = map(weights, ONE_LAYER if name in TOYS else ())
    options = "" if name in TOYS else " --layers 1"
    seed = name.partition("seed")[2]
    return SubjectInfo(
        system="name_recall",
        name=name,
        group=name.split("/")[0],
        kind="toy",
        gates=False,
        fixtures=(weights(name), *small),
        remedy=f"python -m replications train name_recall --seed {seed}{options}",
    )


CONSTRUCTION = "construction"
SUBJECTS = (
    *map(_original, ORIGINALS),
    *map(toy, (*TOYS, *ONE_LAYER)),
    SubjectInfo("name_recall", CONSTRUCTION, CONSTRUCTION, "construction", False, ()),
)
