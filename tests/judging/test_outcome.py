"""Outcome files: read and written whole, and each bad input refused in one clear line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from replications.errors import BadInput
from replications.judging import outcome
from replications.judging.outcome import Outcome

ONE = Outcome("toys/big", "seed0", 1, True, 0.75, (), (), "the first run")
TWO = Outcome("toys/sides", "seed0", 2, False, [1, ["nan"]], ("a", "b"), ("left",), "more | ×")


def line(**changes: Any) -> str:
    """The line of ONE, with some of its fields changed."""
    return json.dumps({**ONE.data(), **changes}) + "\n"


def refused(path: Path, text: str) -> str:
    """Why a file of this content is refused, in one line."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        outcome.read(path)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file beside a module of claims."""
    return outcome.beside(tmp_path / "test_toys.py")


# ---- files --------------------------------------------------------------------------------------


def test_the_file_is_beside_the_module(path: Path) -> None:
    assert path.name == "test_toys.outcomes.jsonl"


def test_what_is_written_is_read_one_line_each(path: Path) -> None:
    outcome.write(path, (ONE, TWO))
    assert outcome.read(path) == {ONE.key: ONE, TWO.key: TWO}
    assert path.read_text(encoding="utf-8").splitlines() == [
        '{"claim": "toys/big", "subject": "seed0", "version": 1, "holds": true, "measured": 0.75, '
        '"accepted": [], "uncontrolled": [], "reason": "the first run", '
        '"noise": 1.0}',
        '{"claim": "toys/sides", "subject": "seed0", "version": 2, "holds": false, '
        '"measured": [1, ["nan"]], "accepted": ["a", "b"], "uncontrolled": ["left"], '
        '"reason": "more | ×", "noise": 1.0}',
    ]


def test_any_text_survives(path: Path) -> None:
    odd = replace(ONE, reason="a line separator \u2028 and\na line break")
    outcome.write(path, (odd, TWO))
    assert outcome.read(path) == {odd.key: odd, TWO.key: TWO}


def test_no_file_has_no_outcomes(path: Path) -> None:
    assert outcome.read(path) == {}


def test_an_interrupted_write_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    outcome.write(path, (ONE,))
    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        outcome.write(path, (TWO,))
    assert outcome.read(path) == {ONE.key: ONE}


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ("<<<<<<< ours\n", "not JSON"),
        ("\n", "not JSON"),
        ("[]\n", "an outcome has exactly claim, subject, version, holds"),
        ('{"claim": "toys/big"}\n', "an outcome has exactly claim, subject, version, holds"),
        (line(more=1), "an outcome has exactly claim, subject, version, holds"),
        (line(reason=""), 'an outcome needs reason, not ""'),
        (line(reason=" "), 'an outcome needs reason, not " "'),
        (line(reason=None), "an outcome needs reason, not null"),
        (line(claim=""), 'an outcome needs claim, not ""'),
        (line(subject=""), 'an outcome needs subject, not ""'),
        (line(subject=3), "an outcome needs subject, not 3"),
        (line(version="1"), 'an outcome needs version, not "1"'),
        (line(version=True), "an outcome needs version, not true"),
        (line(holds=None), "an outcome needs holds, not null"),
        (line(holds=1), "an outcome needs holds, not 1"),
        (line(accepted=None), "an outcome needs accepted, not null"),
        (line(accepted="untrained"), 'an outcome needs accepted, not "untrained"'),
        (line(uncontrolled=[1]), "an outcome needs uncontrolled, not [1]"),
        (line(measured=0.5), "a second outcome of toys/big on seed0; delete one of the lines"),
    ],
)
def test_what_is_no_outcome_is_refused_with_its_line(path: Path, text: str, problem: str) -> None:
    said = refused(path, line() + text)
    assert said.startswith(f"{path}:2: ")
    assert problem in said


def test_a_file_that_is_no_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff")
    with pytest.raises(BadInput, match="cannot read the outcomes"):
        outcome.read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(BadInput, match="cannot read the outcomes"):
        outcome.read(path)


def test_outcomes_of_what_does_not_exist_are_refused(path: Path) -> None:
    outcome.check((ONE, TWO), path, {"toys/big": ["seed0", "seed1"], "toys/sides": None})
    with pytest.raises(BadInput, match="has an outcome of the unknown claim 'toys/sides'; delete"):
        outcome.check((ONE, TWO), path, {"toys/big": None})
    with pytest.raises(BadInput, match="of toys/big on the unknown subject 'seed0'; delete"):
        outcome.check((ONE,), path, {"toys/big": ["seed1"]})


# ---- departures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (0.75, 0.75, ()),
        (0.75, 0.75007, ()),  # 1e-6 + 1e-4 × 0.75007 is noise
        (0.75, 0.7501, ("the value moved from 0.75 to 0.7501, by up to 0.0001",)),
        (0.0, 1e-6, ()),
        (0.0, 2e-6, ("the value moved from 0.0 to 2e-06, by up to 2e-06",)),
        (3, 4, ("the value moved from 3 to 4, by up to 1",)),
        ("nan", "nan", ()),
        (0.75, "nan", ('the value moved from 0.75 to "nan"',)),
        (True, False, ("the value moved from true to false",)),
        ([1.0, [2.0]], [1.0, [2.0001]], ()),
        ([1.0, [2.0]], [1.0, [2.5]], ("the value moved from [1.0, [2.0]] to [1.0, [2.5]], by",)),
        ([1.0], [1.0, 2.0], ("the value moved from [1.0] to [1.0, 2.0]",)),
    ],
)
def test_a_value_departs_if_it_moved_by_more_than_noise(
    old: Any, new: Any, said: tuple[str, ...]
) -> None:
    found = replace(ONE, measured=old).departures(replace(ONE, measured=new))
    assert len(found) == len(said)
    assert all(text.startswith(start) for text, start in zip(found, said, strict=True))


def test_every_departure_is_told() -> None:
    found = Outcome("toys/big", "seed0", 2, False, 0.5, ("b", "c"), ("right",), "")
    old = replace(ONE, accepted=("a", "b"), uncontrolled=("left",))
    controls = (
        "control 'c' is accepted now",
        "control 'a' is not accepted any more",
        "part 'right' is rejected by no control now",
        "part 'left' is rejected now",
    )
    plain = (
        "recorded for version 1 of the claim, not 2",
        "does not hold any more",
        "the value moved from 0.75 to 0.5, by up to 0.25 (noise is 1e-06 + 0.0001 × |value|)",
    )
    assert old.departures(found) == (*plain, *controls)
    assert old.departures(found, controls=False) == plain


def test_another_reason_is_no_departure() -> None:
    assert ONE.departures(replace(ONE, reason="")) == ()


def test_a_long_value_is_cut() -> None:
    (said,) = replace(ONE, measured=[0.123] * 99).departures(ONE)
    assert len(said) < 160
