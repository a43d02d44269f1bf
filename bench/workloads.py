"""The workloads by name: what the engine is asked for, and the same of one place by plain runs."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from bench.models import DISJOINT, IOI, TUTORIAL, Prompts
from replications.models import sites
from replications.models.edits import put_rows
from replications.models.network import Network
from replications.models.shape import Head, Shape
from replications.models.sites import Place, Site
from replications.patching import Execution, Grid, attribute, expected_flops, sweep
from replications.patching.paths import HeadInputs, MLPs, Receiver, every_head, path_patch
from replications.patching.reference_paths import path_logits_by_hooks

End = Literal["logits", "queries", "last queries"]


@dataclass(frozen=True)
class Outcome:
    """The mean metric of every part, [part], and what it took."""

    values: Tensor
    backend: str = ""
    flops: int = 0
    chunks: int = 1


@dataclass(frozen=True)
class Case:
    """A network with the prompts of a workload on it."""

    network: Network
    base: Tensor
    source: Tensor
    answers: Tensor

    @classmethod
    def of(cls, network: Network, prompts: Prompts) -> Case:
        vocabulary = network.shape.d_vocab
        return cls(network, *prompts.tokens(vocabulary), prompts.answers(vocabulary))

    @cached_property
    def given(self) -> dict[Place, Tensor]:
        """Every activation of the source."""
        return self.network.cache(self.source)

    def metric(self, logits: Tensor) -> Tensor:
        """The difference of the answers' logits at the last position, mean over the batch."""
        both = logits[:, -1].cpu().gather(1, self.answers)
        return (both[:, 0] - both[:, 1]).mean()


@dataclass(frozen=True)
class Workload(ABC):
    """Something to time.  Its parts are patched one at a time: places, or senders of paths."""

    name: str
    prompts: Prompts
    rounds: int
    model: str = field(default="gpt2-small", kw_only=True)
    """One of `bench.models.MODELS`"""

    @abstractmethod
    def parts(self, network: Network) -> Sequence[Any]:
        """Everything that is patched."""

    @abstractmethod
    def run(self, case: Case) -> Outcome:
        """All parts by the engine."""

    @abstractmethod
    def plain(self, case: Case, part: Any) -> Tensor:
        """The mean metric with one part patched, by plain forward passes."""

    def least_flops(self, case: Case) -> int | None:
        """The closed formula of the arithmetic, None where there is none."""
        return None


