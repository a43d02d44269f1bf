"""What `sweep` and `circuit` share: a model, two prompts of the user's own, and two answers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from replications.errors import BadInput, FixtureMissing, Unsupported
from replications.files import user_path

if TYPE_CHECKING:
    from replications.models.network import Network
    from replications.models.prompting import Prompting
    from replications.patching.execution import Progress
    from replications.patching.prompt_pair import Question

SUBJECT = """SYSTEM/NAME (see: systems), or SYSTEM/GROUP or SYSTEM/KIND for the first subject of
those that can be reached"""
PROMPT = "text; a string of brackets, or for list_update as in '14 23 48 NL 1 26 NL'"
ANSWER = "with the space before it, as ' Mary'; default: what the model says to the clean prompt"
AGAINST = "default: what the model says to the corrupted prompt"
POSITION = (
    "where the answer is read, from 0, or from the end if negative; default: the last (brackets: 0)"
)


# ---- options ------------------------------------------------------------------------------------


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options that name a model, two prompts and two answers."""
    model = command.add_mutually_exclusive_group(required=True)
    model.add_argument("--subject", metavar="SYSTEM/SUBJECT", help=SUBJECT)
    model.add_argument("--model", type=user_path, metavar="DIR", help="a local Hugging Face GPT-2")
    command.add_argument("--clean", required=True, metavar="TEXT", help=PROMPT)
    command.add_argument("--corrupted", required=True, metavar="TEXT", help="as many tokens")
    command.add_argument("--answer", metavar="WORD", help=ANSWER)
    command.add_argument("--against", metavar="WORD", help=AGAINST)
    command.add_argument("--position", type=int, metavar="N", help=POSITION)


def count(text: str) -> int:
    """A number from 0 on, for argparse."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return int(text)


# ---- what is asked ------------------------------------------------------------------------------


def asked(args: argparse.Namespace) -> tuple[str, Question]:
    """The model's name as it is printed, and the question that the options of a command ask.

    Raises BadInput for a model, prompts or answers that do not fit.
    """
    from replications.patching.prompt_pair import ask

    name, network, prompting = _folder(args.model) if args.model else _subject(args.subject)
    return name, ask(
        network, prompting, args.clean, args.corrupted,
        answer=args.answer, against=args.against, position=args.position,
    )  # fmt: skip


def _folder(folder: Path) -> tuple[str, Network, Prompting]:
    from replications.models.folder import open_folder
    from replications.models.prompting import Words

    network, tokenizer = open_folder(folder)
    return str(folder), network, Words(tokenizer, bos=False)


def _subject(reference: str) -> tuple[str, Network, Prompting]:
    """The first of the subjects named that is a model and can be reached."""
    from replications.lens import Lens, as_network
    from replications.systems.registry import load, named

    problem: Exception = BadInput(f"{reference} is no model, so there is nothing to patch")
    for info in named(reference):
        try:
            subject = load(info.system).subject(info.name)
        except (FixtureMissing, Unsupported) as exc:
            problem = exc
            continue
        if isinstance(getattr(subject, "lens", None), Lens):
            name = f"{info.system}/{info.name} ({info.kind})"
            if f"{info.system}/{info.name}" != reference:
                name += f", the first of {reference} that can be reached"
            return name, as_network(subject.lens), subject.prompting
    raise problem


# ---- what is printed ----------------------------------------------------------------------------


def described(name: str, question: Question) -> dict[str, str]:
    """The first lines that are printed: the model, the prompts and what is measured."""
    return {
        "model": name,
        "prompts": f"{question.clean.shape[1]} tokens; they differ at {', '.join(question.differ)}",
        "measured": f"{question.measured}, read at {question.label(question.at)}",
    }


def explain_answers(args: argparse.Namespace, question: Question) -> None:
    """Say where the answers come from, if neither the user nor the task has given them."""
    if args.answer is None and args.against is None and question.prompting.contrast is None:
        print("The answers are what the model says to the clean prompt, and to the corrupted one.")


@contextmanager
def bar(unit: str) -> Iterator[Progress]:
    """A progress bar, shown only on a terminal."""
    with tqdm(unit=unit, leave=False, disable=None) as shown:

        def progress(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield progress


def make(folder: Path) -> None:
    """Make a folder for results. Raises BadInput where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise BadInput(f"cannot make the folder {folder}: {exc.strerror}") from exc
