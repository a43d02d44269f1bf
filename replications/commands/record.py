"""`record`: keep what a run found as the outcomes that later runs are compared with."""

from __future__ import annotations

import argparse
from pathlib import Path

from replications.commands import OK, Commands, add_command
from replications.files import user_path

ABOUT = """\
Record what a ledger found: for each claim and subject whether the finding holds, the value, and the
controls that were accepted. Later runs of `pytest claims/` fail where they depart from it. A row
that has not moved keeps its record and the reason it was given; rows that the run skipped are left
alone. Nothing is recorded from a ledger with errors, with asserted findings that fail, or without
controls."""
EXAMPLES = """\
python -m replications record claims.json --reason "first outcomes of seed 5"
    write them to the .outcomes.jsonl files beside the claims
python -m replications record claims.json --reason "TransformerLens 4.4" --check
    say what would be recorded, and write nothing
ATEN_CPU_CAPABILITY=default pytest claims/ --no-controls --claims-json again.json
python -m replications record claims.json --again again.json --reason "first outcomes"
    with a wider tolerance where rounding alone moves a value
"""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    record = add_command(
        commands,
        "record",
        _run,
        summary="keep what a run found as the outcomes later runs are compared with",
        about=ABOUT,
        examples=EXAMPLES,
    )
    record.add_argument(
        "ledger", type=user_path, metavar="LEDGER", help="file written by --claims-json"
    )
    record.add_argument("--reason", required=True, help="why these rows are new or moved")
    record.add_argument(
        "--root",
        type=user_path,
        default=Path(),
        metavar="DIR",
        help="where the run began: the folder that claims/ is in (default: this one)",
    )
    record.add_argument(
        "--again",
        type=user_path,
        action="append",
        default=[],
        metavar="LEDGER2",
        help="the same claims where only rounding differs: rows get the tolerance seen there",
    )
    record.add_argument("--check", action="store_true", help="write nothing")


def _run(args: argparse.Namespace) -> int:
    from replications.judging import recording
    from replications.judging.ledger import Ledger

    again = [Ledger.read(path) for path in args.again]
    changes = recording.changes(Ledger.read(args.ledger), args.root, args.reason, again)
    for change in changes:
        for line in change.lines:
            print(line)
    if not args.check:
        for change in changes:
            change.write()
    new, moved = (sum(getattr(c, name) for c in changes) for name in ("new", "moved"))
    kept = sum(c.kept for c in changes)
    done = "would be recorded" if args.check else "recorded"
    print(f"{new} new and {moved} moved outcomes {done}, {kept} unchanged")
    return OK
