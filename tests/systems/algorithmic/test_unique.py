"""Measurements of the first-unique-letter model on random weights, against slow copies."""

from __future__ import annotations

import math

import pytest
import torch

from replications.systems.algorithmic.data.unique import ADVERSARIAL, LETTERS
from replications.systems.algorithmic.measure import UniqueSubject
from replications.systems.algorithmic.measurements.unique.behaviour import divided


def test_the_headline(letters: UniqueSubject) -> None:
    probability = letters.task.network.forward(letters.tokens).softmax(-1)
    labels = letters.task.examples.labels
    right = [probability[i, j, labels[i, j]].item() for i in range(40) for j in range(20)]
    found = letters.behaviour.headline()
    assert found["mean"] == pytest.approx(sum(right) / 800)
    assert found["smallest"] == pytest.approx(min(right))
    assert found["loss"] == pytest.approx(-sum(map(math.log, right)) / 800)


def test_attention_to_copies(letters: UniqueSubject) -> None:
    found = letters.attention.to_copies((0, 1))
    even = letters.attention.to_copies(None)
    pattern = letters.task.pattern((0, 1))
    for letter in range(3):
        sums, shares = [], []
        for row, tokens in zip(pattern, letters.tokens.tolist(), strict=True):
            for q in range(20):
                copies = [k for k in range(q) if tokens[k] == letter]
                if tokens[q] == letter and copies:
                    sums.append(sum(row[q, k].item() for k in copies))
                    shares.append(len(copies) / (q + 1))
        assert found[letter].item() == pytest.approx(sum(sums) / len(sums))
        assert even[letter].item() == pytest.approx(sum(shares) / len(shares))


@pytest.mark.parametrize("first", [True, False])
def test_attention_to_occurrences(letters: UniqueSubject, first: bool) -> None:
    found = letters.attention.to_occurrences((1, 2), first=first)
    pattern = letters.task.pattern((1, 2))
    weights = [
        row[q, k].item()
        for row, tokens in zip(pattern, letters.tokens.tolist(), strict=True)
        for k in range(20)
        for q in range(k + 1, 20)
        if tokens[k] == 4 and (4 not in tokens[:k]) == first
    ]
    assert found[4].item() == pytest.approx(sum(weights) / len(weights))


def test_letters_are_divided_by_the_largest_value() -> None:
    values = torch.ones(2, 10)
    values[0, :5] = 6.0
    values[1, 5:] = 4.0
    values[0, 9] = 2.0
    assert divided(values) == {"domains": ["abcde", "fghij"], "factor": 2.0}
    assert divided(values, by_head=True) == {"domains": ["abcde", "fghij"], "factor": 3.0}


def test_a_head_without_letters_divides_nothing() -> None:
    values = torch.stack([torch.ones(10), torch.full((10,), 2.0)])
    assert divided(values)["domains"] == ["", "abcdefghij"]


def test_all_paths_add_up_to_the_logits(letters: UniqueSubject) -> None:
    attribution, late = letters.attribution, [None, (1, 0), (1, 1), (1, 2)]
    paths = [attribution.path(a, b) for a in attribution.parts for b in late]
    assert len(paths) == 16
    total = torch.stack(paths).sum(0) + attribution.constant()
    logits = letters.task.network.forward(letters.tokens)
    torch.testing.assert_close(total, logits, rtol=0, atol=1e-9)
    # With the page's divisor they do not.
    paths = [attribution.path(a, b, divisor=0) for a in attribution.parts for b in late]
    wrong = torch.stack(paths).sum(0) + attribution.constant(divisor=0)
    assert (wrong - logits).abs().max() > 0.1


def test_a_path_through_two_heads(letters: UniqueSubject) -> None:
    network = letters.task.network
    s0, s1, sf = (letters.task.scale(layer)[:, 1:].mean() for layer in (0, 1, None))
    first = network.W_E[3] / s0 @ network.W_V[0, 2] @ network.W_O[0, 2]
    second = first / s1 @ network.W_V[1, 1] @ network.W_O[1, 1]
    expected = (second / sf @ network.W_U)[3].item()
    assert letters.circuits.through((0, 2), (1, 1))[3].item() == pytest.approx(expected)
    assert letters.circuits.owned((0, 2))[3] == pytest.approx(expected)  # d belongs to 1.1
    outside = letters.circuits.owned((0, 2), outside=True)[3]
    paths = letters.circuits.through((0, 2), (1, 1))
    assert outside == pytest.approx(paths[[0, 1, 2, 6, 7, 8]].mean().item())


def test_the_gradient_of_a_steady_fall_is_minus_one(letters: UniqueSubject) -> None:
    for head in [(0, 0), (1, 1)]:
        assert -1 <= letters.circuits.gradient(head) <= 1


def test_answers_to_a_string(letters: UniqueSubject) -> None:
    found = letters.adversarial.answers()
    tokens = torch.tensor([[10, *(LETTERS.index(letter) for letter in ADVERSARIAL)]])
    probability = letters.task.network.forward(tokens)[0].softmax(-1)
    assert found["h_at_7"] == pytest.approx(probability[7, 7].item())
    assert found["a_at_8"] == pytest.approx(probability[8, 0].item())
    names = [*LETTERS, "?"]
    assert found["answers"] == "".join(names[i] for i in probability[7:].argmax(-1).tolist())


def test_overload_is_a_share_of_answers_for_each_letter_of_1_2(letters: UniqueSubject) -> None:
    found = letters.adversarial.overload()
    assert list(found) == list("bghi")
    assert all(0 <= share <= 1 for share in found.values())
    assert len(list(letters.adversarial._built("h", None))) == 12
    assert len(list(letters.adversarial._built("h", "defj"))) == 48
