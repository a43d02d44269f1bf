"""Path patching against one or two hooked runs for each sender, on every architecture."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from replications.lens import Lens
from replications.models import sites
from replications.models.network import Network
from replications.models.shape import Head, Shape
from replications.patching._engine.gemm import onednn_works
from replications.patching.activation import sweep
from replications.patching.execution import Execution
from replications.patching.paths import (
    HeadInputs,
    MLPs,
    PathSweep,
    Receiver,
    every_head,
    path_patch,
)
from replications.patching.reference_paths import path_logits_by_hooks
from tests.patching.pairs import ANSWERS, EARLY, JOINT, pair
from tests.random_models import EVERY, MODERN, SHAPES, lens, network, state_dict
from tests.random_shapes import modern

EXACT = 1e-10
SPREAD, LAST = [(2, 2), (1, 1), (2, 0)], [(2, 1)]


def opened(name: str) -> Lens | Network:
    """TransformerLens's model, or the network of one that it cannot open."""
    return lens(name) if name in SHAPES else network(name)


def positions(name: str) -> int | Tensor:
    """Where the metric is read."""
    return 0 if EVERY[name].attention == "bidirectional" else torch.tensor([5, 3, 4])


def slowly(
    model: Lens | Network,
    runs: tuple[Tensor, Tensor],
    sender: list[Head],
    answers: Tensor,
    at: int | Tensor,
    receiver: Receiver,
    mlps: MLPs = "recomputed",
) -> Tensor:
    """The metric of one sender by hooks: [batch]."""
    rows = torch.arange(len(answers))
    logits = path_logits_by_hooks(model, *runs, sender, receiver, mlps=mlps)[rows, at]
    chosen = logits.gather(1, answers)
    return chosen[:, 0] - chosen[:, 1]


def furthest(found: PathSweep, slow: Any, *args: Any, **options: Any) -> float:
    """Largest difference from the hooked runs, over all senders."""
    runs, *rest = args
    return max(
        float((values - slowly(slow, runs, list(sender), *rest, **options)).abs().max())
        for values, sender in zip(found.values, found.senders, strict=True)
    )


# ---------------------------------------------------------------------------------- exactness
@pytest.mark.sampled(8)
@pytest.mark.parametrize("mlps", ["frozen", "recomputed"])
@pytest.mark.parametrize("name", EVERY)
def test_paths_into_the_logits_are_those_of_the_hooked_runs(name: str, mlps: Any) -> None:
    model, runs, at = opened(name), pair(name), positions(name)
    senders = every_head(model) + JOINT
    found = path_patch(model, *runs, senders, answers=ANSWERS, at=at, mlps=mlps)
    assert found.values.shape == (11, 3)
    assert furthest(found, model, runs, ANSWERS, at, "logits", mlps=mlps) < EXACT
    assert found.values.std() > 0.1


@pytest.mark.sampled(12)
@pytest.mark.parametrize("mlps", ["frozen", "recomputed"])
@pytest.mark.parametrize("site", [sites.Q, sites.K, sites.V])
@pytest.mark.parametrize("name", EVERY)
def test_paths_into_heads_are_those_of_the_hooked_runs(
    name: str, site: sites.Site, mlps: Any
) -> None:
    model, runs, at = opened(name), pair(name), positions(name)
    receiver = HeadInputs(site, SPREAD)
    senders = [[(0, 0)], [(1, 2)], *JOINT]
    found = path_patch(model, *runs, senders, receiver=receiver, answers=ANSWERS, at=at, mlps=mlps)
    assert furthest(found, model, runs, ANSWERS, at, receiver, mlps=mlps) < EXACT
    assert (found.values - found.base).abs().max() > 1e-3


@pytest.mark.sampled(18)
@pytest.mark.parametrize("softmax", ["exact", "linear", "frozen"])
@pytest.mark.parametrize("site", [sites.Q, sites.K, sites.V], ids=lambda site: site.name)
@pytest.mark.parametrize("name", ["gpt", "padded", *MODERN])
def test_every_end_of_a_path_into_heads(name: str, site: sites.Site, softmax: Any) -> None:
    model, runs, at = network(name), pair(name), positions(name)
    places = [None, [3, -1], [], torch.tensor([5, 2, 4])]
    for where, heads in zip(places, [EARLY, SPREAD, LAST, SPREAD], strict=True):
        receiver = HeadInputs(site, heads, where, softmax)
        found = path_patch(model, *runs, JOINT, receiver=receiver, answers=ANSWERS, at=at)
        assert furthest(found, model, runs, ANSWERS, at, receiver) < EXACT


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("biases", [False, True])
def test_folded_layernorms_and_absent_biases(folded: bool, biases: bool) -> None:
    model, runs = network("gpt", folded=folded, biases=biases), pair("gpt")
    senders = every_head(model)
    for receiver in ("logits", HeadInputs(sites.K, SPREAD)):
        found = path_patch(model, *runs, senders, receiver=receiver, answers=ANSWERS)
        assert furthest(found, model, runs, ANSWERS, -1, receiver) < EXACT


