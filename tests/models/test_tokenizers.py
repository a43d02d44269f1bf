"""Tokenizers: one token per word for toys, and byte-level BPE as published models have it."""

from __future__ import annotations

import pytest

from replications.errors import BadInput
from replications.models.tokenizers import Tokenizer
from tests import stand_in

WORDS = ("John", "Mary", "went", "to", "the", "store", ".", ",")


def words() -> Tokenizer:
    return Tokenizer.from_words(WORDS)


def trained(special: list[str]) -> Tokenizer:
    return Tokenizer.from_json(stand_in.tokenizer(special).to_str().encode())


# ---- words --------------------------------------------------------------------------------------


def test_each_word_and_mark_is_one_token_after_bos() -> None:
    tokens = words()
    assert tokens.encode("John went to the store, Mary.") == [1, 3, 4, 5, 6, 8, 2, 7]
    assert tokens.encode("Mary", bos=True) == [0, 2]
    assert tokens.bos == 0
    assert len(tokens) == 9


def test_a_space_before_a_word_makes_no_difference() -> None:
    assert words().token("John") == words().token(" John") == 1


def test_strings_give_the_words_back() -> None:
    tokens = words()
    assert tokens.strings(tokens.encode("John , Mary", bos=True)) == ["<bos>", "John", ",", "Mary"]


def test_bos_in_the_text_is_the_bos_token() -> None:
    assert words().encode("<bos>John") == [0, 1]


def test_the_unknown_word_is_named() -> None:
    with pytest.raises(BadInput, match=r"^'Ann' is not in the vocabulary$"):
        words().encode("John went to Ann.")


def test_several_words_are_not_one_token() -> None:
    with pytest.raises(BadInput, match=r"'John Mary' is 2 tokens, not one: \['John', 'Mary'\]"):
        words().token("John Mary")
    with pytest.raises(BadInput, match="'' is 0 tokens"):
        words().token("")


@pytest.mark.parametrize("word", ["two words", "it's", "", " x"])
def test_what_text_could_never_give_is_no_word(word: str) -> None:
    with pytest.raises(BadInput, match="is not one word or one punctuation mark"):
        Tokenizer.from_words(["fine", word])


@pytest.mark.parametrize("twice", [["a", "b", "a"], ["a", "<bos>"]])
def test_a_word_listed_twice_is_refused(twice: list[str]) -> None:
    with pytest.raises(BadInput, match="is listed twice"):
        Tokenizer.from_words(twice)


@pytest.mark.parametrize("token", [-1, 9])
def test_a_number_outside_the_vocabulary_is_refused(token: int) -> None:
    with pytest.raises(BadInput, match=f"{token} is not a token: the vocabulary has 9"):
        words().strings([token])


# ---- tokenizer.json -----------------------------------------------------------------------------


def test_byte_level_tokens_keep_their_space_and_round_trip() -> None:
    tokens = trained(["<|endoftext|>"])
    assert tokens.strings(tokens.encode("John and Mary")) == ["Jo", "hn", " and", " Mary"]
    assert tokens.strings([tokens.token(" Mary")]) == [" Mary"]
    with pytest.raises(BadInput, match=r"'Mary' is [2-4] tokens"):
        tokens.token("Mary")


def test_bos_is_the_most_specific_opening_token() -> None:
    assert trained(["<|endoftext|>"]).bos == 0
    neox = trained(["<|endoftext|>", "<|BOS|>"])
    assert neox.strings([neox.bos or 0]) == ["<|BOS|>"]
    assert neox.encode("John", bos=True)[0] == 1


def test_without_an_opening_token_bos_is_refused() -> None:
    tokens = trained([])
    assert tokens.bos is None
    with pytest.raises(BadInput, match="no token that opens a text"):
        tokens.encode("John", bos=True)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"model": 3}'])
def test_content_that_is_no_tokenizer_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match=r"not the content of a tokenizer\.json"):
        Tokenizer.from_json(content)
