"""Rates among many seeds, from the ledgers that `replicate` writes."""

from __future__ import annotations

from collections.abc import Sequence

from replications.judging.ledger import Ledger
from replications.report import board
from replications.report.board import Line
from replications.report.markdown import table
from replications.report.rates import Rate
from replications.report.text import clip, span

ABOUT = """\
More models of some recipes were trained and judged, and their weights not kept. *Replicates in* has
the 95 % Clopper–Pearson interval of the rate. Nothing is asserted of these models."""
HEAD = ("finding", "replicates in", "measured")


def section(replicas: Sequence[Ledger]) -> str:
    """The section of CLAIMS.md: a table for each ledger, under the command that wrote it."""
    return "\n\n".join([f"## Many seeds\n\n{ABOUT}", *map(_recipe, replicas)])


def _recipe(ledger: Ledger) -> str:
    get = ledger.environment.get
    rows = [found for line in board.lines(ledger) if (found := _row(line))]
    where = f"{get('date')}, {get('cpu')}, torch {get('torch')}"
    lens = f"TransformerLens {get('transformer_lens')}"
    return f"### `{get('command')}`\n\n{where}, {lens}.\n\n{table(HEAD, rows)}"


def _row(line: Line) -> list[str] | None:
    """None if no model could be judged."""
    judged = [row for row in (*line.gating, *line.others) if row.holds is not None]
    if not judged:
        return None
    rate = Rate(line.id, "", sum(row.replicates for row in judged), len(judged))
    values = span([row.measured for row in judged], line.entry["parts"])
    return [f"`{line.id}`", str(rate), clip(values, 160)]
