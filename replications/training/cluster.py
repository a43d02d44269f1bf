"""Running tasks on a Ray cluster. Imported only where one was asked for (extra `cluster`).

A task travels as plain data, and what it made comes back to the machine that asked, so the nodes
need no common file system: only this version of the suite.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from dataclasses import asdict
from typing import Any

from replications.errors import BadInput
from replications.training import versions
from replications.training.many import Result, Task

ADDRESS = re.compile(r"auto|(?:ray://)?\[?([\w.:-]+?)\]?:(\d+)")
INSTALL = "pip install 'interp-claims[cluster]'"
CONNECT_SECONDS = 5
PROBE_SECONDS = 180
"""How long a node may take to say which versions it has: it imports torch first."""


class Cluster:
    """Tasks on the nodes of a Ray cluster, one core each, and `gpus` of a GPU.

    `address` is auto, host:port, or ray://host:port. Raises BadInput if Ray is not installed, no
    cluster answers there, or a node has other code or libraries than this machine.
    """

    slots = sys.maxsize  # Ray queues what its nodes cannot take yet

    def __init__(self, address: str, *, gpus: float = 0) -> None:
        self._ray = _connect(address)
        self._gpus = gpus
        self._under_way: dict[Any, Task] = {}
        try:
            _compare_nodes(self._ray, versions.of_node())
        except BaseException:
            self._ray.shutdown()
            raise
        # No retries by Ray: a lost worker is replaced as it is on one machine, see `many.run`.
        options = {"num_cpus": 1, "num_gpus": gpus, "max_retries": 0}
        self._remote = self._ray.remote(_portable(_perform)).options(**options)

    def start(self, task: Task) -> None:
        """Begin a task."""
        self._under_way[self._remote.remote(asdict(task))] = task

    def next(self) -> tuple[Task, Result]:
        """Wait for a task to end. A lost worker or node gives a result without status."""
        (ready, *_), _ = self._ray.wait(list(self._under_way), num_returns=1)
        task = self._under_way.pop(ready)
        try:
            return task, Result(**self._ray.get(ready))
        except self._ray.exceptions.RayTaskError as exc:  # an exception of `perform` itself
            return task, Result(1, {}, str(exc))
        except self._ray.exceptions.RayError as exc:
            return task, Result(None, {}, " ".join(str(exc).split())[:300])

    def close(self) -> None:
        """Cancel what is under way, and leave the cluster."""
        for reference in self._under_way:
            self._ray.cancel(reference)
        self._ray.shutdown()


def _connect(address: str) -> Any:
    """The module ray, connected. BadInput with the remedy."""
    if not ADDRESS.fullmatch(address):
        raise BadInput(f"--cluster {address}: give auto, host:port or ray://host:port")
    try:
        import ray
    except ImportError as exc:
        raise BadInput(f"--cluster needs Ray, which is not installed: {INSTALL}") from exc
    try:
        _reach(os.environ.get("RAY_ADDRESS", address) if address == "auto" else address)
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except ImportError as exc:
        raise BadInput(f"--cluster {address} needs more of Ray: {INSTALL}") from exc
    except Exception as exc:  # each kind of address fails in its own way
        raise BadInput(
            f"--cluster {address}: no Ray cluster answers there ({_first_sentence(exc)}); start "
            "one with `ray start --head`, or leave --cluster out"
        ) from exc
    return ray


def _reach(address: str) -> None:
    """Raise OSError if nothing listens at an address: Ray itself would wait for minutes."""
    place = ADDRESS.fullmatch(address)
    if place is not None and place[1]:
        socket.create_connection((place[1], int(place[2])), CONNECT_SECONDS).close()


def _first_sentence(exc: Exception) -> str:
    return " ".join(str(exc).split()).partition(". ")[0][:200]


def _compare_nodes(ray: Any, here: dict[str, str]) -> None:
    """Ask every node for its versions. BadInput for the first that differs."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]
    probe = ray.remote(_portable(_of_node))
    asked = [
        probe.options(
            num_cpus=0,
            max_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
        ).remote()
        for node in nodes
    ]
    for node, reference in zip(nodes, asked, strict=True):
        name = f"the node {node['NodeManagerHostname']} ({node['NodeID'][:8]})"
        try:
            there = ray.get(reference, timeout=PROBE_SECONDS)
        except ray.exceptions.RayError as exc:
            raise BadInput(f"{name} cannot run the suite: {_cause(exc)}") from exc
        for what, mine in here.items():
            if there.get(what) != mine:
                raise BadInput(
                    f"{name} has {what} {there.get(what, 'unknown')}, this machine has {mine}: "
                    "install the same version on all nodes"
                )


def _cause(exc: Exception) -> str:
    """The last line of an error: those of Ray carry a whole traceback."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return (lines[-1] if lines else type(exc).__name__)[:200]


# ------------------------------------------------------------------------------ on the nodes
def _of_node() -> dict[str, str]:
    from replications.training import versions

    return versions.of_node()


def _perform(task: dict[str, Any]) -> dict[str, Any]:
    from dataclasses import asdict

    from replications.training.many import Task
    from replications.training.workers import perform

    return asdict(perform(Task(**task)))


def _portable(function: Any) -> Any:
    """A copy of a function that travels by its code, not by the name of its module.

    A node without the suite can then say so.
    """
    import types

    return types.FunctionType(function.__code__, {}, function.__name__)
