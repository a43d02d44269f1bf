"""`drift`: what moved between runs, and where in a model the difference began."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from replications.commands import NEGATIVE, OK, Commands, add_command
from replications.files import user_path
from replications.judging.noise import Floor

if TYPE_CHECKING:
    from replications.drift.changes import Change

RELATIVE = f"a change up to X × |value| + the absolute floor is noise (default {Floor.relative:g})"
ABSOLUTE = f"the absolute floor of noise (default {Floor.absolute:g})"
ACCEPTED = "known new values of a TransformerLens line, each with a reason (docs/upgrading.md)"

ABOUT = """\
Compare ledgers: what moved between versions, devices or seeds, and by how much.
The exit status is 1 if a gating row holds in one ledger and not in the other.
If there are traces beside the ledgers (see `trace`), it also says at which
activation of a model the difference began."""
EXAMPLES = """\
python -m replications drift before.json after.json
    show the rows that moved by more than noise
python -m replications drift l43.json l39.json l218.json --all
    compare three versions and show every row
python -m replications drift cpu.json cuda.json --relative 1e-4
    regard larger changes as noise
"""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    drift = add_command(
        commands,
        "drift",
        _run,
        summary="what moved between ledgers; status 1 if a verdict changed",
        about=ABOUT,
        examples=EXAMPLES,
    )
    drift.add_argument(
        "old",
        type=user_path,
        metavar="OLD.json",
        help="the ledger that the others are compared with",
    )
    drift.add_argument("new", type=user_path, nargs="+", metavar="NEW.json")
    drift.add_argument("--all", action="store_true", help="also show the rows that did not move")
    drift.add_argument("--accepted", type=user_path, metavar="TOML", help=ACCEPTED)
    drift.add_argument("--relative", type=float, default=Floor.relative, metavar="X", help=RELATIVE)
    drift.add_argument("--absolute", type=float, default=Floor.absolute, metavar="X", help=ABSOLUTE)


def _run(args: argparse.Namespace) -> int:
    from replications.drift import accepted
    from replications.drift.changes import compare
    from replications.judging.ledger import Ledger
    from replications.report import drift_table

    floor = Floor(args.relative, args.absolute)
    old, news = Ledger.read(args.old), [Ledger.read(path) for path in args.new]
    entries = accepted.read(args.accepted) if args.accepted else ()
    # Compare all before anything is printed, so that bad input gives one error and no output.
    compared = [accepted.apply(compare(old, new, floor), new, entries, floor) for new in news]
    print(drift_table.summary([old, *news]))
    for path, new, changes in zip(args.new, news, compared, strict=True):
        differs = "; ".join(drift_table.environments(old, new)) or "the same environment"
        print(f"\n{args.old} → {path}: {differs}")
        print(drift_table.table(changes, everything=args.all) or "No row moved by more than noise.")
        for line in _where_it_began(args.old, path, changes, args.all):
            print(line)
        print(drift_table.last_line(changes, floor))
    return NEGATIVE if any(c.fails for changes in compared for c in changes) else OK


def _where_it_began(old: Path, new: Path, changes: Sequence[Change], everything: bool) -> list[str]:
    from replications.report.drift_table import moved

    subjects = moved(changes, everything=everything)
    files = [path.with_suffix(".trace.json") for path in (old, new)]
    missing = [str(path) for path in files if not path.exists()]
    if not subjects or missing:
        said = (
            f"Where it began is unknown: there is no {' and no '.join(missing)} "
            "(write traces with: python -m replications trace)"
        )
        return [said] if subjects else []
    from replications.drift import fingerprint

    before, after = (fingerprint.read(path) for path in files)
    known = [name for name in subjects if name in before and name in after]
    return [
        f"{name}: {line}" for name in known for line in fingerprint.began(before[name], after[name])
    ]
