"""Rates among many seeds, from the ledgers that `replicate` writes."""

from __future__ import annotations

from collections.abc import Sequence

from replications.errors import BadInput
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


def check(ledger: Ledger, replicas: Sequence[Ledger]) -> None:
    """BadInput if a claim has changed since one of `replicas` was written."""
    for each in replicas:
        for name, entry in each.claims.items():
            now = ledger.claims.get(name)
            if now is None or now["version"] != entry["version"]:
                raise BadInput(f"{name} has changed since it was judged on many seeds: do it again")


def section(replicas: Sequence[Ledger]) -> str:
    """The section of CLAIMS.md: a table for each ledger, under the command that wrote it."""
    return "\n\n".join([f"## Many seeds\n\n{ABOUT}", *map(_recipe, replicas)])


def _recipe(ledger: Ledger) -> str:
    get = ledger.environment.get
    rows = [_row(line) for line in board.lines(ledger)]
    where = f"{get('date')}, {get('cpu')}, torch {get('torch')}"
    lens = f"TransformerLens {get('transformer_lens')}"
    return f"### `{get('command')}`\n\n{where}, {lens}.\n\n{table(HEAD, rows)}"


def _row(line: Line) -> list[str]:
    rows = (*line.gating, *line.others)
    judged = [row for row in rows if row.holds is not None]
    said = []
    if judged:
        said = [str(Rate(line.id, "", sum(row.replicates for row in judged), len(judged)))]
    if len(judged) < len(rows):
        said.append(f"{len(rows) - len(judged)} not judged")
    values = span([row.measured for row in judged], line.entry["parts"]) if judged else "–"
    return [f"`{line.id}`", "; ".join(said), clip(values, 160)]
