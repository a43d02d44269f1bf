"""Measurements of the sorting model on random weights, against slow copies."""

from __future__ import annotations

import pytest
import torch

from replications.analysis.statistics import correlation
from replications.errors import FixtureMissing
from replications.systems import algorithmic
from replications.systems.algorithmic.data.sorting import of_values
from replications.systems.algorithmic.measure import SortedSubject
from replications.systems.algorithmic.measurements.sorting import Behaviour, Circuits
from replications.systems.algorithmic.roles import SortedRoles, sorted_roles

HEADS = [(0, 0), (0, 1)]


def test_rises_and_losses(lists: SortedSubject) -> None:
    rises, losses = lists.behaviour.ablated(), lists.behaviour.ablated(rise=False)
    clean = lists.behaviour.headline()["loss"]
    for name in ("0.0", "0.1"):
        assert losses[name] - rises[name] == pytest.approx(clean)
    inside, outside = (lists.behaviour.ablated(targets=t) for t in (range(28, 38), range(28)))
    assert inside != outside


def test_domains_of_a_known_matrix(lists: SortedSubject) -> None:
    copying = torch.zeros(51, 51)
    copying[28:38, 28:38] = torch.eye(10)
    copying[5, 3] = 2.0  # row 5 says 3
    rest = torch.eye(51)
    rest[28:37, 0] = 2.0
    found = lists.circuits.domains([copying, rest])
    # In rows of zeros the first answer is the largest: that of 0 is its own.
    assert found["first"] == [0, *range(28, 38)]
    assert found["second_outside"] == 41
    assert found["second_inside"] == 1


def test_attention_by_rank(lists: SortedSubject) -> None:
    found = lists.attention.by_rank((0, 1))
    pattern = lists.task.pattern((0, 1))
    for row in range(3):
        tokens = lists.tokens[row].tolist()
        for query in (0, 4, 9):
            for rank, number in enumerate(sorted(tokens[:10])):
                weight = sum(
                    pattern[row, 10 + query, k] for k, t in enumerate(tokens) if t == number
                )
                assert found[row, query, rank].item() == pytest.approx(float(weight))


@pytest.mark.parametrize("step", [1, 2, 0, -1])
def test_queries_that_look_a_step_ahead(lists: SortedSubject, step: int) -> None:
    ranks = [lists.attention.by_rank(head).argmax(-1) for head in HEADS]
    hits = [
        any(found[row, query] == query - 1 + step for found in ranks)
        for row in range(30)
        for query in range(1, 10)
        if 0 <= query - 1 + step <= 9
    ]
    found = lists.attention.next_larger(step)
    assert found["others"] == pytest.approx(sum(hits) / len(hits))
    assert found["SEP"] == pytest.approx((ranks[1][:, 0] == 0).double().mean().item())


def test_favourite_keys_and_those_of_another_query(lists: SortedSubject) -> None:
    scores = lists.circuits.scores((0, 0))
    top = sorted(range(51), key=lambda key: -scores[25, key].item())[:2]
    assert lists.circuits.favourites_of_25()["0.0"] == sorted(top)
    shifted = lists.circuits.favourites_of_25(20)["0.0"]
    assert [key - 5 for key in shifted] == lists.circuits.favourites(20)["0.0"]


