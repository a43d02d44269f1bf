"""Induction in front of the S-inhibition heads: what claims about early heads measure."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.head_scores import attention_back
from replications.analysis.statistics import ratio
from replications.models import sites
from replications.models.sites import Site
from replications.patching import Softmax
from replications.systems.ioi.backup import top_heads
from replications.systems.ioi.early import Early
from replications.systems.ioi.roles import Heads, Roles
from replications.systems.ioi.task import Head, Task


class Induction:
    """Scores, attention on the prompts, and effects along paths, for the heads that have a role."""

    def __init__(self, task: Task, roles: Roles, early: Early) -> None:
        self._task = task
        self._roles = roles
        self._early = early

    # ---------------------------------------------------------------- random tokens said twice
    def _score(self, kind: str, heads: Heads, *, repeated: bool = True) -> list[float]:
        """Mean scores of some heads."""
        seen = self._early.repeated if repeated else self._early.unrepeated
        values: Tensor = getattr(seen, kind)
        return [values[head].mean().item() for head in heads]

    def induces(self, heads: Heads, *, repeated: bool = True) -> dict[str, float]:
        """Least attention to the token after the first copy, and relative to the copy itself."""
        to_next = self._score("induction", heads, repeated=repeated)
        to_copy = self._score("duplicate", heads, repeated=repeated)
        return {
            "attention": min(to_next),
            "times_duplicate": min(ratio(a, b) for a, b in zip(to_next, to_copy, strict=True)),
        }

    @property
    def induction(self) -> dict[str, float]:
        return self.induces(self._roles.induction)

    @property
    def induction_of_previous(self) -> dict[str, float]:
        return self.induces(self._roles.previous)

    @property
    def induction_of_duplicate(self) -> dict[str, float]:
        return self.induces(self._roles.duplicate)

    @property
    def induction_on_fresh(self) -> dict[str, float]:
        return self.induces(self._roles.induction, repeated=False)

    def _identified(self, *, repeated: bool) -> dict[str, float]:
        seen = self._early.repeated if repeated else self._early.unrepeated
        heads = self._roles.induction
        order = top_heads(seen.induction.mean(-1), seen.induction[..., 0].numel())
        return {
            "worst_rank": max(order.index(head) for head in heads) + 1,
            "least": min(self._score("induction", heads, repeated=repeated)),
            "spread": max(self._early.spread(seen.induction, head) for head in heads),
        }

    @property
    def identified(self) -> dict[str, float]:
        """Where induction heads rank by score, their least score, its spread over batches."""
        return self._identified(repeated=True)

    @property
    def identified_on_fresh(self) -> dict[str, float]:
        return self._identified(repeated=False)

    def _duplicates(self, high: Heads, low: Heads) -> dict[str, float]:
        return {
            "least": min(self._score("duplicate", high)),
            "most_of_others": max(self._score("duplicate", low)),
        }

    @property
    def duplicate(self) -> dict[str, float]:
        """Least duplicate score of duplicate-token heads, largest of induction heads."""
        return self._duplicates(self._roles.duplicate, self._roles.induction)

    @property
    def duplicate_exchanged(self) -> dict[str, float]:
        return self._duplicates(self._roles.induction, self._roles.duplicate)

    @property
    def previous(self) -> float:
        """Least previous-token score of previous-token heads."""
        return min(self._score("previous", self._roles.previous))

    @property
    def previous_of_induction(self) -> float:
        return max(self._score("previous", self._roles.induction))

    @property
    def previous_of_duplicate(self) -> float:
        return max(self._score("previous", self._roles.duplicate))

    def _off_diagonal(self, head: Head) -> dict[str, float]:
        first = int(self._task.bos) + 1
        # Up to the shortest end: behind it stands what fills the shorter templates up.
        tokens = self._task.batch.tokens[:, : int(self._task.batch.end.min()) + 1]
        seen = attention_back(self._task.lens, tokens, 1, first=first)
        return {
            "prompts": seen[head].mean().item(),
            "random": self._score("previous", (head,))[0],
        }

    @property
    def off_diagonal(self) -> dict[str, float]:
        """Mean attention to the token before, of the last previous-token head."""
        return self._off_diagonal(self._roles.previous[-1])

    @property
    def off_diagonal_of_induction(self) -> dict[str, float]:
        return self._off_diagonal(self._roles.induction[0])

    def _suppressors(self, *, repeated: bool) -> int:
        seen = self._early.repeated if repeated else self._early.unrepeated
        scored = seen.induction.mean(-1) > 0.3
        return int((scored & (self._early.boost(repeated=repeated) < 0)).sum())

    @property
    def suppressors(self) -> int:
        """Heads with an induction score above 0.3 that lower the logit of the token to come."""
        return self._suppressors(repeated=True)

    @property
    def suppressors_on_fresh(self) -> int:
        return self._suppressors(repeated=False)

    # ---------------------------------------------------------------- on the prompts
    def _on_duplicates(self, heads: Heads) -> dict[str, float]:
        task = self._task
        abc = [_attention(task, h, task.abc.tokens).mean().item() for h in heads]
        ioi = [_attention(task, h, task.batch.tokens).mean().item() for h in heads]
        return {"three_names": max(abc), "repeated_name": min(ioi)}

    @property
    def on_duplicates(self) -> dict[str, float]:
        """Attention from the third name to the token after S1: largest on ABC, least on IOI."""
        return self._on_duplicates(self._roles.induction)

    @property
    def on_duplicates_of_previous(self) -> dict[str, float]:
        return self._on_duplicates(self._roles.previous)

    def _to_next(self, heads: Heads, tokens: Tensor) -> float:
        task = self._task
        rows = torch.arange(len(tokens))
        shares = []
        for layer, head in heads:
            pattern = task.lens.read(tokens, {"p": sites.PATTERN(layer).pick(head=head)})["p"]
            best = pattern[rows, task.positions["S2"], 1:].argmax(-1) + 1
            shares.append((best == task.positions["S1+1"]).double().mean().item())
        return min(shares)

    @property
    def fuzzy_to_next(self) -> float:
        """Share of prompts on which S2 attends most to the token after S1, position 0 left out."""
        return self._to_next(self._roles.fuzzy, self._task.batch.tokens)

    @property
    def fuzzy_to_next_on_abc(self) -> float:
        return self._to_next(self._roles.fuzzy, self._task.abc.tokens)

    @property
    def outside_to_next(self) -> float:
        return self._to_next(self._roles.outside_early, self._task.batch.tokens)

    def _times_best(self, heads: Heads) -> float:
        best = max(self._score("induction", self._roles.induction))
        return ratio(max(self._score("induction", heads)), best)

    @property
    def fuzzy_score(self) -> float:
        """Largest induction score of a fuzzy head, relative to the best induction head."""
        return self._times_best(self._roles.fuzzy)

    @property
    def induction_score(self) -> float:
        return self._times_best(self._roles.induction)

    # ---------------------------------------------------------------- along paths
    def _into_inhibition(self, heads: Heads) -> dict[str, float]:
        by_value = self._early.effects([[h] for h in heads], sites.V, self._roles.s_inhibition)
        by_key = self._early.effects([[h] for h in heads], sites.K, self._roles.s_inhibition)
        to_next, to_copy = (self._score(kind, heads) for kind in ("induction", "duplicate"))
        return {
            "weakest_effect": max(min(pair) for pair in zip(by_value, by_key, strict=True)),
            "score_margin": min(a - b for a, b in zip(to_next, to_copy, strict=True)),
        }

    @property
    def in_duplicate_role(self) -> dict[str, float]:
        """Effect through values or keys of the S-inhibition heads, the stronger of the two.

        Of the head with the weaker effect; and the least lead of induction over duplicate score.
        """
        return self._into_inhibition(self._roles.induction)

    @property
    def outside_in_duplicate_role(self) -> dict[str, float]:
        return self._into_inhibition(self._roles.outside_early)

    def previous_through(self, site: Site) -> dict[str, float]:
        """Effects of every earlier head through an input of the induction heads.

        `named`: how many of the most negative senders are previous-token heads; `weakest`: the
        weaker of these heads' effects; `largest_other`: the largest effect of any other head.
        """
        effects = self._early.every_effect(site, self._roles.induction)
        named = self._roles.previous
        order = sorted(effects, key=lambda head: effects[head])[: len(named)]
        others = [abs(effect) for head, effect in effects.items() if head not in named]
        return {
            "named": len(set(order) & set(named)),
            "weakest": max(effects.get(head, 0.0) for head in named),
            "largest_other": max(others, default=0.0),
        }

    @cached_property
    def previous_through_keys(self) -> dict[str, float]:
        return self.previous_through(sites.K)

    def _fuzzy_through(self, senders: Heads, site: Site) -> dict[str, float]:
        found = self._early.effects([[head] for head in senders], site, self._roles.s_inhibition)
        return {"strongest": min(found), "weakest": max(found)}

    @property
    def fuzzy_through_keys(self) -> dict[str, float]:
        """Effects of the fuzzy heads through the keys of the S-inhibition heads."""
        return self._fuzzy_through(self._roles.fuzzy, sites.K)

    @property
    def fuzzy_through_queries(self) -> dict[str, float]:
        return self._fuzzy_through(self._roles.fuzzy, sites.Q)

    @property
    def outside_through_keys(self) -> dict[str, float]:
        return self._fuzzy_through(self._roles.outside_early, sites.K)

    # ---------------------------------------------------------------- two senders at once
    def pair(self, senders: Heads, into: Heads, softmax: Softmax = "exact") -> dict[str, float]:
        """Effects of two heads through the keys of others: alone, together, and beyond the sum."""
        first, second = senders
        sets = [[first], [second], [first, second]]
        found = self._early.effects(sets, sites.K, into, softmax=softmax)
        return {
            "first": found[0],
            "second": found[1],
            "joint": found[2],
            "beyond_sum": found[2] - found[0] - found[1],
        }

    @cached_property
    def pair_into_fuzzy(self) -> dict[str, float]:
        """The two previous-token heads into the fuzzy heads."""
        return self.pair(self._roles.previous, self._roles.fuzzy)

    @cached_property
    def pair_into_induction(self) -> dict[str, float]:
        return self.pair(self._roles.previous, self._roles.induction)

    @cached_property
    def outside_pair_into_fuzzy(self) -> dict[str, float]:
        return self.pair(self._roles.outside_earliest, self._roles.fuzzy)

    @cached_property
    def pair_into_all(self) -> dict[str, float]:
        """Into induction and fuzzy heads together."""
        return self.pair(self._roles.previous, self._roles.induction + self._roles.fuzzy)

    @cached_property
    def pair_into_all_linear(self) -> dict[str, float]:
        """The same with attention linear in its scores."""
        into = self._roles.induction + self._roles.fuzzy
        return self.pair(self._roles.previous, into, softmax="linear")

    @property
    def singles_into_fuzzy(self) -> list[float]:
        return _singles(self.pair_into_fuzzy)

    @property
    def singles_into_induction(self) -> list[float]:
        return _singles(self.pair_into_induction)

    @property
    def joint_into_fuzzy(self) -> dict[str, float]:
        return _joint(self.pair_into_fuzzy)

    @property
    def joint_of_outside_into_fuzzy(self) -> dict[str, float]:
        return _joint(self.outside_pair_into_fuzzy)


def _singles(pair: dict[str, float]) -> list[float]:
    return [pair["first"], pair["second"]]


def _joint(pair: dict[str, float]) -> dict[str, float]:
    return {name: pair[name] for name in ("joint", "beyond_sum")}


def _attention(task: Task, head: Head, tokens: Tensor) -> Tensor:
    """From the third name to the token after the first S: [n]."""
    layer, number = head
    pattern = task.lens.read(tokens, {"p": sites.PATTERN(layer).pick(head=number)})["p"]
    rows = torch.arange(len(tokens))
    return pattern[rows, task.positions["S2"], task.positions["S1+1"]].double()
