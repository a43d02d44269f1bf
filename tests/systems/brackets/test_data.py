from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor

from replications.errors import BadInput
from replications.systems.brackets import data
from replications.systems.brackets._sampling import balanced_length_law, balanced_steps
from replications.systems.brackets.data import CLOSE, CONTEXT, END, OPEN, PAD, START, BracketData

strings = st.text(alphabet="()", max_size=40)
batches = st.lists(strings, min_size=1, max_size=12)


def profile(data: BracketData) -> dict[str, float | dict[int, float]]:
    """Size and shares of a data set, for setting two of them side by side.

    `lengths` and `balanced_lengths` map each length to its share of all strings.
    """

    def share(mask: Tensor) -> float:
        return mask.double().mean().item()

    present = sorted(set(data.lengths.tolist()))
    return {
        "size": len(data),
        "labelled_balanced": share(data.labels),
        "balanced": share(data.balanced),
        "both": share(data.both),
        "only_total": share(data.only_total),
        "only_negative": share(data.only_negative),
        "starts_open": share(data.starts_open),
        "mean_length": data.lengths.double().mean().item(),
        "lengths": {n: share(data.lengths == n) for n in present},
        "balanced_lengths": {n: share((data.lengths == n) & data.balanced) for n in present},
    }


@pytest.fixture(scope="module")
def generated() -> BracketData:
    return data.generate(40_000, seed=1)


# ---------------------------------------------------------------------------------- tokeniser
def test_a_string_becomes_start_brackets_end_and_pads() -> None:
    assert data.tokenize(["()", ")"]).tolist() == [
        [START, OPEN, CLOSE, END],
        [START, CLOSE, END, PAD],
    ]


def test_the_printed_examples_have_the_printed_ids() -> None:
    assert data.tokenize(["()"]).tolist() == [[0, 3, 4, 2]]
    assert data.tokenize(["()", "()()"]).tolist() == [[0, 3, 4, 2, 1, 1], [0, 3, 4, 3, 4, 2]]
    assert data.decode(data.tokenize(["()"])) == ["()"]


def test_one_string_is_a_batch_of_one() -> None:
    assert data.tokenize("()").equal(data.tokenize(["()"]))


@given(batches)
def test_decode_undoes_tokenize(batch: list[str]) -> None:
    assert data.decode(data.tokenize(batch)) == batch


