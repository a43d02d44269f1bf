"""Section "Early induction heads": scores on repeated random tokens, attention on the prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from replications.analysis.head_scores import attention_back
from replications.analysis.statistics import ratio
from replications.models import Head
from replications.systems.ioi.roles import Heads, Roles, top_heads
from replications.systems.ioi.task import Task

SCORED = 0.3
"""Induction score from which a head counts as found by attention alone."""


class EarlyHeads:
    """What induction, duplicate-token and previous-token heads attend to.

    Scores are mean attention, from 0 to 1, on the texts of `Task.repeated_tokens`: to the token
    after the first copy (induction), to the first copy (duplicate), or to the previous token. With
    `repeated=False` the second half of a text is fresh tokens.
    """

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task = task
        self._roles = roles

    # ---------------------------------------------------------------- repeated random tokens
    def scores(self, kind: str, heads: Heads, *, repeated: bool = True) -> list[float]:
        """Scores of some heads; `kind` is "induction", "duplicate" or "previous"."""
        values: Tensor = getattr(self._task.repeated_tokens.scores(repeated=repeated), kind)
        return [values[head].mean().item() for head in heads]

    def induction(self, heads: Heads, *, repeated: bool = True) -> dict[str, float]:
        """Lowest induction score of `heads`, and lowest ratio to the duplicate score."""
        to_next = self.scores("induction", heads, repeated=repeated)
        to_copy = self.scores("duplicate", heads, repeated=repeated)
        return {
            "attention": min(to_next),
            "times_duplicate": min(ratio(a, b) for a, b in zip(to_next, to_copy, strict=True)),
        }

    def ranking(self, *, repeated: bool = True) -> dict[str, float]:
        """How well the induction score picks out the induction heads.

        "worst_rank": the worst rank of an induction head among all heads, from 1; "least": their
        lowest score; "spread": the largest standard deviation over batches of a score.
        """
        seen = self._task.repeated_tokens.scores(repeated=repeated).induction
        heads = self._roles.induction
        order = top_heads(seen.mean(-1), seen[..., 0].numel())
        return {
            "worst_rank": max(order.index(head) for head in heads) + 1,
            "least": min(self.scores("induction", heads, repeated=repeated)),
            "spread": max(self._task.repeated_tokens.spread(seen, head) for head in heads),
        }

    def duplicate(self, heads: Heads, others: Heads) -> dict[str, float]:
        """Lowest duplicate score of `heads`, and highest of `others`."""
        return {
            "least": min(self.scores("duplicate", heads)),
            "most_of_others": max(self.scores("duplicate", others)),
        }

    def previous(self, heads: Heads, pick: Callable[[Iterable[float]], float] = min) -> float:
        """Lowest previous-token score of `heads`, or the highest with `pick=max`."""
        return pick(self.scores("previous", heads))

    def off_diagonal(self, head: Head) -> dict[str, float]:
        """Mean attention of a head to the previous token, on the prompts and on random tokens."""
        first = int(self._task.bos) + 1
        # Up to the end of the shortest prompts: after it, they have padding.
        tokens = self._task.batch.tokens[:, : int(self._task.batch.end.min()) + 1]
        seen = attention_back(self._task.lens, tokens, 1, first=first)
        return {
            "prompts": seen[head].mean().item(),
            "random": self.scores("previous", (head,))[0],
        }

    def suppressors(self, *, repeated: bool = True) -> int:
        """How many heads have a high induction score but lower the logit of the token to come."""
        tokens = self._task.repeated_tokens
        scored = tokens.scores(repeated=repeated).induction.mean(-1) > SCORED
        return int((scored & (tokens.boost(repeated=repeated) < 0)).sum())

    def times_best(self, heads: Heads) -> float:
        """Highest induction score of `heads`, relative to the best induction head."""
        best = max(self.scores("induction", self._roles.induction))
        return ratio(max(self.scores("induction", heads)), best)

    # ---------------------------------------------------------------- on the prompts
    def after_s1(self, heads: Heads) -> dict[str, float]:
        """Mean attention from the third name to the token after S1.

        The highest of `heads` on ABC prompts ("three_names"), the lowest on the prompts.
        """
        task = self._task
        on_abc = [task.attention(h, "S2", "S1+1", tokens=task.abc.tokens).mean() for h in heads]
        on_prompts = [task.attention(h, "S2", "S1+1").mean() for h in heads]
        return {"three_names": max(on_abc).item(), "repeated_name": min(on_prompts).item()}

    def share_to_next(self, heads: Heads, *, three_names: bool = False) -> float:
        """Share of prompts on which S2 attends most to the token after S1; position 0 is left out.

        The lowest of `heads`. With `three_names`, on ABC prompts.
        """
        task = self._task
        tokens = task.abc.tokens if three_names else task.batch.tokens
        rows = torch.arange(len(tokens))
        shares = []
        for head in heads:
            pattern = task.patterns(head, tokens)
            best = pattern[rows, task.positions["S2"], 1:].argmax(-1) + 1
            shares.append((best == task.positions["S1+1"]).double().mean().item())
        return min(shares)
