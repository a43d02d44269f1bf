"""Loaded by `replications claims`: paths the user gives take the place of the whole folder.

Only once pytest has read all options is it known which arguments are paths, so the command gives
the folder first, and this drops it again.
"""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Drop the folder if paths follow it.  They may be relative to it or to its parent."""
    folder, *given = config.args
    if given:
        config.args[:] = [_resolve(argument, Path(folder)) for argument in given]


def _resolve(argument: str, folder: Path) -> str:
    path, separator, name = argument.partition("::")
    tail = Path(path).parts
    within = folder.joinpath(*tail[1:]) if tail[:1] == ("claims",) else folder / path
    found = path if Path(path).exists() or not within.exists() else str(within)
    return f"{found}{separator}{name}"
