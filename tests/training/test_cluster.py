"""Many seeds on a Ray cluster of two nodes. Needs the extra `cluster`: `make cluster`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from replications.errors import BadInput
from replications.training import cluster

ROOT = Path(__file__).parents[2]
COMMAND = ["replicate", "list_update", "--seeds", "5-7", "--recipe", "steps=20", "-k", "l1-key"]
with_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is missing: make cluster")


def program(*arguments: str, code: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(code)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )


def rows(out: Path) -> list[dict[str, Any]]:
    """The rows of a ledger, without the time that they took."""
    found = json.loads((out / "ledger.json").read_text(encoding="utf-8"))["rows"]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in found]


@pytest.mark.cluster
@with_ray
def test_two_nodes_one_killed_half_way_give_the_rows_of_one_process(tmp_path: Path) -> None:
    alone = program("-m", "replications", *COMMAND, "--out", str(tmp_path / "alone"))
    assert alone.returncode == 0, alone.stdout
    spread = program(
        "-m", "tests.training.two_nodes", str(tmp_path / "spread"), "kill", "--", *COMMAND
    )
    assert spread.returncode == 0, spread.stdout
    assert rows(tmp_path / "spread") == rows(tmp_path / "alone")
    assert len(rows(tmp_path / "alone")) == 6


@pytest.mark.cluster
@with_ray
def test_a_node_with_another_version_is_refused_in_one_line(tmp_path: Path) -> None:
    for name in ("replications", "claims"):
        shutil.copytree(ROOT / name, tmp_path / "code" / name)
    changed = tmp_path / "code" / "replications" / "errors.py"
    changed.write_text(changed.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    where = (str(tmp_path / "out"), "other", str(tmp_path / "code"))
    done = program("-m", "tests.training.two_nodes", *where, "--", *COMMAND)
    errors = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert (done.returncode, len(errors)) == (2, 1), done.stdout
    assert "code of the suite" in errors[0]


@pytest.mark.cluster
@with_ray
def test_an_address_where_nothing_listens_is_refused_at_once() -> None:
    with pytest.raises(BadInput, match="no Ray cluster answers there"):
        cluster.Cluster("127.0.0.1:9")


@pytest.mark.parametrize("address", ["", "http://x", "host", "ray://", "ray://host", "auto:x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(BadInput, match="give auto, host:port or ray://host:port"):
        cluster.Cluster(address)


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed here")
def test_without_the_extra_the_line_says_how_to_install_it() -> None:
    with pytest.raises(BadInput, match=r"pip install 'interp-claims\[cluster\]'"):
        cluster.Cluster("auto")
