"""`attribute`: what each component of a model adds to the logit difference of two answers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from replications import files
from replications.commands import NEGATIVE, OK, Commands, add_command, questions
from replications.files import user_path

if TYPE_CHECKING:
    from torch import Tensor

    from replications.analysis.prompt_attribution import PromptAttribution

EXACT = 1e-6
"""The largest gap that is rounding, as a part of the largest share; float64 gives 1e-13."""

ABOUT = """\
Direct logit attribution on a prompt of your own. The last residual stream is a
sum of what the embeddings, each head and each MLP wrote; with the scale of the
last norm as it is in this run, each has a share in the logit difference of two
answers. Prints the shares by component, by layer and of the strongest heads,
and how far their sum is from the logit difference; with --out also a CSV and a
heatmap. The status is 1 if they do not add up."""
EXAMPLES = """\
python -m replications attribute --subject ioi/toy --out found \\
        --prompt "After Mary and John met at the park, John handed a ring to" \\
        --answer Mary --against John
    found/attribution.csv has a row for each component
python -m replications attribute --model ~/models/gpt2 \\
        --prompt "The capital of France is" --answer " Paris"
    compared with the mean of all logits
"""
ANSWER = "with the space before it, as ' Mary'; default: what the model says"
AGAINST = "default: the mean of all logits"
TOP = "strongest heads to print; default: %(default)s"


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    attribute = add_command(
        commands,
        "attribute",
        _run,
        summary="what each component adds to the logit difference of two answers",
        about=ABOUT,
        examples=EXAMPLES,
    )
    questions.add_model(attribute)
    attribute.add_argument("--prompt", required=True, metavar="TEXT", help=questions.PROMPT)
    attribute.add_argument("--answer", metavar="WORD", help=ANSWER)
    attribute.add_argument("--against", metavar="WORD", help=AGAINST)
    attribute.add_argument("--position", type=int, metavar="N", help=questions.POSITION)
    attribute.add_argument("--top", type=questions.count, default=10, metavar="N", help=TOP)
    attribute.add_argument(
        "--out", type=user_path, metavar="DIR", help="for attribution.csv, .png and .svg"
    )


def _run(args: argparse.Namespace) -> int:
    from replications.analysis.prompt_attribution import attribute_logits
    from replications.patching.single_prompt import ask_one

    model = questions.opened(args)
    asked = ask_one(
        model.network, model.prompting, args.prompt,
        answer=args.answer, against=args.against, position=args.position,
    )  # fmt: skip
    if args.out:
        questions.make(args.out)  # before the work, which would be lost
    found = attribute_logits(model.network, asked.tokens, asked.answer, asked.against, at=asked.at)
    _say(model, asked.tokens, asked.measured, asked.label, found)
    _tables(found, args.top)
    if args.out:
        files.write_text(args.out / "attribution.csv", found.csv())
        pictures = questions.draw(found.figure, args.out, "attribution")
        print(f"\nwrote {', '.join(map(str, [args.out / 'attribution.csv', *pictures]))}")
    largest = max(abs(component.value) for component in found.components)
    return OK if abs(found.gap) <= EXACT * max(1.0, largest) else NEGATIVE


# ---- what is printed ----------------------------------------------------------------------------


def _say(
    model: questions.Opened, tokens: Tensor, measured: str, where: str, found: PromptAttribution
) -> None:
    from tabulate import tabulate

    capped = model.network.shape.logit_cap is not None
    lines = {
        "model": model.name,
        **({"note": "; ".join(model.notes)} if model.notes else {}),
        **questions.opening(model.prompting, [tokens]),
        "prompt": f"{tokens.shape[1]} tokens",
        "measured": f"{measured}, read at {where}" + (", before the soft cap" if capped else ""),
        "logit difference": f"{found.logit_difference:+.6g}",
        "sum of the shares": f"{found.total:+.6g} (gap {found.gap:.1e})",
    }
    print(tabulate(lines.items(), tablefmt="plain", disable_numparse=True))


def _tables(found: PromptAttribution, top: int) -> None:
    kinds = {"head": "heads", "MLP": "MLPs", "attention bias": "attention biases"}
    rows = [(kinds.get(name, name), f"{value:+.4f}") for name, value in found.kinds().items()]
    _print(rows, ("component", "logits"))
    layers = [
        (str(i), f"{attention:+.4f}", f"{mlp:+.4f}")
        for i, (attention, mlp) in enumerate(found.layers())
    ]
    _print(layers, ("layer", "attention", "MLP"))
    heads = [(f"{h.layer}.{h.head}", f"{h.value:+.4f}") for h in found.strongest_heads(top)]
    if heads:
        _print(heads, ("head", "logits"))


def _print(rows: Sequence[tuple[str, ...]], headers: tuple[str, ...]) -> None:
    from tabulate import tabulate

    print()
    print(tabulate(rows, headers=headers, disable_numparse=True))
