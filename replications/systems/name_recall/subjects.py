"""How the models of `infos` are opened, and the lesions of the toys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from replications import fixtures
from replications.errors import BadInput
from replications.lens import open_pretrained
from replications.models.tokenizers import Tokenizer, open_tokenizer
from replications.systems.name_recall import construction, model
from replications.systems.name_recall.data import DOCUMENT, generate, tokenizer
from replications.systems.name_recall.infos import (
    CONSTRUCTION,
    ONE_LAYER,
    SUBJECTS,
    TOYS,
    toy,
    weights,
)
from replications.systems.name_recall.lesions import LESIONS as LESION_EDITS
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.roles import PUBLISHED, Roles

SAMPLE_SEED, SAMPLE_TEXTS = 2_000_000, 500


@dataclass(frozen=True)
class _Original:
    """What the document says about a published model.

    The heads it names, if any, and the block after which it patches the last name's position.
    """

    roles: Roles | None = None
    stored_after: int | None = None


_ORIGINALS = {"gpt2-small": _Original(stored_after=6), "gelu-2l": _Original(roles=PUBLISHED)}
LESIONS = tuple(
    replace(toy(name), name=f"{name}~{lesion}") for name in TOYS for lesion in LESION_EDITS
)


def subject(
    name: str | None = None,
    *,
    state_dict: Mapping[str, Tensor] | None = None,
    device: str = "cpu",
    dtype: str = "float32",
) -> NameRecallSubject:
    """Open a subject by name, or measure weights of your own.

    `subject("toy/seed0")` is a toy of ours, `subject("toy/seed0~copying heads zeroed")` the same
    toy with one part destroyed; `subject(state_dict=sd)` is any model with the architecture of the
    two-layer toys and their vocabulary (TransformerLens's classic names).

    Raises BadInput for an unknown name or weights that do not fit, FixtureMissing when a file
    cannot be reached, FixtureCorrupt when one is not what the manifest says.
    """
    if (name is None) == (state_dict is None):
        raise BadInput("give either the name of a subject or a state_dict")
    if state_dict is not None:
        lens = model.open_model(state_dict, device=device, dtype=dtype)
        return NameRecallSubject("custom", lens, tokenizer(), sample=_toy_sample)
    if name in _ORIGINALS:
        return _open_original(name, device, dtype)
    if name in TOYS or name in ONE_LAYER:
        return _open_toy(name, device, dtype)
    if name == CONSTRUCTION:
        return _open_by_hand(device, dtype)
    if name in {info.name for info in LESIONS}:
        return _open_lesion(name, device, dtype)
    known = ", ".join(info.name for info in (*SUBJECTS, *LESIONS))
    raise BadInput(f"unknown name-recall subject {name!r}; there are: {known}")


def _open_original(name: str, device: str, dtype: str) -> NameRecallSubject:
    words = open_tokenizer(name)
    return NameRecallSubject(
        name,
        open_pretrained(name, device=device, dtype=getattr(torch, dtype)),
        words,
        names=[DOCUMENT],
        roles=_ORIGINALS[name].roles,
        stored_after=_ORIGINALS[name].stored_after,
        sample=partial(_english, words),
    )


def _open_toy(name: str, device: str, dtype: str) -> NameRecallSubject:
    file, layers = weights(name), model.LAYERS if name in TOYS else 1
    state_dict = model.read_state_dict(fixtures.read_bytes(file), file, layers)
    return NameRecallSubject(
        name,
        model.open_model(state_dict, layers, device=device, dtype=dtype),
        tokenizer(),
        one_layer=partial(_one_layer_models, device, dtype) if name in TOYS else None,
        sample=_toy_sample,
    )


def _open_by_hand(device: str, dtype: str) -> NameRecallSubject:
    lens = construction.two_layer_lens(device=device, dtype=dtype)
    return NameRecallSubject(CONSTRUCTION, lens, construction.VOCABULARY, roles=PUBLISHED)


def _open_lesion(name: str, device: str, dtype: str) -> NameRecallSubject:
    whole, lesion = name.split("~")
    intact = _open_toy(whole, device, dtype)
    damaged = LESION_EDITS[lesion](intact.lens.state_dict, intact.roles)
    return intact.variant(lesion, intact.lens.reopen(damaged))


@cache
def _one_layer_models(device: str, dtype: str) -> Sequence[NameRecallSubject]:
    """Opened once for all seeds: what is measured on them is the same."""
    return tuple(_open_toy(name, device, dtype) for name in ONE_LAYER)


def _toy_sample() -> Tensor:
    """Texts of the kind that the toys were trained on, joined: long [n]."""
    return generate(SAMPLE_TEXTS, np.random.default_rng(SAMPLE_SEED))[:, 1:].flatten()


def _english(words: Tokenizer) -> Tensor:
    """English prose that comes with Python, the texts of its built-in help: long [n]."""
    from pydoc_data.topics import topics

    return torch.tensor([token for text in topics.values() for token in words.encode(text)])
