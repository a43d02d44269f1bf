"""What the toys read: every text is of one of three kinds, with its answer where it is said."""

from __future__ import annotations

import numpy as np
import pytest

from replications.systems.ioi.data import NAMES, toy_tokenizer
from replications.systems.ioi.data.corpus import CONTEXT, LISTED, SHARES, text

N = 400


def words(row: list[int]) -> list[str]:
    return toy_tokenizer().strings([token for token in row if token != 0])


def test_texts_depend_on_the_generator_alone() -> None:
    one, two, other = (text(40, np.random.default_rng(seed), 0.1) for seed in (1, 1, 2))
    assert one.tokens.equal(two.tokens)
    assert not one.tokens.equal(other.tokens)


def test_there_are_as_many_of_each_kind_as_said() -> None:
    made = text(N, np.random.default_rng(0), 0.1)
    asked = made.answer_at > 0
    even = made.probability == 0.5
    assert made.tokens.shape == (N, CONTEXT)
    assert (asked & ~even).sum() == SHARES["ioi"] * N
    assert (asked & even).sum() == SHARES["three"] * N


def test_a_sentence_goes_on_with_one_of_its_answers_and_stops() -> None:
    made = text(N, np.random.default_rng(0), 0.25)
    right = 0
    for row, at, answers, p in zip(
        made.tokens.tolist(), made.answer_at, made.answers.tolist(), made.probability, strict=True
    ):
        if at == 0:
            continue
        said = words(row)
        assert row[0] == 0
        assert said[-1] == "."
        assert row[at + 1] in answers
        assert said[at - 1] == "to"
        assert sum(word in NAMES for word in said) == 4
        right += row[at + 1] == answers[0] and p != 0.5
    assert right / (SHARES["ioi"] * N) == pytest.approx(0.75, abs=0.08)


def test_without_slips_the_answer_is_always_right() -> None:
    made = text(N, np.random.default_rng(0), 0.0)
    asked = made.probability[made.answer_at > 0]
    assert set(asked.tolist()) == {0.5, 1.0}
    for row, at, answers, p in zip(
        made.tokens.tolist(), made.answer_at, made.answers.tolist(), made.probability, strict=True
    ):
        if at > 0 and p == 1:
            assert row[at + 1] == answers[0]


def test_a_list_is_said_twice_in_the_same_order() -> None:
    made = text(N, np.random.default_rng(0), 0.1)
    lengths = set()
    for row in made.tokens[made.answer_at == 0].tolist():
        names = [word for word in words(row) if word in NAMES]
        half = len(names) // 2
        assert names[:half] == names[half:]
        assert len(set(names)) == half
        lengths.add(half)
    assert lengths == set(range(LISTED[0], LISTED[1] + 1))
