"""Many seeds of one recipe, each trained and then judged: the tasks, and the ledger they give."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from replications.errors import BadInput
from replications.judging import environment
from replications.judging.ledger import Ledger
from replications.training import many, own_files, versions
from replications.training.many import Executor, Report, Result, Store, Task

CLAIMS, MANIFEST = "claims.json", "manifest.toml"
BAD_USAGE = 2
"""The exit status of a recipe that refuses its options."""
PASSED_ON = ("REPLICATIONS_LENS", "REPLICATIONS_OFFLINE", "REPLICATIONS_UNTESTED")
"""Settings of the user that the claims are judged with, on every node."""
PLUGIN = "replications.commands._replica"


@dataclass(frozen=True)
class Plan:
    """What is asked for: a recipe by its name for `train`, and the seeds.

    `module` is where the recipe is written, `fields` are all of its values, and `changed` those
    that are not the default. `chosen` selects claims as pytest's -k does.
    """

    recipe: str
    seeds: tuple[int, ...]
    module: str
    fields: Mapping[str, Any]
    changed: Mapping[str, str] = field(default_factory=dict)
    chosen: str = ""
    device: str = "cpu"

    @property
    def system(self) -> str:
        """The system that the recipe belongs to."""
        return self.recipe.partition("/")[0]

    @property
    def name(self) -> str:
        """The name of the recipe where a slash may not stand."""
        return self.recipe.replace("/", "-")

    def command(self, seed: int | str) -> str:
        """The command that trains one seed."""
        return " ".join(["python", *self._arguments(seed)])

    def _arguments(self, seed: int | str) -> list[str]:
        options = [f"--{name.replace('_', '-')}={value}" for name, value in self.changed.items()]
        return ["-m", "replications", "train", self.recipe, "--seed", str(seed), *options]

    # ---- the two tasks of a seed ---------------------------------------------------------------
    def training(self, seed: int) -> Task:
        """Train one seed: its files, in the layout of a fixture folder."""
        return Task(
            label=f"{self.name}-seed{seed}",
            arguments=tuple(self._arguments(seed)),
            makes=(f"{self.system}/*",),
            key=self._key | {"recipe": dict(self.fields), "code": self._code_of_training},
            place=self.system,
        )

    def judging(self, seed: int, made: Mapping[str, bytes]) -> Task:
        """Judge the claims of the system on a model that was trained: a ledger."""
        weights = [name for name in made if name.endswith(".safetensors")]
        if len(weights) != 1:
            raise BadInput(f"{self.command(seed)} made {len(weights)} files of weights, not one")
        options = ["--lesions", "--replica", *weights, "--claims-json", CLAIMS]
        options += ["-q", "-p", PLUGIN, "-p", "no:cacheprovider", "--device", self.device]
        options += ["-k", self.chosen] if self.chosen else []
        manifest = own_files.manifest(self.system, made, self.command(seed))
        given = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        places = {
            "REPLICATIONS_FIXTURES": "{folder}",
            "REPLICATIONS_MANIFEST": f"{{folder}}/{MANIFEST}",
        }
        return Task(
            label=f"{self.name}-seed{seed}-claims",
            arguments=("-m", "replications", "claims", f"claims/{self.system}", *options),
            makes=(CLAIMS, MANIFEST),
            key=self._key | {"code": self._code_of_judging},
            inputs={**made, MANIFEST: manifest.encode("utf-8")},
            settings=given | places,
        )

    @cached_property
    def _key(self) -> dict[str, Any]:
        return {"versions": versions.setting()}

    @cached_property
    def _code_of_training(self) -> str:
        return versions.code_of_training(self.module)

    @cached_property
    def _code_of_judging(self) -> str:
        return versions.code_of_judging(self.system)


@dataclass
class Replicas:
    """The seeds of a plan as they are done: call `run`, then `ledger`."""

    plan: Plan
    store: Store
    trained: dict[int, dict[str, bytes]] = field(default_factory=dict)
    judged: dict[int, Ledger] = field(default_factory=dict)
    _seeds: dict[str, int] = field(default_factory=dict)

    def run(self, executor: Executor, tell: Callable[[], None] | None = None) -> Report:
        """Train and judge what is not done yet.

        `tell` is called after each task. Raises BadInput where the recipe refuses its options.
        """
        tasks = [self._of(seed, self.plan.training(seed)) for seed in self.plan.seeds]

        def done(task: Task, folder: Path) -> Task | None:
            following = self._take(task, folder)
            if tell:
                tell()
            return following

        return many.run(tasks, executor, self.store, fault=self._fault, done=done)

    def _of(self, seed: int, task: Task) -> Task:
        self._seeds[task.address] = seed
        return task

    def _take(self, task: Task, folder: Path) -> Task | None:
        """Take up what a task made; the task that follows."""
        seed = self._seeds[task.address]
        if CLAIMS in task.makes:
            self.judged[seed] = Ledger.read(folder / CLAIMS)
            return None
        made = {
            f"{task.place}/{path.name}": path.read_bytes()
            for path in sorted((folder / task.place).iterdir())
        }
        self.trained[seed] = made
        return self._of(seed, self.plan.judging(seed, made))

    def _fault(self, task: Task, result: Result) -> str:
        """What is wrong with the result of a task, "" if nothing is."""
        if CLAIMS in task.makes:
            return _fault_of_ledger(result)
        if result.status == BAD_USAGE:
            raise BadInput(result.last_line.removeprefix("error: "))
        return f"status {result.status}: {result.last_line}" if result.status else ""

    def ledger(self) -> Ledger:
        """One ledger of all seeds that were judged. Raises BadInput if there are none."""
        if not self.judged:
            raise BadInput("no seed could be judged, so there is no ledger")
        ledgers = [self.judged[seed] for seed in self.plan.seeds if seed in self.judged]
        whole = Ledger.merged(ledgers)
        rows = tuple(replace(row, outcome=None) for row in whole.rows)
        # Where a seed of ours has the name of a shipped one, the rows are about ours.
        own = {name: d for ledger, s in self._pairs() for name, d in _own(ledger, self.trained[s])}
        return replace(
            whole,
            environment=self._environment(ledgers),
            fixtures={**whole.fixtures, **own},
            rows=rows,
        )

    def _pairs(self) -> list[tuple[Ledger, int]]:
        return [(self.judged[seed], seed) for seed in self.plan.seeds if seed in self.judged]

    def _environment(self, ledgers: Sequence[Ledger]) -> dict[str, Any]:
        """What all ledgers say of where they were measured, and what command this was."""
        found = {}
        for key in ledgers[0].environment:
            values = list(dict.fromkeys(ledger.environment.get(key) for ledger in ledgers))
            found[key] = values[0] if len(values) == 1 else "; ".join(map(str, values))
        dates = [str(ledger.environment.get("date")) for ledger in ledgers]
        found |= {"date": max(dates), "command": environment.command()}
        return found | {"trained": self.plan.command("N")}

    def other_bits(self) -> list[int]:
        """The seeds that the repository ships too, and that training gave other weights here."""
        from replications import fixtures

        listed = fixtures.manifest()
        return [
            seed
            for ledger, seed in self._pairs()
            for name, digest in _own(ledger, self.trained[seed])
            if name.endswith(".safetensors") and name in listed and listed[name].sha256 != digest
        ]


def _own(ledger: Ledger, made: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """The files among those a ledger read that were made here, with their digests."""
    return [(name, digest) for name, digest in ledger.fixtures.items() if name in made]


def _fault_of_ledger(result: Result) -> str:
    """Why a run of claims is not to be kept, "" if it is whole."""
    if CLAIMS not in result.made:
        return f"no ledger, status {result.status}: {result.last_line}"
    content = json.loads(result.made[CLAIMS])
    if content["not_run"]:
        return f"{len(content['not_run'])} rows were not measured"
    skipped = [row for row in content["rows"] if row["status"] == "skip"]
    return f"skipped: {skipped[0]['reason']}" if skipped else ""
