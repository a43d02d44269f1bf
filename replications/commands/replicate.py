"""`replicate`: train many seeds by one recipe, and judge every claim on each of them."""

from __future__ import annotations

import argparse
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replications.commands import INTERRUPTED, NEGATIVE, OK, Commands, add_command
from replications.errors import BadInput
from replications.files import user_path

if TYPE_CHECKING:
    from replications.judging.ledger import Ledger
    from replications.training.many import Executor, Report
    from replications.training.replicas import Plan, Replicas

ABOUT = """\
Train every seed by the recipe of a system, judge each claim of the system on every model, and
print in how many the finding replicates, with the exact 95 % interval of that rate. What is done
is kept in --out and is not done again while recipe, code, library versions and data stay the same,
so an interrupted run goes on. Nothing is asserted of these models, and they are not compared with
recorded outcomes. With --cluster the work goes to the nodes of a Ray cluster; the rows are the
same."""
EXAMPLES = """\
python -m replications replicate list_update --seeds 0-63 --workers 2
    the rates of 64 models; everything is kept in replicate-list_update/
python -m replications replicate ioi/circuit --seeds 0,3,8-15 --out /data/circuit
    some seeds of a further recipe
python -m replications replicate list_update --seeds 0-7 --recipe steps=500 -k copies
    another recipe, and only the claims with "copies" in their name
python -m replications replicate brackets --seeds 0-15 --cluster auto
    on the Ray cluster of this machine
"""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    made = add_command(
        commands,
        "replicate",
        _run,
        summary="train many seeds, and judge every claim on each",
        about=ABOUT,
        examples=EXAMPLES,
    )
    made.add_argument("system", metavar="SYSTEM", help="a system or recipe, as in train")
    made.add_argument("--seeds", required=True, metavar="0-63", help="numbers and ranges")
    made.add_argument("--out", type=user_path, metavar="DIR", help="default: replicate-SYSTEM")
    made.add_argument("--claims-json", type=user_path, metavar="LEDGER", help="default: in --out")
    made.add_argument("--recipe", nargs="+", default=[], metavar="NAME=VALUE", help="as in train")
    made.add_argument("-k", dest="chosen", default="", metavar="EXPR", help="claims, as in pytest")
    made.add_argument("--device", default="cpu", help="of the measurements; default cpu")
    where = made.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, default=1, metavar="N", help="processes; default 1")
    where.add_argument("--cluster", metavar="ADDRESS", help="auto, host:port or ray://host:port")


def _run(args: argparse.Namespace) -> int:
    from replications.training.many import Store
    from replications.training.replicas import Replicas

    plan = plan_of(args)
    folder: Path = args.out or Path(f"replicate-{plan.name}")
    path: Path = args.claims_json or folder / "ledger.json"
    if args.claims_json and not path.absolute().parent.is_dir():
        raise BadInput(f"--claims-json {path}: its folder does not exist")
    with _alone_in(folder), _sigterm_interrupts():
        replicas = Replicas(plan, Store(folder))
        try:
            report = _work(replicas, args)
        except KeyboardInterrupt:
            print(_interrupted(replicas), file=sys.stderr)
            return INTERRUPTED
        return _finish(replicas, report, path)


# ---------------------------------------------------------------------------- what is asked for
def plan_of(args: argparse.Namespace) -> Plan:
    """The plan that parsed options describe. Raises BadInput for what makes no sense."""
    from replications.commands.train import recipe_module
    from replications.training.replicas import Plan

    if args.workers < 1:
        raise BadInput(f"--workers must be at least 1, not {args.workers}")
    module = recipe_module(args.system)
    changed = _changed(args.recipe, module.Recipe)
    recipe = module.Recipe(**changed)
    return Plan(
        recipe=args.system,
        seeds=seeds(args.seeds),
        module=module.__name__,
        fields=asdict(recipe),
        changed={name: str(value) for name, value in changed.items()},
        chosen=args.chosen,
        device=args.device,
    )


