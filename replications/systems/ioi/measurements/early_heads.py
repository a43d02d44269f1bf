"""Section "Early induction heads": scores on repeated random tokens, attention on the prompts."""

from __future__ import annotations

import torch
from torch import Tensor

from replications.analysis.head_scores import attention_back
from replications.analysis.statistics import ratio
from replications.systems.ioi.roles import Heads, Roles, top_heads
from replications.systems.ioi.task import Task

SCORED = 0.3
"""Induction score from which a head counts as found by attention alone."""
SUPPRESSES = 0.01
"""Fall of a logit from which a head counts as suppressing: rounding alone has a sign too."""


class EarlyHeads:
    """What induction, duplicate-token and previous-token heads attend to.

    Scores are mean attention, from 0 to 1, on the texts of `Task.repeated_tokens`: to the token
    after the first copy (induction), to the first copy (duplicate), or to the previous token. With
    `repeated=False` the second half of a text is fresh tokens. What is measured of several heads is
    a list with a value for each, empty for a role that no head fills: no claim accepts that.
    """

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task = task
        self._roles = roles

    # ---------------------------------------------------------------- repeated random tokens
    def scores(self, kind: str, heads: Heads, *, repeated: bool = True) -> list[float]:
        """Scores of some heads; `kind` is "induction", "duplicate" or "previous"."""
        values: Tensor = getattr(self._task.repeated_tokens.scores(repeated=repeated), kind)
        return [values[head].mean().item() for head in heads]

    def induction(self, heads: Heads, *, repeated: bool = True) -> dict[str, list[float]]:
        """Induction score of each head ("attention"), and its ratio to the duplicate score."""
        to_next = self.scores("induction", heads, repeated=repeated)
        to_copy = self.scores("duplicate", heads, repeated=repeated)
        ratios = [ratio(a, b) for a, b in zip(to_next, to_copy, strict=True)]
        return {"attention": to_next, "times_duplicate": ratios}

    def ranks(self, heads: Heads, *, repeated: bool = True) -> list[int]:
        """Rank of each head's induction score among all heads, from 1."""
        seen = self._task.repeated_tokens.scores(repeated=repeated).induction.mean(-1)
        order = top_heads(seen, seen.numel())
        return [order.index(head) + 1 for head in heads]

    def off_diagonal(self, heads: Heads) -> dict[str, list[float]]:
        """Mean attention of each head to the previous token, on prompts and on random tokens."""
        first = int(self._task.bos) + 1
        # Up to the end of the shortest prompts: after it, they have padding.
        tokens = self._task.batch.tokens[:, : int(self._task.batch.end.min()) + 1]
        seen = attention_back(self._task.lens, tokens, 1, first=first)
        return {
            "prompts": [seen[head].mean().item() for head in heads],
            "random": self.scores("previous", heads),
        }

    def suppressors(self, *, repeated: bool = True) -> int:
        """How many heads have a high induction score but lower the logit of the token to come."""
        tokens = self._task.repeated_tokens
        scored = tokens.scores(repeated=repeated).induction.mean(-1) > SCORED
        return int((scored & (tokens.boost(repeated=repeated) < -SUPPRESSES)).sum())

    def times_first(self, heads: Heads) -> list[float]:
        """Induction score of each head, relative to that of the first induction head."""
        first = self.scores("induction", self._roles.induction[:1])
        return [ratio(score, best) for best in first for score in self.scores("induction", heads)]

    # ---------------------------------------------------------------- on the prompts
    def after_s1(self, heads: Heads) -> list[float]:
        """How much more each head attends from S2 to the token after S1 than on ABC prompts.

        On ABC prompts, the third name is a new one.
        """
        on_prompts, on_abc = (
            self._task.attention_of_every_head("S2", "S1+1", three_names=three_names)
            for three_names in (False, True)
        )
        return [(on_prompts[head].mean() - on_abc[head].mean()).item() for head in heads]

    def share_to_next(self, heads: Heads, *, three_names: bool = False) -> list[float]:
        """Share of prompts on which each head attends from S2 most to the token after S1.

        Position 0 is left out. With `three_names`, on ABC prompts.
        """
        task = self._task
        tokens = task.abc.tokens if three_names else task.batch.tokens
        rows = torch.arange(len(tokens))
        shares = []
        for head in heads:
            pattern = task.patterns(head, tokens)
            best = pattern[rows, task.positions["S2"], 1:].argmax(-1) + 1
            shares.append((best == task.positions["S1+1"]).double().mean().item())
        return shares
