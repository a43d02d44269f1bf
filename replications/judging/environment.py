"""What a run ran on: versions, machine, device, and the settings that can move a number."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from replications import __version__

PACKAGES = ("torch", "transformer_lens", "numpy", "scipy")


def environment(
    *,
    lens: str | None,
    device: str = "cpu",
    gpu: str | None = None,
    dtype: str = "float32",
    threads: int = 1,
) -> dict[str, Any]:
    """One flat record in JSON types.  Packages are not imported: metadata say their versions.

    `lens` is the kind of model that lenses open, `gpu` the name of the GPU that computed, if any.
    """
    return {
        "suite": __version__,  # of the code that runs: what is installed may be older
        "commit": git_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        **{name: package_version(name) for name in PACKAGES},
        "lens": lens,
        "device": device,
        "device_name": gpu or cpu_model(),
        "dtype": dtype,
        "threads": threads,
        "tf32": False,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(),
    }


def command() -> str:
    """The command line, with the program by name ("pytest …").

    Of whole paths only the last part is kept: the rest is of one machine, and ledgers travel.
    """
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    return " ".join([name, *map(_without_folders, sys.argv[1:])])


def _without_folders(argument: str) -> str:
    option, equals, value = argument.rpartition("=")
    path = Path(value)
    return f"{option}{equals}{path.name}" if path.is_absolute() and path.name else argument


def package_version(name: str) -> str | None:
    """The installed version of a distribution, None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def git_commit() -> str | None:
    """The commit of the checkout this package runs from, with "+" if files differ from it."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git(root, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def cpu_model() -> str:
    """The name of the processor as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
