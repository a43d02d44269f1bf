"""Pictures for the page of `report`: one subject of each system, drawn by several processes.

Each process takes the next subject that none has taken, by making its folder. This file is the
program of the further ones; the first is the command itself.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from replications import files
from replications.errors import ReplicationError
from replications.judging.garbage import collected_rarely, leave_garbage_at_exit

if TYPE_CHECKING:
    from replications.judging.ledger import Ledger
    from replications.report.page.gallery import Album, Gallery

WHY_NOT = "why_not.txt"
"""The reason why a subject could not be drawn, in its folder."""
MOST = 4
"""Processes at most; each needs up to about 1 GiB."""


def drawn(ledger: Ledger) -> Gallery:
    """Pictures of one subject of each system, or the reason why there is none."""
    from replications.report.page.gallery import chosen

    rows = [row for row in ledger.rows if row.holds is not None]
    measured = Counter(f"{row.claim.split('/')[0]}/{row.subject}" for row in rows)
    # Those with much to draw first, so that no process is left with one of them at the end.
    names = sorted(chosen(ledger), key=lambda name: -measured[name])
    with tempfile.TemporaryDirectory(prefix="report-") as folder:
        return _gathered(names, Path(folder), ledger, side_by_side(names, Path(folder)))


def draw_each(names: Sequence[str], folder: Path) -> None:
    """Draw those of the subjects, "system/subject", that no other process has taken."""
    from replications.commands.figures import INDEX, draw_all

    for name in names:
        mine = _place(folder, name)
        try:
            mine.mkdir()
        except FileExistsError:
            continue
        try:
            draw_all([name], mine, ["png"], progress=True)
        except ReplicationError as exc:  # no matplotlib, or a file is not the right one
            files.write_text(mine / WHY_NOT, str(exc))
        except BaseException:
            # It lists what was drawn until then, which must not pass for all there is.
            (mine / INDEX).unlink(missing_ok=True)
            raise


def _place(folder: Path, name: str) -> Path:
    return folder / name.split("/")[0]


def side_by_side(names: Sequence[str], folder: Path) -> str:
    """Draw all here and in further processes; how one of these ended that was not well."""
    from replications.training.workers import ROOT, Processes

    further = min(os.cpu_count() or 1, MOST, len(names)) - 1
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "replications.commands.drawing", str(folder), *names]
    processes = Processes()

    def apart(number: int) -> str:
        with (folder / f"output-{number}.txt").open("w+b") as output:
            status = processes.run(command, Path.cwd(), {**os.environ, "PYTHONPATH": path}, output)
            output.seek(0)
            said = output.read().decode("utf-8", errors="replace").split("\n")
        last = next((line for line in reversed(said) if line.strip()), "it printed nothing")
        return f"the process that drew it ended with status {status}: {last}" if status else ""

    with ThreadPoolExecutor(max(further, 1)) as threads:
        begun = [threads.submit(apart, number) for number in range(further)]
        try:
            draw_each(names, folder)
            return next((ended for each in begun if (ended := each.result())), "")
        finally:
            processes.stop()  # Ctrl-C ends them too


def _gathered(names: Sequence[str], folder: Path, ledger: Ledger, ended: str) -> Gallery:
    """What lies in the folders of the subjects."""
    from replications.report.page.gallery import INDEX, Gallery, read

    albums: dict[str, tuple[Album, ...]] = {}
    missing: dict[str, tuple[str, ...]] = {}
    for name in names:
        system, mine = name.split("/")[0], _place(folder, name)
        if (mine / WHY_NOT).exists():
            missing[system] = (files.read_text(mine / WHY_NOT),)
        elif not (mine / INDEX).exists():
            missing[system] = (ended,)
        else:
            found = read(mine, ledger)
            albums |= found.albums
            missing |= found.missing
    return Gallery(albums, missing)


if __name__ == "__main__":
    leave_garbage_at_exit()
    with collected_rarely():
        draw_each(sys.argv[2:], Path(sys.argv[1]))
