"""The command line: the parser with every command, and the exit statuses."""

from __future__ import annotations

import argparse
import io
import os
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from replications.commands import (
    INTERRUPTED,
    OK,
    PROGRAM,
    USAGE,
    WIDTH,
    attribute,
    audit,
    certificate,
    check,
    circuit,
    claims,
    complain,
    drift,
    epilog,
    figures,
    fixtures,
    ledger,
    record,
    replicate,
    report,
    sweep,
    systems,
    trace,
    train,
)
from replications.commands.waiting import let_threads_sleep
from replications.errors import ReplicationError
from replications.judging.garbage import collected_rarely, leave_garbage_at_exit

COMMANDS = (
    claims,
    systems,
    train,
    replicate,
    fixtures,
    ledger,
    record,
    audit,
    certificate,
    drift,
    trace,
    figures,
    report,
    check,
    sweep,
    circuit,
    attribute,
)

ABOUT = """\
Published findings of mechanistic interpretability as executable claims that can
fail: judge them, see what moved, draw and report what was measured. Every command
shows examples of its own: COMMAND --help."""
EXAMPLES = """\
python -m replications claims --claims-json claims.json
    judge the findings on what can be reached here, and keep the ledger
python -m replications report claims.json --out report.html
    the same as a page, with pictures
python -m replications drift before.json after.json
    what an upgrade moved
python -m replications sweep --subject ioi/toy --clean "…" --corrupted "…"
    patch a model on two prompts of your own
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.  Usage errors raise SystemExit(2) (argparse)."""
    _replace_what_cannot_be_encoded()
    let_threads_sleep()
    leave_garbage_at_exit()
    args = parser().parse_args(argv)
    try:
        with collected_rarely():
            return int(args.run(args))
    except ReplicationError as exc:
        complain(exc)
        return USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader went away, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _replace_what_cannot_be_encoded() -> None:
    """Let a stream without − or → (cp1252, ASCII) print "?", where it would raise an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


class _Version(argparse.Action):
    """Prints the version, which takes a while to look up, only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from replications import __version__

        print(f"interp-claims {__version__}")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The argument parser with every command."""
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        description=textwrap.fill(ABOUT, WIDTH),
        epilog=epilog(EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return top
