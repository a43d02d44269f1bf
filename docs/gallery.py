"""Makes the page Gallery: every picture of every system, drawn from models the repository ships.

A picture is drawn of the first of `SUBJECTS` that has it. Nothing is downloaded. Of a picture that
belongs to published weights, the page says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mkdocs.structure.files import File, Files

from replications.plotting import pictures
from replications.plotting.pictures import Picture
from replications.systems.registry import load, not_drawn, pictures_of

SUBJECTS = {
    "brackets": ("retrained/seed0", "construction"),
    "list_update": ("seed0",),
    "ioi": ("circuit/seed0", "construction"),
    "name_recall": ("toy/seed0",),
    "algorithmic": ("cumsum-retrained/seed42", "palindrome-retrained/seed42"),
}
"""System -> models that the repository ships, in the order in which they are asked."""

HEAD = """# Gallery

Every picture that `python -m replications figures` draws, each of a model that this repository
ships; the line below it names the model. With the published weights at hand, the command draws the
same pictures of those. A line in italics names a picture that none of these models has.
"""


def on_files(files: Files, config: Any) -> Files:
    """Add the page and its pictures."""
    page = [HEAD]
    with TemporaryDirectory() as scratch:
        for system in SUBJECTS:
            page.append(f"\n## {system}\n")
            for place, content, text in _drawn(system, Path(scratch)):
                if content is not None:
                    files.append(File.generated(config, place, content=content))
                page.append(text)
            page += [f"*Not drawn: {plot}: {why}.*\n" for plot, why in not_drawn(system).items()]
    files.append(File.generated(config, "gallery.md", content="\n".join(page)))
    return files


def _drawn(system: str, scratch: Path) -> Iterator[tuple[str, bytes | None, str]]:
    """Of each picture in the order of the document: where it goes, its bytes, and its text."""
    found: dict[str, tuple[str, bytes]] = {}
    reasons: dict[str, str] = {}
    for name in SUBJECTS[system]:
        missing = [each for each in pictures_of(system) if each.name not in found]
        subject = load(system).subject(name)
        for each in pictures.draw(subject, missing, scratch / system / name, ["png"]):
            if each.files:
                found[each.picture.name] = name, each.files[0].read_bytes()
            else:
                reasons.setdefault(each.picture.name, each.why_not)
    for picture in pictures_of(system):
        place = f"gallery/{system}-{picture.name}.png"
        if picture.name in found:
            name, content = found[picture.name]
            yield place, content, _with_picture(picture, f"{system}/{name}", place)
        else:
            yield place, None, f"*{picture.title}: {reasons[picture.name]}.*\n"


def _with_picture(picture: Picture, subject: str, place: str) -> str:
    alt = picture.title.replace("[", "(").replace("]", ")")
    return f"### {picture.title}\n\n![{alt}]({place})\n\n`{subject}`: {picture.says}\n"
