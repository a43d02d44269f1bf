"""Measurements of the palindrome classifier on random weights, against slow copies."""

from __future__ import annotations

import math

import pytest
import torch

from replications.errors import FixtureMissing
from replications.systems import algorithmic
from replications.systems.algorithmic.data.palindrome import SECOND, mirror
from replications.systems.algorithmic.measure import PalindromeSubject
from replications.systems.algorithmic.roles import PalindromeRoles, palindrome_roles


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


# ------------------------------------------------------------------------------ by role
def test_positions_are_counted(palindromes: PalindromeSubject) -> None:
    attention, mistakes = palindromes.attention, palindromes.mistakes
    unequal, equal = (shares.tolist() for shares in attention.from_end((1, 1)))
    found = attention.collecting((1, 1))
    assert found["ratio"] == pytest.approx(sum(unequal) / sum(equal))
    assert found["positions"] == sum(u >= 2 * e for u, e in zip(unequal, equal, strict=True))
    to_mirror, to_itself = (shares.tolist() for shares in attention.largest())
    both = [m >= 0.95 and i >= 0.6 for m, i in zip(to_mirror, to_itself, strict=True)]
    assert attention.comparing() == sum(both)
    shares = mistakes.called_palindromes.values()
    assert mistakes.spots()["blind"] == sum(share >= 0.99 for share in shares)
    assert mistakes.spots()["seen"] == sum(share <= 0.1 for share in shares)


def test_one_line(palindromes: PalindromeSubject) -> None:
    """The share on the line is the largest eigenvalue of the cosines over their number."""
    largest = torch.linalg.eigvalsh(palindromes.circuits.cosines())[-1].item()
    assert palindromes.circuits.on_one_line() == pytest.approx(largest / 10)


def test_what_layer_1_shares_out(palindromes: PalindromeSubject) -> None:
    keys, values = palindromes.circuits.as_key(), palindromes.circuits.as_value()
    found = palindromes.circuits.shared_out()
    assert found["wanted"] == sum(key > 0 for key in keys["1.0"])
    pairs = zip(keys["1.0"], keys["1.1"], strict=True)
    assert found["apart"] == sum((a > 0) != (b > 0) for a, b in pairs)
    says = zip(keys["1.0"], values["1.0"], strict=True)
    assert found["no"] == sum(key > 0 and value > 0 for key, value in says)


def test_the_head_that_does_more_has_the_part() -> None:
    assert palindrome_roles([0.5, 0.1], [0.2, 0.0]) == PalindromeRoles()
    turned = palindrome_roles([0.1, 0.5], [0.0, 0.2])
    assert turned == PalindromeRoles().exchanged
    assert turned.named == {"0.0": (0, 1), "0.1": (0, 0), "1.0": (1, 1), "1.1": (1, 0)}


def test_heads_in_other_places_have_the_same_parts(palindromes: PalindromeSubject) -> None:
    """With the heads of both layers exchanged, what is measured by role is the same."""
    turned = {
        name: w.flip(0) if ".attn.W" in name or (".attn.b_" in name and w.ndim == 2) else w
        for name, w in palindromes.lens.state_dict.items()
    }
    examples = palindromes.task.examples
    here, there = (
        PalindromeSubject("found", lens, examples=examples, by_role=True)
        for lens in (palindromes.lens, palindromes.lens.reopen(turned))
    )
    assert there.roles.exchanged == here.roles
    assert there.roles is there.untrained.roles
    expected = here.behaviour.mean_ablated()
    assert there.behaviour.mean_ablated() == pytest.approx(expected)
    assert here.behaviour.mean_ablated(exchanged=True)["0.0"] == pytest.approx(expected["0.1"])
    assert there.circuits.as_value()["1.0"] == pytest.approx(here.circuits.as_value()["1.0"])


def test_the_rules_find_the_published_heads() -> None:
    try:
        lens = algorithmic.subject("palindrome").lens
    except FixtureMissing as missing:
        pytest.skip(str(missing))
    assert PalindromeSubject("found", lens, by_role=True).roles == PalindromeRoles()
