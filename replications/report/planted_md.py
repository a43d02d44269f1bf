"""Which methods find the edges of networks that were written by hand, as a table of CLAIMS.md."""

from __future__ import annotations

from replications.judging.ledger import Ledger
from replications.judging.row import Row
from replications.report.markdown import table
from replications.report.text import short

ENDING = "/planted-edges-ranked"
"""Claims whose parts are AUROCs, one for each method, end so."""
METHODS = {"exact": "exact", "eap": "EAP", "eap_ig": "EAP-IG", "acdc": "ACDC"}
"""Name of a part → what its column is called."""
ABOUT = """\
Networks whose circuits are known because their weights were written by hand. For each method: how
often an edge of the circuit has a larger effect than another edge (AUROC; ties count half, and ACDC
only tells edges that it keeps from others). A dash stands for a method that was not run: ACDC on a
graph of 32,491 edges."""


def section(ledger: Ledger) -> str:
    """A heading, what the table shows, and the table; empty if the ledger has no such row."""
    rows = [row for row in ledger.rows if row.claim.endswith(ENDING) and row.holds is not None]
    if not rows:
        return ""
    cells = [[f"`{row.claim.split('/')[0]}/{row.subject}`", *_values(ledger, row)] for row in rows]
    shown = table(["network", *METHODS.values()], cells)
    return f"## Methods on networks written by hand\n\n{ABOUT}\n\n{shown}"


def _values(ledger: Ledger, row: Row) -> list[str]:
    measured = dict(zip(ledger.claims[row.claim]["parts"], row.measured, strict=True))
    return [short(measured[name]) if name in measured else "–" for name in METHODS]
