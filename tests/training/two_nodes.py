"""A Ray cluster of two nodes on this machine, for the tests: as a program, one show with it.

    python -m tests.training.two_nodes OUT kill -- COMMAND…
    python -m tests.training.two_nodes OUT other CODE -- COMMAND…

runs `python -m replications COMMAND… --out OUT --cluster auto`. With `kill` the second node is
killed once the first result is in OUT; with `other` the second node imports the suite from CODE.
The exit status is that of the command.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


def main(arguments: list[str]) -> int:
    """Start the nodes, run the command, and stop the nodes."""
    from ray.cluster_utils import Cluster

    cut = arguments.index("--")
    (out, what, *code), command = arguments[:cut], arguments[cut + 1 :]
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    variables = {"env_vars": {"PYTHONPATH": code[0]}} if code else {}
    try:
        second = cluster.add_node(**NODE, **variables)
        cluster.wait_for_nodes()
        where = ["--out", out, "--cluster", "auto"]
        process = subprocess.Popen(
            [sys.executable, "-m", "replications", *command, *where],
            env={**os.environ, "RAY_ADDRESS": cluster.address},
            cwd=Path(out).parent,  # Ray lets every node import from where the command runs
        )
        if what == "kill":
            _kill_half_way(cluster, second, Path(out), process)
        return process.wait()
    finally:
        cluster.shutdown()


def _kill_half_way(cluster: Any, node: Any, out: Path, process: subprocess.Popen[bytes]) -> None:
    """Kill a node, as a power cut does, once something is done."""
    while not list(out.glob("*-seed*")) and process.poll() is None:
        time.sleep(0.1)
    assert process.poll() is None, "the command ended before a node could be killed"
    cluster.remove_node(node, allow_graceful=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
