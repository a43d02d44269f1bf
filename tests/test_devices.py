"""Every engine on every device and in both precisions, on every architecture.

The expected values are those of the processor in float64, which the tests in tests/patching and
tests/circuits compare with plain forward passes.  Where there is a card, there are cases named
`cuda`, which `make gpu` runs; everywhere a pretended GPU shows that no operation mixes devices.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.test_claims import find
from replications.circuits import (
    Graph,
    acdc,
    eap,
    eap_ig,
    edge_sweep,
    patch_edge_sets,
    scrub,
)
from replications.circuits.scrubbing import DirectPath, Feature, Output, Position
from replications.models import sites
from replications.models.network import Network
from replications.patching import (
    SWEPT_SITES,
    Execution,
    Grid,
    HeadInputs,
    attribute,
    every_head,
    path_patch,
    sweep,
    sweeps,
)
from replications.systems import registry
from tests.pretended_gpu import pretended_gpu
from tests.random_models import EVERY, network, pair, positions, tokens

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}
"""Of metrics of order one."""
ANSWERS = torch.tensor([[0, 1], [3, 2], [4, 5]])

NEEDS_GPU = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="this torch sees no GPU; see `make gpu`"
)
SOME = ("sandwich",)
"""What every engine is tried on here; `make slow` tries it on the other architectures too."""

QUICK = ("swept", "patched_to_logits", "attributed", "sets_of_edges")
"""The engines that are tried here on a pretended GPU too."""


# ---------------------------------------------------------------------------------- the engines
def swept(model: Network, name: str, how: Execution) -> list[Tensor]:
    """Every site at every position, and by head where it has heads."""
    absent = [sites.MLP_OUT] * model.shape.attn_only + [sites.RESID_MID] * model.shape.parallel
    grids = [Grid(site, _axes(site)) for site in SWEPT_SITES if site not in absent]
    found = sweeps(model, *pair(name), grids, ANSWERS, at=positions(name), execution=how)
    return [part.values for part in found]


def _axes(site: sites.Site) -> str:
    return "layer head pos" if "head" in site.axes else "layer pos"


def swept_as_recorded(model: Network, name: str, how: Execution) -> list[Tensor]:
    """The same as a CUDA graph, where there is a card: recorded the second time, then repeated."""
    again = replace(how, cuda_graphs=True)
    return [swept(model, name, again) for _ in range(3)][-1]


def swept_by_metric(model: Network, name: str, how: Execution) -> list[Tensor]:
    """A metric of all logits, which is computed where the network is."""

    def metric(logits: Tensor) -> Tensor:
        return logits[:, -1, 0] - logits[:, 0, 1]

    grid = Grid(sites.Z, "layer head")
    found = sweep(model, *pair(name), grid, None, metric=metric, execution=how)
    return [found.values, found.base, found.source]


def patched_to_logits(model: Network, name: str, how: Execution) -> list[Tensor]:
    """Every head's direct path to the logits, MLPs frozen and recomputed."""
    mlps: tuple[Any, Any] = ("frozen", "recomputed")
    return [
        path_patch(
            model, *pair(name), every_head(model), answers=ANSWERS, at=positions(name), mlps=each,
            execution=how,
        ).values
        for each in mlps
    ]  # fmt: skip


def patched_to_heads(model: Network, name: str, how: Execution) -> list[Tensor]:
    """Paths from every head of the first two layers into queries, keys and values."""
    heads = [(2, 2), (1, 1), (2, 0)]
    softmaxes: tuple[Any, ...] = ("exact", "linear", "frozen")
    return [
        path_patch(
            model, *pair(name), every_head(model, before=2), answers=ANSWERS, at=positions(name),
            receiver=HeadInputs(site, heads, where, softmax), execution=how,
        ).values
        for site, where, softmax in zip(
            (sites.Q, sites.K, sites.V), (None, [3, -1], torch.tensor([5, 2, 4])), softmaxes,
            strict=True,
        )
    ]  # fmt: skip


def attributed(model: Network, name: str, how: Execution) -> list[Tensor]:
    """The estimate of a sweep of the residual stream and of the heads."""
    grids = (Grid(sites.RESID_PRE, "layer pos"), Grid(sites.Z, "layer head pos"))
    return [
        attribute(model, *pair(name), grid, ANSWERS, at=positions(name), execution=how).values
        for grid in grids
    ]


def every_edge(model: Network, name: str, how: Execution) -> list[Tensor]:
    """Every edge alone."""
    found = edge_sweep(model, *pair(name), answers=ANSWERS, at=positions(name), execution=how)
    return [found.values, found.base, found.source]


def sets_of_edges(model: Network, name: str, how: Execution) -> list[Tensor]:
    """Random sets, with senders ablated at one position in all of them."""
    every = Graph(model.shape).every
    draws = torch.rand(4, *every.shape, generator=torch.Generator().manual_seed(0))
    sets = (draws < torch.tensor([0.02, 0.1, 0.5, 0.9])[:, None, None]) & every
    ablated_at = torch.zeros(every.shape[1], 1, 6, dtype=torch.bool)
    ablated_at[1, :, 3] = True
    found = patch_edge_sets(
        model, *pair(name), sets, answers=ANSWERS, at=positions(name), ablated_at=ablated_at,
        execution=how,
    )  # fmt: skip
    return [found.values, found.base, found.source]


