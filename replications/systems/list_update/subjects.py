"""The list-update models that are measured: five seeds, two of one layer, other sizes of task."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from torch import Tensor

from replications import fixtures
from replications.errors import BadInput
from replications.judging.claim import SubjectInfo
from replications.systems.list_update import model
from replications.systems.list_update.data import DOCUMENT, Task
from replications.systems.list_update.generator import Generator
from replications.systems.list_update.measure import ListUpdateSubject

SEEDS = range(5)
ONE_LAYER_SEEDS = range(2)
SCALING = tuple(
    Task(length, numbers)
    for length in (3, 4, 5)
    for numbers in (50, 100)
    if Task(length, numbers) != DOCUMENT
)
"""Beyond the document: longer lists and more numbers, one seed each."""


@dataclass(frozen=True)
class _Trained:
    """One training run: the name of its files, and what was trained."""

    file: str
    seed: int
    layers: int = model.LAYERS
    task: Task = DOCUMENT
    options: str = ""

    @property
    def weights(self) -> str:
        return f"list_update/{self.file}.safetensors"

    @property
    def curve(self) -> str:
        return f"list_update/{self.file}.loss.csv"


def _label(task: Task) -> str:
    return f"length{task.length}-numbers{task.numbers}"


_RUNS: dict[str, _Trained] = {f"seed{seed}": _Trained(f"seed{seed}", seed) for seed in SEEDS}
_RUNS |= {
    f"one-layer/seed{seed}": _Trained(
        f"one-layer-seed{seed}", seed, layers=1, options=" --layers 1"
    )
    for seed in ONE_LAYER_SEEDS
}
_RUNS |= {
    f"scaling/{_label(task)}": _Trained(
        f"{_label(task)}-seed0",
        0,
        task=task,
        options=f" --length {task.length} --numbers {task.numbers}",
    )
    for task in SCALING
}
_ONE_LAYER = tuple(name for name in _RUNS if name.startswith("one-layer/"))
_GENERATOR = SubjectInfo("list_update", "generator", "generator", "toy", True, ())


def _info(name: str, run: _Trained) -> SubjectInfo:
    group = name.split("/")[0] if "/" in name else "seeds"
    small = [_RUNS[other].weights for other in _ONE_LAYER if group == "seeds"]
    return SubjectInfo(
        system="list_update",
        name=name,
        group=group,
        kind="retrained",
        gates=group == "seeds",
        fixtures=(run.weights, *([run.curve] if group == "seeds" else []), *small),
        remedy=f"python -m replications train list_update --seed {run.seed}{run.options}",
    )


SUBJECTS = (_GENERATOR, *(_info(name, run) for name, run in _RUNS.items()))
LESIONS: tuple[SubjectInfo, ...] = ()


def subject(
    name: str | None = None,
    *,
    state_dict: Mapping[str, Tensor] | None = None,
    task: Task = DOCUMENT,
    device: str = "cpu",
    dtype: str = "float32",
) -> ListUpdateSubject | Generator:
    """Open a subject by name, or measure weights of your own.

    `subject("seed0")` is our model of that seed; `subject(state_dict=sd)` is any model of the same
    architecture with two layers (TransformerLens's classic names), for the document's task or
    another `task`.

    Raises BadInput for an unknown name or weights that do not fit, FixtureMissing when a file
    cannot be reached, FixtureCorrupt when one is not what the manifest says.
    """
    if (name is None) == (state_dict is None):
        raise BadInput("give either the name of a subject or a state_dict")
    if state_dict is not None:
        lens = model.open_model(state_dict, task=task, device=device, dtype=dtype)
        return ListUpdateSubject("custom", lens, task)
    if name == _GENERATOR.name:
        return Generator()
    if name not in _RUNS:
        known = ", ".join(info.name for info in SUBJECTS)
        raise BadInput(f"unknown list-update subject {name!r}; there are: {known}")
    return _open(name, device, dtype)


def _open(name: str, device: str, dtype: str) -> ListUpdateSubject:
    run = _RUNS[name]
    content = fixtures.read_bytes(run.weights)
    weights = model.read_state_dict(content, run.weights, run.layers, run.task)
    lens = model.open_model(weights, run.layers, run.task, device=device, dtype=dtype)
    smaller: Callable[[], Sequence[ListUpdateSubject]] | None = None
    if run.layers > 1 and run.task == DOCUMENT:
        smaller = partial(_one_layer_models, device, dtype)
    return ListUpdateSubject(
        name,
        lens,
        run.task,
        seed=run.seed,
        curve=lambda: read_curve(fixtures.read_bytes(run.curve), run.curve),
        one_layer=smaller,
    )


@cache
def _one_layer_models(device: str, dtype: str) -> tuple[ListUpdateSubject, ...]:
    """Opened once for all seeds, which only read what is measured on them."""
    return tuple(_open(name, device, dtype) for name in _ONE_LAYER)


def read_curve(content: bytes, name: str) -> list[float]:
    """The losses of a curve file, step by step.  BadInput if it is not one, called `name`."""
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"))))
        steps = [int(row["step"]) for row in rows]
        losses = [float(row["loss"]) for row in rows]
    except (UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{name} is not a loss curve with the columns step, loss") from error
    if not steps or steps != list(range(len(steps))):
        raise BadInput(f"{name} does not hold every step, in order from 0")
    return losses
