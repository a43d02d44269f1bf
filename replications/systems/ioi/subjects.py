"""How the subjects of `infos` are opened, and the lesions of two of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from replications import fixtures
from replications.errors import BadInput, FixtureLost
from replications.lens import Lens, open_pretrained
from replications.models.shape import Shape
from replications.models.tokenizers import Tokenizer
from replications.systems.ioi import construction, model
from replications.systems.ioi.data import Document, Sample, draw, toy_tokenizer
from replications.systems.ioi.infos import (
    BY_HAND,
    CIRCUIT,
    CONSTRUCTION,
    GPT2,
    GPT2_TOKENIZER,
    OWN,
    SUBJECTS,
    TEXT,
    TOYS,
    Toy,
    info,
    other,
)
from replications.systems.ioi.lesions import LESIONS as LESION_TASKS
from replications.systems.ioi.lesions import OF_CONSTRUCTION, OF_TOYS
from replications.systems.ioi.measure import IoiSubject
from replications.systems.ioi.measurements import Arithmetic
from replications.systems.ioi.regimes import regime
from replications.systems.ioi.roles import PUBLISHED
from replications.systems.ioi.task import Task
from replications.systems.ioi.train_circuit import SHAPE as CIRCUIT_SHAPE

OWN_PROMPTS = 48
"""Each of our six templates has both patterns four times."""
TOY_PROMPTS = 96
CIRCUIT_PROMPTS = 48
"""Fewer, since these models have more heads and take longer."""
CONSTRUCTION_PROMPTS = 12
LESIONED = "repairing/seed0"
"""The toy of which lesions are made."""

LESIONS = (
    *(replace(BY_HAND, name=f"{CONSTRUCTION}~{lesion}") for lesion in OF_CONSTRUCTION),
    *(
        replace(info(toy), name=f"{toy.name}~{lesion}")
        for toy in TOYS
        if toy.name == LESIONED
        for lesion in OF_TOYS
    ),
)
"""The lesions of the construction, and some of one toy."""


def subject(
    name: str | None = None,
    *,
    state_dict: Mapping[str, Tensor] | None = None,
    shape: Shape | None = None,
    device: str = "cpu",
    dtype: str = "float32",
) -> IoiSubject | Arithmetic:
    """Open a subject by name, or measure weights of your own.

    `subject("repairing/seed0")` is a toy that we trained, `subject("repairing/seed0~name mover
    mean")` is that toy with a lesion. `subject(state_dict=sd, shape=s)` is a model of your own on
    the toy vocabulary, with an architecture of `model.shape` and TransformerLens's classic names.

    Raises BadInput for an unknown name or weights that do not fit, FixtureMissing when a file
    cannot be reached, FixtureCorrupt when one is not what the manifest says.
    """
    if (name is None) == (state_dict is None) or (state_dict is None) != (shape is None):
        raise BadInput("give either the name of a subject, or a state_dict and its shape")
    if state_dict is not None and shape is not None:
        return _measured("custom", state_dict, shape, device, dtype)
    if name == TEXT:
        return Arithmetic()
    if name in (GPT2, OWN):
        return _gpt2(name, Document() if name == GPT2 else draw(OWN_PROMPTS), device, dtype)
    known = [listed.name for listed in (*SUBJECTS, *LESIONS)]
    if name not in known:
        raise BadInput(f"unknown subject {name!r} of ioi; there are: {', '.join(known)}")
    model_name, _, lesion = name.partition("~")
    found = _intact(model_name, device, dtype)
    return found.variant(lesion, LESION_TASKS[lesion](found)) if lesion else found


def _intact(name: str, device: str, dtype: str) -> IoiSubject:
    if name == CONSTRUCTION:
        return _by_hand(device, dtype)
    return _open(next(toy for toy in TOYS if toy.name == name), device, dtype)


def _open(toy: Toy, device: str, dtype: str) -> IoiSubject:
    if toy.weights not in fixtures.manifest():
        raise FixtureLost(f"{toy.weights} is not among the files that are shipped yet")
    shape = _shape(toy)
    weights = model.read_state_dict(fixtures.read_bytes(toy.weights), toy.weights, shape)
    compared = other(toy)
    opening = partial(_open, compared, device, dtype) if compared else None
    n = CIRCUIT_PROMPTS if toy.regime == CIRCUIT else TOY_PROMPTS
    return _measured(toy.name, weights, shape, device, dtype, opening, n)


def _shape(toy: Toy) -> Shape:
    if toy.regime == CIRCUIT:
        return CIRCUIT_SHAPE
    chosen = regime(toy.regime)
    return model.shape(chosen.layers, chosen.heads, chosen.d_model, chosen.d_mlp)


def _measured(
    name: str,
    weights: Mapping[str, Tensor],
    shape: Shape,
    device: str,
    dtype: str,
    other: Callable[[], IoiSubject] | None = None,
    n: int = TOY_PROMPTS,
) -> IoiSubject:
    lens = model.open_model(weights, shape, device=device, dtype=dtype)
    return IoiSubject(name, _toy_task(lens, n), other=other)


def _by_hand(device: str, dtype: str) -> IoiSubject:
    return by_hand(construction.files(), device, dtype)


def by_hand(files: Mapping[str, bytes], device: str = "cpu", dtype: str = "float32") -> IoiSubject:
    """The construction, or one without a part, from the content of its files."""
    # Imported late: TransformerLens takes seconds to import.
    from replications.lens.pretrained import open_gpt2

    words = Tokenizer.from_json(files["tokenizer.json"])
    real = getattr(torch, dtype)
    lens = open_gpt2(files["config.json"], files["model.safetensors"], device=device, dtype=real)
    task = Task(lens, words, bos=True, sample=draw(CONSTRUCTION_PROMPTS))
    return IoiSubject(CONSTRUCTION, task, roles=construction.ROLES)


def _toy_task(lens: Lens, n: int) -> Task:
    return Task(lens, toy_tokenizer(), bos=True, sample=draw(n))


def _gpt2(name: str, sample: Sample, device: str, dtype: str) -> IoiSubject:
    words = Tokenizer.from_json(fixtures.read_bytes(GPT2_TOKENIZER))
    lens = open_pretrained(GPT2, device=device, dtype=dtype)
    # No token opens the document's prompts.
    return IoiSubject(name, Task(lens, words, bos=False, sample=sample), roles=PUBLISHED)
