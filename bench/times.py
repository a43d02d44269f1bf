"""How long people wait: `make times`, or `make times ARGS="--help systems"` for some rows.

Runs what is waited for most, one after the other, and prints what was measured beside its limit:
seconds on the wall and of the processor, or for small sweeps a ratio of times (`bench.ratios`).
Times mean something on an otherwise idle machine only.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
WORKERS = str(min(4, os.cpu_count() or 1))
LEDGER = "claims.json"
PAGE = "report.html"


@dataclass(frozen=True)
class Row:
    """Something waited for: the arguments of Python, and what may pass at most.

    The limit is in seconds, or of the ratio that is printed.
    """

    name: str
    limit: float
    arguments: Sequence[str]
    ratio: bool = False


@dataclass(frozen=True)
class Measured:
    """What a command took: seconds on the wall and of the processor with all children."""

    wall: float
    processor: float
    status: int
    printed: str


WAITED_FOR = (
    Row("--help", 0.3, ("-m", "replications", "--help")),
    Row("systems", 1.5, ("-m", "replications", "systems")),
    Row("small", 1.4, ("-m", "bench.ratios", "small"), ratio=True),
    Row("busy", 1.0, ("-m", "bench.ratios", "busy"), ratio=True),
    Row(
        "claims",
        90,
        ("-m", "pytest", "claims", "-n", WORKERS, "-q", "--offline", "--claims-json", LEDGER),
    ),
    Row("report", 15, ("-m", "replications", "report", LEDGER, "--out", PAGE)),
    Row(
        "test",
        120,
        (
            *("-m", "pytest", "tests", "-n", WORKERS, "-q", "--dist", "loadfile"),
            *("-m", "not tutorial and not packaging and not slow and not cluster"),
        ),
    ),
)
"""What is waited for; the report reads the ledger of the claims."""


def measured(arguments: Sequence[str], scratch: Path) -> Measured:
    """Run Python with these arguments; files named without a folder land in `scratch`."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = [str(scratch / word) if word in (LEDGER, PAGE) else word for word in arguments]
    done = subprocess.run([PYTHON, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(wall, used, done.returncode, done.stdout)


def chosen(names: Sequence[str]) -> tuple[Row, ...]:
    """The rows of these names, all without any; the report brings the claims, which it reads.

    SystemExit for an unknown name.
    """
    known = [row.name for row in WAITED_FOR]
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"error: no row {', '.join(unknown)}; there are: {', '.join(known)}")
    wanted = {*names, *(["claims"] if "report" in names else [])} or known
    return tuple(row for row in WAITED_FOR if row.name in wanted)


def told(row: Row, found: Measured) -> tuple[str, ...]:
    """A line of the table."""
    last = (found.printed.split() or ["nan"])[-1]
    value = float(last) if row.ratio and found.status == 0 else found.wall
    unit, places = ("×", 2) if row.ratio else ("s", 1)
    shown = (f"{value:.{places}f} {unit}", f"{row.limit:g} {unit}")
    kept = found.status == 0 and value <= row.limit
    return (
        row.name, *shown, "yes" if kept else "no", f"{found.processor:.1f} s", str(found.status)
    )  # fmt: skip


def main(names: Sequence[str]) -> int:
    """Print the table.  1 if a command failed; a limit that is missed is shown, not judged."""
    lines, failed = [], False
    with tempfile.TemporaryDirectory() as scratch:
        for row in chosen(names):
            found = measured(row.arguments, Path(scratch))
            failed = failed or found.status != 0
            lines.append(told(row, found))
            print(": ".join(lines[-1][:2]), file=sys.stderr)
    head = ("what", "measured", "limit", "kept", "processor", "exit status")
    print(tabulate(lines, headers=head, disable_numparse=True))
    print(
        f"{os.cpu_count()} cores, {WORKERS} workers; small: time over what the arithmetic needs; "
        "busy: two threads over one"
    )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
