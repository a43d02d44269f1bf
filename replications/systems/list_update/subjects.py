"""The list-update models that are measured: five seeds, two of one layer, and longer lists."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, partial

from torch import Tensor

from replications import fixtures
from replications.errors import BadInput
from replications.judging.claim import SubjectInfo
from replications.systems.list_update import model
from replications.systems.list_update.data import DOCUMENT, Format
from replications.systems.list_update.lesions import LESIONS as LESION_EDITS
from replications.systems.list_update.measure import ListUpdateSubject
from replications.systems.list_update.measurements.dataset import Generator
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
LESIONED = "seed3"
"""The seed in which every claim holds; the lesions are made in it."""


@dataclass(frozen=True)
class _Trained:
    """One training run: the name of its files, what was trained, and the options for it."""

    file: str
    seed: int
    layers: int = model.LAYERS
    format: Format = DOCUMENT
    options: str = ""

    @property
    def weights(self) -> str:
        return f"list_update/{self.file}.safetensors"

    @property
    def curve(self) -> str:
        return f"list_update/{self.file}.loss.csv"


def _label(format: Format) -> str:
    return f"length{format.length}-numbers{format.numbers}"


_RUNS: dict[str, _Trained] = {
    f"seed{seed}": _Trained(f"seed{seed}", seed)
    for seed in with_listed(SEEDS, "list_update/seed{seed}.safetensors")
}
_RUNS |= {
    f"one-layer/seed{seed}": _Trained(
        f"one-layer-seed{seed}", seed, layers=1, options=" --layers 1"
    )
    for seed in ONE_LAYER_SEEDS
}
_RUNS |= {
    f"scaling/{_label(format)}": _Trained(
        f"{_label(format)}-seed0",
        0,
        format=format,
        options=f" --length {format.length} --numbers {format.numbers}",
    )
    for format in SCALING
}
_ONE_LAYER = tuple(name for name in _RUNS if name.startswith("one-layer/"))
_GENERATOR = SubjectInfo("list_update", "generator", "generator", "toy", True, ())


def _next_seed(seed: int) -> str:
    """The shipped model that one of this seed is compared with: of the next seed, in a circle."""
    return f"seed{(seed + 1) % len(SEEDS)}"


def _info(name: str, run: _Trained) -> SubjectInfo:
    group = name.split("/")[0] if "/" in name else "seeds"
    others = [*_ONE_LAYER, _next_seed(run.seed)] if group == "seeds" else []
    return SubjectInfo(
        system="list_update",
        name=name,
        group=group,
        kind="retrained",
        gates=group == "seeds" and run.seed in SEEDS,
        fixtures=(
            run.weights,
            *([run.curve] if group == "seeds" else []),
            *(_RUNS[other].weights for other in others),
        ),
        remedy=f"python -m replications train list_update --seed {run.seed}{run.options}",
        further=run.seed >= MEASURED_WHOLE or run.format in SCALING[:-1],
    )


SUBJECTS = (_GENERATOR, *(_info(name, run) for name, run in _RUNS.items()))
LESIONS = tuple(
    replace(_info(LESIONED, _RUNS[LESIONED]), name=f"{LESIONED}~{name}", gates=False)
    for name in LESION_EDITS
)


def subject(
    name: str | None = None,
    *,
    state_dict: Mapping[str, Tensor] | None = None,
    format: Format = DOCUMENT,
    device: str = "cpu",
    dtype: str = "float32",
) -> ListUpdateSubject | Generator:
    """Open a subject by name, or measure weights of your own.

    `subject("seed0")` is our model of that seed, and `subject("seed3~NAME")` a lesion of seed 3
    (`list_update.LESIONS`). `subject(state_dict=sd)` is any model of the same architecture with
    two layers (TransformerLens's classic names), for prompts of the document's format or another.

    Raises BadInput for an unknown name or weights that do not fit, FixtureMissing when a file
    cannot be reached, FixtureCorrupt when one is not what the manifest says.
    """
    if (name is None) == (state_dict is None):
        raise BadInput("give either the name of a subject or a state_dict")
    if state_dict is not None:
        lens = model.open_model(state_dict, model.LAYERS, format, device=device, dtype=dtype)
        return ListUpdateSubject("custom", lens, format)
    known = [info.name for info in (*SUBJECTS, *LESIONS)]
    if name not in known:
        raise BadInput(f"unknown list-update subject {name!r}; there are: {', '.join(known)}")
    if name == _GENERATOR.name:
        return Generator()
    run, _, lesion = name.partition("~")
    opened = _open(run, device, dtype)
    return opened.variant(lesion, LESION_EDITS[lesion](opened.task)) if lesion else opened


def _open(name: str, device: str, dtype: str) -> ListUpdateSubject:
    run = _RUNS[name]
    content = fixtures.read_bytes(run.weights)
    weights = model.read_state_dict(content, run.weights, run.layers, run.format)
    lens = model.open_model(weights, run.layers, run.format, device=device, dtype=dtype)
    compared = run.layers > 1 and run.format == DOCUMENT
    return ListUpdateSubject(
        name,
        lens,
        run.format,
        seed=run.seed,
        curve=lambda: read_curve(fixtures.read_bytes(run.curve), run.curve),
        one_layer=partial(_one_layer_models, device, dtype) if compared else None,
        other_seed=partial(_open, _next_seed(run.seed), device, dtype) if compared else None,
    )


@cache
def _one_layer_models(device: str, dtype: str) -> tuple[ListUpdateSubject, ...]:
    """All models of one layer, opened once for all seeds."""
    return tuple(_open(name, device, dtype) for name in _ONE_LAYER)


def read_curve(content: bytes, name: str) -> list[float]:
    """The loss of each step, in nats, from the content of a curve file called `name`.

    Raises BadInput for a file that does not hold the columns step and loss, every step in order.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"))))
        steps = [int(row["step"]) for row in rows]
        losses = [float(row["loss"]) for row in rows]
    except (UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{name} is not a loss curve with the columns step, loss") from error
    if not steps or steps != list(range(len(steps))):
        raise BadInput(f"{name} does not hold every step, in order from 0")
    return losses