@pytest.mark.parametrize("backend", ["torch", "onednn"])
@pytest.mark.parametrize("receiver", ["logits", HeadInputs(sites.Q, SPREAD)])
def test_float32_is_within_a_ten_thousandth(receiver: Any, backend: Any) -> None:
    if backend == "onednn" and not onednn_works():
        pytest.skip("this torch has no oneDNN products that agree with F.linear")
    model, runs = network("gpt"), pair("gpt")
    options: dict[str, Any] = {
        "receiver": receiver,
        "answers": ANSWERS,
        "senders": every_head(model),
    }
    exact = path_patch(model, *runs, **options)
    single = path_patch(
        model, *runs, **options, execution=Execution(dtype=torch.float32, backend=backend)
    )
    assert single.values.dtype == torch.float32
    assert (single.backend == "onednn") == (backend == "onednn")
    assert (exact.values - single.values).abs().max() < 1e-4


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """A random architecture, two prompts with a shared prefix, senders and the end of a path."""
    layers, heads = draw(st.integers(2, 3)), draw(st.integers(1, 3))
    kind = draw(st.sampled_from(["mlps", "attention", "shortformer"]))
    shape = Shape(
        n_layers=layers, n_heads=heads, d_model=6, d_head=4, d_mlp=5 if kind == "mlps" else 0,
        n_ctx=8, d_vocab=9, d_vocab_out=5, act_fn=draw(st.sampled_from(["relu", "gelu"])),
        attention=draw(st.sampled_from(["causal", "bidirectional"])), attn_only=kind != "mlps",
        normalization=None if kind == "shortformer" else "LN",
        positions="shortformer" if kind == "shortformer" else "standard",
    )  # fmt: skip
    shape = draw(st.just(shape) | modern(shape))
    seed, folded = draw(st.integers(0, 5)), draw(st.booleans())
    batch, length = draw(st.integers(1, 3)), draw(st.integers(2, 7))
    generator = torch.Generator().manual_seed(seed)
    base, source = torch.randint(9, (2, batch, length), generator=generator)
    shared = draw(st.integers(0, length))
    source[:, :shared] = base[:, :shared]
    head = st.tuples(st.integers(0, layers - 1), st.integers(0, heads - 1))
    some = st.lists(head, min_size=1, max_size=3, unique=True)
    place = st.integers(0, length - 1)
    receiver: Any = "logits"
    site = draw(st.sampled_from([sites.Q, sites.K, sites.V, None]))
    if site is not None:
        end = st.tuples(st.integers(1, layers - 1), st.integers(0, heads - 1))
        ends = draw(st.lists(end, min_size=1, max_size=3, unique=True))
        where = draw(st.none() | st.lists(place, max_size=3))
        softmax: Any = draw(st.sampled_from(["exact", "linear", "frozen"]))
        receiver = HeadInputs(site, ends, where, softmax)
    return {
        "network": Network.from_state_dict(shape, state_dict(shape, seed=seed, folded=folded)),
        "runs": (base, source),
        "senders": draw(st.lists(some, min_size=1, max_size=4)),
        "receiver": receiver,
        "at": draw(st.just(-1) | st.lists(place, min_size=batch, max_size=batch).map(torch.tensor)),
        "mlps": draw(st.sampled_from(["frozen", "recomputed"])),
        "memory_mb": draw(st.sampled_from([256, 0.01, 0.001])),
    }


@settings(max_examples=6, deadline=None)
@given(problems())
def test_any_architecture_and_any_paths(problem: dict[str, Any]) -> None:
    holds(problem)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(problems())
def test_any_architecture_and_many_more_paths(problem: dict[str, Any]) -> None:
    holds(problem)


def holds(problem: dict[str, Any]) -> None:
    model, runs = problem.pop("network"), problem.pop("runs")
    senders, memory = problem.pop("senders"), problem.pop("memory_mb")
    answers = ANSWERS[: len(runs[0])] % 5
    options = {"answers": answers, "execution": Execution(memory_mb=memory), **problem}
    found = path_patch(model, runs[0], runs[1], senders, **options)
    at, receiver = problem.pop("at"), problem.pop("receiver")
    assert furthest(found, model, runs, answers, at, receiver, **problem) < EXACT


