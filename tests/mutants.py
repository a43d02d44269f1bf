"""Mutation testing: do the tests and claims notice a single wrong character in a measurement?

    python -m tests.mutants --count 100 --seed 0 --out docs/mutants.md

draws single-point changes ("mutants") of judging/, analysis/, patching/ and the systems'
measurements, each in a copy of the repository, and runs the tests that mirror the changed file,
then the claims of one subject, then the slow tests. A mutant that makes any of them fail is
*killed*; the others *survive* and are listed. With `--reached coverage.json` mutants are drawn only
from lines that claims execute, and the tests and claims that execute the line come first, since one
of them will probably notice; what they let through must still pass the rest:

    python -m coverage run --source replications -m pytest -p tests.mutants tests/ claims/ --offline
    python -m coverage json --show-contexts

`make mutants` does all three. Before anything is changed, everything must pass, or every mutant
would seem to be killed.

Tools such as mutmut and cosmic-ray run every mutant against one fixed command; neither draws a
seeded sample or chooses the tests of the changed place, hence this script.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.mutations import Mutant, mutants

ROOT = Path(__file__).parents[1]
PLACES = ("judging", "analysis", "patching", "systems/*/measurements", "systems/*/roles.py")
"""Under replications/: what is mutated unless `--where` says otherwise."""
SUBJECTS = {
    "algorithmic": "palindrome",
    "brackets": "retrained/seed0",
    "ioi": "construction",
    "list_update": "seed0",
    "name_recall": "toy/seed0",
}
"""The subject whose claims are run for each system."""
SECONDS = 1200
"""A mutant that runs longer than this is stuck, which counts as killed, unless `--seconds` says
otherwise: on a machine that does something else as well, tests take longer."""


@dataclass(frozen=True)
class Result:
    """What became of a mutant: `killed_by` is "tests", "claims", "time" or "" for a survivor."""

    mutant: Mutant
    killed_by: str
    seconds: float


# ---- which are tried ---------------------------------------------------------------------------


def files(places: Sequence[str]) -> list[str]:
    """Python files of the places, relative to the repository."""
    found: set[Path] = set()
    for place in places:
        for path in (ROOT / "replications").glob(place):
            found |= {path} if path.is_file() else set(path.rglob("*.py"))
    return sorted(str(path.relative_to(ROOT)) for path in found)


def draw(places: Sequence[str], count: int, seed: int, reached: Reached | None) -> list[Mutant]:
    """A seeded sample; with `reached` only of the lines that claims execute."""
    everything = []
    for path in files(places):
        of_file = _of_file(path)
        lines = None if reached is None else _of_claims(reached.get(path, {}))
        everything += [m for m in of_file if lines is None or m.line in lines]
    return random.Random(seed).sample(everything, min(count, len(everything)))


@cache
def _of_file(path: str) -> list[Mutant]:
    return mutants(path, (ROOT / path).read_text(encoding="utf-8"))


def _of_claims(lines: Mapping[int, Sequence[str]]) -> set[int]:
    return {line for line, names in lines.items() if any(n[:7] in ("claims/", "") for n in names)}


# ---- what executes a line -----------------------------------------------------------------------

Reached = Mapping[str, Mapping[int, Sequence[str]]]
"""File → line → the test functions that execute it, as `tests/patching/test_x.py::test_y`, and ""
for what is executed by importing the file."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """As a plugin (`-p tests.mutants`), under coverage: note which test executes a line."""
    coverage = importlib.import_module("coverage")  # only the extra `mutants` installs it
    measuring = coverage.Coverage.current()
    assert measuring is not None, "run it under coverage"
    measuring.switch_context(item.nodeid.partition("[")[0])
    return (yield)


def _reached(path: Path) -> dict[str, dict[int, list[str]]]:
    """From `coverage json --show-contexts`."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: {int(line): names for line, names in entry["contexts"].items()}
        for name, entry in content["files"].items()
    }


# ---- running one ----------------------------------------------------------------------------


def commands(path: str, reaching: Sequence[str] = ()) -> list[tuple[str, list[str]]]:
    """What must notice a change of a file.

    The test functions `reaching` the line, then the tests that mirror the file, then the claims of
    one subject of each system that uses it, then the slow tests.
    """
    parts = Path(path).parts
    folder = Path("tests", *parts[1:3]) if parts[1] == "systems" else Path("tests", parts[1])
    systems = [parts[2]] if parts[1] == "systems" else list(SUBJECTS)
    usual, slow = (["-m", f"not packaging and not tutorial and {m}"] for m in ("not slow", "slow"))
    found = []
    first = [name for name in reaching if name.startswith(f"{folder.as_posix()}/")]
    if first:
        found.append(("tests", [*first, *usual]))
    for system in systems:
        here = [name for name in reaching if name.startswith(f"claims/{system}/")]
        if here:
            found.append(("claims", [*here, *_of_subject(system)]))
    found.append(("tests", [str(folder), *usual]))
    found += [("claims", [f"claims/{s}", *_of_subject(s)]) for s in systems]
    return [*found, ("tests", [str(folder), *slow])]


