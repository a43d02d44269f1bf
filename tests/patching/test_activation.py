"""The engine's sweeps equal one forward pass for each place, on every architecture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens.networks import as_network
from replications.models import sites
from replications.models.edits import put_rows
from replications.models.network import Network
from replications.models.sites import Place
from replications.patching._engine import gemm
from replications.patching._engine.gemm import Backend, onednn_works
from replications.patching._engine.problem import PatchTable, PromptPairs
from replications.patching._engine.runner import Runner
from replications.patching.activation import sweep, sweeps
from replications.patching.execution import Execution
from replications.patching.grid import SWEPT_SITES, Grid
from replications.patching.reference import patch_by_hooks
from tests.random_models import MODERN, SHAPES, lens, network, tokens

EXACT = 1e-10  # float64
NEAR = 1e-4  # float32, of a metric of order one
ANSWERS = torch.tensor([[0, 3], [2, 1], [5, 4]])
AT = torch.tensor([5, 3, 4])


def pair(name: str, shared: int = 2) -> tuple[Tensor, Tensor]:
    """Base and source tokens [3 6] that agree in the first positions, and in the padding."""
    base, source = tokens(name), tokens(name, seed=1)
    source[:, :shared] = base[:, :shared]
    return base, source


def one_by_one(
    model: Network, base: Tensor, source: Tensor, places: Sequence[Place]
) -> list[Tensor]:
    """Logits [batch pos d_vocab_out] of one plain forward pass for each place."""
    given = model.cache(source)
    found = []
    for place in places:
        whole = Place(place.site, place.layer)
        edit = put_rows(place, given[whole][place.index])
        found.append(model.forward(base, [edit]))
    return found


def read(logits: Tensor, at: Tensor, answers: Tensor = ANSWERS) -> Tensor:
    """The difference of the two answers' logits at each example's position."""
    there = logits[torch.arange(len(logits)), at % logits.shape[1]]
    both = there.gather(1, answers)
    return both[:, 0] - both[:, 1]


def grids(name: str) -> list[Grid]:
    """All kinds a model has, over all axes."""
    found = []
    for site in SWEPT_SITES:
        if site is sites.MLP_OUT and SHAPES[name].attn_only:
            continue
        found += [Grid(site, "layer pos"), Grid(site, "layer")]
        if "head" in site.axes:
            found += [Grid(site, "layer head"), Grid(site, "layer head pos")]
    return found


@cache
def truth(name: str, shared: int) -> list[list[Tensor]]:
    """Logits of every place of every grid."""
    model = network(name)
    texts = pair(name, shared)
    return [one_by_one(model, *texts, grid.places(model, 6)) for grid in grids(name)]


@pytest.mark.sampled(9)
@pytest.mark.parametrize(
    ("at", "shared"), [(-1, 0), (0, 2), (AT, 2)], ids=["last-0", "first-2", "each-2"]
)
@pytest.mark.parametrize("name", SHAPES)
def test_every_kind_equals_one_forward_pass_per_place(
    name: str, at: int | Tensor, shared: int
) -> None:
    base, source = pair(name, shared)
    positions = torch.full((3,), at) if isinstance(at, int) else at
    found = sweeps(network(name), base, source, grids(name), ANSWERS, at=at)
    for grid, made, logits in zip(grids(name), found, truth(name, shared), strict=True):
        expected = torch.stack([read(each, positions) for each in logits])
        assert (made.values.flatten(0, -2) - expected).abs().max() < EXACT, grid
        assert made.axes == tuple(grid.axes.split())
    model = network(name)
    assert (found[0].base - read(model.forward(base), positions)).abs().max() < EXACT
    assert (found[0].source - read(model.forward(source), positions)).abs().max() < EXACT


@pytest.mark.slow
@pytest.mark.parametrize("step", [61, 17])
@pytest.mark.parametrize("name", SHAPES)
def test_float32_equals_transformerlens_in_float32(name: str, step: int) -> None:
    """Of each grid every so many places, from the first on."""
    base, source = pair(name)
    model = lens(name, torch.float32)
    found = sweeps(model, base, source, grids(name), ANSWERS, at=AT)
    for grid, made in zip(grids(name), found, strict=True):
        assert made.values.dtype == torch.float32
        places = grid.places(as_network(model), 6)
        for i in range(0, len(places), step):
            there = patch_by_hooks(model, base, source, lambda x: read(x, AT), places[i])
            assert (made.values.flatten(0, -2)[i] - there).abs().max() < NEAR, places[i]


@pytest.mark.parametrize("backend", ["torch", "onednn"])
@pytest.mark.parametrize("name", MODERN)
def test_float32_is_float64_up_to_rounding(name: str, backend: Backend) -> None:
    if backend == "onednn" and not onednn_works():
        pytest.skip("oneDNN does not work here")
    model, (base, source) = network(name), pair(name)
    sites_of = [s for s in SWEPT_SITES if not (model.shape.parallel and s is sites.RESID_MID)]
    some = [Grid(s, "layer pos") for s in sites_of]
    fast = Execution(dtype=torch.float32, backend=backend)
    exact = sweeps(model, base, source, some, ANSWERS, at=AT)
    for made, truth in zip(
        sweeps(model, base, source, some, ANSWERS, at=AT, execution=fast), exact, strict=True
    ):
        assert made.values.dtype == torch.float32
        assert (made.values - truth.values).abs().max() < NEAR


@pytest.mark.skipif(not onednn_works(), reason="oneDNN does not work here")
def test_float32_is_exact_with_two_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    # A copy, with no packed weights yet.
    model, (base, source) = replace(network("grouped")), pair("grouped")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(gemm, "WIDE", model.shape.d_mlp)
    monkeypatch.setattr(gemm, "FEW_ROWS", 40)
    some = [Grid(sites.RESID_PRE, "layer pos")]
    [made], [truth] = (
        sweeps(model, base, source, some, ANSWERS, at=AT, execution=Execution(dtype=dtype))
        for dtype in (torch.float32, torch.float64)
    )
    assert made.backend == gemm.describe("both", base.device)
    assert truth.backend == gemm.describe("torch", base.device)
    assert (made.values - truth.values).abs().max() < NEAR


def test_a_stream_between_parallel_parts_cannot_be_patched() -> None:
    base, source = pair("parallel")
    with pytest.raises(BadInput, match="attention and MLP of this model read the same stream"):
        sweep(network("parallel"), base, source, [sites.RESID_MID(1)], ANSWERS, at=AT)


@pytest.mark.parametrize("name", ["gpt", "attention_only"])
@pytest.mark.parametrize(("biases", "folded"), [(False, False), (True, True), (False, True)])
def test_folded_layernorms_and_models_without_biases(name: str, biases: bool, folded: bool) -> None:
    model = network(name, biases=biases, folded=folded)
    base, source = pair(name)
    grid = Grid(sites.Z, "layer head pos")
    expected = [read(each, AT) for each in one_by_one(model, base, source, grid.places(model, 6))]
    found = sweep(model, base, source, grid, ANSWERS, at=AT)
    assert (found.values.flatten(0, -2) - torch.stack(expected)).abs().max() < EXACT


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ["padded", "gpt", "shortformer"])
def test_any_metric_of_the_logits_is_that_of_one_forward_pass_per_place(name: str) -> None:
    base, source = pair(name)

    def metric(logits: Tensor) -> Tensor:
        assert logits.shape == (3, 6, SHAPES[name].d_vocab_out)
        return logits.softmax(-1)[:, :, 1].sum(-1) + read(logits, AT)

    found = sweeps(network(name), base, source, grids(name), None, metric=metric)
    for grid, made, logits in zip(grids(name), found, truth(name, 2), strict=True):
        expected = torch.stack([metric(each) for each in logits])
        assert (made.values.flatten(0, -2) - expected).abs().max() < EXACT, grid
    assert (found[0].source - metric(network(name).forward(source))).abs().max() < EXACT


@pytest.mark.parametrize("n_answers", [1, 3])
def test_other_numbers_of_answers_give_their_logits(n_answers: int) -> None:
    base, source = pair("gpt")
    answers = torch.tensor([[0, 3, 2], [2, 1, 1], [5, 4, 0]])[:, :n_answers]
    grid = Grid(sites.RESID_MID, "pos layer")
    found = sweep(network("gpt"), base, source, grid, answers, at=2)
    expected = [
        logits[torch.arange(3)[:, None], 2, answers]
        for logits in one_by_one(network("gpt"), base, source, grid.places(network("gpt"), 6))
    ]
    assert found.values.shape == (6, 3, 3, n_answers)
    assert (found.values.flatten(0, 1) - torch.stack(expected)).abs().max() < EXACT
    assert found.recovery().shape == found.values.shape
    assert found.mean().shape == (6, 3, n_answers)


def test_places_in_any_order_are_a_sweep_too() -> None:
    base, source = pair("gpt")
    places = [sites.V(2).pick(head=1), sites.RESID_PRE(0).pick(pos=3), sites.MLP_OUT(1)]
    found = sweep(network("gpt"), base, source, places, ANSWERS)
    expected = one_by_one(network("gpt"), base, source, places)
    assert found.axes == ("place",)
    assert found.labels["place"] == tuple(places)
    last = torch.full((3,), 5)
    assert (found.values - torch.stack([read(e, last) for e in expected])).abs().max() < EXACT


@pytest.mark.sampled(2)
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", ["gpt", "padded"])
def test_results_do_not_depend_on_chunks_or_on_how_attention_is_called(
    name: str, whole: bool
) -> None:
    base, source = pair(name)
    model, shape = network(name), SHAPES[name]
    places = [place for grid in grids(name) for place in grid.places(model, 6)]
    patches = PatchTable.of(places, shape, 6)
    prompts = PromptPairs.of(base, source, AT, shape, whole=whole)

    def run(memory_mb: float, *, one_call: bool) -> tuple[Tensor, list[tuple[int, int]]]:
        seen: list[tuple[int, int]] = []
        runner = Runner(
            gemm.packed(model), prompts, patches, one_call=one_call,
            budget=Execution(memory_mb=memory_mb).numbers(torch.float64),
            progress=lambda done, total: seen.append((done, total)),
        )  # fmt: skip
        found = runner.metric(lambda x: read(x, AT)) if whole else runner.answers(ANSWERS)
        return found.values, seen

    at_once, progress = run(256, one_call=False)
    assert len(progress) == 1
    for memory_mb, one_call in ((0.2, False), (0.4, True), (256, True)):
        values, progress = run(memory_mb, one_call=one_call)
        assert (values - at_once).abs().max() < EXACT
        assert progress[-1][0] == progress[-1][1]
        assert len(progress) > 5 or memory_mb == 256


def test_what_structure_rules_out_equals_the_unpatched_run_to_the_bit() -> None:
    base, source = pair("gpt", shared=3)
    found = sweep(network("gpt"), base, source, Grid(sites.RESID_PRE, "layer pos"), ANSWERS, at=4)
    same = (found.values == found.base).all(-1)
    assert same[:, :3].all()  # before the prompts differ
    assert same[:, 5].all()  # after the metric
    assert not same[:, 3:5].any()
    heads = sweep(network("gpt"), base, source, Grid(sites.Z, "layer pos"), ANSWERS, at=4)
    assert (heads.values == heads.base)[2, 3].all()  # the last layer, elsewhere
    assert not (heads.values == heads.base)[2, 4].any()


def test_equal_prompts_change_nothing_to_the_bit() -> None:
    base, _ = pair("padded")
    found = sweep(network("padded"), base, base, Grid(sites.K, "layer head"), ANSWERS)
    assert found.values.equal(found.base.expand_as(found.values))
    assert found.source.equal(found.base)


def test_a_repeated_sweep_gives_the_same_bits() -> None:
    base, source = pair("gpt")
    grid = Grid(sites.Z, "layer head pos")
    first, second = (
        sweep(network("gpt"), base, source, grid, ANSWERS, execution=Execution(dtype=torch.float32))
        for _ in "ab"
    )
    assert first.values.equal(second.values)
    assert first.values.dtype == torch.float32


def test_recovery_is_0_for_the_base_run_and_1_for_the_source_run() -> None:
    base, source = pair("gpt")
    everything = Grid(sites.RESID_PRE, "layer")
    found = sweep(network("gpt"), base, source, everything, ANSWERS)
    assert (found.recovery() - 1).abs().max() < EXACT
    nothing = Grid(sites.RESID_POST, "layer pos", layers=[2], positions=[0])
    found = sweep(network("gpt"), base, source, nothing, ANSWERS)
    assert found.recovery().abs().max() == 0
    assert found.labels == {"layer": (2,), "pos": (0,)}
    assert found.mean().shape == (1, 1)
