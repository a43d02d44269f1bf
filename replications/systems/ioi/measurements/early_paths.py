"""Path patching between early heads: what feeds the induction heads, and what they feed.

Sections "validate prev token heads via patching", "heads 5.8 and 5.9" and "Aside - a lesson in
nonlinearity". Effects are those of `Task.path_effects`: 0 is clean, -1 is as bad as ABC prompts.
"""

from __future__ import annotations

from replications.models import Site, sites
from replications.patching import Softmax
from replications.systems.ioi.roles import Heads, Roles
from replications.systems.ioi.task import Task


class EarlyPaths:
    """Effects of early heads through the queries, keys or values of later ones."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task = task
        self._roles = roles

    def into_inhibition(self, heads: Heads) -> dict[str, float]:
        """Whether `heads` tell the S-inhibition heads about a duplicate, as induction heads do.

        A head's effect is the stronger of those through values and through keys.
        "weakest_effect": of the head with the weaker effect; "score_margin": the smallest induction
        score less duplicate score.
        """
        by_value, by_key = (
            self._task.path_effects([[h] for h in heads], site, self._roles.s_inhibition)
            for site in (sites.V, sites.K)
        )
        seen = self._task.repeated_tokens.scores()
        margins = [(seen.induction[h].mean() - seen.duplicate[h].mean()).item() for h in heads]
        return {
            "weakest_effect": max(min(pair) for pair in zip(by_value, by_key, strict=True)),
            "score_margin": min(margins),
        }

    def from_previous(self, site: Site) -> dict[str, float]:
        """Effects of every earlier head through an input of the induction heads.

        "named": how many previous-token heads are among the most negative effects, as many of these
        as there are previous-token heads; "weakest": the weakest effect of a previous-token head;
        "largest_other": the largest absolute effect of any other head.
        """
        effects = self._task.path_effect_of_each(site, self._roles.induction)
        named = self._roles.previous
        order = sorted(effects, key=lambda head: effects[head])[: len(named)]
        others = [abs(effect) for head, effect in effects.items() if head not in named]
        return {
            "named": len(set(order) & set(named)),
            "weakest": max(effects.get(head, 0.0) for head in named),
            "largest_other": max(others, default=0.0),
        }

    def through_inhibition(self, senders: Heads, site: Site) -> dict[str, float]:
        """Strongest and weakest effect of a sender through an input of the S-inhibition heads."""
        found = self._task.path_effects([[h] for h in senders], site, self._roles.s_inhibition)
        return {"strongest": min(found), "weakest": max(found)}

    # ---------------------------------------------------------------- two senders at once
    def pair(self, senders: Heads, into: Heads, softmax: Softmax = "exact") -> dict[str, float]:
        """Effects of two heads through the keys of others: alone, joint, and beyond the sum.

        With `softmax="linear"` attention is linear in its scores.
        """
        first, second = senders
        sets = [[first], [second], [first, second]]
        found = self._task.path_effects(sets, sites.K, into, softmax=softmax)
        return {
            "first": found[0],
            "second": found[1],
            "joint": found[2],
            "beyond_sum": found[2] - found[0] - found[1],
        }

    def alone(self, senders: Heads, into: Heads) -> list[float]:
        """The two single effects of `pair`."""
        found = self.pair(senders, into)
        return [found["first"], found["second"]]

    def together(self, senders: Heads, into: Heads) -> dict[str, float]:
        """The joint effect of `pair`, and what it is beyond the sum."""
        found = self.pair(senders, into)
        return {name: found[name] for name in ("joint", "beyond_sum")}
