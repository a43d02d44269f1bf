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
    assert given.attention.scores_against_roles((1, 6))["induction"] == 1
