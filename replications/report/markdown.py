"""Tables in GitHub's Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence


def cell(text: str) -> str:
    """`text` inside a table: one line, bars escaped; what is escaped already stays so."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table without padding, so that a change of one value changes one line."""
    lines = [list(head), ["---"] * len(head)]
    lines += [[c if "<br>" in c else cell(c) for c in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
