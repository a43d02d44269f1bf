"""The models of algorithmic problems that are measured: published, retrained by us, lesioned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from torch import Tensor

from replications import fixtures
from replications.errors import BadInput
from replications.judging import SubjectInfo
from replications.systems.algorithmic.lesions import LESIONS as LESION_EDITS
from replications.systems.algorithmic.measure import (
    PUBLISHED_SEED,
    CumsumSubject,
    OneLayerSumSubject,
    PalindromeSubject,
    SortedSubject,
    SumSubject,
    UniqueSubject,
)
from replications.systems.algorithmic.model import MODELS, SUM_ONE_LAYER

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

_ORIGINALS = tuple(
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
MEASURED_WHOLE = 1
"""How many retrained models of a problem each run measures in full, beside the one from the
published start; on the others it skips what is costly."""
_TRAINED = re.compile(r"algorithmic/([\w-]+)-seed(\d+)\.safetensors")
"""The files of models that were trained here."""
_ALL_MODELS = {**MODELS, SUM_ONE_LAYER.problem: SUM_ONE_LAYER}


def retrained(files: Iterable[str]) -> tuple[SubjectInfo, ...]:
    """A subject for each of these files that holds a model trained here, by problem and seed.

    `algorithmic/sum-seed1.safetensors` is `sum-retrained/seed1`, of the group `sum-retrained`.
    Models from the published start, seed 42, are a group of their own: `sum-published-start`.
    """
    found = [match for name in files if (match := _TRAINED.fullmatch(name))]
    known = [(match[1], int(match[2]), match[0]) for match in found if match[1] in _ALL_MODELS]
    order = list(_ALL_MODELS)
    known.sort(key=lambda run: (order.index(run[0]), run[1]))
    return tuple(_trained(*run) for run in known)


def _trained(problem: str, seed: int, file: str) -> SubjectInfo:
    start = "published-start" if seed == PUBLISHED_SEED else "retrained"
    return SubjectInfo(
        system="algorithmic",
        name=f"{problem}-retrained/seed{seed}",
        group=f"{problem}-{start}",
        kind="retrained",
        gates=False,
        fixtures=(file,),
        remedy=f"python -m replications train algorithmic/{problem} --seed {seed}",
        further=start == "retrained" and seed >= MEASURED_WHOLE,
    )


SUBJECTS = (*_ORIGINALS, *retrained(fixtures.manifest()))
LESIONS = tuple(
    replace(info, name=f"{info.name}~{lesion}", gates=False)
    for info in _ORIGINALS
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
