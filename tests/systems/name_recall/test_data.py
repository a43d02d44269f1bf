"""Prompts of the name-recall task: where names stand, what is refused, pairs of names, texts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from replications.errors import BadInput
from replications.models.tokenizers import Tokenizer
from replications.systems.name_recall import _texts as texts
from replications.systems.name_recall import data
from replications.systems.name_recall.data import DOCUMENT, Names

WORDS = texts.tokenizer()
LOWER = Names("Alex", "Hart", "Sarah", "of Carroll")


def spoken(row: torch.Tensor) -> str:
    return " ".join(WORDS.strings(row.tolist()))


# ------------------------------------------------------------------------------------- prompts
def test_the_documents_prompt_and_its_corruptions() -> None:
    made = data.document_prompts(WORDS)
    rest = "<bos> Her name was {} {} . Tomorrow at lunch time {}"
    assert spoken(made.clean[0]) == rest.format("Alex", "Hart", "Alex")
    assert spoken(made.last_name[0]) == rest.format("Alex", "Carroll", "Alex")
    assert spoken(made.first_name[0]) == rest.format("Sarah", "Hart", "Alex")
    assert spoken(made.second_name[0]) == rest.format("Alex", "Hart", "Sarah")
    assert WORDS.strings(made.answers[0]) == ["Hart", "Carroll"]
    assert len(made) == 1


def test_corruptions_of_many_prompts_change_one_position_each() -> None:
    made = data.prompts(WORDS, data.name_pairs(WORDS))
    assert made.tokens().equal(made.clean)
    for kind, position in zip(data.CORRUPTIONS, (5, 4, 11), strict=True):
        differs = (made.tokens(kind) != made.clean).nonzero()
        assert set(differs[:, 1].tolist()) == {position}
        assert len(differs) == 50


def test_a_name_of_two_tokens_is_refused() -> None:
    with pytest.raises(BadInput, match=r"is 13 tokens, not 12.*must be one token"):
        data.prompts(WORDS, [DOCUMENT, LOWER])


def test_no_names_are_refused() -> None:
    with pytest.raises(BadInput, match="no names were given"):
        data.prompts(WORDS, [])


def test_prompts_without_the_token_that_opens_a_text_are_refused() -> None:
    made = data.document_prompts(WORDS)
    kinds = ("clean", "last_name", "first_name", "second_name")
    shifted = replace(made, **{kind: getattr(made, kind)[:, 1:] for kind in kinds})
    with pytest.raises(BadInput, match=r"last_name corruption differs at \[4\], not at \[5\]"):
        data.check(shifted)


def test_a_corruption_that_changes_more_is_refused() -> None:
    made = data.document_prompts(WORDS)
    with pytest.raises(BadInput, match=r"first_name corruption differs at \[11\]"):
        data.check(replace(made, first_name=made.second_name))
    with pytest.raises(BadInput, match="must stand at 4, 5 and 11"):
        data.check(replace(made, correct=made.incorrect))
    with pytest.raises(BadInput, match="not that of the clean prompts"):
        data.check(replace(made, last_name=made.last_name[:, :5]))


# ------------------------------------------------------------------------------------- name pairs
def test_pairs_of_names_are_seeded_and_all_different() -> None:
    pairs = data.name_pairs(WORDS)
    assert pairs == data.name_pairs(WORDS)
    assert pairs != data.name_pairs(WORDS, seed=1)
    assert len(pairs) == 50
    assert all(len({*vars(n).values()}) == 4 for n in pairs)
    assert pairs[0].swapped.swapped == pairs[0]


def test_names_that_a_tokenizer_cuts_are_left_out() -> None:
    words = [w for w in texts.words() if w not in ("Alex", "Hart")]
    names = data.name_pairs(Tokenizer.from_words(words), 200)
    said = {name for n in names for name in vars(n).values()}
    assert "Sarah" in said
    assert not said & {"Alex", "Hart"}
    with pytest.raises(BadInput, match="names are one token"):
        data.name_pairs(Tokenizer.from_words(["Alex"]))
    with pytest.raises(BadInput, match="at least one"):
        data.name_pairs(WORDS, 0)


def test_first_and_last_names_are_different_words() -> None:
    names = (*data.FIRST_NAMES, *data.LAST_NAMES)
    assert len(set(names)) == len(names)


# ------------------------------------------------------------------------------------- two people
def test_each_of_two_people_is_asked_for_once() -> None:
    made = data.two_people(WORDS, [DOCUMENT])
    said = "<bos> His name was Sarah Carroll . Her name was Alex Hart . Tomorrow at lunch time {}"
    assert [spoken(row) for row in made.tokens] == [said.format("Alex"), said.format("Sarah")]
    assert made.answers[0].equal(made.answers[1].flip(0))
    assert WORDS.strings(made.answers[0]) == ["Hart", "Carroll"]


def test_the_second_sentence_alone_gives_no_last_name() -> None:
    tokens = data.without_introduction(WORDS, [DOCUMENT])
    assert spoken(tokens[0]) == "<bos> Tomorrow at lunch time Alex"


# ------------------------------------------------------------------------------------- texts
def test_texts_are_seeded_and_fill_the_context() -> None:
    made = texts.generate(40, np.random.default_rng(3), 0.5)
    assert made.shape == (40, texts.CONTEXT)
    assert made.equal(texts.generate(40, np.random.default_rng(3), 0.5))
    assert not made.equal(texts.generate(40, np.random.default_rng(4), 0.5))
    assert set(made[:, 0].tolist()) == {WORDS.bos}
    assert WORDS.bos not in made[:, 1:].flatten().tolist()


def test_in_a_text_a_first_name_always_has_the_same_last_name() -> None:
    firsts = {WORDS.token(name) for name in data.FIRST_NAMES}
    several = 0
    for row in texts.generate(200, np.random.default_rng(0)).tolist():
        pairs = {(a, b) for a, b in pairwise(row) if a in firsts}
        assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
        several += len(pairs) > 1
    assert several > 150


def test_last_names_do_not_depend_on_first_names() -> None:
    alex = WORDS.token("Alex")
    rows = texts.generate(2000, np.random.default_rng(0))
    after = rows[:, 1:][rows[:, :-1] == alex]
    assert len(set(after.tolist())) > 30


def test_repeated_words_come_at_many_distances() -> None:
    rows = texts.generate(300, np.random.default_rng(0), 1.0)
    periods = [row[2:].index(row[1]) + 1 for row in rows.tolist()]
    assert set(periods) == set(range(texts.SHORTEST, texts.CONTEXT // 2))
    for row, period in zip(rows.tolist(), periods, strict=True):
        assert row[1 + period :] == row[1:-period]
        assert len(set(row[1 : 1 + period])) == period


def test_a_last_name_again_is_one_whose_person_was_named_before() -> None:
    tokens = torch.tensor(
        [WORDS.encode("Her name was Alex Hart. His name was Paul Smith. Alex Hart", bos=True)]
    )
    found = texts.last_name_again(tokens)[0].nonzero()[:, 0].tolist()
    assert [spoken(tokens[0, [i, i + 1]]) for i in found] == ["Alex Hart"]
    assert found == [13]


def test_texts_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadInput, match="at least one"):
        texts.generate(0, np.random.default_rng(0))
    with pytest.raises(BadInput, match="share from 0 to 1"):
        texts.generate(1, np.random.default_rng(0), 1.5)
