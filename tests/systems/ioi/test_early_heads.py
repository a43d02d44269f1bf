"""Attention of early heads on the prompts and on repeated tokens, prompt by prompt."""

from __future__ import annotations

import pytest
import torch

from replications.models import Head, sites
from replications.systems.ioi import IoiSubject
from replications.systems.ioi.roles import PUBLISHED

HEADS: tuple[Head, ...] = ((1, 0), (2, 1))


def pattern(subject: IoiSubject, head: Head, tokens: torch.Tensor) -> torch.Tensor:
    layer, number = head
    return subject.lens.run(tokens, {"p": sites.PATTERN(layer)})["p"][:, number]


@pytest.mark.parametrize("three_names", [False, True])
def test_the_share_to_the_next_token_is_that_of_the_worst_head(
    subject: IoiSubject, three_names: bool
) -> None:
    task = subject.task
    tokens = (task.abc if three_names else task.batch).tokens
    shares = []
    for head in HEADS:
        hits = 0
        for row, p in enumerate(pattern(subject, head, tokens)):
            query, key = (int(task.positions[name][row]) for name in ("S2", "S1+1"))
            hits += all(p[query, key] >= p[query, other] for other in range(1, query + 1))
        shares.append(hits / len(tokens))
    assert 0 < min(shares) <= max(shares) < 1
    for heads, expected in ((HEADS, min(shares)), (HEADS[:1], shares[0]), (HEADS[1:], shares[1])):
        found = subject.early_heads.share_to_next(heads, three_names=three_names)
        assert found == pytest.approx(expected)


def test_attention_after_s1_is_highest_on_abc_and_lowest_on_the_prompts(
    subject: IoiSubject,
) -> None:
    task = subject.task
    rows = torch.arange(len(task.batch))
    at = (rows, task.positions["S2"], task.positions["S1"] + 1)
    on_abc, on_prompts = (
        [pattern(subject, head, batch.tokens)[at].mean().item() for head in HEADS]
        for batch in (task.abc, task.batch)
    )
    found = subject.early_heads.after_s1(HEADS)
    assert found["three_names"] == pytest.approx(max(on_abc))
    assert found["repeated_name"] == pytest.approx(min(on_prompts))


def test_scores_are_attention_to_the_copy_and_to_the_token_after_it(subject: IoiSubject) -> None:
    texts = subject.task.repeated_tokens
    n, tokens = texts.length, texts.tokens()
    second = range(tokens.shape[1] - n, tokens.shape[1])
    seen = [pattern(subject, head, tokens).mean(0) for head in HEADS]
    to_next, to_copy = (
        [sum(p[q, q - back].item() for q in second) / n for p in seen] for back in (n - 1, n)
    )
    found = subject.early_heads.induction(HEADS)
    assert found["attention"] == pytest.approx(min(to_next))
    ratios = [a / b for a, b in zip(to_next, to_copy, strict=True)]
    assert found["times_duplicate"] == pytest.approx(min(ratios))
    pair = subject.early_heads.duplicate(HEADS[:1], HEADS[1:])
    assert list(pair.values()) == pytest.approx(to_copy)


def test_groups_of_roles_are_made_of_the_roles() -> None:
    assert PUBLISHED.position_readers == ((7, 3), (8, 6))
    assert PUBLISHED.all_induction == ((5, 5), (6, 9), (5, 8), (5, 9))
    assert PUBLISHED.duplicate_detectors == ((5, 5), (6, 9), (0, 1), (3, 0))
