"""The claims on several versions of TransformerLens, each in an environment of its own.

    nox -s matrix                    every tested line
    nox -s matrix -- 3.9.0 4.4.0     these versions, also one that was not tested
    nox -s matrix -- 4.3.0 newest    the newest that pip finds

For each version: the tests of the lens, then the claims, with a ledger and a trace in `matrix/`
for each kind of model it has; at the end one table and the drift against the newest tested line.
`MATRIX_ARGS` holds other arguments for `pytest claims/`.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import nox

TESTED = ("1.19.0", "2.18.0", "3.9.0", "4.3.0")
REFERENCE = "4.3.0"
UNDECLARED = {"1.19": ["typeguard"]}
"""What a line imports and does not ask pip for."""

LEDGERS = Path("matrix")
LENS_TESTS = [
    "tests/test_lens.py",
    "tests/test_lens_runs.py",
    "tests/test_lens_effects.py",
    "tests/test_lens_shortformer.py",
    "tests/test_lens_versions.py",
    "tests/test_pretrained.py",
]
# One retrained bracket classifier stands for eight: the published one is where claims gate.
CLAIMS = ["claims/brackets", "claims/list_update", "-k", "not retrained/ or retrained/seed0"]
TRACED = ["brackets/arena", "brackets/retrained/seed0", "list_update/seed0"]

# Parametrised sessions are made when this file is read, so their versions are read here too.
ASKED = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []

nox.needs_version = ">=2024.10"
nox.options.sessions = ["matrix"]
nox.options.reuse_existing_virtualenvs = True


@nox.session
@nox.parametrize("version", ASKED or TESTED, ids=ASKED or TESTED)
def matrix(session: nox.Session, version: str) -> None:
    """Lens tests and claims on one version."""
    LEDGERS.mkdir(exist_ok=True)
    session.notify("table")
    for old in LEDGERS.glob(f"{version}-*.json"):  # of an earlier run: no table may show it
        old.unlink()
    install(session, version)
    env = {"PYTHONPATH": str(Path.cwd())}
    workers = ["-q", "-n", str(min(4, os.cpu_count() or 1))]
    if version not in TESTED:
        env["REPLICATIONS_UNTESTED"] = "1"
    failed = []
    for kind in kinds(session, env):
        env["REPLICATIONS_LENS"] = kind
        # A version that was not tested may fail: what fails is refused when the claims run.
        codes = [0] if version in TESTED else [0, 1]
        session.run("python", "-m", "pytest", *workers, *LENS_TESTS, env=env, success_codes=codes)
        ledger = LEDGERS / f"{version}-{kind}.json"
        arguments = shlex.split(os.environ.get("MATRIX_ARGS", "")) or CLAIMS
        claims = [*arguments, "--claims-json", str(ledger)]
        try:
            session.run("python", "-m", "pytest", *workers, *claims, env=env)
        except nox.command.CommandFailed:  # the other kind is still to be measured
            failed.append(kind)
        trace = ledger.with_suffix(".trace.json")
        session.run("python", "-m", "replications", "trace", str(trace), *TRACED, env=env)
    if failed:
        session.error(f"claims failed on TransformerLens {version}: {', '.join(failed)}")


def install(session: nox.Session, version: str) -> None:
    """What pyproject.toml asks for, with this TransformerLens, under its line's constraints."""
    line = ".".join(version.split(".")[:2])
    project = nox.project.load_toml("pyproject.toml")["project"]
    needs = [d for d in project["dependencies"] if not d.startswith("transformer_lens")]
    constraints = Path("requirements") / f"{line}.txt"
    bounds = ["-c", str(constraints)] if constraints.exists() else []
    if "REPLICATIONS_TORCH" in os.environ:  # first, so that pip finds its need of torch satisfied
        session.install(*bounds, *shlex.split(os.environ["REPLICATIONS_TORCH"]))
    own = UNDECLARED.get(line, [])
    newest = version == "newest"
    wanted = ["--upgrade", "transformer_lens"] if newest else [f"transformer_lens=={version}"]
    session.install(*bounds, *wanted, "hypothesis>=6.100", *own, *needs)


def kinds(session: nox.Session, env: dict[str, str]) -> list[str]:
    """The kinds of model that the installed version has."""
    program = "from replications import lines; print(*lines.kinds())"
    found = session.run("python", "-c", program, env=env, silent=True)
    return str(found).split()


@nox.session(venv_backend="none", default=False)
def table(session: nox.Session) -> None:
    """Lines × systems, and what moved against the newest tested line."""
    versions = [*(ASKED or TESTED), REFERENCE]
    found = [p for v in dict.fromkeys(versions) for p in sorted(LEDGERS.glob(f"{v}-*.json"))]
    ledgers = [path for path in found if not path.name.endswith(".trace.json")]
    first = [path for path in ledgers if path.name.startswith(f"{REFERENCE}-")] or ledgers
    others = [path for path in ledgers if path != first[0]] if first else []
    if not others:
        session.skip("fewer than two ledgers in matrix/: nothing to compare")
    files = [str(path) for path in (first[0], *others)]
    session.run(sys.executable, "-m", "replications", "drift", *files, external=True)
