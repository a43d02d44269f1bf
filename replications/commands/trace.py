"""`trace`: fingerprints of the activations of subjects, for `drift` to compare."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from replications.commands import OK, Commands, add_command
from replications.files import user_path

OUT = "name it LEDGER.trace.json for LEDGER.json; drift then finds it"

ABOUT = """\
Write a fingerprint of every activation of subjects: a few numbers for each. If
there are traces beside two ledgers, `drift` says where in a model a change began."""
EXAMPLES = """\
python -m replications trace claims.trace.json
    every subject whose files are here; goes with claims.json
python -m replications trace claims.trace.json brackets/arena ioi/repairing/seed0
    two subjects
"""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    traced = add_command(
        commands,
        "trace",
        _run,
        summary="write fingerprints of the activations of subjects",
        about=ABOUT,
        examples=EXAMPLES,
    )
    traced.add_argument("out", type=user_path, metavar="OUT", help=OUT)
    traced.add_argument("subjects", nargs="*", metavar="SYSTEM/SUBJECT", help="default: all")


def _run(args: argparse.Namespace) -> int:
    import torch
    from tqdm import tqdm

    from replications.drift import fingerprint
    from replications.judging.environment import environment
    from replications.lens import lines
    from replications.systems.registry import SYSTEMS, load

    torch.set_num_threads(1)  # as for claims, so that numbers do not depend on the cores
    everyone = (f"{system}/{info.name}" for system in SYSTEMS for info in load(system).SUBJECTS)
    names = args.subjects or list(everyone)
    # disable=None shows the bar on a terminal only.
    openers = ((name, _opener(name)) for name in tqdm(names, unit="subject", disable=None))
    left_out = fingerprint.write(args.out, openers, environment(lens=lines.kind_or_none()))
    for line in left_out:
        print(f"left out: {line}")
    return OK


def _opener(reference: str) -> Callable[[str], Any]:
    """A function that opens "system/subject" in a dtype."""
    from replications.systems.registry import load

    system, _, name = reference.partition("/")
    return lambda dtype: load(system).subject(name, dtype=dtype)
