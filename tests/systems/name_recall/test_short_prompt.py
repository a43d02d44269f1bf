"""The claims about GPT-2 small, judged on maps that somebody else measured on a shorter prompt.

The maps are those of `replications.systems.name_recall.published`: residual-stream patching on "Her
name was Alex Hart. When Alex", logit(Hart) less logit(Carroll), 13 rows by 9 positions.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.systems.name_recall.data import END, LAST, Corruption
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.published import figures
from tests.systems.name_recall.test_construction import BY_ID

CORRUPTIONS: tuple[Corruption, ...] = ("last_name", "first_name", "second_name")
PRINTED = {name: figures()[name].values for name in CORRUPTIONS}
CLEAN = 12.4881
GROUP = "gpt2-small"


def padded(printed: Tensor) -> Tensor:
    """A printed map [13 9], with its last token at position 11: [13 12]."""
    found = torch.full((13, 12), CLEAN, dtype=torch.float64)
    found[:, :8], found[:, END] = printed[:, :8], printed[:, 8]
    return found


@pytest.fixture
def printed(originals: dict[str, NameRecallSubject]) -> NameRecallSubject:
    """A subject whose residual maps are the printed ones."""
    large = originals[GROUP]
    found = NameRecallSubject(
        "printed", large.lens, large.task.tokenizer, names=large.task.names, stored_after=6
    )
    maps = {c: padded(m) for c, m in PRINTED.items()}

    def metric(corruption: Corruption | None = None) -> float:
        return maps[corruption][-1, END].item() if corruption else CLEAN

    task = found.task
    task.metric = metric  # type: ignore[method-assign]
    task.effect = lambda kind, corruption: CLEAN - maps[corruption]  # type: ignore[method-assign]
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lastname-jump-layer10", {"largest_at": 10, "layers_above_5_percent": 4}),
        ("firstname-early-move", 5),
        ("firstname-to-end", 6),
        ("smeared-in-large-model", 3),
        ("firstname-after-l7", pytest.approx(0.0417, abs=1e-3)),
    ],
)
def test_a_claim_holds_and_its_controls_do_not(
    printed: NameRecallSubject, name: str, expected: object
) -> None:
    claim = BY_ID[name]
    value, expectation = claim.measure(printed), claim.expect[GROUP]
    assert value == expected
    assert expectation.judge(value).holds
    verdicts = [
        expectation.judge(c.measure(printed, claim.measure)) for c in claim.controls_on(GROUP)
    ]
    assert not any(verdict.holds for verdict in verdicts)
    rejected = {part for verdict in verdicts for part in verdict.rejected_parts}
    assert rejected == set(expectation.names or ())


def test_before_the_first_name_is_there_the_last_token_is_ahead_by_little(
    printed: NameRecallSubject,
) -> None:
    share = printed.task.residual_share("first_name").abs()
    first = next(row for row in range(13) if share[row, END] > share[row, LAST])
    assert first == 1
    assert share[first, END].item() == pytest.approx(0.068, abs=1e-3)


def test_a_mismatched_first_name_is_just_outside_what_counts_as_neutral(
    printed: NameRecallSubject,
) -> None:
    claim = BY_ID["firstname-neutral"]
    assert claim.not_asserted
    value = claim.measure(printed)
    assert value["first_name"] == pytest.approx(4.5214 / CLEAN)
    assert not claim.expect[GROUP].judge(value).holds
    moved, other = (c.measure(printed, claim.measure) for c in claim.controls_on(GROUP))
    assert moved["first_name"] > 0.9
    assert other["last_name"] == pytest.approx(5.7454 / CLEAN)
