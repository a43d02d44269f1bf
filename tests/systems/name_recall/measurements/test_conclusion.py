"""The circuit against hooks and plain torch, on random weights."""

from __future__ import annotations

import pytest
import torch

from replications.analysis import composition
from replications.lens.networks import as_network
from replications.models import sites
from replications.models.edits import put_rows
from replications.patching import HeadInputs
from replications.patching.reference_paths import path_logits_by_hooks
from replications.systems.name_recall.data import (
    END,
    LAST,
)
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.measurements.conclusion import INPUTS
from tests.systems.name_recall.conftest import difference


@pytest.mark.parametrize(("through", "position"), [("K", LAST), ("V", LAST), ("Q", END)])
def test_a_path_is_that_of_hooks(
    given: NameRecallSubject, through: composition.Input, position: int
) -> None:
    prompts = given.task.prompts
    into = HeadInputs(INPUTS[through], [(1, 6)], [position])
    logits = path_logits_by_hooks(given.lens, prompts.clean, prompts.first_name, [(0, 4)], into)
    whole = given.task.metric() - given.task.map("residual", "first_name")[1, LAST].item()
    expected = (given.task.metric() - difference(given, logits)) / whole
    assert given.conclusion.path_share([(0, 4)], through) == pytest.approx(expected, abs=1e-9)


def test_copied_names_are_among_the_best_of_what_the_head_writes(
    given: NameRecallSubject,
) -> None:
    tokens, network = given.task.pairs.prompts.clean, as_network(given.lens)
    value = given.lens.read(tokens, {"v": sites.V(1)})["v"][:, LAST, 6]
    written = value @ given.lens.weights.W_O[1, 6]
    # LayerNorm without its bias, on the head's output alone.
    normed = torch.nn.functional.layer_norm(written, (64,), network.ln_final_w)
    best = (normed @ network.W_U).topk(10).indices
    expected = (best == tokens[:, [LAST]]).any(1).double().mean().item()
    assert given.conclusion.copied((1, 6)) == pytest.approx(expected)


def test_composition_is_a_ratio_of_norms(given: NameRecallSubject) -> None:
    network, w = as_network(given.lens), given.lens.weights
    assert network.ln1_w is not None
    centre = torch.eye(64).double() - 1 / 64
    read = [centre @ torch.diag(network.ln1_w[i]) for i in (0, 1)]
    OV = read[0] @ w.OV(0, 4)
    QK = read[1] @ w.QK(1, 6) @ read[1].T
    for found, product in (
        (given.conclusion.composition("K"), OV @ QK.T),
        (given.conclusion.composition("Q"), OV @ QK),
    ):
        expected = product.norm() / (OV.norm() * QK.norm()) - composition.baseline(64, 16)
        assert found["0.4"] == pytest.approx(expected.item())
    replaced = given.conclusion.composition("K", random=(0, 4))
    whole = given.conclusion.composition("K")
    assert {label for label in whole if replaced[label] != whole[label]} == {"0.4"}


def test_exchanged_positions_reach_the_prediction_through_one_head(
    given: NameRecallSubject,
) -> None:
    weights = dict(given.lens.state_dict)
    positions = weights["pos_embed.W_pos"].clone()
    positions[[4, 5]] = positions[[5, 4]]
    other = given.lens.reopen(weights | {"pos_embed.W_pos": positions})
    place = sites.Z(0).pick(head=3, pos=END)
    z = other.read(given.task.prompts.clean, {"z": place})["z"]
    logits = given.lens.run(given.task.prompts.clean, edits=[put_rows(place, z)]).logits
    expected = 1 - difference(given, logits) / given.task.metric()
    assert given.conclusion.through_duplicate("positions") == pytest.approx(expected)
    assert abs(expected) > 1e-3
    assert given.conclusion.through_duplicate("last name") != pytest.approx(expected)
