"""Which list-update models are measured: five seeds, two of one layer, and longer lists.

What opens them is in `subjects`; nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from replications.judging.claim import SubjectInfo
from replications.systems.list_update.format import DOCUMENT, Format
from replications.systems.seeds import with_listed

SEEDS = range(5)
ONE_LAYER_SEEDS = range(2)
SCALING = tuple(
    Format(length, numbers)
    for length in (3, 4, 5)
    for numbers in (50, 100)
    if Format(length, numbers) != DOCUMENT
)
"""Beyond the document: longer lists and more numbers, one seed each."""
MEASURED_WHOLE = 1
"""How many of the seeds each run measures in full, beside the largest format; on the other seeds
and formats it skips what is costly."""


@dataclass(frozen=True)
class Trained:
    """One training run: the name of its files, what was trained, and the options for it."""

    file: str
    seed: int
    one_layer: bool = False
    format: Format = DOCUMENT
    options: str = ""

    @property
    def weights(self) -> str:
        """The fixture with the weights."""
        return f"list_update/{self.file}.safetensors"

    @property
    def curve(self) -> str:
        """The fixture with the loss of each step."""
        return f"list_update/{self.file}.loss.csv"


def _label(format: Format) -> str:
    return f"length{format.length}-numbers{format.numbers}"


RUNS: dict[str, Trained] = {
    f"seed{seed}": Trained(f"seed{seed}", seed)
    for seed in with_listed(SEEDS, "list_update/seed{seed}.safetensors")
}
"""The training run of each subject that was trained."""
RUNS |= {
    f"one-layer/seed{seed}": Trained(
        f"one-layer-seed{seed}", seed, one_layer=True, options=" --layers 1"
    )
    for seed in ONE_LAYER_SEEDS
}
RUNS |= {
    f"scaling/{_label(format)}": Trained(
        f"{_label(format)}-seed0",
        0,
        format=format,
        options=f" --length {format.length} --numbers {format.numbers}",
    )
    for format in SCALING
}
ONE_LAYER = tuple(name for name, run in RUNS.items() if run.one_layer)
GENERATOR = SubjectInfo("list_update", "generator", "generator", "toy", True, ())


def next_seed(seed: int) -> str:
    """The shipped model that one of this seed is compared with: of the next seed, in a circle."""
    return f"seed{(seed + 1) % len(SEEDS)}"


def _info(name: str, run: Trained) -> SubjectInfo:
    group = name.split("/")[0] if "/" in name else "seeds"
    others = [*ONE_LAYER, next_seed(run.seed)] if group == "seeds" else []
    return SubjectInfo(
        system="list_update",
        name=name,
        group=group,
        kind="retrained",
        gates=group == "seeds" and run.seed in SEEDS,
        fixtures=(
            run.weights,
            *([run.curve] if group == "seeds" else []),
            *(RUNS[other].weights for other in others),
        ),
        remedy=f"python -m replications train list_update --seed {run.seed}{run.options}",
        further=run.seed >= MEASURED_WHOLE or run.format in SCALING[:-1],
    )


SUBJECTS = (GENERATOR, *(_info(name, run) for name, run in RUNS.items()))
