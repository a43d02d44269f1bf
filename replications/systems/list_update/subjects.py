"""How the list-update models of `infos` are opened, and the lesions of one of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial

from torch import Tensor

from replications import fixtures
from replications.errors import BadInput
from replications.systems.list_update import model
from replications.systems.list_update.format import DOCUMENT, Format
from replications.systems.list_update.infos import GENERATOR, ONE_LAYER, RUNS, SUBJECTS, next_seed
from replications.systems.list_update.lesions import LESIONS as LESION_EDITS
from replications.systems.list_update.measure import ListUpdateSubject
from replications.systems.list_update.measurements.dataset import Generator

LESIONED = "seed3"
"""The seed in which every claim holds; the lesions are made in it."""


LESIONS = tuple(
    replace(info, name=f"{info.name}~{lesion}", gates=False)
    for info in SUBJECTS
    if info.name == LESIONED
    for lesion in LESION_EDITS
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
    if name == GENERATOR.name:
        return Generator()
    run, _, lesion = name.partition("~")
    opened = _open(run, device, dtype)
    return opened.variant(lesion, LESION_EDITS[lesion](opened.task)) if lesion else opened


def _open(name: str, device: str, dtype: str) -> ListUpdateSubject:
    run = RUNS[name]
    layers = 1 if run.one_layer else model.LAYERS
    content = fixtures.read_bytes(run.weights)
    weights = model.read_state_dict(content, run.weights, layers, run.format)
    lens = model.open_model(weights, layers, run.format, device=device, dtype=dtype)
    compared = not run.one_layer and run.format == DOCUMENT
    return ListUpdateSubject(
        name,
        lens,
        run.format,
        seed=run.seed,
        curve=lambda: read_curve(fixtures.read_bytes(run.curve), run.curve),
        one_layer=partial(_one_layer_models, device, dtype) if compared else None,
        other_seed=partial(_open, next_seed(run.seed), device, dtype) if compared else None,
    )


@cache
def _one_layer_models(device: str, dtype: str) -> tuple[ListUpdateSubject, ...]:
    """All models of one layer, opened once for all seeds."""
    return tuple(_open(name, device, dtype) for name in ONE_LAYER)


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
