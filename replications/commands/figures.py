"""`figures`: the plots of the documents, drawn from the measurements of the subjects.

A picture goes to DIR/<system>/<subject>/<name>.<format>, and beside the systems an index that
`report` reads, `figures.json`:

    schema     1
    subjects   system, subject, kind, fixtures (file → sha256), why_not (of one not reached)
    pictures   system, subject, kind, name, title, says, files (relative to DIR), why_not
    not_drawn  system, plot, why_not: plots that no subject of the system has

`why_not` is empty for what was reached and drawn.
"""

from __future__ import annotations

import argparse
import gc
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replications import files, fixtures
from replications.commands import OK, Commands, add_command
from replications.errors import BadInput, FixtureMissing, ReplicationError, Unsupported
from replications.files import user_path
from replications.plotting import pictures as figures
from replications.plotting.pictures import FORMATS, Drawn, Picture
from replications.systems.registry import SYSTEMS, load, named, not_drawn, pictures_of

if TYPE_CHECKING:
    from tqdm import tqdm

    from replications.judging.claim import SubjectInfo

SCHEMA = 1
INDEX = "figures.json"
EXAMPLES = """
python -m replications figures --out pictures
    every picture of every subject that can be reached here
python -m replications figures name_recall/toy/seed0 --out pictures
    of one subject; `python -m replications systems` lists them
python -m replications figures list_update/retrained --out pictures
    of all subjects of one group or kind
python -m replications figures brackets ioi --out pictures --format svg
    of two systems, as SVG alone
REPLICATIONS_OFFLINE=1 python -m replications figures --out pictures
    without downloading what is missing
"""

Index = dict[str, list[dict[str, Any]]]


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "figures",
        _run,
        summary="draw the plots of the documents from what is measured here",
        about="Draw the plots of the documents as DIR/SYSTEM/SUBJECT/PICTURE, the same bytes every "
        "time, and list them in DIR/figures.json.  What is not drawn is printed, with the reason.",
        examples=EXAMPLES,
    )
    parser.add_argument("names", nargs="*", metavar="SYSTEM[/SUBJECT]", help="default: all")
    parser.add_argument(
        "--out", type=user_path, required=True, metavar="DIR", help="made if need be"
    )
    parser.add_argument(
        "--format", type=_formats, default=FORMATS, metavar="LIST", help="default: png,svg"
    )


def _formats(text: str) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    unknown = [name for name in chosen if name not in FORMATS]
    if unknown:
        known = ", ".join(FORMATS)
        raise argparse.ArgumentTypeError(f"unknown format {unknown[0]!r}; there are: {known}")
    return chosen


def _run(args: argparse.Namespace) -> int:
    path = draw_all(args.names, args.out, args.format, progress=True)
    for line in report(json.loads(path.read_text(encoding="utf-8"))):
        print(line)
    print(f"The list is {path}")
    return OK


def draw_all(names: Sequence[str], out: Path, formats: Sequence[str], *, progress: bool) -> Path:
    """Draw all pictures of some subjects into `out`; returns the path of the index.

    `names` are as in `select`. A subject whose files are not
    reachable is left out and listed with the reason. `progress` shows a bar on a terminal. The
    index is written at the end, after an interrupt too, and lists what was drawn.

    Raises BadInput for an unknown name or format, without matplotlib, or if `out` cannot be
    written; FixtureCorrupt for a file that is not what the manifest says.
    """
    import torch
    from tqdm import tqdm

    torch.set_num_threads(1)  # as the claims: the same numbers on any number of cores
    work = [(info, pictures_of(info.system)) for info in select(names)]
    _make(out)
    index: Index = {"subjects": [], "pictures": [], "not_drawn": _plots(info for info, _ in work)}
    total = sum(len(pictures) for _, pictures in work)
    try:
        # disable=None shows the bar on a terminal only.
        with tqdm(total=total, unit="picture", disable=None if progress else True) as bar:
            for number, (info, pictures) in enumerate(work):
                if number:
                    gc.collect()  # what is left of the subject before
                bar.set_description(f"{info.system}/{info.name}")
                _subject(info, pictures, out, formats, index, bar)
    finally:
        text = json.dumps({"schema": SCHEMA, **index}, indent=1, ensure_ascii=False)
        files.write_text(out / INDEX, text + "\n")
    return out / INDEX


