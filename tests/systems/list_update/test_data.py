"""Prompts of the list-update task: their form, what is refused, the generator, the pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
import torch

from replications.errors import BadInput
from replications.systems.list_update import data
from replications.systems.list_update.format import BOS, CONTEXT, LIST, NL, NUMBERS, VOCAB, Format

FORMATS = [Format(3, 50), Format(4, 50), Format(5, 100), Format(1, 2)]
EVERY_FORMAT = pytest.mark.parametrize("format", FORMATS, ids=repr)
Draw: TypeAlias = Callable[..., torch.Tensor]
GENERATORS = pytest.mark.parametrize("draw", [data.generate, data.generate_mixed])


def distinct(rows: torch.Tensor) -> int:
    """How many different rows there are."""
    return len(set(map(tuple, rows.tolist())))


def updated(row: list[int], length: int) -> list[int]:
    """The right answer of one prompt, with a Python list."""
    numbers = row[1 : 1 + length]
    numbers[row[length + 2]] = row[length + 3]
    return numbers


# --------------------------------------------------------------------------------------- form
def test_the_constants_are_those_of_the_document() -> None:
    assert (BOS, NL, VOCAB, NUMBERS, LIST, CONTEXT) == (50, 51, 52, 50, 3, 11)
    format = data.DOCUMENT
    assert (format.bos, format.newline, format.vocabulary, format.context) == (50, 51, 52, 11)
    assert list(format.list_positions) == [1, 2, 3]
    assert (format.index_position, format.element_position) == (5, 6)
    assert list(format.prediction_positions) == [7, 8, 9]
    assert list(format.answer_positions) == [8, 9, 10]


def test_encode_writes_the_printed_prompt() -> None:
    tokens = data.encode([14, 23, 48], 1, 26)
    assert tokens.dtype == torch.long
    assert tokens.tolist() == [50, 14, 23, 48, 51, 1, 26, 51, 14, 26, 48]


def test_encode_of_longer_lists_and_more_numbers() -> None:
    tokens = data.encode([99, 0, 7, 7], 3, 98, Format(4, 100))
    assert tokens.tolist() == [100, 99, 0, 7, 7, 101, 3, 98, 101, 99, 0, 7, 98]


@pytest.mark.parametrize(
    ("numbers", "index", "element", "message"),
    [
        ([1, 2], 0, 3, "the list has 2 elements; this task has lists of 3"),
        ([1, 2, 3, 4], 0, 3, "the list has 4 elements"),
        ([1, 2, 3], 3, 3, "index 3 is out of range: indices are 0 to 2"),
        ([1, 2, 3], -1, 3, "index -1 is out of range"),
        ([1, 2, 3], True, 3, "index True is out of range"),
        ([1, 2, 3], 0, 50, "the new element is 50, which is not in the vocabulary"),
        ([1, 2, 3], 0, -1, "the new element is -1"),
        ([1, 2, 3], 0, 1.5, "the new element is 1.5"),
        ([1, 51, 3], 0, 4, "element 1 of the list is 51.* numbers are 0 to 49"),
    ],
)
def test_bad_input_is_named(numbers: list[int], index: int, element: int, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        data.encode(numbers, index, element)


@pytest.mark.parametrize(("length", "numbers"), [(0, 50), (3, 2), (1, 1)])
def test_a_format_without_anything_to_update_is_refused(length: int, numbers: int) -> None:
    with pytest.raises(BadInput):
        Format(length, numbers)


def test_tokens_of_another_form_are_refused() -> None:
    good = data.generate_mixed(4, 0)
    assert data.check_tokens(good) is good
    for column, value, message in (
        (0, 0, "row 2: BOS or a newline"),
        (4, 0, "row 2: BOS or a newline"),
        (7, 50, "row 2: BOS or a newline"),
        (5, 3, r"row 2: the index is out of range \(0 to 2\)"),
        (6, 51, "row 2: a number is out of vocabulary"),
        (9, int(good[2, 9] + 1) % 50, "row 2: the answer is not the updated list"),
    ):
        bad = good.clone()
        bad[2, column] = value
        with pytest.raises(BadInput, match=message):
            data.check_tokens(bad)
    with pytest.raises(BadInput, match=r"shape \[batch 11\].* not \[4, 10\]"):
        data.check_tokens(good[:, :-1])


def test_positions_have_names() -> None:
    named = {name: data.DOCUMENT.position(name) for name in ("index", "element", "newline")}
    assert named == {"index": 5, "element": 6, "newline": 7}
    with pytest.raises(BadInput, match="'next'; there are: index, element, newline"):
        data.DOCUMENT.position("next")


# ---------------------------------------------------------------------------------- generator
@GENERATORS
@EVERY_FORMAT
def test_every_generated_prompt_has_its_form_and_the_right_answer(
    draw: Draw, format: Format
) -> None:
    tokens = draw(200, 3, format)
    assert tokens.shape == (200, format.context)
    assert tokens.dtype == torch.long
    data.check_tokens(tokens, format)
    rows = tokens.tolist()
    right = [updated(row, format.length) for row in rows]
    assert [row[-format.length :] for row in rows] == right
    assert data.answers(tokens, format).tolist() == right


@GENERATORS
def test_a_generator_depends_on_its_seed_alone(draw: Draw) -> None:
    state = torch.get_rng_state()
    assert draw(50, 1).equal(draw(50, 1))
    assert not draw(50, 1).equal(draw(50, 2))
    rng = np.random.default_rng(1)
    assert draw(50, rng).equal(draw(50, 1))
    assert not draw(50, rng).equal(draw(50, 1))  # it went on
    assert torch.get_rng_state().equal(state)


def test_one_index_and_element_serve_a_batch_and_change_between_batches() -> None:
    rng = np.random.default_rng(0)
    batches = [data.generate(20, rng) for _ in range(60)]
    assert all(distinct(batch[:, 5:7]) == 1 for batch in batches)
    assert {int(batch[0, 5]) for batch in batches} == {0, 1, 2}
    assert len({int(batch[0, 6]) for batch in batches}) > 20


def test_mixed_prompts_are_uniform() -> None:
    tokens = data.generate_mixed(30_000, 0)
    assert distinct(tokens[:50, 5:7]) > 20
    for columns, values in (([5], 3), ([1, 2, 3], 50), ([6], 50)):
        drawn = tokens[:, columns]
        share = torch.bincount(drawn.flatten(), minlength=values) / drawn.numel()
        assert len(share) == values
        # 600 draws are expected of the rarest: five standard deviations
        assert (share * values - 1).abs().max() < 5 * (values / drawn.numel()) ** 0.5


@GENERATORS
def test_an_empty_batch_and_a_negative_seed_are_refused(draw: Draw) -> None:
    with pytest.raises(BadInput, match="at least one"):
        draw(0, 0)
    with pytest.raises(BadInput, match="seed must be at least 0"):
        draw(1, -1)


@EVERY_FORMAT
def test_each_answer_stands_at_its_source(format: Format) -> None:
    tokens = data.generate_mixed(100, 5, format)
    places = data.sources(tokens, format)
    for row, found in zip(tokens.tolist(), places.tolist(), strict=True):
        fixed = list(range(1, format.length + 1))
        fixed[row[format.index_position]] = format.element_position
        assert found == fixed


# -------------------------------------------------------------------------------------- pairs
def test_the_printed_pair() -> None:
    pair = data.printed_pair()
    assert pair.clean.tolist() == [[50, 14, 23, 48, 51, 1, 26, 51, 14, 26, 48]]
    assert pair.corrupted.tolist() == [[50, 14, 23, 48, 51, 2, 26, 51, 14, 23, 26]]
    assert [int(v) for v in (pair.index, pair.position, pair.correct, pair.incorrect)] == [
        1, 8, 26, 23,
    ]  # fmt: skip
    assert len(pair) == 1


@pytest.mark.parametrize("format", FORMATS[:3], ids=repr)
def test_generated_pairs_are_of_the_same_kind(format: Format) -> None:
    pairs = data.pairs(300, 0, format)
    data.check_tokens(pairs.clean, format)
    data.check_tokens(pairs.corrupted, format)
    assert len(pairs) == 300
    differs = pairs.clean != pairs.corrupted
    for row in range(300):
        before = differs[row, : int(pairs.position[row]) + 1].nonzero()[:, 0].tolist()
        assert before == [format.index_position]
        assert differs[row].sum() == 3
    n = format.length
    drawn = torch.cat([pairs.clean[:, 1 : n + 1], pairs.clean[:, n + 3 : n + 4]], 1)
    assert all(len(set(row)) == n + 1 for row in drawn.tolist())
    rows = torch.arange(300)
    assert pairs.clean[rows, pairs.position + 1].equal(pairs.correct)
    assert pairs.corrupted[rows, pairs.position + 1].equal(pairs.incorrect)
    two = torch.stack([pairs.index, pairs.corrupted[:, format.index_position]], 1)
    assert distinct(two) == n * (n - 1) // 2


def test_pairs_depend_on_the_seed_and_need_two_places() -> None:
    assert data.pairs(9, 1).clean.equal(data.pairs(9, 1).clean)
    assert not data.pairs(9, 1).clean.equal(data.pairs(9, 2).clean)
    for format in (Format(1, 50), Format(3, 3)):
        with pytest.raises(BadInput, match="pairs need two indices"):
            data.pairs(1, 0, format)
