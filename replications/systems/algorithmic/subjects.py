"""How the models of `infos` are opened, and the lesions of the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from replications import fixtures
from replications.errors import BadInput
from replications.judging import SubjectInfo
from replications.systems.algorithmic.infos import ORIGINALS, SUBJECTS
from replications.systems.algorithmic.lesions import LESIONS as LESION_EDITS
from replications.systems.algorithmic.measure import (
    CumsumSubject,
    OneLayerSumSubject,
    PalindromeSubject,
    SortedSubject,
    SumSubject,
    UniqueSubject,
)
from replications.systems.algorithmic.model import MODELS, SUM_ONE_LAYER
from replications.systems.algorithmic.problems import PUBLISHED_SEED

Subject = PalindromeSubject | UniqueSubject | SumSubject | SortedSubject | CumsumSubject
KINDS: Mapping[str, type[Subject]] = {
    "palindrome": PalindromeSubject,
    "unique": UniqueSubject,
    "sum": SumSubject,
    "sum-one-layer": OneLayerSumSubject,
    "sorted": SortedSubject,
    "cumsum": CumsumSubject,
}
"""The kind of subject that measures each problem's model."""

_ALL_MODELS = {**MODELS, SUM_ONE_LAYER.problem: SUM_ONE_LAYER}


LESIONS = tuple(
    replace(info, name=f"{info.name}~{lesion}", gates=False)
    for info in ORIGINALS
    for lesion in LESION_EDITS[info.name]
)


def subject(
    name: str,
    *,
    state_dict: Mapping[str, Tensor] | None = None,
    device: str = "cpu",
    dtype: str = "float32",
) -> Subject:
    """Open a subject by name, or measure other weights for the problem of that name.

    Weights of one's own have their embedding in the order of tokens (see `Model`). Raises BadInput
    for an unknown name or weights that do not fit, FixtureMissing when a file cannot be reached,
    FixtureCorrupt when one is not what the manifest says.
    """
    known = {info.name: info for info in (*SUBJECTS, *LESIONS)}
    if name not in known:
        raise BadInput(f"unknown algorithmic subject {name!r}; there are: {', '.join(known)}")
    whole, _, lesion = name.partition("~")
    problem, _, seed = whole.partition("-retrained/seed")
    model = _ALL_MODELS[problem]
    if state_dict is None:
        state_dict = _weights(known[whole])
    lens = model.open(state_dict, device=device, dtype=dtype)
    number = int(seed or PUBLISHED_SEED)
    intact = KINDS[problem](whole, lens, seed=number, by_role=bool(seed))
    if not lesion:
        return intact
    return intact.variant(lesion, LESION_EDITS[problem][lesion](intact.lens))


def _weights(info: SubjectInfo) -> dict[str, Tensor]:
    """The weights in a subject's file."""
    file, problem = info.fixtures[0], info.name.partition("-retrained/")[0]
    content = fixtures.read_bytes(file)
    if info.kind == "original":
        return _ALL_MODELS[problem].published(content)
    return _ALL_MODELS[problem].read(content, file)
