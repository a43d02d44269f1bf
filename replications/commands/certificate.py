"""`certificate`: a page that says who ran what, when and on what, and what was not checked."""

from __future__ import annotations

import argparse
import hashlib

from replications.commands import NEGATIVE, OK, Commands, add_command
from replications.files import user_path

ABOUT = """\
Write a page about one run, from its ledger alone: what was checked and what was not, what failed,
when and on which machine and versions it ran, and the digests of the ledger and of every file that
was measured. Whoever has the ledger can render the page again and compare. The exit status is 1 if
a row failed or is missing."""
EXAMPLES = """\
python -m replications certificate claims.json
    print it; from `pytest claims/ --thorough --claims-json claims.json`
python -m replications certificate claims.json --by "Ada Lovelace" --out certificate.md
    write it, with the name of who ran the claims
"""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = add_command(
        commands,
        "certificate",
        _run,
        summary="a page about one run: what was checked, on what, and what was not",
        about=ABOUT,
        examples=EXAMPLES,
    )
    parser.add_argument(
        "ledger", type=user_path, metavar="LEDGER", help="file written by --claims-json"
    )
    parser.add_argument("--by", default="", metavar="NAME", help="who ran it")
    parser.add_argument("--out", type=user_path, metavar="FILE", help="default: print it")


def _run(args: argparse.Namespace) -> int:
    from replications.files import write_text
    from replications.judging.ledger import Ledger
    from replications.judging.row import FAILURES
    from replications.report import board
    from replications.report.certificate import certificate

    ledger = Ledger.read(args.ledger)
    digest = hashlib.sha256(args.ledger.read_bytes()).hexdigest()
    page = certificate(ledger, name=args.ledger.name, sha256=digest, by=args.by)
    if args.out:
        write_text(args.out, page)
    else:
        print(page, end="")
    bad = any(row.status in FAILURES for row in ledger.rows) or board.lost(ledger)
    return NEGATIVE if bad else OK
