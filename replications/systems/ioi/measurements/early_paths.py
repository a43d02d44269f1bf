"""Path patching between early heads: what feeds the induction heads, and what they feed.

Sections "validate prev token heads via patching", "heads 5.8 and 5.9" and "Aside - a lesson in
nonlinearity". Effects are those of `Task.path_effects`: 0 is clean, -1 is as bad as ABC prompts.
Lists have a value for each head. They are empty for a role that no head fills: no claim accepts
that.
"""

from __future__ import annotations

from typing import Any

from replications.models import Site, sites
from replications.patching import Softmax
from replications.systems.ioi.roles import Heads, Roles
from replications.systems.ioi.task import Task


class EarlyPaths:
    """Effects of early heads through the queries, keys or values of later ones."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task = task
        self._roles = roles

    def into_inhibition(self, heads: Heads) -> dict[str, list[float]]:
        """Whether each head tells the S-inhibition heads of a duplicate, as induction heads do.

        "effect" is the stronger of the effects through values and through keys. "margin" is the
        induction score less the duplicate score.
        """
        by_value, by_key = (self.through_inhibition(heads, site) for site in (sites.V, sites.K))
        seen = self._task.repeated_tokens.scores()
        margins = [(seen.induction[h].mean() - seen.duplicate[h].mean()).item() for h in heads]
        effects = [min(pair) for pair in zip(by_value, by_key, strict=True)]
        return {"effect": effects, "margin": margins}

    def from_previous(self, site: Site, into: Heads) -> dict[str, Any]:
        """Effects of every earlier head through an input of the heads `into`.

        "named": how many previous-token heads are among the most negative effects, as many of these
        as there are previous-token heads; "effects": that of each previous-token head.
        """
        effects = self._task.path_effect_of_each(site, into)
        named = self._roles.previous
        order = sorted(effects, key=lambda head: effects[head])[: len(named)]
        found = [effects.get(head, 0.0) for head in named]
        return {"named": len(set(order) & set(named)), "effects": found}

    def through_inhibition(self, senders: Heads, site: Site) -> list[float]:
        """Effect of each sender through an input of the S-inhibition heads."""
        return self._task.path_effects([[h] for h in senders], site, self._roles.s_inhibition)

    # ---------------------------------------------------------------- two senders at once
    def alone(self, senders: Heads, into: Heads) -> list[float]:
        """Effect of each sender alone through the keys of the heads `into`."""
        return self._task.path_effects([[h] for h in senders], sites.K, into)

    def pair(self, senders: Heads, into: Heads, softmax: Softmax = "exact") -> dict[str, float]:
        """Effects of two heads through the keys of others: alone, joint, and beyond the sum.

        With `softmax="linear"` attention is linear in its scores. All effects are zero unless there
        are two senders and a receiver, since nothing can then be patched.
        """
        if len(senders) != 2 or not into:
            return dict.fromkeys(("weaker", "stronger", "joint", "beyond_sum"), 0.0)
        sets = [[head] for head in senders] + [[*senders]]
        *single, joint = self._task.path_effects(sets, sites.K, into, softmax=softmax)
        return {
            "weaker": max(single),
            "stronger": min(single),
            "joint": joint,
            "beyond_sum": joint - sum(single),
        }

    def together(self, senders: Heads, into: Heads, softmax: Softmax = "exact") -> dict[str, float]:
        """The joint effect of `pair`, and what it is beyond the sum."""
        found = self.pair(senders, into, softmax)
        return {name: found[name] for name in ("joint", "beyond_sum")}
