"""Measurements of the addition model on random weights, against slow copies."""

from __future__ import annotations

import math

import pytest
import torch

from replications.errors import FixtureMissing
from replications.models import put_rows, sites
from replications.systems import algorithmic
from replications.systems.algorithmic.data.addition import NAMES
from replications.systems.algorithmic.measure import SumSubject
from replications.systems.algorithmic.measurements.addition.circuits import _circle, _step
from replications.systems.algorithmic.roles import SumRoles, sum_roles


def test_the_headline(sums: SumSubject) -> None:
    logits = sums.task.network.forward(sums.tokens)[:, 9:13]
    probability = logits.softmax(-1)
    right = [probability[i, j, sums.tokens[i, 10 + j]].item() for i in range(40) for j in range(4)]
    found = sums.behaviour.headline()
    assert found["mean"] == pytest.approx(sum(right) / 160)
    assert found["smallest"] == pytest.approx(min(right))
    assert found["loss"] == pytest.approx(-sum(map(math.log, right)) / 160)
    hits = logits.argmax(-1) == sums.tokens[:, 10:]
    assert found["accuracy"] == pytest.approx(hits.double().mean().item())


def test_what_wrong_answers_have_in_common(sums: SumSubject) -> None:
    says = sums.task.network.forward(sums.tokens)[:, 9:13].argmax(-1).tolist()
    carried, nines = [], []
    for row, answers in zip(sums.tokens.tolist(), says, strict=True):
        pairs = [row[i] + row[5 + i] for i in range(4)] + [0]
        for i in range(4):
            if answers[i] != row[10 + i]:
                carried.append((pairs[i] + (pairs[i + 1] >= 10)) % 10 != row[10 + i])
                nines.append(i < 3 and pairs[i + 1] == 9)
    found = sums.behaviour.errors()
    assert found["accuracy"] == pytest.approx(1 - len(carried) / 160)
    assert found["carried"] == pytest.approx(sum(carried) / len(carried))
    assert found["nines"] == pytest.approx(sum(nines) / len(nines))


@pytest.mark.parametrize("zero", [True, False])
def test_a_rise_is_that_of_one_head_at_one_position(sums: SumSubject, zero: bool) -> None:
    network = sums.task.network
    z = network.cache(sums.tokens)[sites.Z(0)][:, 10, 1]
    instead = torch.zeros_like(z) if zero else z.mean(0).expand_as(z).contiguous()
    edit = put_rows(sites.Z(0).pick(head=1, pos=10), instead)
    losses = []
    for edits in ([edit], []):
        logits = network.forward(sums.tokens, edits)[:, 9:13].log_softmax(-1)
        losses.append(-logits.gather(-1, sums.tokens[:, 10:, None])[..., 0].mean(0))
    found = sums.behaviour.rises((0, 1), 10, zero=zero)
    torch.testing.assert_close(found, losses[0] - losses[1], rtol=0, atol=1e-9)
    arrows = {"0.1": "C0>C1 C0>C3"}
    assert sums.behaviour.write_map(arrows, zero=zero)["0.1"] == found[[1, 3]].tolist()


def test_the_largest_rises_inside_and_outside(sums: SumSubject) -> None:
    rises = {name: sums.behaviour.rises((0, 2), i).max().item() for i, name in enumerate(NAMES)}
    inside = max(rises[name] for name in ("B3", "=", "C0", "C1", "C2"))
    outside = max(rises[name] for name in ("A0", "A1", "A2", "A3", "+", "B0", "B1", "B2", "C3"))
    assert sums.behaviour.outside()["0.2"] == outside
    assert sums.behaviour.elsewhere()["0.2"] == pytest.approx(outside / inside)


def test_attention_to_a_pair(sums: SumSubject) -> None:
    pattern = sums.task.pattern((0, 1))[:, 12]
    found = sums.attention.halves(["0.1@C2>3", "0.0@=>0"])
    assert found["0.1@C2>3"] == pytest.approx(pattern[:, [3, 8]].mean(0).tolist())
    pairs = [*found["0.1@C2>3"], *found["0.0@=>0"]]  # type: ignore[misc]
    assert found["smallest"] == min(pairs)
    best = sums.attention.best_in_layer_1(["0.1@C2>3"])["0.1@C2>3"]
    every = [sums.attention.on_pair((1, h), name, 3) for h in range(3) for name in NAMES]
    assert best == max(every, key=min)