def seeds(text: str) -> tuple[int, ...]:
    """The seeds in a text such as "0-3,8", in order, each once. Raises BadInput."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise BadInput(f"--seeds {text}: give numbers and ranges, such as 0-7 or 0,3,8-15")
        found += range(first, last + 1)
    return tuple(sorted(set(found)))


def _changed(given: Sequence[str], recipe: type[Any]) -> dict[str, Any]:
    """The fields of a recipe that are not to be the default, from NAME=VALUE. Raises BadInput."""
    default = {field.name: field.default for field in fields(recipe)}
    found = {}
    for text in given:
        name, _, value = text.partition("=")
        name = name.replace("-", "_")
        if name not in default or not value:
            raise BadInput(f"--recipe {text}: give NAME=VALUE; the names are {', '.join(default)}")
        kind: Any = type(default[name])
        try:
            found[name] = kind(value)
        except ValueError as exc:
            raise BadInput(f"--recipe {text}: {name} must be of the type {kind.__name__}") from exc
    return {name: value for name, value in found.items() if value != default[name]}


# ---------------------------------------------------------------------------- the work
def _work(replicas: Replicas, args: argparse.Namespace) -> Report:
    from tqdm import tqdm

    executor = _executor(args)
    try:
        # disable=None: a progress bar on a terminal only
        with tqdm(total=2 * len(replicas.plan.seeds), unit="task", disable=None) as bar:

            def tell() -> None:
                bar.set_description(_done(replicas), refresh=False)
                bar.update()

            return replicas.run(executor, tell)
    finally:
        executor.close()


def _executor(args: argparse.Namespace) -> Executor:
    if args.cluster is not None:
        from replications.training.cluster import Cluster

        return Cluster(args.cluster, gpus=0 if args.device == "cpu" else 1)
    from replications.training.workers import Local

    return Local(args.workers)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Make the folder, and keep every other run out of it. Raises BadInput."""
    from filelock import FileLock, Timeout

    from replications.training.many import Store

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=0)
    except Timeout as exc:
        raise BadInput(
            f"another run works in {folder}: wait for it, or give another --out"
        ) from exc
    except OSError as exc:
        raise BadInput(f"cannot write in {folder}: {exc.strerror or exc}") from exc
    try:
        Store(folder).clear()
        yield
    finally:
        lock.release()


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM, by which time limits end a run, do what Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# ---------------------------------------------------------------------------- what came of it
def _done(replicas: Replicas) -> str:
    return f"{len(replicas.trained)} trained, {len(replicas.judged)} judged"


def _interrupted(replicas: Replicas) -> str:
    n, folder = len(replicas.plan.seeds), replicas.store.folder
    return (
        f"interrupted: of {n} seeds {_done(replicas)}; "
        f"this is kept in {folder}, and the same command goes on from there"
    )


def _finish(replicas: Replicas, report: Report, path: Path) -> int:
    """Write the ledger, print rates and failures; the exit status."""
    for failure in report.failures:
        print(f"FAILED {failure.task.label}: {failure.reason}", file=sys.stderr)
    if not replicas.judged:
        print("no seed could be judged: there is no ledger", file=sys.stderr)
        return NEGATIVE
    ledger = replicas.ledger()
    try:
        ledger.write(path)
    except OSError as exc:
        raise BadInput(f"cannot write the ledger {path}: {exc.strerror or exc}") from exc
    print(table(ledger))
    print(_summary(replicas, report, path))
    others = ", ".join(map(str, replicas.other_bits()))
    if others:
        print(f"training gave other weights here than those that are shipped: seeds {others}")
    return NEGATIVE if report.failures or any(row.holds is None for row in ledger.rows) else OK


def _summary(replicas: Replicas, report: Report, path: Path) -> str:
    n, tasks = len(replicas.plan.seeds), len(replicas.trained) + len(replicas.judged)
    return (
        f"{len(replicas.judged)} of {n} seeds judged; of {tasks} tasks {report.done} done now, "
        f"{tasks - report.done} found; {report.replaced} workers replaced; "
        f"{len(report.failures)} failures; ledger: {path}"
    )


def table(ledger: Ledger) -> str:
    """One line for each claim: in how many models it replicates, and the interval of the rate."""
    from tabulate import tabulate

    from replications.report.rates import Rate

    lines = []
    for name in ledger.claims:
        rows = [row for row in ledger.rows if row.claim == name]
        judged = [row.replicates for row in rows if row.holds is not None]
        missing = len(rows) - len(judged)
        rate = str(Rate(name, "", sum(judged), len(judged))) if judged else "–"
        lines.append((name, rate, f"{missing} not judged" if missing else ""))
    headers = ("claim", "replicates in, with 95 % interval", "")
    return tabulate(lines, headers=headers, disable_numparse=True)
