"""Which models of algorithmic problems are measured: published, retrained by us.

What opens them is in `subjects`; nothing here imports torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from replications import fixtures
from replications.judging.claim import SubjectInfo
from replications.systems.algorithmic.problems import PUBLISHED, PUBLISHED_SEED, SUM_ONE_LAYER

ORIGINALS = tuple(
    SubjectInfo(
        system="algorithmic",
        name=problem,
        group=problem,
        kind="original",
        gates=True,
        fixtures=(file,),
        remedy="python -m replications fixtures fetch",
    )
    for problem, file in PUBLISHED.items()
)
MEASURED_WHOLE = 1
"""How many retrained models of a problem each run measures in full, beside the one from the
published start; on the others it skips what is costly."""
_TRAINED = re.compile(r"algorithmic/([\w-]+)-seed(\d+)\.safetensors")
"""The files of models that were trained here."""


def retrained(files: Iterable[str]) -> tuple[SubjectInfo, ...]:
    """A subject for each of these files that holds a model trained here, by problem and seed.

    `algorithmic/sum-seed1.safetensors` is `sum-retrained/seed1`, of the group `sum-retrained`.
    Models from the published start, seed 42, are a group of their own: `sum-published-start`.
    """
    order = [*PUBLISHED, SUM_ONE_LAYER]
    found = [match for name in files if (match := _TRAINED.fullmatch(name))]
    known = [(match[1], int(match[2]), match[0]) for match in found if match[1] in order]
    known.sort(key=lambda run: (order.index(run[0]), run[1]))
    return tuple(_trained(*run) for run in known)


def _trained(problem: str, seed: int, file: str) -> SubjectInfo:
    of_published = problem in PUBLISHED and seed == PUBLISHED_SEED
    start = "published-start" if of_published else "retrained"
    return SubjectInfo(
        system="algorithmic",
        name=f"{problem}-retrained/seed{seed}",
        group=f"{problem}-{start}",
        kind="retrained",
        gates=False,
        fixtures=(file,),
        remedy=f"python -m replications train algorithmic/{problem} --seed {seed}",
        further=start == "retrained" and seed >= MEASURED_WHOLE,
    )


SUBJECTS = (*ORIGINALS, *retrained(fixtures.manifest()))