def test_preferences_and_their_order(sums: SumSubject) -> None:
    network = sums.task.network
    query = (network.W_E[sums.tokens[:, 8]] + network.W_pos[8]).mean(0)
    keys = network.W_E @ network.W_K[0, 1]
    scores = keys @ (query @ network.W_Q[0, 1])
    centred = scores - scores.mean()
    expected = centred / centred.abs().sum()
    found = sums.circuits.preferences("0.1@B3")
    torch.testing.assert_close(found, expected[:10])
    order = "".join(str(i) for i in sorted(range(10), key=lambda i: -expected[i].item()))
    assert sums.circuits.hierarchy()["orders"][1] == order  # type: ignore[index]
    hierarchy = [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    signs = [
        1 if expected[a] > expected[b] else -1
        for i, a in enumerate(hierarchy)
        for b in hierarchy[i + 1 :]
    ]
    assert sums.circuits.tau("0.1@B3") == pytest.approx(sum(signs) / 45)


def test_steps_and_circles_are_recognised() -> None:
    turns = 2 * math.pi * torch.arange(10.0).double() / 10
    step = torch.tensor([1.0] * 5 + [-1.0] * 5)
    assert _step(step) == pytest.approx(1)
    assert _step((turns + 0.3).sin()) == pytest.approx(0.81, abs=0.03)
    circle = torch.stack([turns.sin(), turns.cos(), (2 * turns).cos()], dim=1)
    assert _circle(circle) == pytest.approx(1)
    assert _circle(circle[:, [0, 2, 1]]) == pytest.approx(1)
    assert _circle(circle[:, [0, 2, 2]]) == pytest.approx(0, abs=1e-3)


def test_a_perfect_circle_of_answers(sums: SumSubject) -> None:
    turns = 2 * math.pi * torch.arange(10.0).double() / 10
    matrix = torch.zeros(48, 10, dtype=torch.float64)
    matrix[3], matrix[5] = 4 * turns.cos(), 3 * turns.sin()
    found = sums.circuits.unembedding(matrix)
    assert found["two"] == pytest.approx(1)
    assert found["step"] == pytest.approx(0, abs=1e-5)
    assert found["radius"] == pytest.approx(0, abs=1e-3)


def test_answers_by_rank_two_and_by_angle(sums: SumSubject) -> None:
    network = sums.task.network
    U, S, Vh = torch.linalg.svd(network.W_U[:, :10], full_matrices=False)
    stream = network.cache(sums.tokens)[sites.RESID_POST(1)][:, 9:13]
    scale = (stream.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    logits = stream @ U[:, :2] @ torch.diag(S[:2]) @ Vh[:2] / scale + network.b_U[:10]
    hits = logits.argmax(-1) == sums.tokens[:, 10:]
    found = sums.readout.angles()
    assert found["rank_two"] == pytest.approx(hits.double().mean().item())
    assert 0 <= found["angle"] <= 1
    assert 0 <= found["resultant"] <= 1


def test_probes_trained_side_by_side_are_trained_alone(sums: SumSubject) -> None:
    data = torch.randn(2, 600, 48, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(10, (2, 600), generator=torch.Generator().manual_seed(1))

    def train(probes: list[int]) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(2)
        return [w for w, _ in sums.probe._train(data[probes], labels[probes], generator)]

    both, alone = train([0, 1]), train([1])
    torch.testing.assert_close(both[1], alone[0], rtol=0, atol=1e-5)
    assert (both[0] - both[1]).abs().max() > 0.01


# ------------------------------------------------------------------------------- tier 3
@pytest.fixture(scope="module")
def original() -> SumSubject:
    """The published model; skipped where its file cannot be reached."""
    try:
        found = algorithmic.subject("sum")
    except FixtureMissing as missing:
        pytest.skip(str(missing))
    assert isinstance(found, SumSubject)
    return found


def test_only_four_dimensions_reach_the_digits(original: SumSubject) -> None:
    """Raw weights: four rows of W_U hold nearly everything, "+" and "=" have no column.

    Processing smears both, and gives "+" and "=" one small column.
    """
    raw, processed = original.raw.task.network.W_U, original.task.network.W_U

    def in_four(W_U: torch.Tensor) -> float:
        norms = W_U.square().sum(1)
        return (norms.topk(4).values.sum() / norms.sum()).item()

    assert in_four(raw) >= 0.999
    assert raw[:, 10:].abs().max() < 1e-3
    assert in_four(processed) < 0.999
    assert processed[:, 10:].abs().max() > 1e-3
    torch.testing.assert_close(processed[:, 10], processed[:, 11], rtol=0, atol=2e-3)


def test_without_decay_all_dimensions_reach_the_answers(original: SumSubject) -> None:
    found = algorithmic.subject("unique").raw.task.network.W_U
    norms = found.square().sum(1)
    assert (norms.topk(4).values.sum() / norms.sum()).item() < 0.9


# ------------------------------------------------------------------------------ by role
def test_the_head_that_writes_a_step_comes_first() -> None:
    carries = SumRoles().carries
    assert sum_roles([0.98, 0.93, 0.9], carries) == SumRoles()
    turned = sum_roles([0.9, 0.93, 0.98], carries)
    assert turned.early == ((0, 2), (0, 0), (0, 1))
    assert turned.beside_carries == (((0, 1), "C1"), ((0, 2), "B3"), ((0, 0), "="))
    assert turned.above_carries == (((1, 0), "C1"), ((1, 1), "B3"), ((1, 2), "="))


def test_a_preferred_digit_tells_the_carry(
    sums: SumSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = {"0.0@C1": "0918273645", "0.1@B3": "0918273654", "0.2@=": "9081726354"}

    def preferences(cell: str) -> torch.Tensor:
        return torch.tensor([-float(orders[cell].index(str(digit))) for digit in range(10)])

    monkeypatch.setattr(sums.carries._circuits, "preferences", preferences)
    carries = sums.carries
    assert carries.preferred([((0, 0), "C1")]) == 1
    # With 4 and 5 exchanged one pair of 45 is wrong: 4 + 5 is no carry.
    assert carries.preferred([((0, 1), "B3")]) == pytest.approx(44 / 45)
    # If 9 comes before 0, five pairs are: those that add up to 9.
    assert carries.preferred([((0, 2), "=")]) == pytest.approx(40 / 45)
    assert carries.preferred() == pytest.approx(40 / 45)


def test_what_is_left_without_carry_cells(sums: SumSubject) -> None:
    found, shares = sums.carries.deleted(), sums.behaviour.deleted()
    assert found["kept"] == min(shares[f"kept_C{i}"] for i in range(3))
    assert found["left"] == max(shares[f"accuracy_C{i}"] for i in range(3))
    pairs = [
        sums.attention.on_pair(head, name, place)
        for head, name, place in [((0, 0), "C1", 3), ((0, 1), "B3", 2), ((0, 2), "=", 1)]
    ]
    assert sums.carries.halves() == min(map(min, pairs))


def test_what_heads_write_by_role(sums: SumSubject) -> None:
    found = sums.circuits.directions()
    assert sums.carries.written() == {
        "step": found["step"],
        "circle": min(float(str(found[f"circle_0.{number}"])) for number in (1, 2)),
    }
    exchanged = sums.carries.written(exchanged=True)
    assert exchanged["circle"] == sums.circuits.circle((0, 0))
    assert sums.circuits.unembedding() == {
        "values": sums.circuits.unembedding()["values"], **sums.circuits.answers()
    }  # fmt: skip


def test_a_mirrored_circle_is_the_same_circle(sums: SumSubject) -> None:
    """Singular vectors have no sign; on a processor of another kind they came out mirrored.

    Digits in an order that goes round no way at all, of which each step is far from 36 degrees.
    """
    angles = 2 * math.pi / 10 * torch.tensor([0, 5, 1, 6, 2, 7, 3, 8, 4, 9])
    for mirror in (1.0, -1.0):
        points = torch.stack([angles.cos(), mirror * angles.sin()]).double()
        found = sums.circuits.answers(points)
        assert found["step"] == pytest.approx(144)
        even = torch.arange(10, dtype=torch.float64) * 2 * math.pi / 10
        circle = torch.stack([even.cos(), mirror * even.sin()]).double()
        assert sums.circuits.answers(circle)["step"] == pytest.approx(0, abs=1e-3)


def test_a_cell_that_looks_at_nothing_is_found_all_the_same(sums: SumSubject) -> None:
    """Every subject has three cells of layer 0, not after the place where the answer is read."""
    by_role = SumSubject("found", sums.lens, examples=sums.task.examples, by_role=True)
    for (head, name), last in zip(by_role.roles.carries, ("C1", "C0", "="), strict=True):
        assert head[0] == 0
        assert NAMES.index(name) <= NAMES.index(last)
    assert by_role.untrained.roles is by_role.roles


def test_the_rules_find_the_published_cells() -> None:
    try:
        lens = algorithmic.subject("sum").lens
    except FixtureMissing as missing:
        pytest.skip(str(missing))
    assert SumSubject("found", lens, by_role=True).roles == SumRoles()
