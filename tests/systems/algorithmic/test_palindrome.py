"""Measurements of the palindrome classifier on random weights, against slow copies."""

from __future__ import annotations

import math

import pytest
import torch

from replications.systems.algorithmic.data.palindrome import SECOND, mirror
from replications.systems.algorithmic.measure import PalindromeSubject


def test_the_headline(palindromes: PalindromeSubject) -> None:
    logits = palindromes.task.network.forward(palindromes.tokens)[:, 21]
    losses, differences = [], []
    labels = palindromes.task.examples.labels[:, 0].tolist()
    for (no, yes), label in zip(logits.tolist(), labels, strict=True):
        difference = yes - no if label else no - yes
        differences.append(difference)
        losses.append(math.log1p(math.exp(-difference)))
    found = palindromes.behaviour.headline()
    assert found["loss"] == pytest.approx(sum(losses) / 60, rel=1e-9)
    assert found["logit_difference"] == pytest.approx(sum(differences) / 60, rel=1e-9)
    assert palindromes.behaviour.headline(position=20)["loss"] != found["loss"]


def test_mirror_or_itself(palindromes: PalindromeSubject) -> None:
    equal, unequal = palindromes.attention.largest((0, 1))
    pattern = palindromes.task.pattern((0, 1))
    for place, i in enumerate(SECOND):
        hits: dict[bool, list[bool]] = {True: [], False: []}
        for row, tokens in zip(pattern, palindromes.tokens.tolist(), strict=True):
            same = tokens[i] == tokens[mirror(i)]
            hits[same].append(int(row[i].argmax()) == (mirror(i) if same else i))
        assert equal[place].item() == pytest.approx(sum(hits[True]) / len(hits[True]))
        assert unequal[place].item() == pytest.approx(sum(hits[False]) / len(hits[False]))


def test_attention_from_end_is_a_mean_over_unequal_or_equal_pairs(
    palindromes: PalindromeSubject,
) -> None:
    unequal, equal = palindromes.attention.from_end((1, 0))
    weights = palindromes.task.pattern((1, 0))[:, 21, 14]
    same = palindromes.tokens[:, 14] == palindromes.tokens[:, 7]
    assert equal[3].item() == pytest.approx(weights[same].mean().item())
    assert unequal[3].item() == pytest.approx(weights[~same].mean().item())


def test_positions_attend_to_all_but_start(palindromes: PalindromeSubject) -> None:
    attention = palindromes.circuits.positions((0, 0))
    assert attention.sum(-1).tolist() == pytest.approx([1.0] * 22)
    assert not attention[1:, 0].any()
    assert not attention.triu(1).any()


def test_difference_vectors_are_what_changed_attention_writes(
    palindromes: PalindromeSubject,
) -> None:
    """d_i is OV of the difference of two positions, each over its own mean scale."""
    network, scale = palindromes.task.network, palindromes.task.scale(0).mean(0)
    at_18, at_3 = network.W_pos[18] / scale[18], network.W_pos[3] / scale[3]
    expected = (at_18 - at_3) @ network.W_V[0, 0] @ network.W_O[0, 0]
    torch.testing.assert_close(palindromes.circuits.differences()[7], expected)
    cosines = palindromes.circuits.cosines()
    torch.testing.assert_close(cosines.diagonal(), torch.ones(10, dtype=torch.float64))
    torch.testing.assert_close(cosines, cosines.T)


def test_values_are_linear_in_the_coefficient(palindromes: PalindromeSubject) -> None:
    one, two = (palindromes.circuits.as_value(coefficient=c)["1.1"] for c in (1.0, 2.0))
    assert [2 * x for x in one] == pytest.approx(two)


def test_the_other_compositions_leave_out_the_pair(palindromes: PalindromeSubject) -> None:
    scores = palindromes.circuits.compositions()
    assert len(scores) == 12
    found = palindromes.circuits.composes()
    chosen = {((0, 0), (1, 0), "K"), ((0, 0), (1, 0), "V")}
    assert found["largest_other"] == max(s for key, s in scores.items() if key not in chosen)
    assert found["K"] == scores[(0, 0), (1, 0), "K"]


def test_errors_are_sorted_by_where_they_are_unequal(palindromes: PalindromeSubject) -> None:
    of_type = palindromes.mistakes.of_type((17, 19)).tolist()
    for tokens, found in zip(palindromes.tokens.tolist(), of_type, strict=True):
        unequal = {i for i in SECOND if tokens[i] != tokens[mirror(i)]}
        assert found == (bool(unequal) and unequal <= {17, 19})
    natural = palindromes.mistakes.natural()
    assert isinstance(natural["sequences"], list)
    assert natural["blind"] + natural["others"] == len(natural["sequences"])  # type: ignore[operator]
