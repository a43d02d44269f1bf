"""`systems`: what can be measured here, and what is lacking."""

from __future__ import annotations

import argparse

from replications import fixtures
from replications.commands import OK, Commands, add_command

ABOUT = """\
List the systems and their subjects: the kind of each (original, retrained or
toy), whether its rows can fail a run, and the files it lacks on this machine."""
EXAMPLES = """\
python -m replications systems
    every subject; "ready" means that it can be opened without the network
REPLICATIONS_FIXTURES=/data/weights python -m replications systems
    the same, with files of your own looked for first
"""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    add_command(
        commands,
        "systems",
        _run,
        summary="list the systems and their subjects",
        about=ABOUT,
        examples=EXAMPLES,
    )


def _run(args: argparse.Namespace) -> int:
    from tabulate import tabulate

    from replications.systems.registry import SYSTEMS, load

    state = {line.name: line.state for line in fixtures.status()}
    rows = []
    for system in SYSTEMS:
        for info in load(system).SUBJECTS:
            files = [(name.split("/")[-1], state.get(name, "unlisted")) for name in info.fixtures]
            bad = ", ".join(f"{name} {word}" for name, word in files if word != "ok")
            gates = "yes" if info.gates else "no"
            rows.append((system, info.name, info.kind, gates, bad or "ready"))
    print(tabulate(rows, headers=("system", "subject", "kind", "gates", "files")))
    return OK
