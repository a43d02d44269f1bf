"""`report`: one HTML page with all results, rendered from ledgers."""

from __future__ import annotations

import argparse
import hashlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from replications import files
from replications.commands import OK, PROGRAM, Commands, add_command
from replications.errors import BadInput
from replications.files import user_path

if TYPE_CHECKING:
    from replications.judging.ledger import Ledger
    from replications.report.page.gallery import Gallery

ABOUT = """\
Write one HTML page that says whether the findings hold. It begins with what
failed and what was not reached; then it shows every claim with its number line,
its control and its subjects, then pictures, lesions, the environment and the
digests of all files. The page needs no network. If several ledgers are given,
the first is reported and the others are compared with it, as `drift` does."""
EXAMPLES = """\
python -m replications report claims.json --out report.html
    draw one subject of each system and write the page
python -m replications report claims.json --lesions lesions.json --figures pictures
    add the table of lesions, and the pictures that `figures --out pictures` wrote
python -m replications report l43.json l39.json l218.json --no-figures
    compare three versions, without pictures
"""
FIGURES = "a folder written by `figures`; by default one subject of each system is drawn now"


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    report = add_command(
        commands,
        "report",
        _run,
        summary="one HTML page from ledgers, with pictures",
        about=ABOUT,
        examples=EXAMPLES,
    )
    report.add_argument(
        "ledgers",
        type=user_path,
        nargs="+",
        metavar="LEDGER",
        help="files written by --claims-json",
    )
    report.add_argument(
        "--out",
        type=user_path,
        default=Path("report.html"),
        metavar="FILE",
        help="default: report.html",
    )
    report.add_argument(
        "--lesions", type=user_path, metavar="LEDGER2", help="ledger of a run with --lesions"
    )
    pictures = report.add_mutually_exclusive_group()
    pictures.add_argument("--figures", type=user_path, metavar="DIR", help=FIGURES)
    pictures.add_argument("--no-figures", action="store_true", help="leave pictures out")


def _run(args: argparse.Namespace) -> int:
    from replications.judging.ledger import Ledger
    from replications.report.page import Page, render
    from replications.report.page.answer import answer
    from replications.report.page.versions import versions

    ledgers = [Ledger.read(path) for path in args.ledgers]
    lesions = Ledger.read(args.lesions) if args.lesions else None
    # Refuse what cannot be written or compared before anything is drawn.
    if not args.out.parent.is_dir():
        raise BadInput(f"cannot write {args.out}: there is no folder {args.out.parent}")
    compared = versions(ledgers, [str(path) for path in args.ledgers])
    gallery = _gallery(args, ledgers[0])
    page = Page(
        ledgers[0],
        versions=compared,
        lesions=lesions,
        gallery=gallery,
        made_from=[_digest(path) for path in (*args.ledgers, args.lesions) if path],
        command=_command(args),
    )
    files.write_text(args.out, render(page))
    for system, reasons in gallery.missing.items():
        if system not in gallery.albums:
            print(f"no pictures of {system}: {reasons[0]}")
    print(f"{args.out}: {answer(ledgers[0]).headline}")
    return OK


def _gallery(args: argparse.Namespace, ledger: Ledger) -> Gallery:
    from replications.commands.drawing import drawn
    from replications.report.page.gallery import Gallery, read

    if args.no_figures:
        return Gallery()
    return read(args.figures, ledger) if args.figures else drawn(ledger)


def _digest(path: Path) -> tuple[str, str]:
    return str(path), hashlib.sha256(path.read_bytes()).hexdigest()


def _command(args: argparse.Namespace) -> str:
    """The command line in a fixed order, whatever the order in which it was typed."""
    words = ["report", *args.ledgers, "--out", args.out]
    words += ["--lesions", args.lesions] if args.lesions else []
    words += ["--figures", args.figures] if args.figures else []
    words += ["--no-figures"] if args.no_figures else []
    return f"{PROGRAM} {shlex.join(map(str, words))}"
