"""`check`: is a model folder sound, and does this suite compute from it what transformers does?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from replications import files
from replications.commands import NEGATIVE, OK, Commands, add_command, questions
from replications.files import user_path

if TYPE_CHECKING:
    from replications.models.own_check import Finding

ABOUT = """\
Check a folder with a model of your own before you trust a number from it: are
all values finite, is every tensor of the file used, is the head tied as the
configuration says; does the tokenizer truncate, pad or add BOS; are the
residual stream of each layer and the logits those of transformers, in float64
on a short text; does an edit at every place change the logits. One line each;
the status is 1 if something is wrong. Other commands run the cheap half of this
whenever they open a folder."""
EXAMPLES = """\
python -m replications check --model ~/models/gpt2
    one line for each question
python -m replications check --model ~/models/gpt2 --json check.json
    the same as a file
"""
JSON = "also write the answers to this file"


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    check = add_command(
        commands,
        "check",
        _run,
        summary="is a model folder sound, and read as transformers reads it?",
        about=ABOUT,
        examples=EXAMPLES,
    )
    check.add_argument(
        "--model", type=user_path, required=True, metavar="DIR", help=questions.MODEL
    )
    check.add_argument("--allow-unused", action="store_true", help=questions.UNUSED)
    check.add_argument("--json", type=user_path, metavar="FILE", help=JSON)


def _run(args: argparse.Namespace) -> int:
    from tabulate import tabulate

    from replications.models import checkpoint
    from replications.models.own_check import check

    if not args.model.is_dir():
        checkpoint.check_files(args.model)  # raises: there is nothing to check
    with questions.bar("edit") as progress:
        found = list(check(args.model, allow_unused=args.allow_unused, progress=progress))
    rows = [(each.question, each.state, " ".join(each.says.split())) for each in found]
    print(tabulate(rows, tablefmt="plain", disable_numparse=True))
    if args.json:
        files.write_text(args.json, _json(args.model, found))
        print(f"\nwrote {args.json}")
    return NEGATIVE if any(each.state == "wrong" for each in found) else OK


def _json(model: Path, found: Sequence[Finding]) -> str:
    import torch
    import transformers

    about = {
        "model": str(model),
        "sound": all(each.state != "wrong" for each in found),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "checks": [
            {"question": each.question, "state": each.state, "says": each.says} for each in found
        ],
    }
    return json.dumps(about, indent=1, ensure_ascii=False) + "\n"
