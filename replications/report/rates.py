"""In how many models of one recipe a finding replicates, with an exact interval.

The models of a group differ by their seed only, so they are a sample of what the recipe gives.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from replications.judging.ledger import Ledger
from replications.report import board

TRAINED = ("retrained", "toy")
"""The kinds of subject that were trained here, several of them by one recipe."""
_SEED = re.compile(r"((?P<recipe>.+)/)?seed\d+")


@dataclass(frozen=True)
class Rate:
    """A finding replicates in `k` of `n` models of a `group`."""

    claim: str
    group: str
    k: int
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Clopper–Pearson interval of the rate."""
        return clopper_pearson(self.k, self.n)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.k}/{self.n} [{low:.2f}, {high:.2f}]"


def clopper_pearson(k: int, n: int) -> tuple[float, float]:
    """The exact 95 % interval of a rate seen in `k` of `n` models.  ValueError unless 0 ≤ k ≤ n."""
    from scipy.stats import binomtest

    found = binomtest(k, n).proportion_ci(confidence_level=0.95, method="exact")
    return float(found.low), float(found.high)


def rates(ledger: Ledger) -> list[Rate]:
    """The rate of every claim in every group of at least two seeds, in claim order."""
    return [rate for line in board.lines(ledger) for rate in rates_of(line)]


def rates_of(line: board.Line) -> list[Rate]:
    """The rate of one claim in every group of at least two seeds of one recipe.

    A seed in a group of its own, such as the one that remakes the published start, does not count.
    """
    groups: dict[tuple[str, str | None], list[bool]] = defaultdict(list)
    for row in (*line.gating, *line.others):
        seed = _SEED.fullmatch(row.subject)
        if row.holds is not None and row.kind in TRAINED and seed:
            name = seed["recipe"] or row.group or ""
            groups[name, row.group].append(row.replicates)
    return [
        Rate(line.id, group, sum(held), len(held))
        for (group, _), held in groups.items()
        if len(held) > 1
    ]