def estimated_edges(model: Network, name: str, how: Execution) -> list[Tensor]:
    """EAP and EAP-IG."""
    given: dict[str, Any] = {"answers": ANSWERS, "at": positions(name), "execution": how}
    return [
        eap(model, *pair(name), **given).values,
        eap_ig(model, *pair(name), steps=3, **given).values,
    ]


def discovered(model: Network, name: str, how: Execution) -> list[Tensor]:
    """ACDC's circuit, as the metric that is left with its edges alone."""
    found = acdc(
        model, *pair(name), 0.05, answers=ANSWERS, at=positions(name), execution=how
    )  # fmt: skip
    kept = patch_edge_sets(
        model, *pair(name), found.patched[None], answers=ANSWERS, at=positions(name), execution=how
    )
    return [found.kept.to(kept.values.dtype), kept.values]


def scrubbed(model: Network, name: str, how: Execution) -> list[Tensor]:
    """A hypothesis with a position and a head."""
    strings = torch.cat([*pair(name), tokens(name, seed=3)])
    feature = Feature("first", strings[:, 0])
    tree = Output(DirectPath((1, 0), feature, Position(1, feature)), DirectPath((0, 2), None))
    found = scrub(model, strings, {"": tree}, references=6, seeds=[3], reads_at=5, execution=how)
    return [found[""][0].logits]


ENGINES: dict[str, Callable[[Network, str, Execution], list[Tensor]]] = {
    function.__name__: function
    for function in (
        swept, swept_as_recorded, swept_by_metric, patched_to_logits, patched_to_heads, attributed,
        every_edge, sets_of_edges, estimated_edges, discovered, scrubbed,
    )
}  # fmt: skip


def case(engine: str, name: str, device: str, dtype: torch.dtype, *marks: Any) -> Any:
    """Parameters of a test, and the name it has."""
    precision = str(dtype).removeprefix("torch.")
    return pytest.param(
        engine, name, device, dtype, marks=marks, id=f"{engine}-{name}-{device}-{precision}"
    )


def cases() -> Iterator[Any]:
    """Engine, architecture, device and precision.

    Causal scrubbing takes no model that normalises what its layers write.
    """
    for engine in ENGINES:
        for name, shape in EVERY.items():
            if engine == "scrubbed" and shape.post_norms:
                continue
            for device, dtype, quick in (
                ("cpu", torch.float32, SOME),
                ("pretended", torch.float64, ("gpt",) if engine in QUICK else ()),
            ):
                if engine == "swept_as_recorded" and device == "pretended":
                    continue  # tests/patching/test_kept_plans.py pretends to record
                marks = [] if name in quick else [pytest.mark.slow]
                yield case(engine, name, device, dtype, *marks)
            for dtype in TOLERANCE if torch.cuda.is_available() else ():
                yield case(engine, name, "cuda", dtype)


@contextmanager
def usable(device: str) -> Iterator[str]:
    """The name torch knows a device by, in a context where it does."""
    if device != "pretended":
        yield device
        return
    with pretended_gpu():
        yield "cuda"


@cache
def expected(engine: str, name: str) -> list[Tensor]:
    """On the processor, in float64."""
    return ENGINES[engine](network(name), name, Execution())


@pytest.mark.parametrize(("engine", "name", "device", "dtype"), list(cases()))
def test_an_engine_finds_the_same(engine: str, name: str, device: str, dtype: torch.dtype) -> None:
    exact = expected(engine, name)
    with usable(device) as place:
        found = ENGINES[engine](network(name), name, Execution(device=place, dtype=dtype))
    for ours, other in zip(found, exact, strict=True):
        assert ours.device == other.device
        assert ours.dtype == dtype
        assert (ours - other).abs().max() < TOLERANCE[dtype]


@pytest.mark.parametrize("device", ["pretended", pytest.param("cuda", marks=NEEDS_GPU)])
def test_a_network_that_is_already_there_takes_prompts_from_here(device: str) -> None:
    exact = expected("every_edge", "gpt")
    with usable(device) as place:
        found = every_edge(network("gpt").to(device=place), "gpt", Execution())
    for ours, other in zip(found, exact, strict=True):
        assert ours.device == other.device
        assert (ours - other).abs().max() < TOLERANCE[torch.float64]


def test_the_pretended_gpu_refuses_what_a_card_refuses() -> None:
    here = torch.ones(3)
    with pretended_gpu():
        there = here.to("cuda")
        assert there.device.type == "cuda"
        assert (there + 1).cpu().equal(here + 1)
        assert there[torch.tensor([0, 2])].cpu().equal(here[:2])  # indices may come from here
        for mixed in (torch.add, torch.dot, Tensor.add_):
            with pytest.raises(RuntimeError, match="on cuda:0 and on cpu"):
                mixed(there, here)
        with pytest.raises((RuntimeError, TypeError)):
            there.numpy()
    with pytest.raises(RuntimeError, match="outlived"):
        there + 1


@pytest.mark.slow
def test_claims_are_measured_on_a_pretended_gpu() -> None:
    """Some that are quick; up to rounding in float32 the same values as on the processor."""
    for name, subject in (
        ("list_update/ov-1.0-copies", "seed0"),
        ("list_update/patch-resid-pairs", "seed0"),
        ("name_recall/gelu2l-solves", "toy/seed0"),
    ):
        claim, system = find(name), registry.load(name.split("/")[0])
        here = claim.measure(system.subject(subject))
        with pretended_gpu(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch takes the parameters for those of no device
            there = claim.measure(system.subject(subject, device="cuda"))
        assert there == pytest.approx(here, rel=1e-5)
