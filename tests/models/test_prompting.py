"""How the models of each system are asked: tokens, labels and answers of a text."""

from __future__ import annotations

import pytest
import torch

from replications.errors import BadInput
from replications.models.prompting import Prompting, Words
from replications.models.tokenizers import Tokenizer
from replications.systems.brackets.data import tokenize
from replications.systems.brackets.prompting import BracketPrompting
from replications.systems.ioi.data import toy_tokenizer
from replications.systems.list_update.data import Format, encode
from replications.systems.list_update.task import ListPrompting
from tests.stand_in import tokenizer as byte_level

IOI = Words(toy_tokenizer(), bos=True, vocabulary="the list")
LISTS = ListPrompting(Format())
BRACKETS = BracketPrompting()


# ---- words --------------------------------------------------------------------------------------


def test_words_are_those_of_the_tokenizer_after_the_opening() -> None:
    tokens = IOI.tokens("Mary and John")
    assert tokens.tolist() == [toy_tokenizer().encode("Mary and John", bos=True)]
    assert IOI.labels(tokens) == ["<bos>", "Mary", "and", "John"]
    assert IOI.name(IOI.output(" Mary")) == "Mary"


def test_without_an_opening_there_is_none() -> None:
    words = Words(Tokenizer(byte_level(["<|endoftext|>"])), bos=False)
    tokens = words.tokens("John and Mary")
    assert "".join(words.labels(tokens)) == "John and Mary"


@pytest.mark.parametrize(
    ("text", "match"), [("Mary Zebra", "'Zebra' is not in .* are in the list"), (" ", "is empty")]
)
def test_words_that_are_no_prompt_are_refused(text: str, match: str) -> None:
    with pytest.raises(BadInput, match=match):
        IOI.tokens(text)


@pytest.mark.parametrize("word", ["", "Mary John"])
def test_an_answer_is_one_token(word: str) -> None:
    with pytest.raises(BadInput, match=f"the answer '{word}' is {len(word.split())} tokens, .*"):
        IOI.output(word)


# ---- lists --------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [0, 1, 3])
def test_a_list_is_the_beginning_of_the_document_s_prompt(given: int) -> None:
    whole = encode([14, 23, 48], 1, 26)
    answers = " ".join(["14", "26", "48"][:given])
    tokens = LISTS.tokens(f"14 23 48 NL 1 26\n{answers}")
    assert tokens.tolist() == [whole[: 8 + given].tolist()]
    assert LISTS.labels(tokens)[:5] == ["BOS", "14", "23", "48", "NL"]
    assert LISTS.name(LISTS.output("26")) == "26"


def test_a_longer_list_has_its_newlines_elsewhere() -> None:
    found = ListPrompting(Format(4, 100)).tokens("1 2 3 99 NL 3 5 NL")
    assert found.tolist() == [encode([1, 2, 3, 99], 3, 5, Format(4, 100))[:9].tolist()]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is not a prompt"),
        ("14 23 48 1 26", "as in '14 15 16 NL 1 26 NL'"),
        ("14 23 NL 1 26 NL", "give 3 numbers"),
        ("14 23 48 NL 1 26", "is not a prompt"),
        ("14 23 48 NL 1 26 NL 1 2 3 4", "at most 3 answers"),
        ("14 23 48 NL 1 50 NL", "'50' is not in the vocabulary: numbers are 0 to 49"),
        ("14 23 -4 NL 1 5 NL", "'-4' is not in the vocabulary"),
        ("14 23 4 NL 3 5 NL", "index 3 is out of range: indices are 0 to 2"),
    ],
)
def test_what_is_no_list_update_is_refused(text: str, match: str) -> None:
    with pytest.raises(BadInput, match=match):
        LISTS.tokens(text)


@pytest.mark.parametrize("word", ["NL", "50", "Mary"])
def test_a_list_is_answered_with_numbers(word: str) -> None:
    with pytest.raises(BadInput, match=word):
        LISTS.output(word)


# ---- brackets -----------------------------------------------------------------------------------


def test_brackets_are_read_at_the_start() -> None:
    tokens = BRACKETS.tokens("())")
    assert tokens.equal(tokenize("())"))
    assert BRACKETS.labels(tokens) == ["[start]", "(", ")", ")", "[end]"]
    assert BRACKETS.reads_at == 0
    assert BRACKETS.contrast == (BRACKETS.output("unbalanced"), BRACKETS.output("balanced"))
    assert [BRACKETS.name(output) for output in BRACKETS.contrast] == ["unbalanced", "balanced"]


def test_what_the_classifier_does_not_take_or_answer_is_refused() -> None:
    with pytest.raises(BadInput, match="'a' at position 1"):
        BRACKETS.tokens("(a)")
    with pytest.raises(BadInput, match="'yes', but unbalanced or balanced"):
        BRACKETS.output("yes")


@pytest.mark.parametrize("prompting", [IOI, LISTS, BRACKETS], ids=["words", "lists", "brackets"])
def test_they_are_one_kind_of_thing(prompting: Prompting) -> None:
    text = {IOI: "Mary", LISTS: "1 2 3 NL 0 4 NL", BRACKETS: "()"}[prompting]
    tokens = prompting.tokens(text)
    assert tokens.dtype == torch.int64
    assert tokens.shape == (1, len(prompting.labels(tokens)))
