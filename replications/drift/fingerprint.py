"""Fingerprints of the activations of a subject: a few numbers for each.

An activation is kept as its digest, its root mean square, and its inner products with fixed random
vectors of signs.  From the products of two runs the size of their difference can be estimated
without either tensor.
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
"""The largest relative difference of an activation that rounding explains, in deep models too."""

Opener = Callable[[str], Any]
"""Opens a subject in a dtype, "float32" or "float64"."""


@dataclass(frozen=True)
class Mark:
    """One tensor in a few numbers.

    `sha256` is that of its float64 values and `size` is its root mean square.  Each of `products`
    is the inner product with a vector of signs, divided by the root of the number of values, so
    that it has the magnitude of `size`.
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
        """The estimated root mean square of the difference, relative to the larger `size`."""
        if self.sha256 == other.sha256:
            return 0.0
        square = np.mean(np.square(np.subtract(self.products, other.products)))
        return float(np.sqrt(square) / (max(self.size, other.size) or 1.0))


@cache
def _signs(index: int, size: int) -> np.ndarray:
    # This generator's numbers are the same in every version of numpy.
    return np.random.RandomState(index).randint(0, 2, size).astype(np.float64) * 2 - 1


def fingerprint(open_subject: Opener) -> dict[str, Any] | None:
    """The fingerprint of a subject in both dtypes; None for a subject that is not a model.

    Exceptions of `open_subject` come through unchanged.
    """
    found: dict[str, Any] = {}
    for dtype in DTYPES:
        subject = open_subject(dtype)
        lens = getattr(subject, "lens", None)
        if not isinstance(lens, Lens):
            return None
        tokens = getattr(subject, "tokens", None)  # those it is measured on, if it has any
        tokens = tokens if isinstance(tokens, Tensor) else random_tokens(lens, BATCH, LENGTH)
        found["tokens"] = hashlib.sha256(tokens.long().numpy().tobytes()).hexdigest()
        found[dtype] = [asdict(mark) for mark in marks(lens, tokens[:BATCH])]
    return found


def marks(lens: Lens, tokens: Tensor) -> list[Mark]:
    """Marks of the weights, of every activation in the order of computation, and of the logits."""
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
    """Where two runs of one subject first differ: one line for each dtype.

    One line in all if they had different inputs.
    """
    if old["tokens"] != new["tokens"]:
        return ["the two runs had different tokens"]
    return [f"{dtype}: {_began(old[dtype], new[dtype], FLOORS[dtype])}" for dtype in DTYPES]


def _began(old: list[dict[str, Any]], new: list[dict[str, Any]], floor: float) -> str:
    others = {entry["name"]: Mark(**entry) for entry in new}
    before = 0.0
    for mark in (Mark(**entry) for entry in old):
        if mark.name not in others:
            return f"{mark.name} could be read in one of the runs only"
        apart = mark.apart(others[mark.name])
        if apart > floor:
            return (
                f"first differs at {mark.name}, by {apart:.1e} (before it by at most {before:.1e})"
            )
        before = max(before, apart)
    return f"nowhere differs by more than {floor:g} (at most {before:.1e})"


# ---- files --------------------------------------------------------------------------------------


def write(
    path: Path, subjects: Iterable[tuple[str, Opener]], environment: Mapping[str, Any]
) -> list[str]:
    """Write the fingerprints of subjects, given by name, to a file.

    Returns one line for each subject that was left out because opening it raised FixtureMissing or
    Unsupported.  Other exceptions come through; BadInput if the file cannot be written.
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
    """The fingerprints in a trace file, by subject.  BadInput if it is not of this schema."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise BadInput(f"cannot read the trace {path}: {exc}") from exc
    if not isinstance(content, dict) or content.get("trace") != SCHEMA:
        raise BadInput(f"{path} is not a trace of schema {SCHEMA}; write it again")
    subjects: Mapping[str, Any] = content["subjects"]
    return subjects
