"""The strings built to fool the classifier, and what is measured of them."""

from __future__ import annotations

import pytest
import torch

from replications.errors import BadInput
from replications.systems.brackets import BracketSubject, tokenize
from replications.systems.brackets.data import is_balanced_loop
from replications.systems.brackets.measurements.adversarial import (
    PUBLISHED_LENGTHS,
    attack,
    flat,
    nested,
)
from replications.systems.brackets.measurements.elevation_head import ElevationHead
from tests.systems.brackets.plain import Plain


def negative_suffixes(string: str) -> list[int]:
    """Closes minus opens of each suffix that has more opens."""
    heights = [string[i:].count(")") - string[i:].count("(") for i in range(len(string))]
    return [h for h in heights if h < 0]


def test_building_blocks() -> None:
    assert (nested(6), flat(6), nested(0)) == ("((()))", "()()()", "")
    assert attack(30) == "(" * 15 + ")" * 15 + ")(" + "(" * 4 + ")" * 4
    assert attack(2, total=4) == "())(()"


@pytest.mark.parametrize("length", PUBLISHED_LENGTHS)
def test_an_attack_is_unbalanced_by_one_at_one_position(length: int) -> None:
    string = attack(length)
    assert len(string) == 40
    assert not is_balanced_loop(string)
    assert is_balanced_loop(nested(length))
    assert is_balanced_loop(nested(38 - length))
    assert negative_suffixes(string) == [-1]
    assert len(negative_suffixes(nested(length) + "))((" + nested(36 - length))) > 1


def test_counts_of_negative_places(single: BracketSubject) -> None:
    found = single.adversarial.negative_positions()
    assert found == {"in_each_string": [1] * len(PUBLISHED_LENGTHS), "lowest_elevation": -1}
    strings = [nested(i) + "))((" + nested(36 - i) for i in range(2, 36, 2)]
    doubled = [negative_suffixes(string) for string in strings]
    assert single.adversarial.negative_positions(strings) == {
        "in_each_string": [len(heights) for heights in doubled],
        "lowest_elevation": min(map(min, doubled)),
    }


def test_confidences_are_softmax_of_the_logits(exact: BracketSubject, plain: Plain) -> None:
    found = exact.adversarial
    strings = [attack(i) for i in PUBLISHED_LENGTHS]
    p = plain.run(tokenize(strings))["logits"][:, 0].softmax(-1)
    assert list(found.by_length) == list(PUBLISHED_LENGTHS)
    assert torch.tensor(list(found.by_length.values())).sub(p[:, 1]).abs().max() < 1e-6
    assert torch.tensor(list(found.by_length.values())).sub(p[:, 0]).abs().max() > 1e-3
    assert found.best_length() == PUBLISHED_LENGTHS[int(p[:, 1].argmax())]
    ranks = p[:, 1].argsort(descending=True).argsort() + 1
    place = dict(zip(PUBLISHED_LENGTHS, ranks.tolist(), strict=True))
    assert found.lowest_rank((12, 24)) == max(place[12], place[24])
    assert found.lowest_rank((found.best_length(),)) == 1
    by_length = dict(zip(PUBLISHED_LENGTHS, p[:, 1].tolist(), strict=True))
    some = (12, 24, 32)
    lowest, highest = (extreme(by_length[i] for i in some) for extreme in (min, max))
    assert found.confidence_at(some) == pytest.approx(lowest, abs=1e-9)
    assert found.confidence_at(some, extreme=max) == pytest.approx(highest, abs=1e-9)
    assert lowest < highest
    assert found.published_attack() == pytest.approx(100 * by_length[30], abs=1e-7)


def test_height_is_gained_and_lost(exact: BracketSubject, plain: Plain) -> None:
    found, flat_confidence = exact.adversarial, {}
    for length in (30, 12):
        tall, low = (
            plain.run(tokenize(make(length) + ")(" + make(38 - length)))["logits"][0, 0]
            .softmax(-1)[1]
            .item()
            for make in (nested, flat)
        )
        flat_confidence[length] = low
        assert found.gain_from_height(length) == pytest.approx(tall - low, abs=1e-9)
    assert found.gain_from_height() == found.gain_from_height(30)
    low = 100 * flat_confidence[30]
    assert found.published_attack(flat_halves=True) == pytest.approx(low, abs=1e-7)
    flat_by_length = found.flat_by_length
    assert flat_by_length[found.best_length(flat_halves=True)] == max(flat_by_length.values())


