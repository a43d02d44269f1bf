"""`sweep`: patch any subject, or your own GPT-2, on two prompts of your own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from replications import files
from replications.commands import OK, Commands, add_command, questions, sweep_pairs
from replications.files import user_path

if TYPE_CHECKING:
    from replications.patching.prompt_pair import PatchedPair, PatchedPlace

SITES = (
    *("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out"),
    *("z", "q", "k", "v", "pattern"),
)
"""The names of `patching.SWEPT_SITES`, which takes seconds to import; a test compares them."""
PER = ("layer pos", "layer head", "layer head pos")

ABOUT = """\
Activation patching on two prompts of your own. Each place of the model is
patched alone: the run on the corrupted prompt is given what the run on the
clean prompt has there, and the logit difference of two answers is read again.
Prints the baselines and the strongest places; with --out also a CSV of every
place and a heatmap. The effect is 0 where nothing changes, and 1 where the
patched prompt is answered like the other one. Where the prompts differ,
a token is shown as clean|corrupted."""
EXAMPLES = """\
python -m replications sweep --subject ioi/toy \\
        --clean "After Mary and John met at the park, John handed a ring to" \\
        --corrupted "After Mary and John met at the park, Mary handed a ring to"
    the residual stream of the first toy that is here, layer by position
python -m replications sweep --subject list_update/seed0 --kind z \\
        --clean "14 23 48 NL 1 26 NL 14" --corrupted "14 23 48 NL 2 26 NL 14" --out found
    heads; found/sweep.csv has a row each, found/sweep.png the picture
python -m replications sweep --subject brackets/retrained --kind z \\
        --per "layer head pos" --clean "(())" --corrupted "))(("
    measures logit(unbalanced) − logit(balanced), as the document does
python -m replications sweep --model ~/models/gpt2 --kind attn_out \\
        --clean "The capital of France is" --corrupted "The capital of Italy is" \\
        --answer " Paris" --against " Rome"
    a folder with config.json, model.safetensors and tokenizer.json
python -m replications sweep --model ~/models/gpt2 --pairs pairs.csv --out found
    many pairs: means with intervals; found/examples.csv has the values of each
"""
INTO = "the prompt whose run is patched; default: %(default)s"
PAIRS = """many pairs: CSV with the columns clean, corrupted, answer and against, or JSON Lines; the
answers may be left out. With --out, finished pairs are kept, and the same command goes on after an
interruption"""
TOP = "strongest places to print; default: %(default)s"


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    sweep = add_command(
        commands,
        "sweep",
        _run,
        summary="patch a model on two prompts of your own: heatmap and CSV",
        about=ABOUT,
        examples=EXAMPLES,
    )
    questions.add_options(sweep, prompts=False)
    sweep.add_argument("--pairs", type=user_path, metavar="FILE", help=PAIRS)
    sweep.add_argument("--kind", choices=SITES, default="resid_pre", help="default: %(default)s")
    sweep.add_argument(
        "--per", choices=PER, help="default: layer head where the kind has heads, else layer pos"
    )
    sweep.add_argument("--into", choices=("corrupted", "clean"), default="corrupted", help=INTO)
    sweep.add_argument("--top", type=questions.count, default=10, metavar="N", help=TOP)
    sweep.add_argument("--out", type=user_path, metavar="DIR", help="for sweep.csv, .png and .svg")
    sweep.set_defaults(refuse=sweep.error)


def _run(args: argparse.Namespace) -> int:
    from replications.patching import SWEPT_SITES
    from replications.patching.prompt_pair import patch

    site = {site.name: site for site in SWEPT_SITES}[args.kind]
    per = args.per or ("layer head" if "head" in site.axes else "layer pos")
    if args.pairs:
        _alone(args)
        return sweep_pairs.run(args, site, per)
    if args.clean is None or args.corrupted is None:
        args.refuse("give --clean and --corrupted, or --pairs")
    model, question = questions.asked(args)
    if args.out:
        questions.make(args.out)  # before the work, which would be lost
    with questions.bar("run") as progress:
        patched = patch(question, site, per, into=args.into, progress=progress)
    _say(model, patched)
    questions.warn_if_near(patched.baselines.values())
    questions.explain_answers(args, question)
    _table(patched, args.top)
    if args.out:
        _write(patched, args.out)
    return OK


def _alone(args: argparse.Namespace) -> None:
    """Refuse options that a file of pairs has columns for."""
    columns = ("clean", "corrupted", "answer", "against")
    given = [f"--{name}" for name in columns if getattr(args, name) is not None]
    if given:
        args.refuse(f"{given[0]} does not go with --pairs, whose file has it as a column")


# ---- what is printed ----------------------------------------------------------------------------


def _say(model: questions.Opened, patched: PatchedPair) -> None:
    from tabulate import tabulate

    question, baselines = patched.question, patched.baselines
    axes = " and ".join(patched.found.axes)
    lines = questions.described(model, question) | {
        "baselines": ", ".join(f"{side} {value:.4g}" for side, value in baselines.items()),
        "patched": f"{patched.site.name} of each {axes}, from the {patched.source} prompt into the "
        f"{patched.into} one: {len(patched.places)} places",
        "backend": patched.found.backend,
    }
    print(tabulate(lines.items(), tablefmt="plain"))


def _table(patched: PatchedPair, top: int) -> None:
    from tabulate import tabulate

    rows = [_row(patched, place) for place in patched.strongest(top)]
    if rows:
        print()
        print(tabulate(rows, headers="keys", disable_numparse=True))


def _row(patched: PatchedPair, place: PatchedPlace) -> dict[str, str]:
    """A row of the table. Head 1.3 is head 3 of layer 1; a position is shown with its token."""
    row = {"layer": str(place.layer)}
    if place.head is not None:
        row = {"head": f"{place.layer}.{place.head}"}
    if place.pos is not None:
        row["position"] = patched.question.label(place.pos)
    return row | {"logit difference": f"{place.value:+.4f}", "effect": f"{place.effect:+.3f}"}


def _write(patched: PatchedPair, out: Path) -> None:
    files.write_text(out / "sweep.csv", patched.csv())
    written = [out / "sweep.csv", *questions.draw(patched.figure, out, "sweep")]
    print(f"\nwrote {', '.join(map(str, written))}")
