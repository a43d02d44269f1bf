"""`train`: a system's own recipe."""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType

from replications.commands import Commands, add_command
from replications.errors import BadInput

ABOUT = """\
Train a subject with its system's recipe: SYSTEM.safetensors, a JSON of how it
was made and the loss of every step, the same bytes for the same seed on the
same machine. Each recipe has options of its own: train SYSTEM --help."""
EXAMPLES = """\
python -m replications train list_update --seed 7
    a sixth model, in this folder
python -m replications train brackets --seed 3 --out /tmp/mine --force
    the files /tmp/mine.safetensors, .json and .loss.csv, overwritten
python -m replications train ioi/circuit --seed 5
    the other recipe of ioi: a model that reads long texts
python -m replications train ioi --help
    the options of one recipe
"""
MORE = {
    "ioi/circuit": "ioi.train_circuit",
    "algorithmic/palindrome": "algorithmic.train_palindrome",
    "algorithmic/unique": "algorithmic.train_unique",
    "algorithmic/sum": "algorithmic.train_sum",
    "algorithmic/sum-one-layer": "algorithmic.train_sum_one_layer",
    "algorithmic/sorted": "algorithmic.train_sorted",
    "algorithmic/cumsum": "algorithmic.train_cumsum",
}
"""Further recipes: what the command calls them → the module under replications.systems."""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    train = add_command(
        commands,
        "train",
        _run,
        summary="train a subject with a system's recipe",
        about=ABOUT,
        examples=EXAMPLES,
    )
    train.add_argument("system", metavar="SYSTEM")
    train.add_argument("options", nargs=argparse.REMAINDER, help="see: train SYSTEM --help")


def recipe_module(name: str) -> ModuleType:
    """The module with the `main` of a recipe. BadInput for an unknown one."""
    from replications.systems.registry import SYSTEMS

    if name not in (*SYSTEMS, *MORE):
        known = ", ".join((*SYSTEMS, *MORE))
        raise BadInput(f"unknown system {name!r}; there are: {known}")
    return importlib.import_module(f"replications.systems.{MORE.get(name, f'{name}.train')}")


def _run(args: argparse.Namespace) -> int:
    return int(recipe_module(args.system).main(args.options))
