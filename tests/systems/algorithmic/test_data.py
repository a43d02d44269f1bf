"""The sets: their law, the published sequences, and the rules, each against a slow copy."""

from __future__ import annotations

import pytest
import torch

from replications.errors import BadInput
from replications.systems.algorithmic.data import palindrome, unique


def text(tokens: torch.Tensor) -> str:
    return "".join(unique.SYMBOLS.labels(tokens[None]))


# ----------------------------------------------------------------------------------- palindromes
def test_the_published_set_has_1252_palindromes() -> None:
    examples = palindrome.generate(palindrome.SET_SIZE, palindrome.SET_SEED)
    assert examples.tokens.shape == (2500, 22)
    assert int(examples.labels.sum()) == 1252
    rows = palindrome.values_of(examples.tokens).tolist()
    assert [int(row == row[::-1]) for row in rows] == examples.labels[:, 0].tolist()
    assert set(examples.tokens[:, 0].tolist()) == {31}
    assert set(examples.tokens[:, -1].tolist()) == {32}
    assert examples.answered == (21,)


def test_half_of_the_second_half_is_replaced() -> None:
    examples = palindrome.generate(4000, 3)
    broken = examples.tokens[examples.labels[:, 0] == palindrome.NO]
    share = palindrome.equal_pairs(broken).double().mean().item()
    assert share == pytest.approx(0.5 + 0.5 / 31, abs=0.01)


def test_copies_keep_the_second_half() -> None:
    tokens = palindrome.generate(50, 2).tokens
    equal = palindrome.mirrored(tokens)
    unequal = palindrome.all_unequal(tokens, torch.Generator().manual_seed(0))
    for copy in (equal, unequal):
        assert copy[:, 11:].equal(tokens[:, 11:])
    assert palindrome.equal_pairs(equal).all()
    assert not palindrome.equal_pairs(unequal).any()
    assert unequal[:, 1:21].min() >= 0
    assert unequal[:, 1:21].max() <= 30


def test_one_number_is_changed() -> None:
    tokens = palindrome.mirrored(palindrome.generate(50, 2).tokens)
    changed = palindrome.changed(tokens, 17)
    assert (changed != tokens).nonzero()[:, 1].unique().tolist() == [17]
    assert changed[:, 17].equal((tokens[:, 17] + 1) % 31)


@pytest.mark.parametrize(
    ("sequence", "says"),
    [
        ("1 2 3", "the sequence has 3 symbols; this model reads 20"),
        (" ".join(["7"] * 21), "the sequence has 21 symbols; this model reads 20"),
        (" ".join(["7"] * 19 + ["31"]), "symbol 19 of the sequence is '31'"),
        (" ".join(["START", *["7"] * 19]), "symbol 0 of the sequence is 'START'"),
    ],
)
def test_what_is_no_sequence_of_twenty_numbers_is_refused(sequence: str, says: str) -> None:
    with pytest.raises(BadInput, match=says) as raised:
        palindrome.SYMBOLS.tokens(sequence)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("n", "seed"), [(0, 1), (7, 1), (10, -1)])
def test_a_set_that_cannot_be_drawn_is_refused(n: int, seed: int) -> None:
    with pytest.raises(BadInput):
        palindrome.generate(n, seed)


# ------------------------------------------------------------------------------- unique letters
def test_the_published_set_and_the_small_examples() -> None:
    examples = unique.generate(unique.SET_SIZE, unique.SET_SEED)
    assert text(examples.tokens[0]) == "?chgegfaeadieaebcffh"
    assert text(examples.labels[0]) == "?ccccccccccccccchhhd"
    small = unique.generate(2, 42, letters=3, length=6)
    names = "abc?"
    rows = [
        ["".join(names[i] for i in r) for r in t.tolist()] for t in (small.tokens, small.labels)
    ]
    assert rows == [["?acbba", "?cbcbc"], ["?aaaac", "?ccb??"]]


def test_the_rules_equal_slow_ones() -> None:
    tokens = unique.generate(100, 5, letters=4, length=12).tokens
    first, last = unique.first_unique(tokens, 4), unique.last_unique(tokens, 4)
    for i, row in enumerate(tokens.tolist()):
        for j in range(12):
            seen = row[1 : j + 1]
            once = [letter for letter in seen if seen.count(letter) == 1]
            assert first[i, j] == (once[0] if once else 4)
            assert last[i, j] == (once[-1] if once else 4)
    assert unique.first_letter(tokens)[:, 0].equal(tokens[:, 0])
    assert (unique.first_letter(tokens)[:, 1:] == tokens[:, 1:2]).all()


def test_earlier_copies() -> None:
    copies = unique.earlier_copies(unique.of_text("abaa"))[0]
    assert copies.nonzero().tolist() == [[3, 1], [4, 1], [4, 3]]


def test_strings_like_the_adversarial_one() -> None:
    assert unique.rounds("h", "gbi", "a") == unique.ADVERSARIAL
    assert text(unique.of_text(unique.ADVERSARIAL)[0]) == "?ggbbiihaggbigbigbig"


@pytest.mark.parametrize(
    ("sequence", "says"),
    [
        ("", "the sequence has 0 symbols; this model reads 1 to 19"),
        ("a" * 20, "the sequence has 20 symbols; this model reads 1 to 19"),
        ("abk", "symbol 2 of the sequence is 'k'.* symbols are a to j"),
        ("a b ?", "symbol 2 of the sequence is '\\?'"),
    ],
)
def test_what_is_no_string_of_letters_is_refused(sequence: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        unique.of_text(sequence)


def test_a_set_without_letters_is_refused() -> None:
    with pytest.raises(BadInput, match="nothing to draw"):
        unique.generate(3, 1, length=1)


# ------------------------------------------------------------------------------------- prompting
def test_outputs_have_names() -> None:
    assert palindrome.SYMBOLS.output("yes") == palindrome.YES
    assert palindrome.SYMBOLS.name(palindrome.NO) == "no"
    assert unique.SYMBOLS.output("?") == unique.NONE
    assert unique.SYMBOLS.tokens("a c").equal(unique.SYMBOLS.tokens("ac"))
    with pytest.raises(BadInput, match="no output is called 'maybe'; there are: no, yes"):
        palindrome.SYMBOLS.output("maybe")
