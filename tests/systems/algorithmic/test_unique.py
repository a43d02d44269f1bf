"""Measurements of the first-unique-letter model on random weights, against slow copies."""

from __future__ import annotations

import math

import pytest
import torch

from replications.errors import FixtureMissing
from replications.systems import algorithmic
from replications.systems.algorithmic.data.unique import ADVERSARIAL, LETTERS
from replications.systems.algorithmic.measure import UniqueSubject
from replications.systems.algorithmic.measurements.unique.behaviour import divided, division
from replications.systems.algorithmic.roles import UniqueRoles, unique_roles


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


# ------------------------------------------------------------------------------ by role
HEADS = [(0, 0), (0, 1), (0, 2)]


def test_the_first_positions_alone(letters: UniqueSubject) -> None:
    probability = letters.task.log_probability().exp()[:, :6]
    found = letters.behaviour.headline(positions=6)
    assert found["mean"] == pytest.approx(probability.mean().item())
    assert found["smallest"] == pytest.approx(probability.min().item())


def test_a_letter_belongs_to_the_head_that_looks_at_it_most() -> None:
    repeated = torch.zeros(3, 10)
    repeated[0, [0, 2]] = 1.0
    repeated[1, [3, 4, 5, 9]] = 1.0
    repeated[2, [1, 6, 7, 8]] = 1.0
    assert unique_roles([0.1, 0.5, 0.2], repeated) == UniqueRoles()
    turned = unique_roles([0.2, 0.1, 0.5], repeated[[2, 2, 1]])
    assert turned.duplicates == (0, 2)
    assert turned.early == ((0, 1), (0, 0))
    # Of two heads that are alike the first one owns the letters; one may own none.
    assert [domain for _, domain in turned.domains] == ["abcghi", "", "defj"]


def test_heads_that_look_back_are_counted(letters: UniqueSubject) -> None:
    weights = [letters.attention.to_copies(head).tolist() for head in HEADS]
    found = letters.by_letter.looking_back()
    assert found["weakest"] == min(max(row[i] for row in weights) for i in range(10))
    assert found["letters"] == max(sum(w >= 0.25 for w in row) for row in weights)
    even = letters.by_letter.looking_back(uniform=True)
    assert even["weakest"] == letters.attention.to_copies(None).min().item()


def test_letters_lost_and_letters_looked_at(letters: UniqueSubject) -> None:
    by_role = UniqueSubject("found", letters.lens, examples=letters.task.examples, by_role=True)
    looked = by_role.attention.domains()
    assert looked["domains"] == [domain for _, domain in by_role.roles.domains]
    assert by_role.by_letter.shared_out()["factor"] == looked["factor"]
    rises = torch.stack([by_role.behaviour.rises((1, number)) for number in range(3)])
    domains, factor = division(rises, by_head=True)
    same = [set(a) & set(b) for a, b in zip(domains, looked["domains"], strict=True)]
    found = by_role.by_letter.causal()
    assert found == {"agree": sum(map(len, same)), "factor": factor}


def test_paths_are_counted(letters: UniqueSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    """With paths that are known, and copy heads 0.1 for a to e and 0.2 for the others."""
    by_letter = UniqueSubject("known", letters.lens, examples=letters.task.examples).by_letter
    copies = {
        h: torch.tensor([float(h[1] == (1 if i < 5 else 2)) for i in range(10)]) for h in HEADS
    }
    paths = {
        None: [-30.0] * 8 + [-20.0, 40.0],
        (0, 0): [100.0] * 3 + [0.0] * 7,
        (0, 1): [-25.0] * 5 + [80.0] * 5,
        (0, 2): [-24.0] * 10,
    }
    monkeypatch.setattr(by_letter._attention, "to_copies", copies.__getitem__)
    monkeypatch.setattr(by_letter._circuits, "owned", lambda head, outside=False: paths[head])
    assert by_letter.suppressed() == {"copies": 5, "direct": 8}
    assert by_letter.boosted() == 8  # a, b and c from 0.0, f to j from 0.1
    assert by_letter.boosted(by_copies=True) == 0
    assert by_letter.suppressed(least=True) == {"copies": 0, "direct": 0}


def test_copied_letters_are_counted(letters: UniqueSubject) -> None:
    signs = [letters.circuits.through(head) > 0 for head in [(0, 0), (0, 2)]]
    assert letters.by_letter.copied() == sum(int(sign.sum()) for sign in signs)
    assert letters.by_letter.copied(direct=True) == 2 * int((letters.circuits.direct() > 0).sum())


def test_the_rules_find_the_published_heads() -> None:
    try:
        lens = algorithmic.subject("unique").lens
    except FixtureMissing as missing:
        pytest.skip(str(missing))
    found = UniqueSubject("found", lens, by_role=True)
    assert found.roles == UniqueRoles()
    assert found.untrained.roles is found.roles
