"""Long texts: full rows, answers where they are said, and no shortcut by position."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from replications.systems.ioi.data import NAMES, Text, toy_tokenizer
from replications.systems.ioi.data.running import CONTEXT, PERIODS, REPEATED, running_text

N = 300
RUNNING = N - round(N * REPEATED)


@pytest.fixture(scope="module")
def made() -> Text:
    return running_text(N, np.random.default_rng(0), 0.0)


def test_rows_depend_on_the_generator_alone() -> None:
    one, two, other = (running_text(20, np.random.default_rng(seed), 0.1) for seed in (1, 1, 2))
    assert one.tokens.equal(two.tokens)
    assert one.answer_at.equal(two.answer_at)
    assert not one.tokens.equal(other.tokens)


def test_rows_are_full_and_start_a_text(made: Text) -> None:
    assert made.tokens.shape == (N, CONTEXT)
    assert (made.tokens[:, 0] == 0).all()
    assert (made.tokens[:, 1:] > 0).all()


def test_without_slips_the_right_name_follows(made: Text) -> None:
    inside = made.answer_at + 1 < CONTEXT
    row, at = made.row[inside], made.answer_at[inside]
    follows = made.tokens[row, at + 1]
    certain = made.probability[inside] == 1
    assert follows[certain].equal(made.answers[inside][certain][:, 0])
    assert (follows[:, None] == made.answers[inside]).any(1).all()
    to = toy_tokenizer().token(" to")
    assert (made.tokens[made.row, made.answer_at] == to).all()


@pytest.mark.slow
def test_the_wrong_name_follows_as_often_as_said() -> None:
    slipping = running_text(N, np.random.default_rng(0), 0.25)
    inside = (slipping.answer_at + 1 < CONTEXT) & (slipping.probability != 0.5)
    follows = slipping.tokens[slipping.row[inside], slipping.answer_at[inside] + 1]
    wrong = (follows == slipping.answers[inside][:, 1]).double().mean()
    assert wrong.item() == pytest.approx(0.25, abs=0.05)


def test_prompts_start_anywhere(made: Text) -> None:
    places = made.answer_at[made.probability == 1]
    assert len(places.unique()) > 30
    first = torch.zeros(RUNNING, dtype=torch.bool)
    first[made.row[made.answer_at < 17]] = True  # a prompt right at the start, 17 tokens at most
    assert 0.5 < first.double().mean() < 0.95


def test_a_prompt_does_not_tell_the_next_template(made: Text) -> None:
    rows = [toy_tokenizer().strings(row[1:].tolist()) for row in made.tokens[:RUNNING]]
    starts = [[w for w in row if w in ("After", "While", "Then", "Because")] for row in rows]
    same = [pair[0] == pair[1] for pair in starts if len(pair) > 1]
    assert sum(same) / len(same) < 0.5


def test_a_prompt_is_said_in_full(made: Text) -> None:
    row, at = int(made.row[0]), int(made.answer_at[0])
    said = toy_tokenizer().strings(made.tokens[row, : at + 2].tolist())
    assert sum(word in NAMES for word in said[-19:]) == 4


def test_other_rows_repeat_random_tokens_at_a_distance_of_their_own(made: Text) -> None:
    periods = set()
    for row in made.tokens[RUNNING:, 1:]:
        fits = [p for p in range(1, CONTEXT) if row[p:].equal(row[:-p])]
        periods.add(fits[0])
    assert min(periods) == PERIODS[0]
    assert max(periods) == PERIODS[1]
