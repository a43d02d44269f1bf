"""`claims`: judge the claims of the checkout, or those that the installed package carries."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from replications.commands import OK, Commands, add_command
from replications.errors import BadInput

PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parent
PLUGINS = ("replications.pytest_plugin.plugin", "replications.pytest_plugin.default_paths")

ABOUT = """\
Judge every claim on every subject that can be reached, and print the table. In a checkout these are
the claims of its claims/ folder, otherwise those that come with the package; files and folders
named by you, such as brackets or claims/ioi, take their place. All options are pytest's (-k, -m,
-n, -v …) and those of claims: --claims-json PATH, --resume LEDGER, --thorough,
--require-all, --offline, --no-controls, --lesions, --device, --dtype, --threads. The exit status is
pytest's: 0 if nothing failed, 1 if a claim did, 4 for bad options, 5 if nothing was selected."""
EXAMPLES = """\
python -m replications claims
    all of them; minutes
python -m replications claims -k cosine -v
    claims with "cosine" in their name, with a line per subject
python -m replications claims ioi --no-controls
    one system, without its controls
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
        summary="judge the claims, with pytest's options",
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
    plugins = [word for name in PLUGINS for word in ("-p", name)]
    return _wait([sys.executable, "-m", "pytest", *plugins, *_settings(), *args.options])


def _settings() -> list[str]:
    """Where the claims are, and the configuration they are run with.  BadInput if nowhere."""
    if (REPOSITORY / "claims" / "conftest.py").is_file():
        configuration = str(REPOSITORY / "pyproject.toml")
        return ["-c", configuration, "--rootdir", str(REPOSITORY), str(REPOSITORY / "claims")]
    folder = PACKAGE / "_claims"
    if not (folder / "conftest.py").is_file():
        raise BadInput(f"there are no claims in {folder}: install the package again")
    # Nothing of the folder the user is in may configure the run, and nothing is written beside the
    # package, where one may not be allowed to.
    alone = ["-c", os.devnull, "--rootdir", str(folder)]
    alone += ["-p", "no:cacheprovider", "-p", "no:benchmark", "-p", "no:logging"]
    return [*alone, "--import-mode=importlib", "--strict-markers", str(folder)]


def _wait(command: list[str]) -> int:
    """Run a program to its end.  It is interrupted by Ctrl-C as we are, and ends in its own way."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise
