"""Every edge of the model, beside TransformerLens edge by edge, and EAP's estimate of them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from bench import peers
from bench.measure import Rival, Rivals, Setting, measure
from bench.models import TUTORIAL
from bench.workloads import Case, Outcome, Workload, memory_mb
from replications.circuits import (
    Edge,
    EdgeEstimate,
    EdgeSweep,
    Node,
    eap,
    edge_sweep,
    edges,
    expected_edge_flops,
)
from replications.circuits.reference import edge_logits
from replications.errors import Unsupported
from replications.models.network import Network
from replications.patching import Execution, agreement

TOP = 100
"""How many of the largest edges EAP should find."""
EDGES_A_ROUND = 5


@dataclass(frozen=True)
class EveryEdge(Workload):
    """All edges, each patched alone."""

    found: list[EdgeSweep] = field(default_factory=list, compare=False)
    """Of the last run."""

    def parts(self, network: Network) -> Sequence[Edge]:
        return edges(network)

    def run(self, case: Case) -> Outcome:
        self.found[:] = [
            edge_sweep(
                case.network, case.base, case.source, answers=case.answers,
                execution=Execution(memory_mb=memory_mb(case.network)),
            )
        ]  # fmt: skip
        (found,) = self.found
        return Outcome(found.mean(), found.backend, found.flops)

    def plain(self, case: Case, part: Edge) -> Tensor:
        base, source = (t.to(case.network.device) for t in (case.base, case.source))
        return case.metric(edge_logits(case.network, base, source, part))

    def least_flops(self, case: Case) -> int:
        return expected_edge_flops(case.network, case.base, case.source)


class LensEdges:
    """TransformerLens 4.x, as its `get_act_patch_direct_path` does it: a run for each edge.

    That function has heads only; MLPs, the embedding and the logits are patched at its hooks.
    """

    @torch.no_grad()
    def __init__(self, model: PreTrainedModel, case: Case) -> None:
        from bench.peer_transformer_lens import bridge

        self.case, self.hooked = case, bridge(model)
        self.base, self.source = (t.to(model.device) for t in (case.base, case.source))
        self.ours, self.theirs = (
            self.hooked.run_with_cache(t)[1] for t in (self.base, self.source)
        )

    @torch.no_grad()
    def sweep(self, parts: Sequence[Edge]) -> Tensor:
        """The mean metric with each edge patched: [edge]."""
        from transformer_lens import patching

        with patching._split_qkv_input(self.hooked):
            return torch.stack([self._edge(edge) for edge in parts]).cpu()

    def _edge(self, edge: Edge) -> Tensor:
        change = self._written(self.theirs, edge.sender) - self._written(self.ours, edge.sender)
        node = edge.receiver
        if node.kind == "head":
            name = f"blocks.{node.layer}.attn.hook_{edge.input}_input"
        elif node.kind == "mlp":
            return self._into_mlp(node.layer, change)
        else:
            name = f"blocks.{self.case.network.shape.n_layers - 1}.hook_resid_post"
        hook = partial(_add, change, node.head)
        return self.case.metric(self.hooked.run_with_hooks(self.base, fwd_hooks=[(name, hook)]))

    def _into_mlp(self, layer: int | None, change: Tensor) -> Tensor:
        """What the MLP reads is set after its LayerNorm, which is computed here."""
        block = self.hooked.blocks[layer]
        x = self.ours[f"blocks.{layer}.hook_resid_mid"] + change
        hook = partial(_put, block.ln2(x))
        name = f"blocks.{layer}.mlp.hook_in"
        return self.case.metric(self.hooked.run_with_hooks(self.base, fwd_hooks=[(name, hook)]))

    def _written(self, cache: Any, node: Node) -> Tensor:
        if node.kind == "embed":
            found: Tensor = cache["hook_embed"]
        elif node.kind == "mlp":
            found = cache[f"blocks.{node.layer}.hook_mlp_out"]
        else:
            z = cache[f"blocks.{node.layer}.attn.hook_z"][:, :, node.head]
            found = z @ self.hooked.blocks[node.layer].attn.W_O[node.head]
        return found


def _add(change: Tensor, head: int | None, value: Tensor, hook: Any) -> Tensor:
    value = value.clone()
    if head is None:
        return value + change
    value[:, :, head] += change
    return value


def _put(own: Tensor, value: Tensor, hook: Any) -> Tensor:
    return own


def find_rivals(workload: EveryEdge, case: Case, setting: Setting) -> Rivals:
    """TransformerLens, where it can do it, and EAP, named with how many edges it finds."""
    found, skipped = [_estimate(workload, case)], {}
    package = "transformer_lens"
    if package in setting.tools:
        try:
            run = _lens_edges(workload, setting, case)
            run(workload.parts(case.network)[:1])
        except Unsupported as reason:
            skipped[package] = str(reason)
        else:
            found.append(Rival(package, run, EDGES_A_ROUND, peers.installed(package)))
    return found, skipped


def _lens_edges(
    workload: EveryEdge, setting: Setting, case: Case
) -> Callable[[Sequence[Any]], Tensor]:
    version = peers.installed("transformer_lens")
    if version is None or int(version.split(".")[0]) < 4:
        raise Unsupported(f"transformer_lens {version}: edges are patched with 4.x only")
    return LensEdges(setting.model(workload), case).sweep


def _estimate(workload: EveryEdge, case: Case) -> Rival:
    def run(parts: Sequence[Edge]) -> Tensor:
        return estimate().mean()

    def estimate() -> EdgeEstimate:
        return eap(case.network, case.base, case.source, answers=case.answers)

    (exact,) = workload.found
    top = min(TOP, len(exact.edges) // 5)
    compared = agreement(estimate(), exact, k=top)
    name = f"EAP (finds {compared.recall:.0%} of the top {top}, Spearman {compared.spearman:.2f})"
    return Rival(name, run, None, exact=False)


def test_edges(benchmark: Any, setting: Setting, table: list[dict[str, Any]]) -> None:
    workload = EveryEdge("edges-tutorial", TUTORIAL, rounds=1)
    table.append(measure(benchmark, workload, setting, find_rivals))


def test_transformer_lens_finds_every_kind_of_edge(setting: Setting) -> None:
    """On a tiny model, whatever the shape that is timed."""
    workload = EveryEdge("edges-tutorial", TUTORIAL, rounds=1)
    tiny = Setting("tiny", "cpu", torch.float32, setting.tools, setting.clock)
    case = tiny.case(workload)
    try:
        run = _lens_edges(workload, tiny, case)
    except Unsupported as reason:
        pytest.skip(str(reason))
    parts = workload.parts(case.network)
    some = [*parts[::7], *(edge for edge in parts if edge.input is None)]
    values = dict(zip(parts, workload.run(case).values, strict=True))
    expected = torch.stack([values[edge] for edge in some])
    assert (run(some) - expected).abs().max() < 1e-4
