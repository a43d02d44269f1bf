"""How long people wait: `make times`.

Runs what is waited for most, one after the other, and prints the time on the wall and that of the
processor beside the limit.  The former means something on an otherwise idle machine only.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
WORKERS = str(min(4, os.cpu_count() or 1))
LEDGER = "claims.json"
WAITED_FOR: tuple[tuple[str, float, Sequence[str]], ...] = (
    ("--help", 0.3, ("-m", "replications", "--help")),
    ("systems", 1.5, ("-m", "replications", "systems")),
    (
        "pytest claims/",
        90,
        ("-m", "pytest", "claims", "-n", WORKERS, "-q", "--claims-json", LEDGER),
    ),
    ("report", 15, ("-m", "replications", "report", LEDGER, "--out", "report.html")),
    (
        "make test",
        120,
        (
            *("-m", "pytest", "tests", "-n", WORKERS, "-q", "--dist", "loadfile"),
            *("-m", "not tutorial and not packaging and not slow and not cluster"),
        ),
    ),
)
"""Name, limit in seconds, and the arguments of Python."""


def measured(arguments: Sequence[str], scratch: Path) -> tuple[float, float, int]:
    """Seconds on the wall, seconds of the processor with all children, and the exit status."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    # Files are named without a folder, and land in the scratch one.
    words = [str(scratch / a) if a in (LEDGER, "report.html") else a for a in arguments]
    done = subprocess.run([PYTHON, *words], cwd=ROOT, capture_output=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used, done.returncode


def main() -> int:
    """Print the table.  1 if a command failed; a limit that is missed is shown, not judged."""
    rows, failed = [], False
    with tempfile.TemporaryDirectory() as scratch:
        for name, limit, arguments in WAITED_FOR:
            wall, used, status = measured(arguments, Path(scratch))
            failed = failed or status != 0
            kept = "yes" if wall <= limit else "no"
            rows.append((name, f"{wall:.1f}", f"{used:.1f}", f"{limit:g}", kept, status))
            print(f"{name}: {wall:.1f} s", file=sys.stderr)
    head = ("what", "wall (s)", "processor (s)", "limit (s)", "kept", "exit status")
    print(tabulate(rows, headers=head, disable_numparse=True))
    print(f"{os.cpu_count()} cores, {WORKERS} workers")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
