"""Random architectures, prompts and places: the engine always equals one forward pass per place."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from replications.models import sites
from replications.models.edits import put_rows
from replications.models.network import Network
from replications.models.shape import Shape
from replications.models.sites import Place
from replications.patching._engine import gemm
from replications.patching._engine.problem import PatchTable, PromptPairs
from replications.patching._engine.runner import Runner
from replications.patching.execution import Execution
from replications.patching.grid import SWEPT_SITES
from tests.random_models import state_dict
from tests.random_shapes import modern

EXACT = 1e-10
MAX_LENGTH = 6


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    sizes: dict[str, Any]
    sizes = {name: draw(st.integers(1, 3)) for name in ("n_layers", "n_heads", "d_head")}
    sizes |= {"d_model": draw(st.integers(2, 7)), "n_ctx": MAX_LENGTH, "d_vocab": 5}
    kind = draw(st.sampled_from(["mlp", "attention", "shortformer"]))
    attention: Any = draw(st.sampled_from(["causal", "bidirectional"]))
    return Shape(
        **sizes,
        d_vocab_out=4,
        d_mlp=draw(st.integers(1, 5)) if kind == "mlp" else 0,
        attn_only=kind != "mlp",
        act_fn=draw(st.sampled_from(["relu", "gelu", "gelu_new", "silu"])),
        normalization=None if kind == "shortformer" else "LN",
        positions="shortformer" if kind == "shortformer" else "standard",
        attention=attention,
        pad_token=draw(st.sampled_from([None, 1])),
    )


@st.composite
def prompts(draw: st.DrawFn, shape: Shape) -> tuple[Tensor, Tensor, Tensor]:
    """Base and source tokens that share a prefix, another in each example; metric positions."""
    batch, length = draw(st.integers(1, 3)), draw(st.integers(1, MAX_LENGTH))
    rows = st.lists(st.integers(0, shape.d_vocab - 1), min_size=length, max_size=length)
    base, source = (
        torch.tensor([draw(rows) for _ in range(batch)]).reshape(batch, length) for _ in range(2)
    )
    for i in range(batch):
        shared = draw(st.integers(0, length))
        source[i, :shared] = base[i, :shared]
    return base, source, torch.tensor([draw(st.integers(0, length - 1)) for _ in range(batch)])


@st.composite
def places(draw: st.DrawFn, shape: Shape, length: int) -> Place:
    absent = [sites.MLP_OUT] * shape.attn_only + [sites.RESID_MID] * shape.parallel
    kinds = [site for site in SWEPT_SITES if site not in absent]
    site = draw(st.sampled_from(kinds))
    picks = {}
    if draw(st.booleans()):
        axis = "query" if site is sites.PATTERN else "pos"
        picks[axis] = draw(st.integers(0, length - 1))
    if "head" in site.axes and draw(st.booleans()):
        picks["head"] = draw(st.integers(0, shape.n_heads - 1))
    return site(draw(st.integers(0, shape.n_layers - 1))).pick(**picks)


def one_by_one(model: Network, base: Tensor, source: Tensor, place: Place) -> Tensor:
    there = model.cache(source)[Place(place.site, place.layer)][place.index]
    return model.forward(base, [put_rows(place, there)])


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.data())
def test_the_engine_equals_one_forward_pass_per_place(data: st.DataObject) -> None:
    holds(data)


@pytest.mark.slow
@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.data())
def test_the_engine_equals_one_forward_pass_per_place_in_many_more(data: st.DataObject) -> None:
    holds(data)


def holds(data: st.DataObject) -> None:
    shape = data.draw(shapes() | shapes().flatmap(modern))
    weights = state_dict(shape, biases=data.draw(st.booleans()), folded=data.draw(st.booleans()))
    model = Network.from_state_dict(shape, weights)
    base, source, at = data.draw(prompts(shape))
    length = base.shape[1]
    chosen = data.draw(st.lists(places(shape, length), min_size=1, max_size=8))
    whole = data.draw(st.booleans())
    runner = Runner(
        gemm.packed(model),
        PromptPairs.of(base, source, at, shape, whole=whole),
        PatchTable.of(chosen, shape, length),
        budget=Execution(memory_mb=data.draw(st.sampled_from([1e-9, 2e-3, 100]))).numbers(
            torch.float64
        ),
        one_call=data.draw(st.booleans()),
    )
    logits = [one_by_one(model, base, source, place) for place in chosen]
    rows = torch.arange(len(base))
    if whole:
        found = runner.metric(lambda x: x.flatten(1) @ torch.arange(x[0].numel()).double())
        expected = [x.flatten(1) @ torch.arange(x[0].numel()).double() for x in logits]
    else:
        answers = torch.tensor([[0, 3, 1]]).expand(len(base), -1)
        found = runner.answers(answers)
        expected = [x[rows[:, None], at[:, None], answers] for x in logits]
    assert (found.values - torch.stack(expected)).abs().max() < EXACT * (100 if whole else 1)
