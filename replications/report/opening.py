"""What replicates, in a few lines: the opening of README.md, made from a ledger."""

from __future__ import annotations

import re
from collections.abc import Sequence

from replications.errors import BadInput
from replications.judging.ledger import Ledger
from replications.report import board
from replications.report.board import Line
from replications.report.markdown import table
from replications.report.rates import clopper_pearson, rates_of

FEW = 0.1
"""Recipes on which a smaller share of the findings was measured are in CLAIMS.md only."""
BEGIN = "<!-- what replicates: made by `make ledger` -->"
END = "<!-- end of what replicates -->"


HEAD = (
    "system",
    "published weights: findings that replicate",
    "models trained here",
    "findings measured",
    "in all of them",
    "in some",
    "in none",
)
RATES = (
    "In brackets: an end of the 95 % Clopper–Pearson interval of the rate among all models\n"
    "that the recipe could give."
)


def opening(ledger: Ledger, replicas: Sequence[Ledger] = ()) -> str:
    """A table: in how many originals and trained models the findings of each system replicate.

    `replicas` are ledgers of the command `replicate`, each of which has a row of its own.
    """
    systems: dict[str, list[Line]] = {}
    for of in (ledger, *replicas):
        for line in board.lines(of):
            systems.setdefault(line.entry["system"], []).append(line)
    rows = [row for name, lines in systems.items() for row in _rows(name, lines)]
    return f"{table(HEAD, rows)}\n\n{RATES}"


def _rows(system: str, lines: Sequence[Line]) -> list[list[str]]:
    """One row for each recipe; the first also names the system and its published weights."""
    trained = _trained(lines) or [["none measured", *[""] * 4]]
    first = [f"`{system}`", _originals(lines)]
    return [[*(first if i == 0 else ("", "")), *row] for i, row in enumerate(trained)]


def _originals(lines: Sequence[Line]) -> str:
    """What the published models show."""
    rows = [r for line in lines for r in (*line.gating, *line.others) if r.kind == "original"]
    judged = [row for row in rows if row.holds is not None]
    if not rows:
        return "none"
    names = ", ".join(dict.fromkeys(row.subject for row in judged or rows))
    if not judged:
        return f"not reached ({names})"
    held = sum(row.replicates for row in judged)
    return f"{held} of {len(judged)} ({names})"


def _trained(lines: Sequence[Line]) -> list[list[str]]:
    """For each recipe: in all of its models, in some, in none, with the intervals of the ends."""
    measured: dict[tuple[str, int], list[int]] = {}
    for rate in [rate for line in lines for rate in rates_of(line)]:
        measured.setdefault((rate.group, rate.n), []).append(rate.k)
    most = max(map(len, measured.values()), default=0)
    return [_counted(group, n, of) for (group, n), of in measured.items() if len(of) >= FEW * most]


def _counted(group: str, n: int, of: Sequence[int]) -> list[str]:
    """The row of a recipe: in how many of its n models each finding replicates."""
    everywhere, nowhere = sum(k == n for k in of), sum(k == 0 for k in of)
    low, high = clopper_pearson(n, n)[0], clopper_pearson(0, n)[1]
    return [
        f"{n} `{group}`",
        str(len(of)),
        f"{everywhere} (rate at least {100 * low:.0f} %)" if everywhere else "0",
        str(len(of) - everywhere - nowhere),
        f"{nowhere} (at most {100 * high:.0f} %)" if nowhere else "0",
    ]


def refresh(page: str, ledger: Ledger, replicas: Sequence[Ledger] = ()) -> str:
    """`page` with what is between the two marks made anew; BadInput if it has no such place."""
    place = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)
    if not place.search(page):
        raise BadInput(f"the page has no place for what replicates: put in {BEGIN} and {END}")
    text = f"{BEGIN}\n{opening(ledger, replicas)}\n{END}"
    return place.sub(lambda _: text, page, count=1)