@dataclass(frozen=True)
class Sweep(Workload):
    """An activation patching sweep; of a large one only a random share."""

    site: Site
    axes: str
    share: int = 1
    """One place in so many."""

    def parts(self, network: Network) -> list[Place]:
        places = Grid(self.site, self.axes).places(network, self.prompts.length)
        if self.share == 1:
            return places
        return random.Random(0).sample(places, len(places) // self.share)

    def run(self, case: Case) -> Outcome:
        return self.swept(case)

    def swept(self, case: Case, *, cuda_graphs: bool = False) -> Outcome:
        """All parts by the engine, on a GPU also as a recorded pass."""
        chunks = 0

        def count(done: int, of: int) -> None:
            nonlocal chunks
            chunks += 1

        grid: Grid | list[Place] = Grid(self.site, self.axes)
        if self.share > 1:
            grid = self.parts(case.network)
        found = sweep(
            case.network, case.base, case.source, grid, case.answers,
            execution=Execution(
                memory_mb=memory_mb(case.network), progress=count, cuda_graphs=cuda_graphs
            ),
        )  # fmt: skip
        return Outcome(found.mean().flatten(), found.backend, found.flops, chunks)

    def plain(self, case: Case, part: Place) -> Tensor:
        given = case.given[part.site(part.layer)][part.index]
        return case.metric(case.network.forward(case.base, [put_rows(part, given)]))

    def least_flops(self, case: Case) -> int:
        places = self.parts(case.network)
        return expected_flops(case.network, case.base, case.source, [places])


@dataclass(frozen=True)
class PathPatching(Workload):
    """Path patching from every single head, to the logits or to queries of three late heads."""

    mlps: MLPs
    receiver: End

    def end(self, shape: Shape) -> Receiver:
        """Where the paths end: in GPT-2 small heads 9.9, 9.6 and 10.0, as in the IOI paper."""
        if self.receiver == "logits":
            return "logits"
        late, half = shape.n_layers - 3, shape.n_heads // 2
        heads = [(late, half - 1), (late, half), (late + 1, 0)]
        return HeadInputs(sites.Q, heads, [-1] if self.receiver == "last queries" else None)

    def parts(self, network: Network) -> list[list[Head]]:
        end = self.end(network.shape)
        if isinstance(end, HeadInputs):
            return every_head(network, before=max(layer for layer, _ in end.heads))
        return every_head(network)

    def run(self, case: Case) -> Outcome:
        shape = case.network.shape
        found = path_patch(
            case.network, case.base, case.source, self.parts(case.network),
            answers=case.answers, receiver=self.end(shape), mlps=self.mlps,
            execution=Execution(memory_mb=memory_mb(case.network)),
        )  # fmt: skip
        return Outcome(found.mean(), found.backend, found.flops)

    def plain(self, case: Case, part: list[Head]) -> Tensor:
        end = self.end(case.network.shape)
        base, source = (t.to(case.network.device) for t in (case.base, case.source))
        return case.metric(
            path_logits_by_hooks(case.network, base, source, part, end, mlps=self.mlps)
        )


@dataclass(frozen=True)
class Attribution(Workload):
    """Attribution patching of every place of a grid; the exact sweep of them is its peer."""

    site: Site
    axes: str

    def parts(self, network: Network) -> list[Place]:
        return self.exact.parts(network)

    @property
    def exact(self) -> Sweep:
        """The sweep that the estimate is of."""
        return Sweep(self.name, self.prompts, self.rounds, self.site, self.axes, model=self.model)

    def run(self, case: Case) -> Outcome:
        found = attribute(
            case.network, case.base, case.source, Grid(self.site, self.axes), case.answers
        )
        return Outcome(found.mean().flatten().cpu())

    def plain(self, case: Case, part: Place) -> Tensor:
        """The metric on the line through a small step from the base values to the source."""
        network, step = case.network.to(dtype=torch.float64), 1e-5
        whole = part.site(part.layer)
        ours, theirs = (network.cache(t)[whole][part.index] for t in (case.base, case.source))
        near, base = (
            case.metric(network.forward(case.base, [put_rows(part, ours + s * (theirs - ours))]))
            for s in (step, 0.0)
        )
        return base + (near - base) / step


def memory_mb(network: Network) -> float:
    """What the engine may hold at a time: its default on a CPU, most of what is free on a GPU."""
    if network.device.type != "cuda":
        return 256
    free, _ = torch.cuda.mem_get_info(network.device)
    return free / 2**21


_SWEEPS = {
    "resid_pre": (sites.RESID_PRE, "layer pos"),
    "attn_out": (sites.ATTN_OUT, "layer pos"),
    "mlp_out": (sites.MLP_OUT, "layer pos"),
    "z": (sites.Z, "layer head"),
    "z_by_pos": (sites.Z, "layer head pos"),
}
_PAIRS = {"tutorial": (TUTORIAL, 5), "disjoint": (DISJOINT, 3), "ioi": (IOI, 2)}
_SHARES = {"resid_pre-ioi": 3, "attn_out-ioi": 3, "mlp_out-ioi": 3, "z-ioi": 3, "z_by_pos-ioi": 12}
"""All places of these would take minutes on two cores."""

WORKLOADS: dict[str, Workload] = {
    f"{kind}-{pair}": Sweep(
        f"{kind}-{pair}", prompts, rounds, site, axes,
        share=_SHARES.get(f"{kind}-{pair}", 1),
    )
    for pair, (prompts, rounds) in _PAIRS.items()
    for kind, (site, axes) in _SWEEPS.items()
}  # fmt: skip
_PATHS: dict[str, tuple[MLPs, End]] = {
    "direct": ("frozen", "logits"),
    "resid": ("recomputed", "logits"),
    "queries": ("recomputed", "queries"),
    "queries-last": ("recomputed", "last queries"),
}
WORKLOADS |= {
    f"path-{name}": PathPatching(f"path-{name}", DISJOINT, 3, *how) for name, how in _PATHS.items()
}
WORKLOADS |= {
    f"attribution-{kind}-tutorial": Attribution(
        f"attribution-{kind}-tutorial", TUTORIAL, 5, *_SWEEPS[kind]
    )
    for kind in ("resid_pre", "z_by_pos")
}
WORKLOADS |= {
    f"{kind}-{model}": Sweep(f"{kind}-{model}", TUTORIAL, rounds, *_SWEEPS[kind], model=model)
    for model, rounds in (("pythia-160m", 3), ("llama-1b-8-of-16-layers", 2))
    for kind in ("resid_pre", "z_by_pos")
}
"""By name."""