def test_asymmetry_of_a_known_matrix(lists: SortedSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = torch.zeros(51, 51)
    for number in range(51):
        matrix[number, max(0, number - 3) : number] = 1.0
        matrix[number, number + 1 : number + 4] = -1.0
    monkeypatch.setattr(lists.circuits, "copying", lambda head: matrix)
    found = lists.circuits.asymmetry()
    assert found["share_0.0"] == found["share_0.1"] == 1
    assert found["below_0.0"] == pytest.approx(1)
    assert found["above_0.0"] == pytest.approx(-1)


def test_the_split_adds_up_to_the_logits(lists: SortedSubject) -> None:
    logits = lists.task.network.forward(lists.tokens)[:, 11:19]
    torch.testing.assert_close(lists.attribution.logits(), logits, rtol=0, atol=1e-9)
    for rows in ("reduced", "mirrored"):
        assert (lists.attribution.logits(rows) - logits).abs().max() > 0.1


def test_changed_source_rows(lists: SortedSubject) -> None:
    intact, reduced, mirrored = (
        lists.attribution.source_rows((0, 0), rows)[2, 4]
        for rows in ("intact", "reduced", "mirrored")
    )
    own = int(lists.tokens[2, 4])
    rest = (intact.sum() - intact[own]) / 51
    for number in range(52):
        assert reduced[number].item() == pytest.approx(
            (intact[own] if number == own else rest).item()
        )
        mirror = 2 * own - number
        known = 0 <= mirror < 51 and number < 51
        assert mirrored[number].item() == pytest.approx((intact[mirror] if known else rest).item())


def test_a_triple_is_what_the_split_says(lists: SortedSubject) -> None:
    numbers = [30, 31, 34, 1, 2, 3, 50, 44, 21, 17]
    tokens = of_values(numbers).tokens
    cache = lists.task.network.cache(tokens)
    place = next(p for p in cache if p.site.name == "pattern")
    pattern = cache[place][0, 0]
    v = next(value for p, value in cache.items() if p.site.name == "v")[0, :, 0]
    stream = next(value for p, value in cache.items() if p.site.name == "resid_post")[0]
    query = tokens[0].tolist().index(30, 11)
    scale = (stream[query].var(unbiased=False) + 1e-5).sqrt()
    written = v @ lists.task.network.W_O[0, 0] @ lists.task.network.W_U / scale
    expected = [
        (pattern[query, source] * written[source, answer]).item()
        for answer in (31, 34)
        for source in (1, 2)
    ]
    assert lists.attribution.triple(numbers, 30, (0, 0)) == pytest.approx(expected)


def test_skipping_queries(lists: SortedSubject) -> None:
    found = lists.attribution.skipping
    patterns = [lists.task.pattern(head) for head in HEADS]
    for row in range(10):
        tokens = lists.tokens[row].tolist()
        ordered = sorted(tokens[:10])
        for place, query in enumerate(range(11, 19)):
            x, y, z = ordered[place : place + 3]
            pattern = patterns[0 if 28 <= y <= 37 else 1][row, query]
            on = {n: sum(pattern[k] for k, t in enumerate(tokens) if t == n) for n in (y, z)}
            assert bool(found[row, place]) == (z - x <= 4 and bool(on[z] > on[y]))


def test_the_direct_path_alone_is_replaced(lists: SortedSubject) -> None:
    assert 0 <= lists.attribution.skips_without_direct_path() <= 1
    assert 0 <= lists.attribution.skips_without((0, 1)) <= 1


def test_lists_by_gap(lists: SortedSubject) -> None:
    numbers = [[x, *range(x + 40, x + 49)] for x in range(3)]
    logits = lists.task.network.forward(of_values(*numbers).tokens)[:, 11]
    hits = [int(logits[x].argmax()) == x + 40 for x in range(3)]
    assert lists.behaviour.by_gap([40]) == pytest.approx(sum(hits) / 3)


# ------------------------------------------------------------------------------ by role
def test_the_head_that_copies_fewer_numbers_has_the_domain() -> None:
    few, many = list(range(28, 38)), list(range(28))
    assert sorted_roles([few, many]) == SortedRoles()
    turned = sorted_roles([many, few])
    assert turned == SortedRoles((0, 1), (0, 0))
    assert turned.named == {"0.0": (0, 1), "0.1": (0, 0)}
    assert sorted_roles([[], many]).domain == ()


def test_numbers_in_bands(lists: SortedSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = -torch.ones(51, 51), -torch.ones(51, 51)
    for number in (0, 1, 2, 8, 9, 50):
        first[number, number] = 1.0
    second += 2 * torch.diag((torch.arange(51) >= 9).double())
    first[:, 25] += 0.5
    second[:, 25] += 0.5  # the rows without an answer of their own say 25, and 25 itself does
    matrices = dict(zip(HEADS, (first, second), strict=True))
    monkeypatch.setattr(lists.circuits, "copying", matrices.__getitem__)
    found = lists.circuits.divided()
    assert found["bands"] == 4  # 0 to 2, 8 and 9, 25, 50
    assert found["once"] == 4 + 42 - 3  # 9, 25 and 50 are copied by both
    assert lists.circuits.divided(exchanged=True)["bands"] == 1


def test_a_shifted_domain_begins_again(lists: SortedSubject) -> None:
    behaviour = Behaviour(lists.task, SortedRoles(domain=tuple(range(46, 51))))
    moved = Behaviour(lists.task, SortedRoles(domain=(49, 50, 0, 1, 2)))
    assert behaviour.domains(shift=3) == pytest.approx(moved.domains())


def test_small_and_large_gaps(lists: SortedSubject) -> None:
    assert lists.behaviour.crossed(near=[40], far=[41]) == {
        "near": lists.behaviour.by_gap([40]),
        "far": lists.behaviour.by_gap([41]),
    }
    assert lists.behaviour.without_larger() == lists.behaviour.ablated()["ratio"]


def test_numbers_drawn_down(lists: SortedSubject) -> None:
    counts = [
        sum(int(lists.circuits.scores(head)[query].argmax()) < 5 for query in range(26, 51))
        for head in HEADS
    ]
    assert lists.circuits.drawn_down() == max(counts)


def test_the_push_of_positions(lists: SortedSubject) -> None:
    network, found = lists.task.network, lists.circuits.push(range(46, 51))
    trends, ends = [], []
    for head in HEADS:
        scores = network.W_pos[11:20] @ lists.task.QK(head) @ network.W_E[:51].T
        centred = scores - scores.mean(1, keepdim=True)
        bias = centred[:, 46:].mean(1)
        trends.append(correlation(bias, torch.arange(11.0, 20.0)))
        ends.append((bias[4:].mean() / centred.abs().mean()).item())
    assert found["trend"] == pytest.approx(max(trends))
    assert found["at_end"] == pytest.approx(max(ends))


def test_a_model_that_copies_nothing_can_be_measured(lists: SortedSubject) -> None:
    """An empty domain gives NaN, which no expectation accepts."""
    roles = SortedRoles(domain=())
    found = Circuits(lists.task, roles).asymmetry()
    assert str(found["share_0.0"]) == "nan"
    assert str(Behaviour(lists.task, roles).domains()["0.0"]) == "nan"


def test_the_rules_find_the_published_domain() -> None:
    try:
        lens = algorithmic.subject("sorted").lens
    except FixtureMissing as missing:
        pytest.skip(str(missing))
    found = SortedSubject("found", lens, by_role=True)
    assert found.roles == SortedRoles()
    assert found.untrained.roles is found.roles
