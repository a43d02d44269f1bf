"""The commands, one module each.

A module exports `add(commands)`, which adds a parser with a description and examples, and sets
`run`: the parsed options to an exit status. What takes long to import is imported when it runs.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable

from replications.errors import ReplicationError

PROGRAM = "python -m replications"
OK, NEGATIVE, USAGE, INTERRUPTED = 0, 1, 2, 130
STATUSES = """\
exit status:
  0    all is well
  1    a check came out negative
  2    bad usage or input
  130  interrupted (Ctrl-C); a file is written whole or not at all
"""

WIDTH = 80

Commands = argparse._SubParsersAction  # argparse has no public name for it
Run = Callable[[argparse.Namespace], int]


def add_command(
    commands: Commands[argparse.ArgumentParser],
    name: str,
    run: Run | None,
    *,
    summary: str,
    about: str,
    examples: str,
) -> argparse.ArgumentParser:
    """Add one command.  `run` is None for a command that has commands of its own.

    `summary` is the line in the list of commands, `about` a paragraph on what it does. `examples`
    are lines to type, each with an indented line below it that says what comes of it.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(about, WIDTH),
        epilog=epilog(examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if run is not None:
        parser.set_defaults(run=run)
    return parser


def complain(exc: ReplicationError) -> None:
    """Say what went wrong, in one line on standard error."""
    print(f"error: {' '.join(str(exc).split())}", file=sys.stderr)


def epilog(examples: str) -> str:
    """What stands below the options of a command."""
    return f"examples:\n{textwrap.indent(examples.strip(), '  ')}\n\n{STATUSES}"
