"""Which subjects there are: GPT-2 small, toys, a model written by hand, and the texts alone.

What opens them is in `subjects`; nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from replications import fixtures
from replications.judging.claim import SubjectInfo
from replications.systems.seeds import with_listed

GPT2 = "gpt2-small"
GPT2_TOKENIZER = f"{GPT2}/tokenizer.json"
OWN = f"{GPT2}/own"
"""GPT-2 small on prompts of our own, more than the document has."""
TEXT = "text"
CONSTRUCTION = "construction"
CIRCUIT = "circuit"
"""Models that read long texts: a recipe of their own, and not compared with any other."""


@dataclass(frozen=True)
class Toy:
    """One training run."""

    regime: str
    seed: int

    @property
    def name(self) -> str:
        """The name of the subject."""
        return f"{self.regime}/seed{self.seed}"

    @property
    def weights(self) -> str:
        """The fixture with the weights."""
        return f"ioi/{self.regime}-seed{self.seed}.safetensors"

    @property
    def command(self) -> str:
        """How it was trained."""
        if self.regime == CIRCUIT:
            return f"python -m replications train ioi/circuit --seed {self.seed}"
        return f"python -m replications train ioi --seed {self.seed} --regime {self.regime}"


SEEDS = {
    "repairing": 5,
    "kept": 5,
    "plain": 2,
    "certain": 2,
    "smoothed": 2,
    "zeroed": 2,
    "everywhere": 2,
    "narrow": 2,
    CIRCUIT: 5,
}
"""How many runs of each regime there are; their seeds count from 0."""
TOYS = tuple(
    Toy(name, seed)
    for name, seeds in SEEDS.items()
    for seed in with_listed(range(seeds), f"ioi/{name}-seed{{seed}}.safetensors")
)
MEASURED_WHOLE = 1
"""How many models of a regime each run measures in full; on the others it skips what is costly."""
COMPARED = {"repairing": "kept", "kept": "repairing", "narrow": "repairing", "plain": "repairing"}
"""The regime that a model is compared with; all others are compared with `kept`."""


def other(toy: Toy) -> Toy | None:
    """The model to compare with: of this seed if there is one, or else a model of `plain`."""
    if toy.regime == CIRCUIT:
        return None
    regime = COMPARED.get(toy.regime, "kept")
    wanted = (Toy(regime, toy.seed), Toy(regime, 0), Toy("plain", 0))
    return next(found for found in wanted if found.weights in fixtures.manifest())


def info(toy: Toy) -> SubjectInfo:
    """What is known of a toy before it is opened."""
    return SubjectInfo(
        system="ioi",
        name=toy.name,
        group=toy.regime,
        kind="toy",
        gates=False,
        fixtures=tuple(read.weights for read in (toy, other(toy)) if read),
        remedy=toy.command,
        further=toy.seed >= MEASURED_WHOLE,
    )


def _gpt2(name: str) -> SubjectInfo:
    return SubjectInfo(
        system="ioi",
        name=name,
        group=name,
        kind="original",
        gates=True,
        fixtures=(*fixtures.PRETRAINED[GPT2], GPT2_TOKENIZER),
        remedy=f"python -m replications fixtures fetch {GPT2}",
    )


# It tests the measurements, not the finding: a run that is not thorough leaves out what is costly.
BY_HAND = replace(
    SubjectInfo("ioi", CONSTRUCTION, CONSTRUCTION, "construction", False, ()), further=True
)
SUBJECTS = (
    _gpt2(GPT2),
    _gpt2(OWN),
    *map(info, TOYS),
    BY_HAND,
    SubjectInfo("ioi", TEXT, TEXT, "toy", True, ()),
)
