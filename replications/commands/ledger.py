"""`ledger`: render CLAIMS.md from a ledger, or check that it still agrees with one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from replications.commands import NEGATIVE, OK, Commands, add_command
from replications.errors import BadInput
from replications.files import read_text, user_path, write_bytes, write_text

if TYPE_CHECKING:
    from replications.judging.ledger import Ledger

ABOUT = """\
Render CLAIMS.md from a ledger, the JSON that `pytest claims/ --claims-json`
writes; or check that a CLAIMS.md still agrees with the claims of a ledger. The
exit status of --check is 1 if the file is stale."""
EXAMPLES = """\
python -m replications ledger claims.json --out CLAIMS.md
    write all results as Markdown
python -m replications ledger claims.json --lesions lesions.json --out CLAIMS.md
    with the table of lesions
python -m replications ledger claims.json --check CLAIMS.md
    name every claim whose sentence, published value or expectation changed
python -m replications ledger claims.json --out CLAIMS.md --picture docs/findings.png
    also draw all claims in one picture (.png or .svg; needs matplotlib)
"""
EXCERPT = "also update the rows of CLAIMS.md, and what replicates, that this page shows"


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    ledger = add_command(
        commands,
        "ledger",
        _run,
        summary="render CLAIMS.md from a ledger, or check it",
        about=ABOUT,
        examples=EXAMPLES,
    )
    ledger.add_argument(
        "ledger", type=user_path, metavar="LEDGER", help="file written by --claims-json"
    )
    ledger.add_argument(
        "--lesions",
        type=user_path,
        nargs="+",
        metavar="LEDGER2",
        help="ledgers of runs with --lesions",
    )
    ledger.add_argument(
        "--replicas",
        type=user_path,
        nargs="+",
        default=[],
        metavar="LEDGER3",
        help="ledgers that `replicate` wrote: rates of many seeds",
    )
    ledger.add_argument(
        "--picture", type=user_path, metavar="FILE", help="draw all claims in one picture"
    )
    ledger.add_argument("--excerpt", type=user_path, metavar="README.md", help=EXCERPT)
    target = ledger.add_mutually_exclusive_group()
    target.add_argument(
        "--out", type=user_path, metavar="CLAIMS.md", help="default: standard output"
    )
    target.add_argument(
        "--check", type=user_path, metavar="CLAIMS.md", help="exit status 1 if it is stale"
    )


def _run(args: argparse.Namespace) -> int:
    from replications.judging.ledger import Ledger
    from replications.report import claims_md, excerpt, opening, replicas_md

    ledger = Ledger.read(args.ledger)
    lesions = Ledger.merged([Ledger.read(p) for p in args.lesions]) if args.lesions else None
    if args.check:
        stale = claims_md.check(read_text(args.check), ledger.claims)
        for line in stale:
            print(f"{args.check}: {line}")
        return NEGATIVE if stale else OK
    if args.picture:
        _draw(ledger, args.picture)
    replicas = [Ledger.read(path) for path in args.replicas]
    replicas_md.check(ledger, replicas)
    text = claims_md.render(ledger, lesions, replicas)
    if args.excerpt:
        page = excerpt.refresh(read_text(args.excerpt), text)
        write_text(args.excerpt, opening.refresh(page, ledger, replicas))
    if args.out:
        write_text(args.out, text)
    else:
        print(text, end="")
    return OK


def _draw(ledger: Ledger, path: Path) -> None:
    from replications.plotting import charts
    from replications.plotting import pictures as figures
    from replications.report.overview import overview

    form = path.suffix.removeprefix(".")
    if form not in figures.FORMATS:
        raise BadInput(f"--picture {path}: the name must end in .{' or .'.join(figures.FORMATS)}")
    with charts.style():
        write_bytes(path, charts.encode(overview(ledger), form))
