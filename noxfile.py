"""The claims on several versions of TransformerLens, each in an environment of its own.

    nox -s matrix                    every tested line
    nox -s matrix -- 3.9.0 4.4.0     these versions, also one that was not tested
    nox -s matrix -- 4.3.0 newest    the newest that pip finds

For each version: the claims, and beside them the tests of the lens; a ledger and a trace in
`matrix/` for each kind of model it has; at the end one table and the drift against the newest
tested line.
`MATRIX_ARGS` holds other arguments for `pytest claims/`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox

TESTED = ("1.19.0", "2.18.0", "3.9.0", "4.3.0")
REFERENCE = "4.3.0"
UNDECLARED = {"1.19": ["typeguard"]}
"""What a line imports and does not ask pip for."""

LEDGERS = Path("matrix")
LENS_TESTS = ["tests/lens"]
CLAIMS = ["claims/brackets", "claims/list_update", "claims/algorithmic"]
# The published bracket classifier is where claims gate; where it is not, one retrained stands in.
PUBLISHED = (["-k", "not retrained/"], ["brackets/arena", "list_update/seed0"])
SHIPPED = (
    ["-k", "not retrained/ or retrained/seed0"],
    ["brackets/retrained/seed0", "list_update/seed0"],
)
FACTS = """
from replications import fixtures
from replications.lens import lines
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
    claims = shlex.split(os.environ.get("MATRIX_ARGS", "")) or [*CLAIMS, *some]
    options = ["-q", "-n", str(min(4, os.cpu_count() or 1)), "--claims-json", str(ledger)]
    tests = ["-m", "pytest", "-q", *LENS_TESTS]
    trace = ["-m", "replications", "trace", str(ledger.with_suffix(".trace.json")), *traced]
    holds = True
    with ThreadPoolExecutor(1) as beside:  # one subject is much of the claims: a core is free
        others = beside.submit(run_each, session, [tests, trace], env)
        try:
            session.run("python", "-m", "pytest", *claims, *options, env=env)
        except nox.command.CommandFailed:  # the other kind is still to be measured
            holds = False
    tested, written = others.result()
    # A version that was not tested may fail: what fails is refused when the claims run.  Any other
    # status, as that of a process that was killed, means that nothing is known.
    if tested not in ([0] if version in TESTED else [0, 1]) or written:
        session.error(f"the tests of the lens failed, or no trace was written: {version}, {kind}")
    return holds


def run_each(session: nox.Session, commands: list[list[str]], env: dict[str, str]) -> list[int]:
    """Run Python with each list of arguments, print what each said when it ends; exit statuses."""
    statuses = []
    for arguments in commands:
        done = subprocess.run(
            [f"{session.bin}/python", *arguments],
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        print(f"{shlex.join(['python', *arguments])}\n{done.stdout}", flush=True)
        statuses.append(done.returncode)
    return statuses


def install(session: nox.Session, version: str) -> None:
    """What pyproject.toml asks for, with this TransformerLens, under its line's constraints."""
    line = ".".join(version.split(".")[:2])
    project = nox.project.load_toml("pyproject.toml")["project"]
    needs = [d for d in project["dependencies"] if not d.startswith("transformer_lens")]
    needs += project["optional-dependencies"]["parallel"]
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
