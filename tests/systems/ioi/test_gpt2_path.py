"""The claims about GPT-2 small, on a random model of its layers and heads in its file formats.

The published weights cannot be had everywhere. What can be shown without them: that they would
open, and that every claim and every control can then be measured.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from types import ModuleType

import pytest

from claims.ioi import (
    test_1_early_induction,
    test_2_previous_tokens,
    test_3a_backup,
    test_3b_reasons,
    test_4_signals,
    test_5_decomposed,
    test_8_circuits,
    test_8_document,
    test_9_circuit_edges,
)
from replications.judging.claim import Claim
from replications.judging.verdict import judge
from replications.systems.ioi import IoiSubject, Task
from replications.systems.ioi.data import Document, draw
from replications.systems.ioi.infos import GPT2, OWN, SUBJECTS
from replications.systems.ioi.roles import PUBLISHED
from tests.systems.ioi.gpt2_files import published_tokenizer, random_gpt2

FILES: tuple[ModuleType, ...] = (
    test_1_early_induction,
    test_2_previous_tokens,
    test_3a_backup,
    test_3b_reasons,
    test_4_signals,
    test_5_decomposed,
    test_8_circuits,
    test_8_document,
    test_9_circuit_edges,
)
SAMPLES = {GPT2: Document(), OWN: draw(12)}


def claims(groups: Collection[str] = tuple(SAMPLES)) -> Iterator[tuple[str, Claim]]:
    for file in FILES:
        for value in vars(file).values():
            found = getattr(value, "claim", None)
            if isinstance(found, Claim):
                yield from ((name, found) for name in groups if name in found.expect)


@pytest.fixture(scope="module")
def stand_ins() -> dict[str, IoiSubject]:
    """The random model on both samples of prompts."""
    lens, tokenizer = random_gpt2(), published_tokenizer()
    return {
        name: IoiSubject(name, Task(lens, tokenizer, bos=False, sample=sample), roles=PUBLISHED)
        for name, sample in SAMPLES.items()
    }


def test_there_are_claims_about_it() -> None:
    assert len(list(claims())) > 75


@pytest.mark.slow  # `make claims` judges them on the construction
@pytest.mark.parametrize(
    ("name", "claim"),
    [pytest.param(name, claim, id=f"{name}-{claim.id}") for name, claim in claims()],
)
def test_every_claim_and_control_can_be_measured(
    name: str, claim: Claim, stand_ins: dict[str, IoiSubject]
) -> None:
    info = next(info for info in SUBJECTS if info.name == name)
    # The controls of both samples are the same measurements.
    row = judge(claim, info, stand_ins[name], controls=name == GPT2)
    assert row.holds is not None
    assert row.measured is not None


@pytest.mark.parametrize("name", SAMPLES)
def test_attribution_is_complete_on_a_model_that_was_folded(
    name: str, stand_ins: dict[str, IoiSubject]
) -> None:
    stand_in = stand_ins[name]
    assert stand_in.task.attribution.residual < 1e-4
    assert abs(sum(stand_in.name_movers.ablation.recovered_by.values())) == pytest.approx(
        abs(stand_in.name_movers.ablation.recovery), rel=1e-3
    )