def select(names: Sequence[str]) -> list[SubjectInfo]:
    """The subjects meant by "system", or as `registry.named` has it, each once; all for no names.

    Raises BadInput for an unknown name.
    """
    found: dict[tuple[str, str], SubjectInfo] = {}
    for name in names or SYSTEMS:
        meant = named(name) if "/" in name else load(name).SUBJECTS
        found |= {(info.system, info.name): info for info in meant}
    return list(found.values())


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise BadInput(f"cannot make the folder {folder}: {exc.strerror or exc}") from exc


def _plots(infos: Iterable[SubjectInfo]) -> list[dict[str, Any]]:
    """What the documents of some systems have and no subject does."""
    return [
        {"system": system, "plot": plot, "why_not": reason}
        for system in dict.fromkeys(info.system for info in infos)
        for plot, reason in not_drawn(system).items()
    ]


def _subject(
    info: SubjectInfo,
    pictures: Sequence[Picture],
    out: Path,
    formats: Sequence[str],
    index: Index,
    bar: tqdm[Any],
) -> None:
    """Draw one subject, and list it and its pictures in `index` as they come."""
    who = {"system": info.system, "subject": info.name, "kind": info.kind}
    try:
        subject = load(info.system).subject(info.name)
    except (FixtureMissing, Unsupported) as exc:
        index["subjects"].append({**who, "fixtures": {}, "why_not": _why_not(info, exc)})
        bar.update(len(pictures))
        return
    digests = {name: fixtures.digest(name) for name in info.fixtures}
    index["subjects"].append({**who, "fixtures": digests, "why_not": ""})
    for picture in pictures:
        drawn = _draw(subject, picture, out / info.system / info.name, formats)
        paths = [path.relative_to(out).as_posix() for path in drawn.files]
        said = {"name": picture.name, "title": picture.title, "says": picture.says}
        index["pictures"].append({**who, **said, "files": paths, "why_not": drawn.why_not})
        bar.update()


def _draw(subject: Any, picture: Picture, folder: Path, formats: Sequence[str]) -> Drawn:
    try:
        (drawn,) = figures.draw(subject, [picture], folder, formats)
    except (FixtureMissing, Unsupported) as exc:  # what a subject opens when it is asked for
        return Drawn(picture, why_not=_line(exc))
    return drawn


def _why_not(info: SubjectInfo, exc: ReplicationError) -> str:
    reason = _line(exc)
    known = isinstance(exc, Unsupported) or not info.remedy or info.remedy in reason
    return reason if known else f"{reason} ({info.remedy})"


def _line(exc: ReplicationError) -> str:
    return " ".join(str(exc).split())


def report(index: Index) -> list[str]:
    """A line for each thing that was not drawn, and one with the counts."""
    missing = [entry for entry in index["subjects"] if entry["why_not"]]
    without = [entry for entry in index["pictures"] if entry["why_not"]]
    plots = index["not_drawn"]
    drawn = len(index["pictures"]) - len(without)
    return [
        *(f"not reached: {e['system']}/{e['subject']}: {e['why_not']}" for e in missing),
        *(f"not drawn: {e['system']}/{e['subject']} {e['name']}: {e['why_not']}" for e in without),
        *(f"not drawn: {e['system']}: {e['plot']}: {e['why_not']}" for e in plots),
        f"{drawn} drawn of {len(index['subjects']) - len(missing)} subjects; "
        f"{len(without)} not drawn, {len(plots)} for no subject; {len(missing)} not reached",
    ]
