"""Commands that need no model start without torch, which takes seconds to import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from replications.systems import SYSTEMS, load
from replications.systems.on_demand import on_demand
from tests.sample_ledger import ledger

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "transformer_lens", "matplotlib")
RUN_EACH = f"""
import json, sys
from replications.cli import main
imported = {{}}
for command in json.load(sys.stdin):
    try:
        main(command)
    except SystemExit:
        pass
    imported[" ".join(command)] = [name for name in {HEAVY} if name in sys.modules]
print(json.dumps(imported), file=sys.stderr)
"""


def test_commands_that_need_no_model_do_without_torch(tmp_path: Path) -> None:
    measured, *written = (str(tmp_path / name) for name in ("in.json", "c.md", "b.md", "r.html"))
    ledger().write(measured)
    commands = [
        ["--help"],
        ["systems"],
        ["fixtures", "status"],
        ["audit", measured],
        ["drift", measured, measured],
        ["ledger", measured, "--out", written[0]],
        ["certificate", measured, "--out", written[1]],
        ["report", measured, "--no-figures", "--out", written[2]],
    ]
    done = subprocess.run(
        [sys.executable, "-c", RUN_EACH],
        cwd=ROOT,
        input=json.dumps(commands),
        text=True,
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stderr.splitlines()[-1])
    assert found == {" ".join(command): [] for command in commands}
    assert all(Path(name).exists() for name in written)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_provides_every_name_of_its_face(system: str) -> None:
    module = load(system)
    names: list[str] = module.__all__  # type: ignore[attr-defined]
    assert {"SUBJECTS", "LESIONS", "subject"} <= set(names)
    assert all(getattr(module, name) is not None for name in names)


def test_a_name_that_a_package_does_not_provide_is_an_attribute_error() -> None:
    get = on_demand("replications.systems.ioi", {"regimes": ["regime"]})
    assert get("regime") is get("regimes").regime
    with pytest.raises(AttributeError, match=r"'replications.systems.ioi' has no attribute 'x'"):
        get("x")


def test_a_process_that_hands_out_claims_does_without_torch() -> None:
    code = f"import claims.conftest, sys; sys.exit(any(name in sys.modules for name in {HEAVY}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
