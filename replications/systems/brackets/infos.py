"""Which bracket classifiers are measured: published, written by hand, retrained by us.

What opens them is in `subjects`; nothing here imports torch.
"""

from __future__ import annotations

from replications.judging.claim import SubjectInfo
from replications.systems.seeds import with_listed

ARENA_WEIGHTS = "brackets/brackets_model_state_dict.pt"
ARENA_DATA = "brackets/brackets_data.json"
SEEDS = range(9)
MEASURED_WHOLE = 1
"""How many retrained models each run measures in full; on the others it skips what is costly."""

ARENA = SubjectInfo(
    system="brackets",
    name="arena",
    group="arena",
    kind="original",
    gates=True,
    fixtures=(ARENA_WEIGHTS, ARENA_DATA),
    remedy="python -m replications fixtures fetch",
)
CONSTRUCTION = SubjectInfo(
    system="brackets",
    name="construction",
    group="construction",
    kind="construction",
    gates=True,
    fixtures=(),
)


def retrained(seed: int) -> SubjectInfo:
    """The model trained here from a seed."""
    return SubjectInfo(
        system="brackets",
        name=f"retrained/seed{seed}",
        group="retrained",
        kind="retrained",
        gates=False,
        fixtures=(f"brackets/retrained-seed{seed}.safetensors",),
        remedy=f"python -m replications train brackets --seed {seed}",
        further=seed >= MEASURED_WHOLE,
    )


SUBJECTS = (
    ARENA,
    CONSTRUCTION,
    *map(retrained, with_listed(SEEDS, "brackets/retrained-seed{seed}.safetensors")),
)
