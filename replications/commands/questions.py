"""What `sweep`, `circuit` and `attribute` share: a model, prompts of the user's own, answers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from replications import files
from replications.errors import BadInput, FixtureMissing, Unsupported
from replications.files import user_path
from replications.plotting.pictures import FORMATS

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from replications.models.network import Network
    from replications.models.prompting import Prompting
    from replications.patching.execution import Progress
    from replications.patching.prompt_pair import Question

SUBJECT = """SYSTEM/NAME (see: systems), or SYSTEM/GROUP or SYSTEM/KIND for the first subject of
those that can be reached"""
MODEL = "a folder with config.json, safetensors and tokenizer, as Hugging Face has them"
BOS = "begin each prompt with the token that opens a text, or not; default: as the folder says"
UNUSED = "ignore tensors and adapters in the folder that the model has no place for"
PROMPT = "text; a string of brackets, or for list_update as in '14 23 48 NL 1 26 NL'"
ANSWER = "with the space before it, as ' Mary'; default: what the model says to the clean prompt"
AGAINST = "default: what the model says to the corrupted prompt"
POSITION = (
    "where the answer is read, from 0, or from the end if negative; default: the last (brackets: 0)"
)


# ---- options ------------------------------------------------------------------------------------


def add_options(command: argparse.ArgumentParser, *, prompts: bool = True) -> None:
    """Add the options that name a model, two prompts and two answers.

    Without `prompts`, the two prompts may be left out.
    """
    add_model(command)
    command.add_argument("--clean", required=prompts, metavar="TEXT", help=PROMPT)
    command.add_argument("--corrupted", required=prompts, metavar="TEXT", help="as many tokens")
    command.add_argument("--answer", metavar="WORD", help=ANSWER)
    command.add_argument("--against", metavar="WORD", help=AGAINST)
    command.add_argument("--position", type=int, metavar="N", help=POSITION)


def add_model(command: argparse.ArgumentParser) -> None:
    """Add the options that name a model, and say how it is opened and its prompts begin."""
    model = command.add_mutually_exclusive_group(required=True)
    model.add_argument("--subject", metavar="SYSTEM/SUBJECT", help=SUBJECT)
    model.add_argument("--model", type=user_path, metavar="DIR", help=MODEL)
    command.add_argument("--bos", action=argparse.BooleanOptionalAction, help=BOS)
    command.add_argument("--allow-unused", action="store_true", help=UNUSED)


def count(text: str) -> int:
    """A number from 0 on, for argparse."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return int(text)


# ---- what is asked ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """A model that the options name: what it is called, its weights, and how it is asked."""

    name: str
    network: Network
    prompting: Prompting
    notes: tuple[str, ...] = ()
    """What to know of a folder, though it changes nothing here."""


def asked(args: argparse.Namespace) -> tuple[Opened, Question]:
    """The model, and the question that the options of a command ask.

    Raises BadInput for a model, prompts or answers that do not fit.
    """
    from replications.patching.prompt_pair import ask

    model = opened(args)
    return model, ask(
        model.network, model.prompting, args.clean, args.corrupted,
        answer=args.answer, against=args.against, position=args.position,
    )  # fmt: skip


def opened(args: argparse.Namespace) -> Opened:
    """The model that the options name. Raises BadInput for one that cannot be asked so."""
    if args.model:
        from replications.models.folder import open_model

        model = open_model(args.model, allow_unused=args.allow_unused)
        ignored = model.unused() if args.allow_unused else ()
        notes = (*ignored, *model.notes())
        return Opened(str(args.model), model.network, model.prompting(args.bos), notes)
    name, network, prompting = _subject(args.subject)
    return Opened(name, network, _with_bos(prompting, args.bos))


def _with_bos(prompting: Prompting, bos: bool | None) -> Prompting:
    """The prompting of a subject with the opening token, or without it.

    Raises BadInput for prompts that have no such token, or are no text.
    """
    from replications.models.prompting import Words

    if bos is None:
        return prompting
    if not isinstance(prompting, Words) or prompting.tokenizer.bos is None:
        raise BadInput("--bos and --no-bos are for models of text; this one's prompts are fixed")
    return replace(prompting, bos=bos)


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


def described(model: Opened, question: Question) -> dict[str, str]:
    """The first lines that are printed: the model, the prompts and what is measured."""
    return {
        "model": model.name,
        **({"note": "; ".join(model.notes)} if model.notes else {}),
        **opening(question.prompting, (question.clean, question.corrupted)),
        "prompts": f"{question.clean.shape[1]} tokens; they differ at {', '.join(question.differ)}",
        "measured": f"{question.measured}, read at {question.label(question.at)}",
    }


def opening(prompting: Prompting, prompts: Iterable[Tensor]) -> dict[str, str]:
    """Whether prompts [1 pos] begin with BOS, the token that opens a text; empty for no text."""
    from replications.models.prompting import Words
    from replications.patching.token_texts import visible

    if not isinstance(prompting, Words):
        return {}
    token = prompting.tokenizer.bos
    if token is None:
        return {"BOS": "no; this tokenizer has no token that opens a text"}
    text = visible(prompting.name(token))
    having = [int(prompt[0, 0]) == token for prompt in prompts]
    if all(having):
        return {"BOS": f"yes, prompts begin with {text} (--no-bos leaves it out)"}
    return {"BOS": "in some prompts" if any(having) else f"no (--bos puts {text} first)"}


def explain_answers(args: argparse.Namespace, question: Question) -> None:
    """Say where the answers come from, if neither the user nor the task has given them."""
    if args.answer is None and args.against is None and question.prompting.contrast is None:
        print("The answers are what the model says to the clean prompt, and to the corrupted one.")


def warn_if_near(baselines: Iterable[float]) -> None:
    """Warn if the logit differences of the two prompts hardly differ."""
    from replications.patching.prompt_pair import nearly_coincide

    if nearly_coincide(*baselines):
        print(
            "warning: the clean and the corrupted prompt have nearly the same logit difference, so "
            "effects are shares of very little"
        )


@contextmanager
def bar(unit: str) -> Iterator[Progress]:
    """A progress bar, shown only on a terminal."""
    from tqdm import tqdm

    with tqdm(unit=unit, leave=False, disable=None) as shown:

        def progress(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield progress


def draw(figure: Callable[[], Figure], out: Path, name: str) -> list[Path]:
    """Write a picture in each format; the files. Without matplotlib, say so and write none."""
    try:
        from replications.plotting import charts
    except BadInput as exc:
        print(f"\nno picture: {exc}")
        return []
    written = []
    with charts.style():
        drawn = figure()
        for form in FORMATS:
            path = out / f"{name}.{form}"
            files.write_bytes(path, charts.encode(drawn, form))
            written.append(path)
    return written


def make(folder: Path) -> None:
    """Make a folder for results. Raises BadInput where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise BadInput(f"cannot make the folder {folder}: {exc.strerror}") from exc
