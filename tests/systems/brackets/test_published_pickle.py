"""The reader of the scrubbed strings, on small pickles, and the facts of the published file."""

from __future__ import annotations

import io
import os
import pickle
import zipfile

import pytest
import torch

from replications import fixtures
from replications.errors import BadInput, FixtureMissing
from replications.systems.brackets.data import BracketData
from replications.systems.brackets.published_pickle import read_strings
from replications.systems.brackets.subjects import SCRUBBED_DATA

STRINGS = ["()", ")(", "(())", "(()(", "()"]
LABELS = bytes([1, 0, 1, 0, 1])


def zipped(*contents: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i, content in enumerate(contents):
            archive.writestr(f"file{i}", content)
    return buffer.getvalue()


def pickled(strings: list[str], labels: bytes) -> bytes:
    # Equal strings are different objects in the published file, so none is a reference to another.
    apart = ["".join(list(text)) for text in strings]
    return pickle.dumps({"columns": ["text", "label"], "rows": apart, "labels": labels}, protocol=4)


def test_strings_and_labels_are_read_in_order() -> None:
    data = read_strings(zipped(pickled(STRINGS, LABELS)))
    assert list(data.strings) == STRINGS
    assert data.labels.tolist() == [True, False, True, False, True]
    assert data.tokens.shape == (5, 42)


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("harm",)


def test_nothing_is_executed(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    apart = ["".join(list(text)) for text in STRINGS]
    content = pickle.dumps([*apart, LABELS, Harmful()], protocol=4)
    assert len(read_strings(zipped(content))) == 5
    assert not os.path.exists("harm")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no zip", "not a zip"),
        (zipped(), "a zip of one file"),
        (zipped(b"x", b"y"), "a zip of one file"),
        (zipped(b"no pickle"), "not a pickle"),
        (zipped(pickle.dumps(["text"])), "no strings"),
        (zipped(pickled(STRINGS, LABELS[:4])), "0 arrays"),
        (zipped(pickled(STRINGS, bytes([1, 0, 1, 0, 2]))), "0 or 1"),
        (zipped(pickled(STRINGS, bytes([1, 0, 1, 1, 1]))), "string 3 contradicts"),
    ],
)
def test_what_is_wrong_is_said(content: bytes, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read_strings(content)


# ---------------------------------------------------------------- the published file
@pytest.fixture(scope="module")
def scrubbed() -> BracketData:
    try:
        return read_strings(fixtures.read_bytes(SCRUBBED_DATA))
    except FixtureMissing as missing:
        pytest.skip(f"needs the published strings: {missing}")


def test_the_published_strings(scrubbed: BracketData) -> None:
    assert len(scrubbed) == 100_000
    assert len(set(scrubbed.strings)) == 61_385
    assert set(scrubbed.lengths.tolist()) == set(range(2, 41, 2))


def test_the_published_shares(scrubbed: BracketData) -> None:
    shares = {
        "balanced": scrubbed.balanced,
        "count": ~scrubbed.total_failure,
        "horizon": ~scrubbed.negative_failure,
        "open": scrubbed.starts_open,
        "both fail": scrubbed.both,
        "only count fails": scrubbed.only_total,
        "only horizon fails": scrubbed.only_negative,
    }
    per_cent = {name: 100 * mask.double().mean().item() for name, mask in shares.items()}
    assert per_cent["balanced"] == pytest.approx(26.412, abs=5e-4)
    del per_cent["balanced"]
    assert list(per_cent.values()) == pytest.approx(
        [39.46, 39.34, 62.05, 47.61, 12.93, 13.05], abs=5e-3
    )


def test_a_constant_answer(scrubbed: BracketData) -> None:
    p = scrubbed.balanced.double().mean()
    entropy = -(p * p.log() + (1 - p) * (1 - p).log())
    assert entropy.item() == pytest.approx(0.5773, abs=5e-5)
    assert torch.equal(scrubbed.labels, scrubbed.balanced)
