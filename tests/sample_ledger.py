"""A small ledger for the tests of everything that reads one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from replications.judging.claim import Claim, Source, claim
from replications.judging.control import instead
from replications.judging.expectation import at_least, near, parts
from replications.judging.ledger import Ledger, describe
from replications.judging.row import ControlResult, Row

DOCUMENT = Source("A document", "https://example.org/a")
CONTROL = instead("untrained", lambda subject: 0.0)
ENVIRONMENT = {"suite": "0.1", "torch": "2.13.0", "cpu": "A processor", "cores": 2}
NEAR_ONE = near(1, abs=0.1, because="spread of two seeds")


def _claim(name: str, **fields: Any) -> Claim:
    def measure(subject: Any) -> Any:
        return subject

    claim(name, **{"control": CONTROL, **fields})(measure)
    made: Claim = measure.claim  # type: ignore[attr-defined]
    return made


BIG = _claim(
    "toys/big",
    says="The value is near 1 | or so.",
    source=DOCUMENT / "1 > Values",
    tier=1,
    published=0.99,
    expect={"arena": NEAR_ONE, "retrained": at_least(0.5)},
    note="Measured twice.",
)
SIDES = _claim(
    "toys/sides",
    says="Both sides are positive.",
    source=DOCUMENT / "2 > Sides",
    tier=1,
    published=None,
    expect={"arena": parts(left=at_least(0), right=at_least(0))},
    control=None,
    no_control="true of any weights",
)
CLAIMS = (BIG, SIDES)


def row(
    made: Claim,
    subject: str,
    status: str,
    *,
    control: Any = 0.0,
    accepted: bool = False,
    recorded: str = "",
    **fields: Any,
) -> Row:
    """A row of `made`; what is not given is that of a claim judged without trouble.

    `control` is the value of each of its controls, None if they were not run.  `recorded` is the
    reason of a recorded outcome that says the same as the row.
    """
    group = subject.split("~")[0].split("/")[0]
    expectation = made.expectation_of(group)
    facts: dict[str, Any] = {
        "kind": "retrained" if subject.startswith("retrained") else "original",
        "measured": 0.98,
        "expectation": expectation.data() if expectation else None,
        "margin": 0.08,
        "outcome": None,
        "holds": True,
        **dict.fromkeys(("reason", "remedy"), ""),
        "seconds": 0.5,
        **fields,
    }
    results = tuple(ControlResult(c.name, control, accepted, (), None) for c in made.controls)
    ran = facts["holds"] is not None and (not results or control is not None)
    facts = {"uncontrolled": () if ran else None, **facts}
    made_row = Row(
        claim=made.id,
        version=made.version,
        subject=subject,
        group=group,
        published=made.published,
        controls=results if ran else None,
        status=status,
        **facts,
    )
    found = made_row.found
    if not recorded or found is None:
        return made_row
    return replace(made_row, outcome=replace(found, reason=recorded).data())


def ledger(*rows: Row, claims: tuple[Claim, ...] = CLAIMS) -> Ledger:
    """A ledger of `rows`; without any, one in which arena passes, and 1 of 2 seeds replicates."""
    small: dict[str, Any] = {"measured": 0.25, "margin": -0.25, "holds": False}
    rows = rows or (
        row(SIDES, "arena", "pass", measured=[1.5, 2.5], margin=1.5),
        row(BIG, "retrained/seed1", "does not replicate", recorded="two seeds", **small),
        row(BIG, "retrained/seed0", "replicates", recorded="two seeds", measured=0.75, margin=0.25),
        row(BIG, "arena", "pass"),
    )
    described = {made.id: describe(made, ["arena"], "test_toys.py") for made in claims}
    return Ledger(ENVIRONMENT, {"toys/weights.pt": "0" * 64}, described, rows)
