"""Every claim can be measured and judged, controls included, on random models.

The published weights cannot be had everywhere.  Random models in their place show which claims
raise an error before the claims meet their subjects.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from replications.judging.claim import Claim
from replications.judging.values import finite, to_json
from replications.systems import name_recall
from replications.systems.name_recall import SUBJECTS
from replications.systems.name_recall.measure import NameRecallSubject

FOLDER = Path(__file__).parents[3] / "claims" / "name_recall"
MODULES = [f"claims.name_recall.{path.stem}" for path in sorted(FOLDER.glob("test_*.py"))]
CLAIMS: list[Claim] = [
    function.claim
    for name in MODULES
    for function in vars(import_module(name)).values()
    if isinstance(getattr(function, "claim", None), Claim)
]
CASES = [(claim, group) for claim in CLAIMS for group in claim.expect]


@pytest.fixture(scope="module")
def by_hand() -> NameRecallSubject:
    found: NameRecallSubject = name_recall.subject("construction")
    return found


@pytest.mark.sampled(12)
@pytest.mark.parametrize(("claim", "group"), CASES, ids=[f"{c.id}-{g}" for c, g in CASES])
def test_a_claim_is_judged_with_its_controls(
    claim: Claim,
    group: str,
    subject: NameRecallSubject,
    originals: dict[str, NameRecallSubject],
    by_hand: NameRecallSubject,
) -> None:
    model = {"toy": subject, "construction": by_hand, **originals}[group]
    values = [claim.measure(model)]
    values += [c.measure(model, claim.measure) for c in claim.controls_on(group)]
    for value in values:
        claim.expect[group].judge(value)
        assert finite(to_json(value))


def test_every_kind_of_model_is_claimed_about() -> None:
    # One-layer models have no claims of their own: the toys are compared with them.
    assert {group for _, group in CASES} == {info.group for info in SUBJECTS} - {"one-layer"}
