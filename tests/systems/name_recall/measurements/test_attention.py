"""Method 3 against patterns that the lens reads."""

from __future__ import annotations

import pytest
import torch

from replications.models import sites
from replications.systems.name_recall.data import (
    END,
    LAST,
)
from replications.systems.name_recall.measure import NameRecallSubject


def test_attention_is_read_off_the_mean_pattern(given: NameRecallSubject) -> None:
    reads = {"p0": sites.PATTERN(0), "p1": sites.PATTERN(1)}
    found = given.lens.read(given.task.prompts.clean, reads)
    p0, p1 = (found[name].mean(0) for name in reads)
    assert given.attention.copying((1, 6))["attention"] == pytest.approx(p1[6, END, LAST].item())
    assert given.attention.copying((1, 6))["looks_at"] == 1 + int(p1[6, END, 1:].argmax())
    assert given.attention.duplicate((0, 3))["looks_at"] == 1 + int(p0[3, END, 1:].argmax())
    steps = torch.stack([p0[4, i, i - 1] for i in range(1, 12)])
    assert given.attention.previous((0, 4))["diagonal"] == pytest.approx(steps.mean().item())
    two = torch.stack([p0[4, i, i - 2] for i in range(2, 12)]).mean().item()
    assert given.attention.previous((0, 4), back=2) == {
        "diagonal": pytest.approx(two), "looks_at": int(p0[4, LAST + 1].argmax())
    }  # fmt: skip
    scores = given.task.scores
    assert given.attention.scores((1, 6)) == pytest.approx({
        "previous": scores.previous[1, 6].mean().item(),
        "duplicate": scores.duplicate[1, 6].mean().item(),
        "induction": scores.induction[1, 6].mean().item(),
    })  # fmt: skip