def _of_subject(system: str) -> list[str]:
    return ["--offline", "-k", SUBJECTS[system]]


def judge(
    mutant: Mutant, folder: Path, seconds: float = SECONDS, reaching: Sequence[str] = ()
) -> Result:
    """Apply a mutant to the copy in `folder`, run what must notice it, and restore the file."""
    target, started = folder / mutant.path, time.perf_counter()
    source = target.read_text(encoding="utf-8")
    assert source[mutant.start : mutant.stop] == mutant.old
    target.write_text(source[: mutant.start] + mutant.new + source[mutant.stop :], encoding="utf-8")
    killed_by = ""
    try:
        for name, arguments in commands(mutant.path, reaching):
            status = _pytest(arguments, folder, seconds)
            if status not in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
                killed_by = name if status is not None else "time"
                break
    finally:
        target.write_text(source, encoding="utf-8")
    return Result(mutant, killed_by, time.perf_counter() - started)


def _pytest(arguments: Sequence[str], folder: Path, seconds: float) -> int | None:
    """The exit status of pytest, None if it took too long."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, timeout=seconds,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None
    return done.returncode


def run(
    chosen: Sequence[Mutant],
    workers: int,
    seconds: float,
    say: Callable[[str], None],
    reached: Reached | None = None,
) -> list[Result]:
    """Judge mutants, each worker in a copy of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        copies = [_copy(Path(scratch) / str(i)) for i in range(workers)]
        for command in dict.fromkeys(tuple(c) for m in chosen for _, c in commands(m.path)):
            if _pytest(command, copies[0], seconds) != 0:
                raise SystemExit(f"error: fails without a mutant: pytest {' '.join(command)}")
        free = list(copies)

        def one(mutant: Mutant) -> Result:
            folder = free.pop()
            try:
                reaching = (reached or {}).get(mutant.path, {}).get(mutant.line, ())
                result = judge(mutant, folder, seconds, reaching)
            finally:
                free.append(folder)
            say(f"{result.killed_by or 'SURVIVED':8} {result.seconds:5.0f} s  {mutant}")
            return result

        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(one, chosen))


def _copy(target: Path) -> Path:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    return target


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()


# ---- the report --------------------------------------------------------------------------------


LOOKED_AT = "## Looked at"
"""The heading of what is written by hand in the report, about each survivor."""


def report(results: Sequence[Result], command: str, looked_at: str = "") -> str:
    """Share killed by place, and every survivor, as Markdown; then what was written by hand."""
    lines = ["# Mutants", "", f"`{command}`", "", "| place | mutants | killed | share |"]
    lines.append("|---|---:|---:|---:|")
    places: dict[str, list[Result]] = {"all": list(results)}
    for result in results:
        parts = Path(result.mutant.path).parts
        name = "/".join(parts[1:3]) if parts[1] == "systems" else parts[1]
        places.setdefault(name, []).append(result)
    for name, some in sorted(places.items()):
        killed = sum(bool(result.killed_by) for result in some)
        lines.append(f"| {name} | {len(some)} | {killed} | {killed / len(some):.0%} |")
    survivors = [result.mutant for result in results if not result.killed_by]
    lines += ["", f"## Survivors ({len(survivors)})", ""]
    lines += [f"- `{mutant}`" for mutant in survivors] or ["None."]
    return "\n".join(lines) + "\n" + (f"\n{looked_at}" if looked_at else "")


def _by_hand(path: Path | None) -> str:
    """What an earlier report says under `LOOKED_AT`, with the heading."""
    text = path.read_text(encoding="utf-8") if path and path.exists() else ""
    return text[text.index(LOOKED_AT) :] if LOOKED_AT in text else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.mutants")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--where", nargs="+", default=PLACES, help="under replications/")
    parser.add_argument(
        "--reached", type=Path, help="a JSON of coverage.py: draw from lines that claims execute"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="Markdown")
    parser.add_argument("--json", type=Path, help="every mutant with its fate")
    args = parser.parse_args(argv)
    reached = _reached(args.reached) if args.reached else None
    chosen = draw(args.where, args.count, args.seed, reached)
    results = run(chosen, args.workers, args.seconds, lambda line: print(line, flush=True), reached)
    command = "python -m tests.mutants " + " ".join(argv or sys.argv[1:])
    text = report(results, f"{command}  # commit {_commit()}", _by_hand(args.out))
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    if args.json:
        args.json.write_text(json.dumps([asdict(r) for r in results], indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
