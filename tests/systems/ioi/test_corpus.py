"""What the toys read: every text is of one of three kinds, with its answer where it is said."""

from __future__ import annotations

import numpy as np
import pytest

from replications.systems.ioi.data import NAMES, toy_tokenizer
from replications.systems.ioi.data.corpus import CONTEXT, LISTED, SHARES, Text, text, together

N = 400


def words(row: list[int]) -> list[str]:
    return toy_tokenizer().strings([token for token in row if token != 0])


def answers(made: Text) -> list[tuple[list[int], int, list[int], float]]:
    """Tokens of the text, position before the answer, its two names and its probability."""
    columns = (made.tokens[made.row], made.answer_at, made.answers, made.probability)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_texts_depend_on_the_generator_alone() -> None:
    one, two, other = (text(40, np.random.default_rng(seed), 0.1) for seed in (1, 1, 2))
    assert one.tokens.equal(two.tokens)
    assert not one.tokens.equal(other.tokens)


def test_there_are_as_many_of_each_kind_as_said() -> None:
    made = text(N, np.random.default_rng(0), 0.1)
    assert made.tokens.shape == (N, CONTEXT)
    assert (made.probability != 0.5).sum() == SHARES["ioi"] * N
    assert (made.probability == 0.5).sum() == SHARES["three"] * N
    assert len(set(made.row.tolist())) == len(made.row)


def test_a_sentence_goes_on_with_one_of_its_answers_and_stops() -> None:
    made = text(N, np.random.default_rng(0), 0.25)
    right = 0
    for row, at, names, p in answers(made):
        said = words(row)
        assert row[0] == 0
        assert said[-1] == "."
        assert row[at + 1] in names
        assert said[at - 1] == "to"
        assert sum(word in NAMES for word in said) == 4
        right += row[at + 1] == names[0] and p != 0.5
    assert right / (SHARES["ioi"] * N) == pytest.approx(0.75, abs=0.08)


def test_without_slips_the_answer_is_always_right() -> None:
    made = text(N, np.random.default_rng(0), 0.0)
    assert set(made.probability.tolist()) == {0.5, 1.0}
    assert all(row[at + 1] == names[0] for row, at, names, p in answers(made) if p == 1)


def test_a_list_is_said_twice_in_the_same_order() -> None:
    made = text(N, np.random.default_rng(0), 0.1)
    lengths, asked = set(), set(made.row.tolist())
    for i, row in enumerate(made.tokens.tolist()):
        if i in asked:
            continue
        names = [word for word in words(row) if word in NAMES]
        half = len(names) // 2
        assert names[:half] == names[half:]
        assert len(set(names)) == half
        lengths.add(half)
    assert lengths == set(range(LISTED[0], LISTED[1] + 1))


def test_texts_that_are_put_together_keep_their_answers() -> None:
    one, two = (text(40, np.random.default_rng(seed), 0.0) for seed in (1, 2))
    assert answers(together([one, two])) == answers(one) + answers(two)
