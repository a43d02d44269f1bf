"""A file of prompt pairs: CSV with a header, or JSON Lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from replications import files
from replications.errors import BadInput

NEEDED, OPTIONAL = ("clean", "corrupted"), ("answer", "against")


@dataclass(frozen=True)
class Pair:
    """Two prompts, and the two answers if the file has them; `line` is theirs, from 1."""

    line: int
    clean: str
    corrupted: str
    answer: str | None = None
    against: str | None = None


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a file, in its order; other columns are ignored.

    Spaces count: an answer is mostly one token only with the space before it. Raises BadInput,
    naming the line, for one that lacks a prompt or is no CSV or JSON, and for a file without pairs.
    """
    text = files.read_text(path).removeprefix("\ufeff")
    read = _json_lines if text.lstrip().startswith("{") else _csv_rows
    found = []
    for line, row in read(path, text):
        found.append(_pair(path, line, row))
    if not found:
        raise BadInput(f"{path} has no pairs: give a line with {' and '.join(NEEDED)} for each")
    return found


def at_line(path: Path, line: int, problem: object) -> BadInput:
    """What is wrong with one line of a file."""
    return BadInput(f"{path}, line {line}: {problem}")


def _pair(path: Path, line: int, row: Mapping[str, object]) -> Pair:
    values: dict[str, str | None] = {}
    for name in (*NEEDED, *OPTIONAL):
        value = row.get(name)
        if value is not None and not isinstance(value, str):
            raise at_line(path, line, f"{name} is {value!r}, not a text")
        values[name] = value or None
    for name in NEEDED:
        if values[name] is None:
            raise at_line(path, line, f"there is no {name} prompt")
    return Pair(line, **values)  # type: ignore[arg-type]


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except ValueError as exc:
            raise at_line(path, line, f"this is no JSON ({exc})") from exc
        if not isinstance(row, dict):
            raise at_line(path, line, "this is no JSON object")
        yield line, row


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    line = 1
    try:
        for row in rows:
            if not header:
                header = _header(path, row)
            elif row:
                if len(row) != len(header):
                    problem = f"{len(row)} cells, but the header has {len(header)}"
                    raise at_line(path, line, f"{problem}; a text with a comma must be quoted")
                yield line, dict(zip(header, row, strict=True))
            line = rows.line_num + 1
    except csv.Error as exc:
        raise at_line(path, line, f"this is no CSV ({exc})") from exc


def _header(path: Path, row: list[str]) -> list[str]:
    found = [name.strip().lower() for name in row]
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise at_line(
            path, 1, f"the header lacks {' and '.join(missing)}; columns are "
            f"{', '.join(NEEDED + OPTIONAL)}, the last two optional"
        )  # fmt: skip
    return found
