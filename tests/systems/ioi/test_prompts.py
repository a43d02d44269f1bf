"""Prompts, patterns and flips: what the sentences say, and where the words stand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from replications.errors import BadInput
from replications.models.tokenizers import Tokenizer
from replications.systems.ioi import data as p
from replications.systems.ioi.data import (
    NAMES,
    OBJECTS,
    PLACES,
    RULES,
    TEMPLATES,
    document,
    share_realised,
    signals_of,
    toy_tokenizer,
)
from replications.systems.ioi.data.words import pieces
from tests.systems.ioi.gpt2_files import word_tokenizer


def byte_pairs() -> Tokenizer:
    """A small tokenizer of GPT-2's kind, in which the words after a space are one token each.

    These are the words of our own prompts and of the document's.
    """
    listed = (NAMES, PLACES, OBJECTS, document.NAMES, document.PLACES, document.OBJECTS)
    words = [f" {word}" for some in listed for word in some]
    texts = [*p.generate(50, 3).texts(), *(s.text for s in document.sentences())]
    return word_tokenizer([*words * 5, *texts], 1500)


def names_of(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text) if word in NAMES]


# ------------------------------------------------------------------------------------------ words
def test_every_word_is_listed_once() -> None:
    for words in (NAMES, PLACES, OBJECTS, TEMPLATES):
        assert len(set(words)) == len(words)
    assert not set(NAMES) & {word for text in TEMPLATES for word in text.split()}


def test_pieces_put_together_are_the_template() -> None:
    for template in TEMPLATES:
        assert "".join(pieces(template)) == template


# ---------------------------------------------------------------------------------------- prompts
def test_prompts_depend_on_their_seed_alone() -> None:
    assert p.generate(20, 4).texts() == p.generate(20, 4).texts()
    assert p.generate(20, 4).texts() != p.generate(20, 5).texts()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(0, 10**6))
def test_each_prompt_repeats_one_name_and_stops_before_the_other(n: int, seed: int) -> None:
    made = p.generate(n, seed)
    for text, pattern in zip(made.texts(), made.patterns, strict=True):
        first, second, third = names_of(text)
        assert first != second
        assert third == (second if pattern == "ABB" else first)
        assert text.endswith(" to")


def test_both_patterns_and_all_templates_are_equally_frequent() -> None:
    made = p.generate(24, 0)
    seen = Counter(zip(made.template.tolist(), made.patterns, strict=True))
    assert set(seen.values()) == {2}
    assert len(seen) == 2 * len(TEMPLATES)


def test_three_name_prompts_repeat_nothing() -> None:
    made = p.generate_three(30, 0)
    assert all(len(set(names_of(text))) == 3 for text in made.texts())
    with pytest.raises(BadInput, match="prompt 0 repeats no name"):
        _ = made.patterns


@pytest.mark.parametrize(("n", "seed"), [(0, 0), (3, -1)])
def test_impossible_requests_are_refused(n: int, seed: int) -> None:
    with pytest.raises(BadInput):
        p.generate(n, seed)


# ------------------------------------------------------------------------------------------ flips
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["CDD", "DCD", "XYZ", "BAA", "ABA", "BAB", "CAB"]))
def test_a_flip_puts_the_letters_names_in_their_slots(seed: int, target: str) -> None:
    made = p.generate(12, seed)
    flipped = p.flip(made, f"ABB->{target}, BAB->{target}", seed)
    for before, after, pattern in zip(made.texts(), flipped.texts(), made.patterns, strict=True):
        old = dict(zip(pattern, names_of(before), strict=True))
        new = names_of(after)
        meaning = dict(zip(target, new, strict=True))
        assert [meaning[letter] for letter in target] == new
        for letter in set(target):
            if letter in "AB":
                assert meaning[letter] == old[letter]
            else:
                assert meaning[letter] not in old.values()
        assert len(set(new)) == len(set(target))
        assert re.sub("|".join(NAMES), "", before) == re.sub("|".join(NAMES), "", after)


def test_the_six_data_sets_are_the_six_combinations() -> None:
    assert share_realised(p.generate(48, 1), RULES, 2) == 1.0
    exchanged = {**RULES, (1, 0): RULES[2, 0], (2, 0): RULES[1, 0]}
    assert share_realised(p.generate(48, 1), exchanged, 2) == pytest.approx(4 / 6)


def test_the_printed_random_inverted_sentence_does_not_invert_the_position() -> None:
    before = "When Mary and John went to the store, John gave a drink to"
    printed = "When Paul and Emma went to the store, Emma gave a drink to"
    meant = "When Paul and Emma went to the store, Paul gave a drink to"
    assert signals_of(before, printed) == ("random", "same")
    assert signals_of(before, meant) == ("random", "inverted")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("ABB", "not of the form"),
        ("ABA->BAB", "not of the form"),
        ("ABB->CD", "three of the letters"),
        ("ABB->CDE", "three of the letters"),
        ("ABB->CDD, ABB->BAA", "two parts for ABB"),
        ("ABB->CDD", "no part for the pattern BAB"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        p.flip(p.generate(4, 0), rule, 0)


# --------------------------------------------------------------------------------------- encoding
@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("make", [toy_tokenizer, byte_pairs])
def test_tokens_are_those_of_the_sentences(make: Callable[[], Tokenizer], bos: bool) -> None:
    tokenizer = make()
    prompts = p.generate(24, 0)
    batch = p.encode(prompts, tokenizer, bos=bos)
    for row, text in enumerate(prompts.texts()):
        length = int(batch.end[row]) + 1
        assert batch.tokens[row, :length].tolist() == tokenizer.encode(text, bos=bos)
        assert batch.tokens[row, length:].eq(0).all()
        there = tokenizer.strings(batch.tokens[row, batch.slots[row]].tolist())
        assert [word.strip() for word in there] == names_of(text)


def test_prompts_of_one_template_are_aligned() -> None:
    batch = p.encode(p.generate(36, 0), toy_tokenizer(), bos=True)
    for template in range(len(TEMPLATES)):
        same = batch.template == template
        assert same.any()
        assert batch.slots[same].eq(batch.slots[same][0]).all()
        assert batch.end[same].eq(batch.end[same][0]).all()


def test_a_name_of_several_tokens_is_refused() -> None:
    with pytest.raises(BadInput, match="Mary"):
        p.name_tokens(word_tokenizer(["a"], 257))


def test_names_are_those_of_the_tokenizer_at_hand() -> None:
    tokens = p.name_tokens(toy_tokenizer())
    assert toy_tokenizer().strings(tokens.tolist()) == list(NAMES)
    assert tokens.dtype == torch.long
