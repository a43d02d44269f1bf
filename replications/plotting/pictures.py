"""Pictures drawn from the measurements of a subject: what one is, and how they are written.

Each system has a `figures.py` with `PICTURES`, in the order of its document, and `NOT_DRAWN`,
which says of every other plot of the document why it is not here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replications import files
from replications.errors import BadInput, ReplicationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")


class CannotDraw(ReplicationError):
    """A subject has no such picture; the message says why."""


@dataclass(frozen=True)
class Picture:
    """One plot of a document.

    `draw` takes a subject of the system and returns a matplotlib Figure; it raises CannotDraw
    where the subject has nothing of the kind. `says` tells in a sentence or two what is shown and
    how to read it, for those too who do not see the picture.
    """

    name: str
    title: str
    says: str
    draw: Callable[[Any], Figure]

    def show(self, subject: Any) -> Shown:
        """The picture of a subject, which a notebook displays.  CannotDraw as `draw`."""
        from replications.plotting import charts

        with charts.style():
            return Shown(self.title, self.says, charts.encode(self.draw(subject), "png"))


@dataclass(frozen=True)
class Shown:
    """A picture of one subject as a PNG.  At the end of a cell it shows itself."""

    title: str
    says: str
    png: bytes = field(repr=False)

    def _repr_png_(self) -> bytes:
        return self.png


@dataclass(frozen=True)
class Drawn:
    """What became of one picture of one subject: its files, or `why_not`."""

    picture: Picture
    files: tuple[Path, ...] = ()
    why_not: str = ""


def picture(title: str, says: str) -> Callable[[Callable[[Any], Figure]], Picture]:
    """Make a function of a subject a picture, named like the function with dashes."""

    def make(draw: Callable[[Any], Figure]) -> Picture:
        return Picture(draw.__name__.replace("_", "-"), title, says, draw)

    return make


def draw(
    subject: Any, chosen: Iterable[Picture], folder: Path, formats: Iterable[str] = FORMATS
) -> Iterator[Drawn]:
    """Draw pictures of one subject into `folder`, one by one, the same bytes every time.

    The folder is made where it is missing; a file is whole or absent. Raises BadInput, before
    anything is drawn, for an unknown format or a folder that cannot be made; and when a file
    cannot be written.
    """
    formats = tuple(formats)
    for name in formats:
        if name not in FORMATS:
            raise BadInput(f"unknown format {name!r}; there are: {', '.join(FORMATS)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise BadInput(f"cannot make the folder {folder}: {exc.strerror or exc}") from exc
    return (_drawn(subject, each, folder, formats) for each in chosen)


def _drawn(subject: Any, each: Picture, folder: Path, formats: tuple[str, ...]) -> Drawn:
    from replications.plotting import charts

    try:
        with charts.style():
            figure = each.draw(subject)
            contents = {form: charts.encode(figure, form) for form in formats}
    except CannotDraw as exc:
        return Drawn(each, why_not=str(exc))
    paths = {form: folder / f"{each.name}.{form}" for form in formats}
    for form, content in contents.items():
        files.write_bytes(paths[form], content)
    return Drawn(each, tuple(paths.values()))
