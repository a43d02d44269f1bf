"""`sweep --pairs`: the same sweep over a file of prompt pairs, with intervals."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from replications import files
from replications.commands import OK, questions
from replications.errors import BadInput

if TYPE_CHECKING:
    from replications.models.sites import Site
    from replications.patching.pair_file import Pair
    from replications.patching.pair_store import Store
    from replications.patching.pair_sweeps import MeanPlace, SweptPairs
    from replications.patching.prompt_pair import Question

SHOWN = 5
"""How many pairs a warning names."""


def run(args: argparse.Namespace, site: Site, per: str) -> int:
    """Sweep over every pair of the file, and print and write what was found."""
    from replications.patching.pair_file import read_pairs
    from replications.patching.pair_sweeps import sweep_pairs

    pairs = read_pairs(args.pairs)
    model = questions.opened(args)
    asked = _questions(args, model, pairs, per)
    store = _store(args, model, per)
    with questions.bar("pair") as progress:
        swept = sweep_pairs(asked, site, per, into=args.into, store=store, progress=progress)
    _say(args, model, swept)
    _warn(pairs, swept)
    _table(swept, args.top)
    if args.out:
        _write(swept, pairs, args.out)
    return OK


def _questions(
    args: argparse.Namespace, model: questions.Opened, pairs: Sequence[Pair], per: str
) -> list[Question]:
    """The question of each pair. Raises BadInput that names the line of the first that is none."""
    from replications.patching.pair_file import at_line
    from replications.patching.prompt_pair import ask

    found: list[Question] = []
    for pair in pairs:
        try:
            question = ask(
                model.network, model.prompting, pair.clean, pair.corrupted,
                answer=pair.answer, against=pair.against, position=args.position,
            )  # fmt: skip
        except BadInput as exc:
            raise at_line(args.pairs, pair.line, exc) from exc
        if found and "pos" in per and question.clean.shape != found[0].clean.shape:
            raise at_line(
                args.pairs, pair.line, f"{question.clean.shape[1]} tokens, but "
                f"{found[0].clean.shape[1]} in line {pairs[0].line}; positions can be averaged "
                "only if all prompts have as many: give such pairs, or --kind z --per 'layer head'"
            )  # fmt: skip
        found.append(question)
    return found


def _store(args: argparse.Namespace, model: questions.Opened, per: str) -> Store | None:
    from replications.models.prompting import Words
    from replications.patching.pair_store import open_store

    if not args.out:
        return None
    questions.make(args.out)
    bos = model.prompting.bos if isinstance(model.prompting, Words) else None
    options = {
        "kind": args.kind, "per": per, "into": args.into, "position": args.position, "bos": bos,
    }  # fmt: skip
    return open_store(args.out, model.network, options)


# ---- what is printed ----------------------------------------------------------------------------


def _say(args: argparse.Namespace, model: questions.Opened, swept: SweptPairs) -> None:
    from tabulate import tabulate

    asked = swept.questions
    lengths = sorted({question.clean.shape[1] for question in asked})
    prompts = [prompt for each in asked for prompt in (each.clean, each.corrupted)]
    axes = " and ".join(swept.found.axes)
    baselines = (f"{side} {_interval(found.rows()[0])}" for side, found in swept.baselines.items())
    lines = {
        "model": model.name,
        **({"note": "; ".join(model.notes)} if model.notes else {}),
        **questions.opening(asked[0].prompting, prompts),
        "pairs": f"{len(asked)} of {args.pairs}, of {' to '.join(map(str, _ends(lengths)))} tokens",
        "measured": "logit(answer) − logit(against), mean over the pairs with its 95 % bootstrap "
        "interval",
        "baselines": ", ".join(baselines),
        "patched": f"{swept.site.name} of each {axes}, from the {swept.source} prompt into the "
        f"{swept.into} one: {len(swept.places)} places",
    }
    print(tabulate(lines.items(), tablefmt="plain"))


def _ends(lengths: Sequence[int]) -> Sequence[int]:
    return lengths if len(lengths) < 2 else (lengths[0], lengths[-1])


def _warn(pairs: Sequence[Pair], swept: SweptPairs) -> None:
    near = swept.coinciding
    if near:
        lines = ", ".join(str(pairs[i].line) for i in near[:SHOWN])
        more = " …" if len(near) > SHOWN else ""
        print(
            f"warning: in {len(near)} of {len(pairs)} pairs the clean and the corrupted prompt "
            f"have nearly the same logit difference (line {lines}{more})"
        )
    if swept.means_coincide:
        print(
            "warning: the mean logit difference is nearly the same for both kinds of prompts, "
            "so effects are shares of very little; does each pair have the answers that belong to "
            "it?"
        )


def _table(swept: SweptPairs, top: int) -> None:
    from tabulate import tabulate

    rows = [_row(swept, place) for place in swept.strongest(top)]
    if rows:
        print()
        print(tabulate(rows, headers="keys", disable_numparse=True))


def _row(swept: SweptPairs, place: MeanPlace) -> dict[str, str]:
    row = {"layer": str(place.layer)}
    if place.head is not None:
        row = {"head": f"{place.layer}.{place.head}"}
    if place.pos is not None:
        row["position"] = swept.label(place.pos)
    return row | {
        "logit difference": _interval(place.value, "+.4f"),
        "effect": _interval(place.effect, "+.3f"),
    }


def _interval(found: tuple[float, float, float], form: str = ".4g") -> str:
    """A mean with its interval; the mean alone of a single pair, which has none."""
    mean, low, high = (format(number, form) for number in found)
    return mean if found[1] != found[1] else f"{mean} [{low}, {high}]"


def _write(swept: SweptPairs, pairs: Sequence[Pair], out: Path) -> None:
    files.write_text(out / "sweep.csv", swept.csv())
    files.write_text(out / "examples.csv", swept.examples_csv([pair.line for pair in pairs]))
    written = [out / "sweep.csv", out / "examples.csv", *questions.draw(swept.figure, out, "sweep")]
    print(f"\nwrote {', '.join(map(str, written))}")
