"""What can be opened: GPT-2 small, toys, their lesions, and the texts, which need no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from replications import fixtures
from replications.errors import BadInput, FixtureLost
from replications.judging.claim import SubjectInfo
from replications.lens import PRETRAINED, Lens, open_pretrained
from replications.models.shape import Shape
from replications.models.tokenizers import Tokenizer
from replications.systems.ioi import construction, model
from replications.systems.ioi.data import Document, Sample, draw, toy_tokenizer
from replications.systems.ioi.lesions import LESIONS as LESION_TASKS
from replications.systems.ioi.lesions import OF_CONSTRUCTION, OF_TOYS
from replications.systems.ioi.measure import IoiSubject
from replications.systems.ioi.measurements import Arithmetic
from replications.systems.ioi.regimes import regime
from replications.systems.ioi.roles import PUBLISHED
from replications.systems.ioi.task import Task
from replications.systems.ioi.train_circuit import SHAPE as CIRCUIT_SHAPE
from replications.systems.seeds import with_listed

GPT2 = "gpt2-small"
GPT2_TOKENIZER = f"{GPT2}/tokenizer.json"
OWN = f"{GPT2}/own"
"""GPT-2 small on prompts of our own, more than the document has."""
OWN_PROMPTS = 48
"""Each of our six templates has both patterns four times."""
TOY_PROMPTS = 96
CIRCUIT_PROMPTS = 48
"""Fewer, since these models have more heads and take longer."""
TEXT = "text"
CONSTRUCTION = "construction"
CONSTRUCTION_PROMPTS = 12
CIRCUIT = "circuit"
"""Models that read long texts: a recipe of their own, and not compared with any other."""
LESIONED = "repairing/seed0"
"""The toy of which lesions are made."""


@dataclass(frozen=True)
class _Toy:
    """One training run."""

    regime: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.regime}/seed{self.seed}"

    @property
    def weights(self) -> str:
        return f"ioi/{self.regime}-seed{self.seed}.safetensors"

    @property
    def shape(self) -> Shape:
        if self.regime == CIRCUIT:
            return CIRCUIT_SHAPE
        chosen = regime(self.regime)
        return model.shape(chosen.layers, chosen.heads, chosen.d_model, chosen.d_mlp)

    @property
    def command(self) -> str:
        """How it was trained."""
        if self.regime == CIRCUIT:
            return f"python -m replications train ioi/circuit --seed {self.seed}"
        return f"python -m replications train ioi --seed {self.seed} --regime {self.regime}"


SEEDS = {
    "repairing": 5,
    "kept": 5,
    "plain": 2,
    "certain": 2,
    "smoothed": 2,
    "zeroed": 2,
    "everywhere": 2,
    "narrow": 2,
    CIRCUIT: 5,
}
"""How many runs of each regime there are; their seeds count from 0."""
TOYS = tuple(
    _Toy(name, seed)
    for name, seeds in SEEDS.items()
    for seed in with_listed(range(seeds), f"ioi/{name}-seed{{seed}}.safetensors")
)
MEASURED_WHOLE = 1
"""How many models of a regime each run measures in full; on the others it skips what is costly."""
COMPARED = {"repairing": "kept", "kept": "repairing", "narrow": "repairing", "plain": "repairing"}
"""The regime that a model is compared with; all others are compared with `kept`."""


def _other(toy: _Toy) -> _Toy | None:
    """The model to compare with: of this seed if there is one, or else a model of `plain`."""
    if toy.regime == CIRCUIT:
        return None
    regime = COMPARED.get(toy.regime, "kept")
    wanted = (_Toy(regime, toy.seed), _Toy(regime, 0), _Toy("plain", 0))
    return next(other for other in wanted if other.weights in fixtures.manifest())


def _info(toy: _Toy) -> SubjectInfo:
    return SubjectInfo(
        system="ioi",
        name=toy.name,
        group=toy.regime,
        kind="toy",
        gates=False,
        fixtures=tuple(read.weights for read in (toy, _other(toy)) if read),
        remedy=toy.command,
        further=toy.seed >= MEASURED_WHOLE,
    )


# It tests the measurements, not the finding: a run that is not thorough leaves out what is costly.
_BY_HAND = replace(
    SubjectInfo("ioi", CONSTRUCTION, CONSTRUCTION, "construction", False, ()), further=True
)
SUBJECTS = (
    SubjectInfo(
        system="ioi",
        name=GPT2,
        group=GPT2,
        kind="original",
        gates=True,
        fixtures=(*PRETRAINED[GPT2], GPT2_TOKENIZER),
        remedy=f"python -m replications fixtures fetch {GPT2}",
    ),
    SubjectInfo(
        system="ioi",
        name=OWN,
        group=OWN,
        kind="original",
        gates=True,
        fixtures=(*PRETRAINED[GPT2], GPT2_TOKENIZER),
        remedy=f"python -m replications fixtures fetch {GPT2}",
    ),
    *(_info(toy) for toy in TOYS),
    _BY_HAND,
    SubjectInfo("ioi", TEXT, TEXT, "toy", True, ()),
)
LESIONS = (
    *(replace(_BY_HAND, name=f"{CONSTRUCTION}~{lesion}") for lesion in OF_CONSTRUCTION),
    *(
        replace(_info(toy), name=f"{toy.name}~{lesion}")
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
    if name not in {info.name for info in (*SUBJECTS, *LESIONS)}:
        known = ", ".join(info.name for info in (*SUBJECTS, *LESIONS))
        raise BadInput(f"unknown subject {name!r} of ioi; there are: {known}")
    model_name, _, lesion = name.partition("~")
    found = _intact(model_name, device, dtype)
    return found.variant(lesion, LESION_TASKS[lesion](found)) if lesion else found


def _intact(name: str, device: str, dtype: str) -> IoiSubject:
    if name == CONSTRUCTION:
        return _by_hand(device, dtype)
    return _open(next(toy for toy in TOYS if toy.name == name), device, dtype)


def _open(toy: _Toy, device: str, dtype: str) -> IoiSubject:
    if toy.weights not in fixtures.manifest():
        raise FixtureLost(f"{toy.weights} is not among the files that are shipped yet")
    weights = model.read_state_dict(fixtures.read_bytes(toy.weights), toy.weights, toy.shape)
    compared = _other(toy)
    other = partial(_open, compared, device, dtype) if compared else None
    n = CIRCUIT_PROMPTS if toy.regime == CIRCUIT else TOY_PROMPTS
    return _measured(toy.name, weights, toy.shape, device, dtype, other, n)


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
