"""Attention, circuits and composition, on random weights, against plain torch."""

from __future__ import annotations

import pytest
import torch

from replications.errors import BadInput
from replications.models import sites
from replications.systems.list_update import ListUpdateSubject, model
from replications.systems.list_update.measurements.circuits import square
from tests.systems.list_update.random_model import (
    COPYING,
    PREVIOUS,
    close,
    plain,
    random_weights,
)


# ---------------------------------------------------------------------------------- attention
def test_attention_to_sources_and_to_the_index(subject: ListUpdateSubject) -> None:
    _, patterns, _ = plain(random_weights(), subject.tokens)
    means = []
    for index in range(3):
        rows = patterns[1][subject.tokens[:, 5] == index]
        means += [rows[:, 7 + j, 6 if j == index else 1 + j].mean().item() for j in range(3)]
    assert subject.attention.to_source(COPYING) == pytest.approx(min(means))
    share = sum(mean >= 0.9 for mean in means) / 9
    assert subject.attention.full_at_source(COPYING) == pytest.approx(share)
    for query, position in (("element", 6), ("newline", 7)):
        found = subject.attention.to_index(query)["attention"]
        assert found == pytest.approx(patterns[0][:, position, 5].mean().item())
    with pytest.raises(BadInput, match="'end'"):
        subject.attention.to_index("end")
    updated = [
        (patterns[1] @ patterns[0])[subject.tokens[:, 5] == i][:, 7 + i].mean(0) for i in range(3)
    ]
    mean = torch.stack(updated).mean(0)
    both = subject.attention.from_updated(PREVIOUS, COPYING)
    assert both["index"] == pytest.approx(mean[5].item())
    assert both["element"] == pytest.approx(mean[6].item())
    assert subject.attention.from_updated(COPYING) != pytest.approx(both)


def test_scores_are_compared_with_and_without_k_composition(subject: ListUpdateSubject) -> None:
    without_k = subject.composition.pattern_without(sites.K)
    attention = subject.attention
    for cut, found in (("", attention.override()), ("K", attention.override(without_k))):
        _, patterns, _ = plain(random_weights(), subject.tokens, cut)
        index = subject.tokens[:, 5]
        row = patterns[1][torch.arange(60), 7 + index]
        prefers = row[:, 6] > row[torch.arange(60), 1 + index]
        assert found["updated"] == pytest.approx(prefers.double().mean().item())


def test_updated_and_kept_predictions_can_be_exchanged(subject: ListUpdateSubject) -> None:
    intact = subject.attention.override()
    exchanged = subject.attention.override(updated=subject.task.kept)
    assert exchanged == {"updated": intact["kept"], "kept": intact["updated"]}
    assert intact["kept"] != intact["updated"]


# ---------------------------------------------------------------------------------- circuits
def test_circuits_are_products_of_weights(subject: ListUpdateSubject) -> None:
    w = random_weights()
    OV = [w[f"blocks.{i}.attn.W_V"][0] @ w[f"blocks.{i}.attn.W_O"][0] for i in (0, 1)]
    QK = w["blocks.1.attn.W_Q"][0] @ w["blocks.1.attn.W_K"][0].T
    E, U, P = w["embed.W_E"], w["unembed.W_U"], w["pos_embed.W_pos"]
    assert close(subject.circuits.OV(COPYING), E @ OV[1] @ U)
    assert close(subject.circuits.OV(PREVIOUS, COPYING), E @ OV[0] @ OV[1] @ U)
    K = P @ QK @ OV[0].T @ E.T
    Q = P @ QK @ P.T
    found = subject.circuits.k_composition()
    assert found["least_diagonal"] == pytest.approx(K[7:10, :3].diagonal().min().item())
    ratio = Q[7:10, 1:4].diagonal().mean() / K[7:10, :3].diagonal().mean()
    assert subject.circuits.default_strength() == pytest.approx(ratio.item())
    next_place = Q[[7, 8, 9], [2, 3, 1]].mean() / K[7:10, :3].diagonal().mean()
    assert subject.circuits.default_strength(shift=1) == pytest.approx(next_place.item())
    looks_at = [int(Q[q, : q + 1].argmax()) for q in range(10)]
    assert subject.circuits.default_positions() == looks_at[7:]
    assert subject.circuits.default_positions(earlier=3) == looks_at[4:7]
    copies = (E @ OV[1] @ U)[:50].argmax(-1) == torch.arange(50)
    assert subject.circuits.copying(COPYING) == pytest.approx(copies.double().mean().item())


