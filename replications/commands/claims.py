"""`claims`: judge the claims, which live in the repository and are run by pytest."""

from __future__ import annotations

import argparse
import subprocess
import sys
from functools import partial
from pathlib import Path

from replications.commands import OK, Commands, add_command
from replications.errors import BadInput

REPOSITORY = Path(__file__).resolve().parents[2]

ABOUT = """\
Judge every claim on every subject that can be reached, and print the table:
`pytest claims/` of this repository, with this Python. All options are pytest's
(-k, -m, -n, -v …) and those of claims/: --claims-json PATH, --require-all,
--offline, --no-controls, --lesions, --device, --dtype, --threads. The exit
status is pytest's: 0 if nothing failed, 1 if a claim did, 4 for bad options, 5 if nothing was
selected."""
EXAMPLES = """\
python -m replications claims
    all of them; minutes
python -m replications claims -k cosine -v
    claims with "cosine" in their name, with a line per subject
python -m replications claims -m "brackets and tier1" --offline
    the central findings of one document, without the network
python -m replications claims --claims-json claims.json
    write the ledger that drift, ledger and report read
"""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    claims = add_command(
        commands,
        "claims",
        None,
        summary="judge the claims: pytest claims/, with pytest's options",
        about=ABOUT,
        examples=EXAMPLES,
    )
    claims.add_argument("options", nargs=argparse.REMAINDER, metavar="OPTION", help="of pytest")
    # Nothing looks like an option from here on, so that all of pytest's are passed to it.
    claims.prefix_chars = "\0"
    claims.set_defaults(run=partial(_run, claims))


def _run(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    if args.options[:1] in (["-h"], ["--help"]):
        parser.print_help()
        return OK
    folder = REPOSITORY / "claims"
    if not (folder / "conftest.py").is_file():
        raise BadInput(
            "the claims are not part of the installed package: clone the repository, run "
            "`pip install -e .` in it, and this command again"
        )
    settings = ["-c", str(REPOSITORY / "pyproject.toml"), "--rootdir", str(REPOSITORY)]
    return _wait([sys.executable, "-m", "pytest", *settings, str(folder), *args.options])


def _wait(command: list[str]) -> int:
    """Run a program to its end.  It is interrupted by Ctrl-C as we are, and ends in its own way."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise
