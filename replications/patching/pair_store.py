"""Finished pairs of a sweep in a folder, so that an interrupted sweep goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from replications import files
from replications.errors import BadInput
from replications.models.network import Network
from replications.patching.prompt_pair import Question

ABOUT, FINISHED = "run.json", "finished"
NAMES = {"model": "the model"}
"""What an error calls a setting, if not by its name."""


@dataclass(frozen=True)
class Store:
    """The pairs of one model, with one set of options, in `folder`."""

    folder: Path

    def read(self, question: Question) -> dict[str, Tensor] | None:
        """What was kept of a pair; None if it was not finished, or its file is damaged."""
        try:
            return safetensors.torch.load_file(self._path(question))
        except (OSError, safetensors.SafetensorError):
            return None

    def write(self, question: Question, values: Mapping[str, Tensor]) -> None:
        """Keep what was measured of a pair. Raises BadInput if it cannot be written."""
        content = {name: value.contiguous() for name, value in values.items()}
        files.write_bytes(self._path(question), safetensors.torch.save(content))

    def _path(self, question: Question) -> Path:
        asked = [
            question.clean.tolist(), question.corrupted.tolist(),
            question.answer, question.against, question.at,
        ]  # fmt: skip
        digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
        return self.folder / FINISHED / f"{digest[:24]}.safetensors"


def open_store(folder: Path, network: Network, options: Mapping[str, object]) -> Store:
    """The store of a folder, for one model and one set of options.

    Raises BadInput if the folder has finished pairs of another model, or with other options.
    """
    about = {"model": digest(network)} | {name: str(value) for name, value in options.items()}
    path = folder / ABOUT
    if path.is_file():
        try:
            before = json.loads(files.read_text(path))
        except ValueError as exc:
            raise BadInput(f"{path} is damaged; remove {folder} or give another --out") from exc
        other = [name for name in about if before.get(name) != about[name]]
        if other:
            said = ", ".join(NAMES.get(name, f"--{name} {before.get(name)}") for name in other)
            raise BadInput(
                f"{folder} holds a sweep of pairs that is not this one (another: {said}); remove "
                "it or give another --out"
            )
    try:
        (folder / FINISHED).mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise BadInput(f"cannot make the folder {folder / FINISHED}: {exc.strerror}") from exc
    files.write_text(path, json.dumps(about, indent=1) + "\n")
    return Store(folder)


def digest(network: Network) -> str:
    """A sha256 of the architecture and the weights of a network."""
    found = hashlib.sha256(repr(network.shape).encode())
    for field in fields(network):
        value = getattr(network, field.name)
        found.update(field.name.encode())
        if isinstance(value, Tensor):
            bare = value.detach().cpu().contiguous().flatten().view(torch.uint8)
            found.update(bare.numpy().tobytes())
        elif field.name != "shape":
            found.update(repr(value).encode())
    return found.hexdigest()
