"""Fingerprints of activations: what a subject computes, place by place, in a few numbers.

Each activation is kept as its digest, its size, and its inner products with fixed random vectors
of signs: the products of two runs tell the size of their difference without either tensor.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from replications import files
from replications.errors import BadInput, FixtureMissing, Unsupported
from replications.lens import Lens
from replications.lens.soundness import places_of, random_tokens

SCHEMA = 1
PRODUCTS = 8
BATCH, LENGTH = 16, 42
DTYPES = ("float32", "float64")
FLOORS = {"float32": 1e-5, "float64": 1e-10}
"""Below this relative difference an activation has not moved: rounding, with room for depth."""


Opener = Callable[[str], Any]
"""Opens a subject in a dtype."""


@dataclass(frozen=True)
class Mark:
    """One tensor in a few numbers: sha256 of its float64 values, root mean square, products.

    A product is divided by the root of the number of values, so that the products of a difference
    are of the size of its root mean square.
    """

    name: str
    sha256: str
    size: float
    products: tuple[float, ...]

    @classmethod
    def of(cls, name: str, value: Tensor) -> Mark:
        flat = value.detach().cpu().double().flatten().numpy()
        root = math.sqrt(flat.size)
        products = tuple(float(_signs(i, flat.size) @ flat) / root for i in range(PRODUCTS))
        size = float(np.sqrt(np.mean(flat**2)))
        return cls(
            name, hashlib.sha256(flat.tobytes()).hexdigest(), size, tuple(map(float, products))
        )

    def apart(self, other: Mark) -> float:
        """The estimated root mean square of the difference, relative to the larger of the two."""
        if self.sha256 == other.sha256:
            return 0.0
        square = np.mean(np.square(np.subtract(self.products, other.products)))
        return float(np.sqrt(square) / (max(self.size, other.size) or 1.0))


@cache
def _signs(index: int, size: int) -> np.ndarray:
    # This generator's numbers are the same in every version of numpy.
    return np.random.RandomState(index).randint(0, 2, size).astype(np.float64) * 2 - 1


def fingerprint(open_subject: Opener) -> dict[str, Any] | None:
    """The fingerprint of a subject in both dtypes; None for one that is no model.

    `open_subject` opens it in a dtype, "float32" or "float64"; what it raises comes through.
    """
    found: dict[str, Any] = {}
    for dtype in DTYPES:
        subject = open_subject(dtype)
        lens = getattr(subject, "lens", None)
        if not isinstance(lens, Lens):
            return None
        tokens = getattr(subject, "tokens", None)  # what it is measured on, where it says so
        tokens = tokens if isinstance(tokens, Tensor) else random_tokens(lens, BATCH, LENGTH)
        found["tokens"] = hashlib.sha256(tokens.long().numpy().tobytes()).hexdigest()
        found[dtype] = [asdict(mark) for mark in marks(lens, tokens[:BATCH])]
    return found


def marks(lens: Lens, tokens: Tensor) -> list[Mark]:
    """The weights, every place in the order it is computed, and the logits, of one run."""
    stacked = torch.cat([v.detach().cpu().flatten() for _, v in sorted(lens.state_dict.items())])
    places = places_of(lens, range(lens.shape.n_layers))
    run = lens.run(
        tokens, {repr(place): place for place in places if place.site not in lens.soundness().wrong}
    )
    found = [Mark.of("weights", stacked)]
    found += [Mark.of(name, value) for name, value in run.reads.items()]
    centred = run.logits - run.logits.mean(-1, keepdim=True)
    return [*found, Mark.of("logits less their mean", centred), Mark.of("logits", run.logits)]


def began(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Where two traces of one subject part, a line for each dtype; first of all their tokens."""
    if old["tokens"] != new["tokens"]:
        return ["they were given other tokens"]
    return [f"{dtype}: {_began(old[dtype], new[dtype], FLOORS[dtype])}" for dtype in DTYPES]


def _began(old: list[dict[str, Any]], new: list[dict[str, Any]], floor: float) -> str:
    others = {entry["name"]: Mark(**entry) for entry in new}
    before = 0.0
    for mark in (Mark(**entry) for entry in old):
        if mark.name not in others:
            return f"{mark.name} could be read in one of them only"
        apart = mark.apart(others[mark.name])
        if apart > floor:
            return f"first apart at {mark.name}, by {apart:.1e} (up to {before:.1e} before it)"
        before = max(before, apart)
    return f"nowhere apart by more than {floor:g} (at most {before:.1e})"


# ---- files --------------------------------------------------------------------------------------


def write(
    path: Path, subjects: Iterable[tuple[str, Opener]], environment: Mapping[str, Any]
) -> list[str]:
    """Write the fingerprints of subjects, by name; returns those left out, with the reason.

    Raises BadInput if the file cannot be written, and what opening a subject raises other than
    FixtureMissing and Unsupported.
    """
    found, left_out = {}, []
    for name, open_subject in subjects:
        try:
            taken = fingerprint(open_subject)
        except (FixtureMissing, Unsupported) as exc:
            left_out.append(f"{name}: {exc}")
            continue
        if taken is not None:
            found[name] = taken
    content = {"trace": SCHEMA, "environment": dict(environment), "subjects": found}
    files.write_text(path, json.dumps(content) + "\n")
    return left_out


def read(path: Path) -> Mapping[str, Any]:
    """The subjects of a trace file.  BadInput if it is not one of this schema."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise BadInput(f"cannot read the trace {path}: {exc}") from exc
    if not isinstance(content, dict) or content.get("trace") != SCHEMA:
        raise BadInput(f"{path} is no trace of schema {SCHEMA}; write it again")
    subjects: Mapping[str, Any] = content["subjects"]
    return subjects
