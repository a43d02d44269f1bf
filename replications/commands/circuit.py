"""`circuit`: which edges of any subject, or of your own GPT-2, tell two prompts apart."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from replications import files
from replications.commands import OK, Commands, add_command, questions
from replications.files import user_path

if TYPE_CHECKING:
    from replications.circuits.prompt_circuit import PairCircuit

METHODS = ("exact", "eap", "eap-ig", "acdc")
"""Those of `prompt_circuit.Method`, which takes seconds to import; a test compares them."""

ABOUT = """\
The edges of a model that tell two prompts of your own apart. An edge leads from
the embedding, a head or an MLP to the queries, keys or values of a head, to an
MLP or to the logits. Patching it lets its receiver alone read what its sender
writes on the corrupted prompt. The circuit is made of the edges that move the
logit difference of two answers by more than a share of its change from the
clean prompt to the corrupted one. It is tested with all other edges patched at
once. Prints the strongest edges; with --out also a JSON of all edges and a
picture of the circuit."""
EXAMPLES = """\
python -m replications circuit --subject list_update/seed1 --out found \\
        --clean "14 23 48 NL 1 26 NL 14" --corrupted "14 23 48 NL 2 26 NL 14"
    every edge exactly; found/circuit.json has them all, found/circuit.png a picture
python -m replications circuit --subject brackets/retrained --method acdc \\
        --clean "())(" --corrupted "()()"
    edges removed one after the other, as long as the verdict hardly moves
python -m replications circuit --model ~/models/gpt2 --method eap-ig \\
        --clean "The capital of France is" --corrupted "The capital of Italy is"
    estimated from a few backward passes
"""
METHOD = """exact: every edge patched alone; eap, eap-ig: the same estimated from one or five
gradients; acdc: edges removed greedily; default: %(default)s"""
THRESHOLD = "share of the difference that an edge must carry; default: %(default)s"
TOP = "strongest edges to print; default: %(default)s"


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    circuit = add_command(
        commands,
        "circuit",
        _run,
        summary="the edges of a model that tell two prompts of your own apart",
        about=ABOUT,
        examples=EXAMPLES,
    )
    questions.add_options(circuit)
    circuit.add_argument("--method", choices=METHODS, default="exact", help=METHOD)
    circuit.add_argument("--threshold", type=_share, default=0.05, metavar="SHARE", help=THRESHOLD)
    circuit.add_argument("--top", type=questions.count, default=10, metavar="N", help=TOP)
    circuit.add_argument(
        "--out", type=user_path, metavar="DIR", help="for circuit.json, .png and .svg"
    )


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return share


def _run(args: argparse.Namespace) -> int:
    from replications.circuits.prompt_circuit import find_circuit

    model, question = questions.asked(args)
    if args.out:
        questions.make(args.out)  # before the work, which would be lost
    with questions.bar("edge") as progress:
        found = find_circuit(question, args.method, threshold=args.threshold, progress=progress)
    _say(model, found)
    questions.warn_if_near(found.baselines.values())
    questions.explain_answers(args, question)
    _table(found, args.top)
    if args.out:
        _write(found, args.out)
    return OK


# ---- what is printed ----------------------------------------------------------------------------


def _say(model: questions.Opened, found: PairCircuit) -> None:
    from tabulate import tabulate

    lines = questions.described(model, found.question) | {
        "baselines": ", ".join(f"{side} {value:.4g}" for side, value in found.baselines.items()),
        "method": f"{found.method}, edges that carry more than {found.threshold:g} of the "
        "difference",
        "circuit": f"{len(found.circuit)} of {len(found.edges)} edges, which alone give "
        f"{found.kept.circuit.item():.4g} and keep {found.kept_share:z.1%} of the difference",
    }
    print(tabulate(lines.items(), tablefmt="plain"))


def _table(found: PairCircuit, top: int) -> None:
    from tabulate import tabulate

    estimated = "estimated " if found.method.startswith("eap") else ""
    rows = [
        {
            "edge": str(scored.edge),
            f"{estimated}effect": f"{scored.effect:+.4f}",
            "share": f"{scored.share:+.3f}",
            "in the circuit": "yes" if scored.kept else "",
        }
        for scored in found.edges[:top]
    ]
    if rows:
        print()
        print(tabulate(rows, headers="keys", disable_numparse=True))


def _write(found: PairCircuit, out: Path) -> None:
    files.write_text(out / "circuit.json", found.json())
    written = [out / "circuit.json", *questions.draw(found.figure, out, "circuit")]
    print(f"\nwrote {', '.join(map(str, written))}")