# ---------------------------------------------------------------------------------- what it means
@pytest.mark.parametrize("name", ["gpt", "attention_only"])
def test_all_heads_together_are_the_source_run_where_the_token_is_the_same(name: str) -> None:
    model, (base, source) = network(name), pair(name)
    source[:, 4] = base[:, 4]
    every = [(layer, head) for layer in range(3) for head in range(3)]
    found = path_patch(model, base, source, [every], answers=ANSWERS, at=4)
    assert (found.values[0] - found.source).abs().max() < EXACT
    assert (found.base - found.source).abs().min() > 1e-3


@pytest.mark.parametrize("site", [sites.Q, sites.K, sites.V], ids=lambda site: site.name)
def test_all_earlier_heads_together_patch_the_input_itself(site: sites.Site) -> None:
    model, (base, source) = network("gpt"), pair("gpt")
    source[:, 4] = base[:, 4]
    earlier = [(layer, head) for layer in range(2) for head in range(3)]
    receiver = HeadInputs(site, [(2, 1)], [4])
    found = path_patch(model, base, source, [earlier], receiver=receiver, answers=ANSWERS, at=4)
    place = site(2).pick(head=1, pos=4)
    expected = sweep(model, base, source, [place], ANSWERS, at=4)
    assert (found.values - expected.values).abs().max() < EXACT
    assert (found.values - found.base).abs().max() > 1e-3


def test_a_sender_more_costs_no_more_than_it_must() -> None:
    model, runs, shape = network("gpt"), pair("gpt"), SHAPES["gpt"]
    every = every_head(model)

    def flops(senders: list[list[Head]], mlps: Any) -> int:
        return path_patch(model, *runs, senders, answers=ANSWERS, mlps=mlps).flops

    one_more = flops(every, "frozen") - flops(every[:-1], "frozen")
    assert one_more == 3 * 2 * shape.d_head * shape.d_model
    # From each head's own layer on, at the metric's position, an MLP a layer.
    recomputed = flops(every, "recomputed") - flops(every, "frozen")
    assert recomputed == 3 * (3 + 6 + 9) * 4 * shape.d_model * shape.d_mlp


def test_a_sender_that_cannot_reach_the_end_changes_nothing_at_all() -> None:
    model, (base, source) = network("gpt"), pair("gpt")
    receiver = HeadInputs(sites.V, EARLY)
    senders: list[list[Head]] = [[(1, 1)], [(2, 0)], [(0, 0)]]
    found = path_patch(model, base, source, senders, receiver=receiver, answers=ANSWERS)
    assert found.values[0].equal(found.base)
    assert found.values[1].equal(found.base)
    assert not found.values[2].isclose(found.base).any()


@pytest.mark.parametrize("receiver", ["logits", HeadInputs(sites.K, SPREAD)])
def test_prompts_that_differ_only_after_the_metric_change_nothing_at_all(receiver: Any) -> None:
    model, (base, source) = network("gpt"), pair("gpt")
    found = path_patch(model, base, source, JOINT, receiver=receiver, answers=ANSWERS, at=1)
    assert found.values.equal(found.base.expand(2, -1))


def test_the_baselines_are_the_metric_of_both_runs() -> None:
    model, runs, at = network("gpt"), pair("gpt"), torch.tensor([5, 3, 4])
    found = path_patch(model, *runs, JOINT, answers=ANSWERS, at=at)
    for value, run in zip((found.base, found.source), runs, strict=True):
        logits = model.forward(run)[torch.arange(3), at].gather(1, ANSWERS)
        assert (value - (logits[:, 0] - logits[:, 1])).abs().max() < EXACT


def test_any_number_of_answers_gives_their_logits() -> None:
    model, runs = network("gpt"), pair("gpt")
    every = torch.arange(6).expand(3, -1)
    found = path_patch(model, *runs, JOINT, answers=every)
    assert found.values.shape == (2, 3, 6)
    expected = path_logits_by_hooks(model, *runs, JOINT[0])[:, -1]
    assert (found.values[0] - expected).abs().max() < EXACT


def test_a_softmax_linear_in_its_scores_adds_the_senders_up() -> None:
    # Without LayerNorms everything else between the senders and the logits is linear already.
    model, runs = network("shortformer"), pair("shortformer")
    one, two = (1, 0), (1, 1)

    def excess(softmax: Any) -> float:
        found = path_patch(
            model, *runs, [[one], [two], [one, two]], answers=ANSWERS,
            receiver=HeadInputs(sites.K, LAST, softmax=softmax),
        )  # fmt: skip
        first, second, both = found.values - found.base
        return float((both - first - second).abs().max())

    assert excess("linear") < EXACT
    assert excess("exact") > 1e5 * EXACT


def test_a_frozen_softmax_cuts_the_paths_through_keys() -> None:
    model, runs = network("gpt"), pair("gpt")
    receiver = HeadInputs(sites.K, EARLY, softmax="frozen")
    found = path_patch(model, *runs, every_head(model), receiver=receiver, answers=ANSWERS)
    assert (found.values - found.base).abs().max() < EXACT