def test_the_square_can_be_that_of_another_writer(subject: ListUpdateSubject) -> None:
    w = random_weights()
    OV = w["blocks.1.attn.W_V"][0] @ w["blocks.1.attn.W_O"][0]
    QK = w["blocks.1.attn.W_Q"][0] @ w["blocks.1.attn.W_K"][0].T
    K = w["pos_embed.W_pos"] @ QK @ OV.T @ w["embed.W_E"].T
    found = subject.circuits.k_composition(writer=COPYING)
    assert found["least_diagonal"] == pytest.approx(K[7:10, :3].diagonal().min().item())
    assert found != subject.circuits.k_composition()
    both = subject.circuits.square_and_copying(COPYING, (COPYING, PREVIOUS))
    assert both["least_diagonal"] == pytest.approx(K[7:10, :3].diagonal().min().item())
    assert both["copying"] == subject.circuits.copying(COPYING, PREVIOUS)


def test_index_tokens_are_compared_with_the_other_numbers(subject: ListUpdateSubject) -> None:
    circuit = subject.circuits.OV(COPYING)
    diagonal = circuit.diagonal()
    found = subject.circuits.index_tokens(COPYING)
    assert found["times_the_others"] == pytest.approx(
        (diagonal[:3].mean() / diagonal[3:].mean()).item()
    )
    fails = sum(int(circuit[number].argmax()) != number for number in range(3, 50))
    assert found["other_failures"] == fails


def test_the_square_of_a_perfect_circuit() -> None:
    perfect = torch.zeros(3, 52, dtype=torch.float64)
    perfect[:, :3] = torch.eye(3) * 10 + 1
    found = square(perfect)
    assert found == {"least_diagonal": 11, "largest_other": pytest.approx(1 / 11), "right_rows": 1}
    assert square(perfect.roll(1, 1))["right_rows"] == 0
    perfect[2] = torch.arange(52) - 60.0  # the diagonal entry is -58, the largest number's is -9
    assert square(perfect) == {
        "least_diagonal": -58,
        "largest_other": pytest.approx(1 / 11),
        "right_rows": pytest.approx(2 / 3),
    }


def test_an_ov_circuit_transposed_copies_if_its_transpose_does() -> None:
    weights = {name: weight.double() for name, weight in model.untrained_state_dict().items()}
    number = torch.eye(128, dtype=torch.float64)
    weights["embed.W_E"], weights["unembed.W_U"] = number[:52], number[:, :50]
    weights["blocks.1.attn.W_V"] = number.roll(1, 0).clone()[None]  # number n is written as n - 1
    weights["blocks.1.attn.W_O"] = number[None]
    circuits = ListUpdateSubject("made", model.open_model(weights, dtype="float64")).circuits
    assert circuits.OV(COPYING)[7].argmax() == 6
    assert circuits.OV(COPYING, transposed=True)[7].argmax() == 8
    assert circuits.copying(COPYING) == 0.02  # 0 is written as no number, so 0 itself is largest
    assert circuits.copying(COPYING, transposed=True) == 0
    weights["blocks.1.attn.W_V"] = number[None]
    assert (
        ListUpdateSubject("made", model.open_model(weights, dtype="float64")).circuits.copying(
            COPYING
        )
        == 1
    )


# ---------------------------------------------------------------------------------- composition
@pytest.mark.parametrize(("site", "name"), [(sites.Q, "Q"), (sites.K, "K"), (sites.V, "V")])
def test_a_cut_path_is_the_model_recomputed(
    subject: ListUpdateSubject, site: sites.Site, name: str
) -> None:
    expected = plain(random_weights(), subject.tokens, name)[0][:, 7:10]
    assert close(subject.composition.logits_without(site), expected)
    assert not close(subject.task.logits, expected)


def test_cuts_change_accuracies_and_lose_logits(subject: ListUpdateSubject) -> None:
    tokens = subject.tokens
    logits = {cut: plain(random_weights(), tokens, cut)[0][:, 7:10] for cut in ("", "K", "V")}
    right = logits["K"].argmax(-1) == tokens[:, 8:]
    updated = torch.arange(3) == tokens[:, 5, None]
    of_answers = {cut: x.gather(-1, tokens[:, 8:, None]).mean() for cut, x in logits.items()}
    cut = [right[which].double().mean().item() for which in (updated, ~updated)]
    lost = 1 - (of_answers["V"] / of_answers[""]).item()
    assert subject.composition.logit_lost(sites.V) == pytest.approx(lost)
    right = logits[""].argmax(-1) == tokens[:, 8:]
    intact = [right[which].double().mean().item() for which in (updated, ~updated)]
    assert subject.composition.accuracies(sites.K) == pytest.approx(
        {"updated_intact": intact[0], "updated": cut[0], "kept": cut[1]}
    )
    change = max(abs(a - b) for a, b in zip(intact, cut, strict=True))
    assert subject.composition.change(sites.K) == pytest.approx(change)


def test_composition_is_through_queries_keys_or_values(subject: ListUpdateSubject) -> None:
    with pytest.raises(BadInput, match="through q, k or v, not through z"):
        subject.composition.change(sites.Z)
