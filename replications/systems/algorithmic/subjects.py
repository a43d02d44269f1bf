"""The models of algorithmic problems that are measured: published, and lesioned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from replications import fixtures
from replications.errors import BadInput
from replications.judging import SubjectInfo
from replications.systems.algorithmic.lesions import LESIONS as LESION_EDITS
from replications.systems.algorithmic.measure import (
    CumsumSubject,
    PalindromeSubject,
    SortedSubject,
    SumSubject,
    UniqueSubject,
)
from replications.systems.algorithmic.model import MODELS

Subject = PalindromeSubject | UniqueSubject | SumSubject | SortedSubject | CumsumSubject
KINDS: Mapping[str, type[Subject]] = {
    "palindrome": PalindromeSubject,
    "unique": UniqueSubject,
    "sum": SumSubject,
    "sorted": SortedSubject,
    "cumsum": CumsumSubject,
}
"""The kind of subject that measures each problem's model."""

SUBJECTS = tuple(
    SubjectInfo(
        system="algorithmic",
        name=problem,
        group=problem,
        kind="original",
        gates=True,
        fixtures=(model.fixture,),
        remedy="python -m replications fixtures fetch",
    )
    for problem, model in MODELS.items()
)
LESIONS = tuple(
    replace(info, name=f"{info.name}~{lesion}", gates=False)
    for info in SUBJECTS
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

    Raises BadInput for an unknown name or weights that do not fit, FixtureMissing when a file
    cannot be reached, FixtureCorrupt when one is not what the manifest says.
    """
    known = [info.name for info in (*SUBJECTS, *LESIONS)]
    if name not in known:
        raise BadInput(f"unknown algorithmic subject {name!r}; there are: {', '.join(known)}")
    problem, _, lesion = name.partition("~")
    model = MODELS[problem]
    if state_dict is None:
        state_dict = model.published(fixtures.read_bytes(model.fixture))
    intact = KINDS[problem](problem, model.open(state_dict, device=device, dtype=dtype))
    if not lesion:
        return intact
    return intact.variant(lesion, LESION_EDITS[problem][lesion](intact.lens))
