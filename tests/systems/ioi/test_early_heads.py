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
def test_the_share_to_the_next_token_counts_prompts_one_by_one(
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
    assert all(0 < share < 1 and share != 0.5 for share in shares)
    found = subject.early_heads.share_to_next(HEADS, three_names=three_names)
    assert found == pytest.approx(shares)


def test_attention_after_s1_is_that_on_the_prompts_less_that_on_abc(subject: IoiSubject) -> None:
    task = subject.task
    rows = torch.arange(len(task.batch))
    at = (rows, task.positions["S2"], task.positions["S1"] + 1)
    by_hand = [
        pattern(subject, head, task.batch.tokens)[at].mean().item()
        - pattern(subject, head, task.abc.tokens)[at].mean().item()
        for head in HEADS
    ]
    assert subject.early_heads.after_s1(HEADS) == pytest.approx(by_hand)


def test_scores_are_attention_to_the_copy_and_to_the_token_after_it(subject: IoiSubject) -> None:
    texts = subject.task.repeated_tokens
    n, tokens = texts.length, texts.tokens()
    second = range(tokens.shape[1] - n, tokens.shape[1])
    seen = [pattern(subject, head, tokens).mean(0) for head in HEADS]
    to_next, to_copy = (
        [sum(p[q, q - back].item() for q in second) / n for p in seen] for back in (n - 1, n)
    )
    found = subject.early_heads.induction(HEADS)
    assert found["attention"] == pytest.approx(to_next)
    ratios = [a / b for a, b in zip(to_next, to_copy, strict=True)]
    assert found["times_duplicate"] == pytest.approx(ratios)
    assert subject.early_heads.scores("duplicate", HEADS) == pytest.approx(to_copy)
    first = subject.early_heads.scores("induction", subject.roles.induction[:1])[0]
    relative = [score / first for score in to_next]
    assert subject.early_heads.times_first(HEADS) == pytest.approx(relative)


def test_ranks_count_from_the_head_with_the_highest_score(subject: IoiSubject) -> None:
    seen = subject.task.repeated_tokens.scores().induction.mean(-1)
    by_hand = [1 + int((seen > seen[head]).sum()) for head in HEADS]
    assert subject.early_heads.ranks(HEADS) == by_hand


def test_groups_of_roles_are_made_of_the_roles() -> None:
    assert PUBLISHED.position_readers == ((7, 3), (8, 6))
    assert PUBLISHED.all_induction == ((5, 5), (6, 9), (5, 8), (5, 9))
    assert PUBLISHED.duplicate_detectors == ((5, 5), (6, 9), (0, 1), (3, 0))