def test_printed_controls_are_in_per_cent(single: BracketSubject) -> None:
    expected = single.task.confidence(["()", "(())", "))"])
    found = single.adversarial.printed_controls()
    assert found == pytest.approx((100 * expected).tolist(), abs=1e-4)
    mirrored = single.task.confidence([")(", "))((", "(("])
    exchanged = single.adversarial.printed_controls(exchanged=True)
    assert exchanged == pytest.approx((100 * mirrored).tolist(), abs=1e-4)
    unmasked = single.adversarial.printed_controls(masked=False)
    assert unmasked != pytest.approx((100 * expected).tolist(), abs=1e-2)


def test_the_family_holds_every_pair_of_sizes_most_convincing_first(
    single: BracketSubject,
) -> None:
    family = single.adversarial.family
    sizes = {(a.left, a.right) for a in family}
    assert len(family) == len(sizes) == 171  # a, b = 2, 4, …; a + b at most 38
    assert all(len(a.string) == a.left + a.right + 2 <= 40 for a in family)
    assert not any(is_balanced_loop(a.string) for a in family)
    confidences = [a.confidence for a in family]
    assert confidences == sorted(confidences, reverse=True)
    some = family[::40]
    again = single.task.confidence([a.string for a in some]).tolist()
    assert [a.confidence for a in some] == pytest.approx(again, abs=1e-5)
    profile = single.adversarial.family_profile()
    assert (profile["best_a"], profile["best_b"]) == (family[0].left, family[0].right)
    assert profile["called_balanced"] == sum(c > 0.5 for c in confidences)
    flat_strings = [flat(a.left) + ")(" + flat(a.right) for a in family]
    called = (single.task.confidence(flat_strings) > 0.5).sum()
    assert single.adversarial.family_profile(flat_halves=True)["called_balanced"] == called


@pytest.mark.parametrize("head", ["0.0", "0.1"])
def test_undercount_is_a_weighted_share_less_the_true_one(
    exact: BracketSubject, plain: Plain, head: str
) -> None:
    elevation = ElevationHead(exact.task, (0, int(head[2])))
    for length in (12, 30):
        string, query = attack(length), length + 2
        pattern = plain.run(tokenize(string))[f"pattern {head}"][0, query]
        suffix = {i: pattern[i].item() for i in range(query, 41)}
        opens = [weight for i, weight in suffix.items() if string[i - 1] == "("]
        weighted, true = elevation.weighted_and_true_share(string, query)
        assert weighted == pytest.approx(sum(opens) / sum(suffix.values()), abs=1e-9)
        assert true == pytest.approx(len(opens) / len(suffix))
        assert string[query - 1] == "("
    other = elevation.sibling.weighted_and_true_share(attack(30), 32)
    assert other[0] != pytest.approx(elevation.weighted_and_true_share(attack(30), 32)[0], abs=1e-6)


def test_undercounts_are_read_at_the_open_bracket_before_B(exact: BracketSubject) -> None:
    each = []
    for length in (12, 24, 30):
        query = attack(length).index(")(" + nested(38 - length)) + 2  # positions count [start]
        weighted, true = exact.elevation_head.weighted_and_true_share(attack(length), query)
        each.append(weighted - true)
        assert exact.adversarial.undercounts(length) == pytest.approx(each[-1])
    assert exact.adversarial.undercounts(12, 24, 30) == pytest.approx(max(each))
    found = exact.adversarial.overcounting_attacks(12, 24, 30)
    assert found["smallest_overcount"] == pytest.approx(min(each))
    assert found["lowest_confidence"] == exact.adversarial.confidence_at((12, 24, 30))
    weighted, true = exact.elevation_head.sibling.weighted_and_true_share(attack(30), 32)
    by_sibling = exact.adversarial.undercounts(30, head=exact.elevation_head.sibling.head)
    assert by_sibling == pytest.approx(weighted - true)


def test_what_is_too_long_is_refused(single: BracketSubject) -> None:
    with pytest.raises(BadInput, match="at most 40"):
        single.elevation_head.weighted_and_true_share(attack(30, total=40), 32)
