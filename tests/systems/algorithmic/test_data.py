"""The sets: their law, the published sequences, and the rules, each against a slow copy."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch

from replications.errors import BadInput
from replications.systems.algorithmic.data import addition, cumsum, palindrome, sorting, unique


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


# ----------------------------------------------------------------------------------------- sums
def test_the_published_sums() -> None:
    first = addition.generate(addition.SET_SIZE, addition.SET_SEED).tokens[0]
    assert "".join(addition.SYMBOLS.labels(first[None])) == "2968+1606=4574"
    single = addition.generate(1, 42).tokens
    assert "".join(addition.SYMBOLS.labels(single)) == "2764+1504=4268"


def test_sums_are_right_and_their_parts_too() -> None:
    examples = addition.generate(200, 3)
    totals, carries = addition.sum_digits(examples.tokens), addition.carries(examples.tokens)
    for row, label, digits, carry in zip(
        examples.tokens.tolist(), examples.labels.tolist(), totals.tolist(), carries.tolist(),
        strict=True,
    ):  # fmt: skip
        a, b, c = (int("".join(map(str, row[i : i + 4]))) for i in (0, 5, 10))
        assert a + b == c
        assert label == row[10:]
        assert max(row[0], row[5]) < 5
        assert digits == [(row[i] + row[5 + i]) % 10 for i in range(4)]
        assert carry == [*(int(row[i] + row[5 + i] >= 10) for i in (1, 2, 3)), 0]


# ---------------------------------------------------------------------------------------- lists
def test_the_published_lists() -> None:
    row = sorting.generate(sorting.SET_SIZE, sorting.SET_SEED).tokens[0]
    assert row[:10].tolist() == [7, 5, 47, 20, 48, 24, 11, 4, 19, 39]
    small = sorting.generate(1, 42, length=5, high=10, sep=11).tokens
    assert small.tolist() == [[9, 6, 2, 4, 5, 11, 2, 4, 5, 6, 9]]


def test_lists_are_sorted_and_within_their_range() -> None:
    examples = sorting.generate(100, 1, low=20, high=40)
    for row, label in zip(examples.tokens.tolist(), examples.labels.tolist(), strict=True):
        assert row[10] == sorting.SEP
        assert label == row[11:] == sorted(set(row[:10]))
        assert label[0] >= 20
        assert label[-1] <= 40
    assert examples.answered == tuple(range(10, 20))


def test_lists_of_ones_own() -> None:
    numbers = [3, 1, 4, 15, 9, 2, 6, 5, 35, 8]
    assert sorting.of_values(numbers).labels.tolist() == [sorted(numbers)]
    with pytest.raises(BadInput, match="symbol 9 of the sequence is '51'"):
        sorting.of_values([*numbers[:9], 51])


# --------------------------------------------------------------------------------- running sums
def test_the_published_example_of_running_sums() -> None:
    small = cumsum.generate(1, 40, length=6, maximum=3)
    assert cumsum.values_of(small.tokens + 2).tolist() == [[0, 1, -3, -3, -2, 3]]
    assert small.labels.tolist() == [[1, 2, 0, 0, 0, 0]]


def test_running_sums_stay_close_to_zero() -> None:
    examples = cumsum.generate(2000, 1)
    values = cumsum.values_of(examples.tokens)
    sums = values.cumsum(1)
    assert examples.labels.equal(sums.sign() + 1)
    assert values.abs().max() == 5
    before = sums[:, :-1]
    back = (values[:, 1:] < 0)[before > 0]
    # Five sizes of six are not zero, and seven of ten of these go back.
    assert back.double().mean().item() == pytest.approx(0.7 * 5 / 6, abs=0.02)


@pytest.mark.parametrize(
    ("module", "sequence", "says"),
    [
        (addition, "2968+1606", "the sequence has 9 symbols; this model reads 10 to 14"),
        (addition, "2968-1606=", "symbol 4 of the sequence is '-'"),
        (sorting, "1 2 3 SEP", "the sequence has 4 symbols; this model reads 11 to 20"),
        (sorting, " ".join(["51"] * 11), "symbol 0 of the sequence is '51'"),
        (cumsum, " ".join(["1"] * 21), "the sequence has 21 symbols; this model reads 1 to 20"),
        (cumsum, "1 -6", "symbol 1 of the sequence is '-6'"),
    ],
)
def test_other_sequences_that_are_refused(module: ModuleType, sequence: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        module.SYMBOLS.tokens(sequence)


@pytest.mark.parametrize("module", [addition, sorting, cumsum])
def test_sets_that_cannot_be_drawn_are_refused(module: ModuleType) -> None:
    for n, seed in ((0, 1), (3, -1)):
        with pytest.raises(BadInput):
            module.generate(n, seed)
    with pytest.raises(BadInput, match="nothing to draw"):
        sorting.generate(3, 1, low=45)


# ------------------------------------------------------------------------------------- prompting
def test_outputs_have_names() -> None:
    assert palindrome.SYMBOLS.output("yes") == palindrome.YES
    assert palindrome.SYMBOLS.name(palindrome.NO) == "no"
    assert unique.SYMBOLS.output("?") == unique.NONE
    assert unique.SYMBOLS.tokens("a c").equal(unique.SYMBOLS.tokens("ac"))
    with pytest.raises(BadInput, match="no output is called 'maybe'; there are: no, yes"):
        palindrome.SYMBOLS.output("maybe")
    assert addition.SYMBOLS.tokens("2968+1606=").shape == (1, 10)
    assert cumsum.SYMBOLS.tokens("-5 0 5").tolist() == [[0, 5, 10]]
    assert cumsum.SYMBOLS.name(cumsum.NEGATIVE) == "negative"
