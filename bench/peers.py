"""Other tools that patch, each behind one interface.  A tool that is not installed says so."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from torch import Tensor
from transformers import PreTrainedModel

from bench.workloads import Case, PathPatching
from replications.errors import Unsupported
from replications.models.shape import Head
from replications.models.sites import Place

MODULES = {
    "transformer_lens": "bench.peer_transformer_lens",
    "nnsight": "bench.peer_nnsight",
    "pyvene": "bench.peer_pyvene",
}
"""Package -> the module with its `Tool`."""


class Peer(ABC):
    """One tool with the weights and prompts of a case."""

    package: str
    a_round: tuple[int, int]
    """How many parts are timed in a round: of one pair of prompts, of a batch."""

    def __init__(self, model: PreTrainedModel, case: Case) -> None:
        self.model = model
        self.case = case
        self.device = model.device
        self.base = case.base.to(model.device)
        self.source = case.source.to(model.device)

    @abstractmethod
    def sweep(self, places: Sequence[Place]) -> Tensor:
        """The mean metric with each place patched, [place].  Unsupported for one it cannot."""

    def paths(self, workload: PathPatching, senders: Sequence[Sequence[Head]]) -> Tensor:
        """The mean metric with each sender patched, [sender]."""
        raise Unsupported("path patching is not written for it")

    @property
    def parts_a_round(self) -> int:
        return self.a_round[len(self.base) > 1]


def tool(package: str) -> type[Peer]:
    """The class for a package.  Raises Unsupported if the package is not installed."""
    if installed(package) is None:
        raise Unsupported(f"{package} is not installed")
    found: type[Peer] = importlib.import_module(MODULES[package]).Tool
    return found


def only_gpt2(model: PreTrainedModel) -> None:
    """Raises Unsupported for a model of another kind."""
    if model.config.model_type != "gpt2":
        raise Unsupported("written for GPT-2 only")


def installed(package: str) -> str | None:
    """The version of a package, None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
