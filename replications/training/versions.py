"""What results depend on beside their inputs: the code, the libraries and the processor."""

from __future__ import annotations

import ast
import hashlib
import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import replications

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = ("torch", "numpy", "scipy", "transformer_lens")
NOT_MEASURING = ("cli.py", "__main__.py", "commands", "report", "drift")
"""The parts of the package that no value of a claim depends on."""


def setting() -> dict[str, str]:
    """Versions of Python and of the libraries, and the instructions that torch uses."""
    import torch

    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "machine": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        **{name: _installed(name) for name in LIBRARIES},
    }


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def of_node() -> dict[str, str]:
    """What two machines must share for equal rows: the suite, all of its code, and `setting`."""
    everything = [*_inside(PACKAGE), *_inside(claims_folder())]
    return {
        "interp-claims": replications.__version__,
        "code of the suite": _digest(everything),
        **setting(),
    }


def claims_folder() -> Path:
    """The claims of the checkout, or those that the installed package carries."""
    checkout = PACKAGE.parent / "claims"
    return checkout if (checkout / "conftest.py").is_file() else PACKAGE / "_claims"


def code_of_training(module: str) -> str:
    """A digest of a recipe's module and of every module of the suite that it imports."""
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if path is not None and name not in found:
            found[name] = path
            waiting += _imports(name, path)
    return _digest(found.values())


def code_of_judging(system: str) -> str:
    """A digest of the code that measures and judges the claims of a system."""
    others = [p for p in (PACKAGE / "systems").iterdir() if p.is_dir() and p.name != system]
    aside = [*(PACKAGE / name for name in NOT_MEASURING), PACKAGE / "_claims", *others]
    code = [path for path in _inside(PACKAGE) if not any(path.is_relative_to(p) for p in aside)]
    folder = claims_folder()
    return _digest([*code, *folder.glob("*.py"), *_inside(folder / system)])


def _file(module: str) -> Path | None:
    """The file of a module inside this package, None for any other name.

    The package itself only names its systems, for type checkers, so it is none either.
    """
    if not module.startswith(f"{PACKAGE.name}."):
        return None
    path = PACKAGE.joinpath(*module.split(".")[1:])
    candidates = (path.with_name(f"{path.name}.py"), path / "__init__.py")
    return next((found for found in candidates if found.is_file()), None)


def _imports(module: str, path: Path) -> Iterator[str]:
    """What a module imports; names inside other modules too, which are then no files."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _inside(folder: Path) -> list[Path]:
    """Code and data in a folder: what Python and the tools write there is left out."""
    endings = (".py", ".json", ".toml")
    return [path for path in folder.rglob("*") if path.suffix in endings and path.is_file()]


def _digest(paths: Iterable[Path]) -> str:
    """One sha256 of files, by their place in the suite and their content."""
    found = hashlib.sha256()
    for path in sorted(set(paths)):
        place = path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else PACKAGE.parent)
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{place.as_posix()} {content}\n".encode())
    return found.hexdigest()
