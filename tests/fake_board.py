"""A system of five subjects and a file of claims about it, for the tests of the board.

Loaded with `-p tests.fake_board`, it registers the system beside the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from replications.errors import FixtureCorrupt, FixtureMissing, Unsupported
from replications.judging.claim import Kind, SubjectInfo
from replications.judging.outcome import Outcome
from replications.pytest_plugin import System

VALUES = {f"seed{i}": float(i) for i in range(3)}
VALUES |= {"arena": 1.0, "retrained/seed0": 0.0, "retrained/seed1": 2.0, "arena~halved": 0.5}
PROBLEMS: dict[str, Exception] = {
    "gone": FixtureMissing("fake/weights.pt is not here"),
    "corrupt": FixtureCorrupt("fake/weights.pt is not the file of the manifest"),
    "old": Unsupported("this version has no such site"),
}


@dataclass(frozen=True)
class Subject:
    """One number for a model."""

    value: float

    @property
    def untrained(self) -> Subject:
        return Subject(0.0)


def _info(name: str, group: str, kind: Kind, gates: bool = False, remedy: str = "") -> SubjectInfo:
    return SubjectInfo("fake", name, group, kind, gates, (), remedy)


SUBJECTS = (
    _info("arena", "arena", "original", True),
    _info("gone", "gone", "original", True, "run: fetch it"),
    _info("corrupt", "corrupt", "original", True),
    _info("old", "old", "toy", True),
    _info("retrained/seed0", "retrained", "retrained"),
    _info("retrained/seed1", "retrained", "retrained"),
    *(replace(_info(f"seed{i}", "seeds", "retrained", True), further=i > 0) for i in range(3)),
)
LESIONS = (_info("arena~halved", "arena", "original"),)


def pytest_claims_systems(config: pytest.Config) -> list[System]:
    """The fake system.  Importing this file alone changes nothing."""

    def opened(name: str) -> Subject:
        options = config.option  # device and dtype are those of claims/conftest.py, if it is loaded
        print(f"OPENED {name} {getattr(options, 'device', '')} {getattr(options, 'dtype', '')}")
        if name in PROBLEMS:
            raise PROBLEMS[name]
        return Subject(VALUES[name])

    return [System("fake", lambda: SUBJECTS, opened, lambda: LESIONS)]


HEAD = """
from math import nan
from replications.judging.claim import Source, claim, instead, on
from replications.judging.expectation import at_least, near

SOURCE = Source("A document") / "1 > One"
UNTRAINED = on("untrained", lambda subject: subject.untrained)
"""

GOOD = """
@claim("fake/one", says="It is one.", source=SOURCE, tier=1, published=1, control=UNTRAINED,
       expect={"arena": near(1, abs=0.1), "retrained": at_least(0.5)})
def test_one(subject):
    return subject.value

@claim("fake/large", says="It is large.", source=SOURCE, tier=2, control=UNTRAINED,
       expect={"retrained": at_least(1.5), "arena": at_least(0.9)})
def test_large(subject):
    return subject.value
"""

UNREACHED = """
@claim("fake/gone", says="It is here.", source=SOURCE, tier=1, control=UNTRAINED,
       expect={"gone": at_least(0), "old": at_least(0), "arena": at_least(0.5)})
def test_gone(subject):
    return subject.value
"""

BAD = """
@claim("fake/fails", says="It is two.", source=SOURCE, tier=1, published=2, control=UNTRAINED,
       expect={"arena": near(2, abs=0.1)})
def test_fails(subject):
    return subject.value

@claim("fake/vacuous", says="It is any.", source=SOURCE, tier=1, control=UNTRAINED,
       expect={"arena": at_least(-1)})
def test_vacuous(subject):
    return subject.value

@claim("fake/nan", says="It is large.", source=SOURCE, tier=1, expect={"arena": at_least(0.5)},
       control=instead("a broken control", lambda subject: nan))
def test_nan_control(subject):
    return subject.value

@claim("fake/crashes", says="It is here.", source=SOURCE, tier=1, control=UNTRAINED,
       expect={"retrained": at_least(0)})
def test_crashes(subject):
    return 1 / subject.value

@claim("fake/corrupt", says="It is here.", source=SOURCE, tier=1, control=UNTRAINED,
       expect={"corrupt": at_least(0)})
def test_corrupt(subject):
    return subject.value

@claim("fake/corrupt-too", says="It is here.", source=SOURCE, tier=1, control=UNTRAINED,
       expect={"corrupt": at_least(0)})
def test_corrupt_too(subject):
    return subject.value
"""

SOME = """
@claim("fake/some", says="It is large.", source=SOURCE, tier=1, control=UNTRAINED,
       not_asserted="the first seed is small", expect={"seeds": at_least(0.5)})
def test_some(subject):
    return subject.value
"""

RECORDED = tuple(
    Outcome(claim, subject, 1, holds, value, (), (), "the first run")
    for claim, subject, value, holds in (
        ("fake/one", "retrained/seed0", 0.0, False),
        ("fake/one", "retrained/seed1", 2.0, True),
        ("fake/large", "retrained/seed0", 0.0, False),
        ("fake/large", "retrained/seed1", 2.0, True),
        ("fake/some", "seed0", 0.0, False),
        ("fake/some", "seed1", 1.0, True),
        ("fake/some", "seed2", 2.0, True),
    )
)
"""What is found of the claims of GOOD and SOME where they are not asserted."""


def recorded(source: str) -> list[Outcome]:
    """The outcomes of the claims in a file."""
    return [outcome for outcome in RECORDED if f'"{outcome.claim}"' in source]
