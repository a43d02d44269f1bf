"""`fixtures`: show, fetch or verify the files that claims read."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from replications import fixtures
from replications.commands import NEGATIVE, OK, USAGE, Commands, add_command, complain
from replications.errors import BadInput, ReplicationError
from replications.files import user_path

NAMES = "a file, or a folder of them such as gpt2-small; default: every file with a known digest"
FROM = "copy the files from this folder to the cache, once all are verified; nothing is downloaded"
SHA256 = "digest of the one file named, if the manifest does not know it; it is remembered"

ABOUT = """\
The files that claims read: weights, data and tokenizers. Each is looked for in
the folders of REPLICATIONS_FIXTURES, in fixtures/, in the per-user cache
(REPLICATIONS_CACHE moves it), then on the network unless REPLICATIONS_OFFLINE=1
or Hugging Face's HF_HUB_OFFLINE=1 is set.
Nothing is opened before its sha256 matched."""
EXAMPLES = """\
python -m replications fixtures status
    what is here, and what is missing
python -m replications fixtures fetch gpt2-small
    download GPT-2 small (548 MB) to the cache
python -m replications fixtures verify
    check every copy
"""
STATUS = """\
Show where each file was found, whether it is the right one, and for a missing
file the remedy."""
STATUS_EXAMPLES = """\
python -m replications fixtures status
    one line per file, then the remedies
REPLICATIONS_FIXTURES=/data/weights python -m replications fixtures status
    the same, with files of your own looked for first
"""
FETCH = """\
Download what is missing to the per-user cache, verified by sha256; a failure
of one file does not keep the others away. With --from, copy from a folder."""
FETCH_EXAMPLES = """\
python -m replications fixtures fetch
    every file whose digest is known
python -m replications fixtures fetch gpt2-small --from ~/models/gpt2
    from a copy of your own: ~/models/gpt2/model.safetensors and the rest
python -m replications fixtures fetch gelu-2l/model_final.pth --sha256 DIGEST
    a file of which nobody published a digest: state the one you trust
"""
VERIFY = """\
Check the sha256 of every copy on this machine, also of those that an earlier
place hides. The status is 1 if one is wrong; a missing file is not wrong."""
VERIFY_EXAMPLES = """\
python -m replications fixtures verify
    one line per copy, then the counts
REPLICATIONS_FIXTURES=/data/weights python -m replications fixtures verify
    the copies in a folder of your own too
"""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    files = add_command(
        commands,
        "fixtures",
        None,
        summary="show, fetch or verify the files that claims read",
        about=ABOUT,
        examples=EXAMPLES,
    )
    actions = files.add_subparsers(required=True, metavar="ACTION")
    add_command(
        actions,
        "status",
        _status,
        summary="where each file was found, and whether it is right",
        about=STATUS,
        examples=STATUS_EXAMPLES,
    )
    fetch = add_command(
        actions,
        "fetch",
        _fetch,
        summary="download what is missing, verified by sha256",
        about=FETCH,
        examples=FETCH_EXAMPLES,
    )
    fetch.add_argument("names", nargs="*", metavar="NAME", help=NAMES)
    fetch.add_argument("--from", dest="folder", type=user_path, metavar="DIR", help=FROM)
    fetch.add_argument("--sha256", metavar="DIGEST", help=SHA256)
    add_command(
        actions,
        "verify",
        _verify,
        summary="check every copy; status 1 if one is wrong",
        about=VERIFY,
        examples=VERIFY_EXAMPLES,
    )


def _status(args: argparse.Namespace) -> int:
    _print_states(fixtures.status())
    return OK


def _verify(args: argparse.Namespace) -> int:
    states = fixtures.verify()
    _print_states(states)
    count = Counter(line.state for line in states)
    print(f"{count['ok']} ok, {count['corrupt']} corrupt, {count['missing']} missing")
    return NEGATIVE if count["corrupt"] else OK


def _print_states(states: Sequence[fixtures.State]) -> None:
    from tabulate import tabulate

    rows = [(line.name, line.kind, line.where or "-", line.state) for line in states]
    print(tabulate(rows, headers=("name", "kind", "where", "state")))
    for line in states:
        if line.state == "corrupt":
            print(line.detail)
    missing = [line for line in states if line.state == "missing"]
    for line in missing:
        print(f"{line.name}: missing ({line.detail})")
    if missing:
        print(
            f"Remedy: run `{fixtures.FETCH}`, or set REPLICATIONS_FIXTURES to a folder with them."
        )


def _fetch(args: argparse.Namespace) -> int:
    # A misspelt name is refused before anything is downloaded.
    names = [name for given in args.names for name in fixtures.select(given)]
    if args.sha256 and len(names) != 1:
        raise BadInput("--sha256 goes with the name of one file")
    if args.folder:
        return _copy(names, args.folder, args.sha256)
    failed = 0
    for name in names or fixtures.manifest():  # one that fails does not keep the others away
        if not names and fixtures.entry(name).sha256 is None:
            print(f"{name}: left out, no sha256 is known. {fixtures.entry(name).note}")
            continue
        try:
            print(f"{name}: {fixtures.fetch(name, sha256=args.sha256)}", flush=True)
        except ReplicationError as exc:
            failed += 1
            complain(exc)
    return USAGE if failed else OK


def _copy(names: Sequence[str], folder: Path, sha256: str | None) -> int:
    if not names:
        raise BadInput("--from goes with names of files, or of a folder of them")
    for name, path in zip(names, fixtures.copy_from(folder, names, sha256=sha256), strict=True):
        print(f"{name}: {path}")
    return OK
