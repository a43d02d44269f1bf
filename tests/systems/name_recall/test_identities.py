"""What the document states as identities: true of any model, and each check can fail.

On random weights, in deep and in shallow models, through the lens and the sweeps.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from replications.models import sites
from replications.models.edits import put_rows
from replications.models.network import Network
from replications.patching import Grid, sweep
from replications.systems.name_recall.data import CORRUPTIONS, END, FIRST, LAST, Corruption
from replications.systems.name_recall.measure import NameRecallSubject
from tests.systems.name_recall.conftest import EXACT

FIRST_CHANGED = {"last_name": LAST, "first_name": FIRST, "second_name": END}
EVERY_CORRUPTION = pytest.mark.parametrize("corruption", CORRUPTIONS)


@pytest.fixture(params=["toy", "gpt2-small", "gelu-2l"])
def model(
    request: pytest.FixtureRequest,
    subject: NameRecallSubject,
    originals: dict[str, NameRecallSubject],
) -> NameRecallSubject:
    return ({"toy": subject} | originals)[request.param]


# ------------------------------------------------------------------------------ residual maps
def test_patching_the_input_or_the_prediction_gives_the_corrupted_result(
    model: NameRecallSubject,
) -> None:
    found = model.task.map("residual", "last_name")
    assert found[0, LAST].item() == pytest.approx(model.task.metric("last_name"))
    assert found[-1, END].item() == pytest.approx(model.task.metric("last_name"))
    assert found[0, END].item() == pytest.approx(model.task.metric())
    assert found[-1, LAST].item() == pytest.approx(model.task.metric())
    assert abs(model.task.metric() - model.task.metric("last_name")) > 0.01


def test_the_second_name_matters_in_the_last_column_only_and_equally(
    model: NameRecallSubject,
) -> None:
    found = model.task.map("residual", "second_name")
    corrupted = model.task.metric("second_name")
    assert (found[:, :END] - model.task.metric()).abs().max() < EXACT
    assert (found[:, END] - corrupted).abs().max() < EXACT
    # A corrupted word further left does have effects there.
    other = model.task.map("residual", "first_name")
    assert (other[:, :END] - model.task.metric()).abs().max() > 1e-3


@EVERY_CORRUPTION
def test_information_moves_rightward_only(model: NameRecallSubject, corruption: Corruption) -> None:
    start = FIRST_CHANGED[corruption]
    assert (model.task.effect("residual", corruption)[:, :start] == 0).all()


def test_information_moves_leftward_where_attention_is_bidirectional(
    subject: NameRecallSubject,
) -> None:
    shape = replace(subject.lens.shape, attention="bidirectional")
    network = Network.from_state_dict(shape, subject.lens.state_dict)
    prompts = subject.task.prompts
    grid = Grid(sites.RESID_POST, "layer pos")
    found = sweep(network, prompts.clean, prompts.last_name, grid, prompts.answers)
    assert (found.values - found.base)[:, :LAST].abs().max() > 1e-3


@pytest.mark.sampled(3)
@EVERY_CORRUPTION
def test_patching_all_positions_is_running_the_corrupted_prompt(
    model: NameRecallSubject, corruption: Corruption
) -> None:
    prompts = model.task.prompts
    corrupted = prompts.tokens(corruption)
    expected = model.lens.run(corrupted).logits[:, -1]
    for layer in range(model.task.layers):
        value = model.lens.read(corrupted, {"x": sites.RESID_POST(layer)})["x"]
        whole = put_rows(sites.RESID_POST(layer), value)
        logits = model.lens.run(prompts.clean, edits=[whole]).logits[:, -1]
        assert (logits - expected).abs().max() < EXACT


def test_leaving_the_changed_position_out_is_not_running_the_corrupted_prompt(
    model: NameRecallSubject,
) -> None:
    prompts = model.task.prompts
    there = slice(0, LAST)
    value = model.lens.read(prompts.last_name, {"x": sites.RESID_PRE(0).pick(pos=there)})["x"]
    edit = put_rows(sites.RESID_PRE(0).pick(pos=there), value)
    logits = model.lens.run(prompts.clean, edits=[edit]).logits[:, -1]
    assert (logits - model.lens.run(prompts.last_name).logits[:, -1]).abs().max() > 1e-3


# ------------------------------------------------------------------------------------- attention
def test_scores_are_queries_times_keys_and_patterns_their_softmax(
    model: NameRecallSubject,
) -> None:
    head = 1
    reads = {
        "q": sites.Q(0).pick(head=head),
        "k": sites.K(0).pick(head=head),
        "pattern": sites.PATTERN(0).pick(head=head),
    }
    run = model.lens.read(model.task.prompts.clean, reads)
    scores = run["q"] @ run["k"].mT / math.sqrt(model.lens.shape.d_head)
    pattern = scores[:, LAST, : LAST + 1].softmax(-1)
    assert (run["pattern"][:, LAST, : LAST + 1] - pattern).abs().max() < EXACT
    by_hand = (run["q"][:, LAST] * run["k"][:, FIRST]).sum(-1) / math.sqrt(run["q"].shape[-1])
    assert (by_hand - scores[:, LAST, FIRST]).abs().max() < EXACT
    # With query and key confused, the causal mask gives zero.
    assert (run["pattern"][:, FIRST, LAST] == 0).all()
    assert (run["pattern"][:, LAST, FIRST] > 0).all()


def test_z_is_the_weighted_sum_of_values(model: NameRecallSubject) -> None:
    reads = {"z": sites.Z(0), "v": sites.V(0), "pattern": sites.PATTERN(0)}
    run = model.lens.read(model.task.prompts.clean, reads)
    weights = run["pattern"][:, 1, LAST, :, None]
    z = run["z"][:, LAST, 1]
    assert ((weights * run["v"][:, :, 1]).sum(1) - z).abs().max() < EXACT
    assert ((weights * run["v"][:, :, 0]).sum(1) - z).abs().max() > 1e-3


def test_attn_out_is_the_sum_of_the_heads_and_the_bias(model: NameRecallSubject) -> None:
    run = model.lens.read(model.task.prompts.clean, {"z": sites.Z(0), "out": sites.ATTN_OUT(0)})
    W_O, b_O = model.lens.weights.W_O[0], model.lens.weights.b_O[0]
    results = torch.einsum("bphk,hkd->bphd", run["z"], W_O)
    assert (results.sum(2) + b_O - run["out"]).abs().max() < EXACT
    assert (results.sum(2) - run["out"]).abs().max() > 1e-3
