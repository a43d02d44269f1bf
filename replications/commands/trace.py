"""`trace`: what subjects compute, place by place, for `drift` to compare."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from replications.commands import OK, Commands, add_command

OUT = "LEDGER.trace.json for LEDGER.json: drift then says where in a model a change began"

ABOUT = """\
Write what subjects compute, place by place, as a few numbers each. Written
beside two ledgers, traces tell drift where in a model a change began."""
EXAMPLES = """\
python -m replications trace claims.trace.json
    every subject that can be reached; goes with claims.json
python -m replications trace claims.trace.json brackets/arena ioi/repairing/seed0
    two subjects
"""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    traced = add_command(
        commands,
        "trace",
        _run,
        summary="write what subjects compute, place by place",
        about=ABOUT,
        examples=EXAMPLES,
    )
    traced.add_argument("out", type=Path, metavar="OUT", help=OUT)
    traced.add_argument("subjects", nargs="*", metavar="SYSTEM/SUBJECT", help="default: all")


def _run(args: argparse.Namespace) -> int:
    import torch

    from replications import trace
    from replications.environment import environment

    torch.set_num_threads(1)  # as the claims: the same numbers on any number of cores
    # disable=None shows the bar on a terminal only.
    names = tqdm(args.subjects or trace.everyone(), unit="subject", disable=None)
    left_out = trace.write(args.out, names, environment())
    for line in left_out:
        print(f"left out: {line}")
    return OK
