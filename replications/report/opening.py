"""What replicates, in a few lines: the opening of README.md, made from a ledger."""

from __future__ import annotations

import re
from collections.abc import Sequence

from replications.errors import BadInput
from replications.judging.ledger import Ledger
from replications.report import board
from replications.report.board import Line
from replications.report.rates import clopper_pearson, rates_of

FEW = 0.1
"""Recipes on which a smaller share of the findings was measured are in CLAIMS.md only."""
BEGIN = "<!-- what replicates: made by `make ledger` -->"
END = "<!-- end of what replicates -->"


def opening(ledger: Ledger) -> str:
    """One item for each system: on how many originals and trained models its findings replicate."""
    systems: dict[str, list[Line]] = {}
    for line in board.lines(ledger):
        systems.setdefault(line.entry["system"], []).append(line)
    return "\n".join(f"- `{name}`: {_system(lines)}" for name, lines in systems.items())


def _system(lines: Sequence[Line]) -> str:
    said = [text for text in (_originals(lines), *_trained(lines)) if text]
    return "; ".join(said or ["nothing was measured"]) + "."


def _originals(lines: Sequence[Line]) -> str:
    """What the published models show."""
    rows = [r for line in lines for r in (*line.gating, *line.others) if r.kind == "original"]
    judged = [row for row in rows if row.holds is not None]
    if not rows:
        return ""
    names = ", ".join(dict.fromkeys(row.subject for row in judged or rows))
    if not judged:
        return f"the published weights ({names}) were not reached"
    held = sum(row.replicates for row in judged)
    return f"on the published weights ({names}) {held} of {len(judged)} findings replicate"


def _trained(lines: Sequence[Line]) -> list[str]:
    """For each recipe: in all of its models, in some, in none, with the intervals of the ends."""
    found = [rate for line in lines for rate in rates_of(line)]
    said = []
    measured: dict[tuple[str, int], list[int]] = {}
    for rate in found:
        measured.setdefault((rate.group, rate.n), []).append(rate.k)
    most = max(map(len, measured.values()), default=0)
    for (group, n), of in measured.items():
        if len(of) < FEW * most:
            continue
        everywhere, nowhere = sum(k == n for k in of), sum(k == 0 for k in of)
        low, high = clopper_pearson(n, n)[0], clopper_pearson(0, n)[1]
        said.append(
            f"of {len(of)} findings measured on {n} models trained here (`{group}`) all {n} models "
            f"show {everywhere} (95 % interval of such a rate {100 * low:.0f} to 100 %), some show "
            f"{len(of) - everywhere - nowhere} and none shows {nowhere} (0 to {100 * high:.0f} %)"
        )
    return said


def refresh(page: str, ledger: Ledger) -> str:
    """`page` with what is between the two marks made anew; BadInput if it has no such place."""
    place = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)
    if not place.search(page):
        raise BadInput(f"the page has no place for what replicates: put in {BEGIN} and {END}")
    text = f"{BEGIN}\n{opening(ledger)}\n{END}"
    return place.sub(lambda _: text, page, count=1)
