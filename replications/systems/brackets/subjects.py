"""How the bracket classifiers of `infos` are opened, and the lesions of two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, lru_cache

from torch import Tensor

from replications import fixtures
from replications.errors import BadInput
from replications.judging.claim import SubjectInfo
from replications.systems.brackets import model
from replications.systems.brackets.constructions import Constructions
from replications.systems.brackets.data import BracketData, generate
from replications.systems.brackets.infos import (
    ARENA,
    ARENA_DATA,
    ARENA_WEIGHTS,
    CONSTRUCTION,
    SUBJECTS,
    retrained,
)
from replications.systems.brackets.lesions import LESIONS as LESION_EDITS
from replications.systems.brackets.measure import BracketSubject
from replications.systems.brackets.published_pickle import read_strings
from replications.systems.brackets.roles import PUBLISHED

SCRUBBED_DATA = "scrubbing/parens.zip"
"""Read when a scrubbing claim needs it: without it, only these claims are skipped."""
STRINGS = 5000
"""How many strings a subject is measured on; the published data set holds 100,000."""
RETRAINED_STRINGS = 2000
"""The first of these, on which retrained models are measured in everything but accuracy: there are
nine of them."""
LESIONED_SEED = 7
"""The retrained model on which most tier-1 claims hold; it is lesioned too."""
MEASUREMENT_SEED = 2_000_000
"""Seed of the strings that the retrained models are measured on; none was trained on them."""


def _lesioned(info: SubjectInfo, lesion: str) -> SubjectInfo:
    return replace(info, name=f"{info.name}~{lesion}", gates=False)


SHIPPED_LESIONS = ("W_OV of 0.0 random", "LayerNorm before scale and bias", "untrained")
"""Lesions of a model that is in the repository, for machines without the published weights."""
LESIONS = (
    *(_lesioned(ARENA, name) for name in LESION_EDITS),
    *(_lesioned(retrained(LESIONED_SEED), name) for name in SHIPPED_LESIONS),
)


def subject(
    name: str | None = None,
    *,
    state_dict: Mapping[str, Tensor] | None = None,
    data: BracketData | None = None,
    device: str = "cpu",
    dtype: str = "float32",
) -> BracketSubject | Constructions:
    """Open a subject by name, or measure weights of your own.

    `subject("arena")` is the published model on its published strings; `subject(state_dict=sd)`
    is any model of the same architecture (TransformerLens's classic names), by default on 5,000
    strings of the published distribution, its heads found by role.

    Raises BadInput for an unknown name or weights that do not fit, FixtureMissing when a file
    cannot be reached, FixtureCorrupt when one is not what the manifest says.
    """
    if (name is None) == (state_dict is None):
        raise BadInput("give either the name of a subject or a state_dict")
    if state_dict is not None:
        lens = model.open_model(state_dict, device=device, dtype=dtype)
        return BracketSubject("custom", lens, _measurement_data() if data is None else data)
    known = {info.name: info for info in (*SUBJECTS, *LESIONS)}
    if name not in known:
        raise BadInput(f"unknown bracket subject {name!r}; there are: {', '.join(known)}")
    if name == CONSTRUCTION.name:
        return Constructions()
    whole, _, lesion = name.partition("~")
    if whole == ARENA.name:
        found = _open_arena(data, device, dtype)
    else:
        found = _open_retrained(known[name], data, device, dtype)
    return found.lesioned(lesion) if lesion else found


def _open_retrained(
    info: SubjectInfo, data: BracketData | None, device: str, dtype: str
) -> BracketSubject:
    weights = model.read_state_dict(fixtures.read_bytes(info.fixtures[0]), info.fixtures[0])
    name = info.name.partition("~")[0]
    lens = model.open_model(weights, device=device, dtype=dtype)
    if data is not None:
        return BracketSubject(name, lens, data)
    return BracketSubject(
        name,
        lens,
        _retrained_data(),
        full_data=_measurement_data,
        untrained=lambda: _untrained(device, dtype),
    )


def _open_arena(data: BracketData | None, device: str, dtype: str) -> BracketSubject:
    weights = model.read_state_dict(fixtures.read_bytes(ARENA_WEIGHTS), ARENA_WEIGHTS)
    content = fixtures.read_bytes(ARENA_DATA)
    return BracketSubject(
        ARENA.name,
        model.open_model(weights, device=device, dtype=dtype),
        _published_data(content, STRINGS) if data is None else data,
        roles=PUBLISHED,
        full_data=lambda: _published_data(content),
        scrubbed=_scrubbed_data,
    )


@lru_cache(maxsize=2)
def _published_data(content: bytes, limit: int | None = None) -> BracketData:
    """The published strings, which the published model and all its lesions share."""
    return BracketData.from_json_bytes(content, limit=limit)


@cache
def _scrubbed_data() -> BracketData:
    """The strings on which Redwood Research scrubbed the published model."""
    return read_strings(fixtures.read_bytes(SCRUBBED_DATA))


@cache
def _untrained(device: str, dtype: str) -> BracketSubject:
    """The control that all retrained models share: one set of runs for all of them."""
    lens = model.open_model(model.untrained_state_dict(seed=0), device=device, dtype=dtype)
    return BracketSubject(
        "untrained", lens, _retrained_data(), roles=PUBLISHED, full_data=_measurement_data
    )


@cache
def _measurement_data() -> BracketData:
    return generate(STRINGS, MEASUREMENT_SEED)


@cache
def _retrained_data() -> BracketData:
    return _measurement_data().subset(slice(RETRAINED_STRINGS))
