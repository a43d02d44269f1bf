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
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
CLAIMS = ["claims/brackets", "claims/list_update"]
# The published bracket classifier is where claims gate; where it is not, one retrained stands in.
PUBLISHED = (["-k", "not retrained/"], ["brackets/arena", "list_update/seed0"])
SHIPPED = (
    ["-k", "not retrained/ or retrained/seed0"],
    ["brackets/retrained/seed0", "list_update/seed0"],
)
FACTS = """
from replications import fixtures, lines
print(*lines.kinds())
files = [f.state for f in fixtures.status() if f.name.startswith("brackets/brackets_")]
print("published" if set(files) == {"ok"} else "shipped")
"""

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
    if version not in TESTED:
        env["REPLICATIONS_UNTESTED"] = "1"
    *kinds, reached = str(session.run("python", "-c", FACTS, env=env, silent=True)).split()
    failed = [kind for kind in kinds if not judged(session, version, kind, reached, env)]
    if failed:
        session.error(f"claims failed on TransformerLens {version}: {', '.join(failed)}")


def judged(
    session: nox.Session, version: str, kind: str, reached: str, env: dict[str, str]
) -> bool:
    """Tests, claims and trace of one kind of model; whether the claims hold."""
    env = {**env, "REPLICATIONS_LENS": kind}
    some, traced = PUBLISHED if reached == "published" else SHIPPED
    ledger = LEDGERS / f"{version}-{kind}.json"
    with tracing(session, ledger.with_suffix(".trace.json"), traced, env):
        # A version that was not tested may fail: what fails is refused when the claims run.
        codes = [0] if version in TESTED else [0, 1]
        session.run("python", "-m", "pytest", "-q", *LENS_TESTS, env=env, success_codes=codes)
    claims = shlex.split(os.environ.get("MATRIX_ARGS", "")) or [*CLAIMS, *some]
    options = ["-q", "-n", str(min(4, os.cpu_count() or 1)), "--claims-json", str(ledger)]
    try:
        session.run("python", "-m", "pytest", *claims, *options, env=env)
    except nox.command.CommandFailed:  # the other kind is still to be measured
        return False
    return True


@contextmanager
def tracing(
    session: nox.Session, out: Path, subjects: list[str], env: dict[str, str]
) -> Iterator[None]:
    """Write a trace beside what is done meanwhile: both take one core."""
    command = [f"{session.bin}/python", "-m", "replications", "trace", str(out), *subjects]
    with subprocess.Popen(command, env={**os.environ, **env}) as process:
        yield
        if process.wait() != 0:
            session.error(f"could not write {out}")


def install(session: nox.Session, version: str) -> None:
    """What pyproject.toml asks for, with this TransformerLens, under its line's constraints."""
    line = ".".join(version.split(".")[:2])
    project = nox.project.load_toml("pyproject.toml")["project"]
    needs = [d for d in project["dependencies"] if not d.startswith("transformer_lens")]
    constraints = Path("requirements") / f"{line}.txt"
    bounds = ["-c", str(constraints)] if constraints.exists() else []
    own = UNDECLARED.get(line, [])
    newest = version == "newest"
    wanted = ["--upgrade", "transformer_lens"] if newest else [f"transformer_lens=={version}"]
    asked = [*wanted, "hypothesis>=6.100", *own, *needs]
    # pip takes ten seconds to find that nothing is missing.
    stamp = Path(session.virtualenv.location) / "installed.txt"
    told = "\n".join([*asked, constraints.read_text() if bounds else ""])
    if not newest and stamp.exists() and stamp.read_text() == told:
        return
    if "REPLICATIONS_TORCH" in os.environ:  # first, so that pip finds its need of torch satisfied
        session.install(*bounds, *shlex.split(os.environ["REPLICATIONS_TORCH"]))
    session.install(*bounds, *asked)
    stamp.write_text(told)


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