@given(batches)
def test_a_longer_row_only_adds_pads(batch: list[str]) -> None:
    short, long = data.tokenize(batch), data.tokenize(batch, length=CONTEXT)
    assert long.shape == (len(batch), CONTEXT)
    assert long[:, : short.shape[1]].equal(short)
    assert (long[:, short.shape[1] :] == PAD).all()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (["()", "(a)"], "character 'a' at position 1 of string 1"),
        (["(é"], "character 'é' at position 1"),
        (["()\n"], r"character '\\n'"),
        ([], "empty batch"),
        (["()", 3], "item 1 is int"),
        ([None], "item 0 is NoneType"),
        (["(" * 41], "has 41 brackets"),
    ],
)
def test_bad_strings_are_named_in_one_line(bad: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        data.tokenize(bad)
    assert "\n" not in str(caught.value)


def test_a_length_that_is_too_small_is_refused() -> None:
    with pytest.raises(BadInput, match="length=3 tokens is too small: the longest string needs 4"):
        data.tokenize("()", length=3)


def test_decode_names_an_unknown_token() -> None:
    with pytest.raises(BadInput, match="unknown token id 7 at row 0, position 1"):
        data.decode(torch.tensor([[START, 7, END]]))
    with pytest.raises(BadInput, match=r"\[batch pos\]"):
        data.decode(torch.tensor([START, END]))


# --------------------------------------------------------------------------------- elevations
@given(batches)
def test_the_vectorised_rule_agrees_with_the_running_counter(batch: list[str]) -> None:
    assert data.is_balanced(batch).tolist() == [data.is_balanced_loop(s) for s in batch]


@given(batches)
def test_balanced_is_the_absence_of_both_right_to_left_failures(batch: list[str]) -> None:
    total, negative = data.failures(batch)
    assert (~(total | negative)).equal(data.is_balanced(batch))


@given(strings.filter(bool))
def test_counts_and_elevations_agree_with_counting_by_hand(string: str) -> None:
    suffix, prefix = data.suffix_counts(string), data.prefix_counts(string)
    elevation = data.suffix_elevation(string)
    for i in range(len(string)):
        rest, head = string[i:], string[: i + 1]
        assert [part[0, i + 1].item() for part in suffix] == [rest.count("("), rest.count(")")]
        assert [part[0, i + 1].item() for part in prefix] == [head.count("("), head.count(")")]
        assert elevation[0, i + 1] == rest.count(")") - rest.count("(")
    assert elevation[0, 0] == 0
    assert elevation[0, -1] == 0


def test_all_strings_up_to_length_ten_are_judged_right() -> None:
    every = ["".join(s) for n in range(11) for s in itertools.product("()", repeat=n)]
    assert data.is_balanced(every).tolist() == [data.is_balanced_loop(s) for s in every]
    assert int(data.is_balanced(every).sum()) == 1 + 1 + 2 + 5 + 14 + 42  # Catalan numbers


def test_each_failure_class_has_its_example() -> None:
    d = BracketData.from_strings(["()", "())", ")(", "(()", ""])
    assert d.balanced.tolist() == [True, False, False, False, True]
    assert d.only_total.tolist() == [False, True, False, False, False]
    assert d.only_negative.tolist() == [False, False, True, False, False]
    assert d.both.tolist() == [False, False, False, True, False]


# ---------------------------------------------------------------------------------- data sets
def test_labels_of_a_file_are_kept_even_where_they_are_wrong() -> None:
    d = BracketData.from_json_bytes(json.dumps([["()", False], ["(", True]]).encode())
    assert d.labels.tolist() == [False, True]
    assert d.balanced.tolist() == [True, False]
    assert d.strings == ("()", "(")


def test_limit_keeps_the_first_entries() -> None:
    content = json.dumps([["()", True], ["(", False], [")", False]]).encode()
    assert BracketData.from_json_bytes(content, limit=2).strings == ("()", "(")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[[", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"version https://git-lfs", "not valid JSON"),
        (b'{"a": 1}', "must be a JSON list"),
        (b'[["()", true], ["()", 1]]', "entry 1 of the bracket data"),
        (b'[["()"]]', "entry 0"),
        (b'["()"]', "entry 0"),
        (b'[["(x", true]]', "character 'x'"),
        (b"[]", "empty batch"),
    ],
)
def test_a_malformed_file_names_its_first_bad_entry(content: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        BracketData.from_json_bytes(content)


def test_lengths_shares_and_subsets() -> None:
    d = BracketData.from_strings(["(()", ")(", "()"])
    assert d.lengths.tolist() == [3, 2, 2]
    assert d.open_share.tolist() == pytest.approx([2 / 3, 0.5, 0.5], abs=1e-15)
    assert d.starts_open.tolist() == [True, False, True]
    assert d.with_length(2).strings == (")(", "()")
    assert d.subset(d.labels).strings == ("()",)
    assert d.subset(slice(1)).strings == ("(()",)
    assert len(d.subset(torch.tensor([2, 0]))) == 2


# ---------------------------------------------------------------------------------- generator
def test_generation_is_repeatable_and_depends_on_the_seed() -> None:
    assert data.generate(50, seed=3).strings == data.generate(50, seed=3).strings
    assert data.generate(50, seed=3).strings != data.generate(50, seed=4).strings


def test_generating_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="at least one"):
        data.generate(0, seed=0)


def test_generated_labels_and_tokens_follow_the_rule(generated: BracketData) -> None:
    assert generated.labels.equal(generated.balanced)
    assert data.tokenize(generated.strings, length=CONTEXT).equal(generated.tokens)


def expected_length_shares() -> tuple[np.ndarray, np.ndarray]:
    """Exact P(length | balanced) and P(length | unbalanced), from Catalan numbers by recursion."""
    catalan = [1]
    for _ in range(20):
        catalan.append(sum(a * b for a, b in zip(catalan, catalan[::-1], strict=True)))
    chance = np.array([catalan[k] / 4**k for k in range(1, 21)])
    return chance / chance.sum(), (1 - chance) / (1 - chance).sum()


def lengths_histogram(d: BracketData) -> np.ndarray:
    return np.bincount(d.lengths.numpy(), minlength=41)[2::2]


def test_generated_lengths_follow_the_exact_law(generated: BracketData) -> None:
    balanced_law, unbalanced_law = expected_length_shares()
    for mask, law in ((generated.labels, balanced_law), (~generated.labels, unbalanced_law)):
        counts = lengths_histogram(generated.subset(mask))
        assert chisquare(counts, law * counts.sum()).pvalue > 0.01


def test_the_length_test_can_fail(generated: BracketData) -> None:
    _, unbalanced_law = expected_length_shares()
    counts = lengths_histogram(generated.subset(generated.labels))
    assert chisquare(counts, unbalanced_law * counts.sum()).pvalue < 1e-9


def test_the_balanced_share_is_the_published_one(generated: BracketData) -> None:
    assert generated.labels.double().mean().item() == pytest.approx(0.46022, abs=0.0075)  # 3 s.d.


def test_class_shares_are_those_of_the_published_data(generated: BracketData) -> None:
    shares = profile(generated)
    published = {"both": 0.34934, "only_total": 0.09549, "only_negative": 0.09495}
    for name, share in published.items():
        assert shares[name] == pytest.approx(share, abs=0.007)


def test_the_length_law_sums_to_one_and_matches_the_recursion() -> None:
    np.testing.assert_allclose(balanced_length_law(40), expected_length_shares()[0], rtol=1e-12)


@pytest.mark.parametrize(("k", "catalan"), [(2, 2), (3, 5), (4, 14)])
def test_balanced_strings_are_uniform_for_their_length(k: int, catalan: int) -> None:
    steps = balanced_steps(30_000, 10, np.random.default_rng(5))
    rows = steps[(steps != 0).sum(axis=1) == 2 * k]
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(counts) == catalan
    assert chisquare(counts).pvalue > 0.01


def test_unbalanced_strings_are_uniform_for_their_length(generated: BracketData) -> None:
    unbalanced = generated.subset(~generated.labels).with_length(4)
    _, counts = np.unique(unbalanced.strings, return_counts=True)
    assert len(counts) == 16 - 2
    assert chisquare(counts).pvalue > 0.01


def test_the_profile_of_a_small_set_is_counted_right() -> None:
    shares = profile(BracketData.from_strings(["()", "(())", ")(", "(("]))
    assert shares["size"] == 4
    assert shares["balanced"] == 0.5
    assert shares["lengths"] == {2: 0.75, 4: 0.25}
    assert shares["balanced_lengths"] == {2: 0.25, 4: 0.25}
