"""The architecture: the order of the rows, what each may hold, and what a claim file may contain.

Planted violations show that every rule can fail.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from replications.systems.registry import SYSTEMS
from tests import import_graph

ROOT = Path(__file__).parents[1]
OUTSIDE = ("claims", "bench", "tests", "pytest", "_pytest")
MAY_IMPORT_PYTEST = ("pytest_plugin",)
PRINTS = ("cli.py", "__main__.py", "train.py")
"""Names of files that may print, as may everything in replications/commands/."""
# A state dict has parameter names, which are no hook names but begin like them.  Whole ones are
# known by their end; two files put them together from pieces.
PARAMETER = re.compile(r"blocks\.\d+\.(?:ln1|ln2|attn|mlp)\.(?:[Wb]_\w+|[wb])")
BUILD_PARAMETER_NAMES = ("model.py", "parameters.py")


def violations(path: str, source: str) -> list[str]:
    """What `source`, standing at `path` in the repository, does against the rules."""
    tree = ast.parse(source)
    place = PurePosixPath(path)
    found: list[str] = []
    imported = set(_imports(tree, place))
    if place.parts[0] == "replications":
        found += _package(place, imported)
        found += _hook_names(place, tree)
        found += _prints(place, tree)
    if place.parts[0] == "claims" and place.name.startswith("test_"):
        found += _claim_file(tree, imported)
    return [f"{path}: {problem}" for problem in found]


def _imports(tree: ast.AST, place: PurePosixPath) -> Iterator[str]:
    """Dotted names of everything imported, also relatively and through import_module("…")."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = list(place.parent.parts)[: len(place.parent.parts) - node.level + 1]
            base = ".".join(
                [*(above if node.level else []), *([node.module] if node.module else [])]
            )
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            yield from (a.value for a in node.args if _is_text(a))  # type: ignore[attr-defined]


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _package(place: PurePosixPath, imported: set[str]) -> list[str]:
    row = place.parts[1].removesuffix(".py")
    outside = set(OUTSIDE) - ({"pytest", "_pytest"} if row in MAY_IMPORT_PYTEST else set())
    found = [f"imports {name}" for name in imported if name.split(".")[0] in outside]
    if row != "lens":
        found += [f"imports {n}" for n in imported if n.split(".")[0] == "transformer_lens"]
    mine = place.parts[2] if row == "systems" and len(place.parts) > 3 else None
    for name in imported:
        system = _system(name)
        if system not in (None, mine) and row != "__init__":  # the package names its systems
            found.append(f"imports the system {system}")
    if row == "judging":  # a ledger is read and a claim is judged without anything heavy
        for name in imported:
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names and top != "replications":
                found.append(f"imports {name}, but may import the standard library only")
    return found


def _system(name: str) -> str | None:
    """The system that an imported name belongs to, also as `from replications import ioi`."""
    parts = name.split(".")
    at = 2 if parts[:2] == ["replications", "systems"] else 1
    return (
        parts[at]
        if parts[0] == "replications" and parts[at : at + 1] and parts[at] in SYSTEMS
        else None
    )


def _hook_names(place: PurePosixPath, tree: ast.Module) -> list[str]:
    if place.parts[1] == "lens" or place.parts[1:] == ("models", "sites.py"):
        return []
    names = r"\bhook_\w" if place.name in BUILD_PARAMETER_NAMES else r"\bhook_\w|\bblocks\."
    prose = {id(node) for node in _docstrings(tree)}
    return [
        f"line {node.lineno} has the hook name {node.value!r}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in prose
        and not PARAMETER.fullmatch(node.value)
        and re.search(names, node.value)
    ]


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and _is_text(first.value):
                yield first.value


def _prints(place: PurePosixPath, tree: ast.Module) -> list[str]:
    if place.name in PRINTS or place.parts[1] == "commands":
        return []
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [f"line {node.lineno} prints" for node in calls if _called(node) == "print"]


def _claim_file(tree: ast.Module, imported: set[str]) -> list[str]:
    heavy = ("torch", "numpy", "transformer_lens", "scipy", "einops")
    found = [f"imports {name}" for name in imported if name.split(".")[0] in heavy]
    measuring = {id(node) for node in _measuring(tree)}
    numbers = {id(node) for node in ast.walk(tree) if _of_numbers(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            found.append(f"line {node.lineno} asserts; the decorator judges")
        elif isinstance(node, ast.Try):
            found.append(f"line {node.lineno} catches errors")
        elif isinstance(node, ast.Compare) and id(node) in measuring:
            found.append(f"line {node.lineno} compares; use an expectation")
        elif isinstance(node, (ast.BinOp, ast.AugAssign)) and id(node) in measuring - numbers:
            found.append(f"line {node.lineno} computes; measure it in replications")
    return found


def _measuring(tree: ast.Module) -> Iterator[ast.AST]:
    """What stands inside functions and lambdas, where measured values are at hand.

    Decorators only write down expectations; they may compute with published numbers.
    """
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for statement in node.body:
                yield from ast.walk(statement)
        elif isinstance(node, ast.Lambda):
            yield from ast.walk(node.body)


def _of_numbers(node: ast.AST) -> bool:
    """Arithmetic of written numbers alone, such as 1 / 56."""
    named = (ast.Name, ast.Attribute, ast.Call)
    return isinstance(node, ast.BinOp) and not any(isinstance(n, named) for n in ast.walk(node))


# ---- the rows -----------------------------------------------------------------------------------


def test_no_row_imports_one_above_it() -> None:
    assert import_graph.upwards(import_graph.read()) == []


def test_no_modules_import_one_another() -> None:
    assert import_graph.cycles(import_graph.read()) == []


def test_the_top_of_the_package_is_small() -> None:
    entries = [path.name for path in (ROOT / "replications").iterdir()]
    assert "py.typed" in entries
    assert len([name for name in entries if name != "__pycache__"]) <= 20


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("replications.models.network", "from replications.lens.base import Lens"),
        ("replications.models.network", "def f():\n    import replications.systems.ioi"),
        ("replications.judging.claim", "from ..report import board"),
        ("replications.lost.module", ""),
    ],
)
def test_a_planted_arrow_upwards_is_found(module: str, source: str) -> None:
    others = ("replications.lens.base", "replications.systems.ioi", "replications.report.board")
    texts = dict.fromkeys(("replications.report", *others), "") | {module: source}
    assert len(import_graph.upwards(import_graph.graph(texts))) == 1


def test_a_planted_cycle_is_found_also_one_for_types_alone() -> None:
    texts = {
        "replications.models.a": "from replications.models import b",
        "replications.models.b": "def f():\n    from replications.models.c import x",
        "replications.models.c": "if TYPE_CHECKING:\n    import replications.models.a",
        "replications.models.d": "import replications.models.a",
    }
    (group,) = import_graph.cycles(import_graph.graph(texts))
    assert group == [f"replications.models.{letter}" for letter in "abc"]


# ---- the repository keeps the rules ------------------------------------------------------------


def sources() -> list[str]:
    """Every Python file the rules are about."""
    folders = ("replications", "claims")
    return [str(p.relative_to(ROOT)) for f in folders for p in sorted((ROOT / f).rglob("*.py"))]


def test_the_layers_are_kept() -> None:
    found = {p: violations(p, (ROOT / p).read_text(encoding="utf-8")) for p in sources()}
    assert {path: broken for path, broken in found.items() if broken} == {}


def test_there_is_something_to_check() -> None:
    assert {"replications/judging/claim.py", "claims/conftest.py"} <= set(sources())


# ---- each rule can fail ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("replications/analysis/linear_fits.py", "import pytest"),
        ("replications/analysis/linear_fits.py", "from claims import test_brackets"),
        ("replications/systems/brackets/measure.py", "from tests.sample_ledger import ledger"),
        ("replications/systems/brackets/measure.py", "import bench.workloads as w"),
        (
            "replications/analysis/linear_fits.py",
            "import importlib\nimportlib.import_module('tests.x')",
        ),
        ("replications/patching/activation.py", "from transformer_lens import HookedTransformer"),
        ("replications/systems/brackets/model.py", "import transformer_lens.utils"),
        ("replications/systems/brackets/model.py", "def f():\n    import transformer_lens"),
        ("replications/analysis/linear_fits.py", "from replications.systems.brackets import data"),
        ("replications/analysis/linear_fits.py", "from replications import brackets"),
        ("replications/systems/registry.py", "from . import brackets"),
        ("replications/report/text.py", "from ..systems.brackets.data import tokenize"),
        ("replications/lens/bridge.py", "import replications.systems.brackets.data"),
        (
            "replications/systems/ioi/data.py",
            "from replications.systems.brackets.data import tokenize",
        ),
        ("replications/judging/expectation.py", "import torch"),
        ("replications/judging/values.py", "import numpy as np"),
        ("replications/systems/brackets/measure.py", "NAME = 'blocks.0.attn'"),
        ("replications/systems/brackets/measure.py", "def f(i):\n    return f'blocks.{i}.attn'"),
        ("replications/systems/brackets/model.py", "NAME = 'hook_embed'"),
        ("replications/analysis/linear_fits.py", "print(1)"),
        ("claims/test_brackets.py", "import torch"),
        ("claims/test_brackets.py", "from numpy import array"),
        ("claims/test_brackets.py", "def test_x(subject):\n    assert subject.value"),
        ("claims/test_brackets.py", "def test_x(subject):\n    return subject.value < 3"),
        ("claims/test_brackets.py", "def test_x(subject):\n    return subject.a - subject.b"),
        ("claims/test_brackets.py", "def test_x(subject):\n    return subject.a / 3"),
        ("claims/test_brackets.py", "CONTROL = instead('x', lambda s: s.a * 2)"),
        ("claims/test_brackets.py", "CONTROL = instead('x', lambda s: s.a > 2)"),
        ("claims/test_brackets.py", "try:\n    pass\nexcept Exception:\n    pass"),
    ],
)
def test_a_planted_violation_is_found(path: str, source: str) -> None:
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("replications/lens/bridge.py", "import transformer_lens\nNAME = 'blocks.0.hook_out'"),
        ("replications/models/sites.py", "NAME = 'blocks.{layer}.hook_out'"),
        ("replications/systems/brackets/model.py", "NAME = f'blocks.{0}.attn.W_Q'"),
        ("replications/systems/brackets/lesions.py", "NAME = 'blocks.0.attn.W_Q'"),
        ("replications/systems/brackets/measure.py", "'''Reads hook_normalized, blocks.0.'''"),
        (
            "replications/systems/brackets/measure.py",
            "from replications.systems.brackets.data import tokenize",
        ),
        ("replications/systems/brackets/measure.py", "from .data import tokenize"),
        ("replications/cli.py", "print(1)"),
        ("replications/commands/drift.py", "print(1)"),
        (
            "replications/judging/expectation.py",
            "import math\nfrom replications.judging.values import number",
        ),
        ("replications/pytest_plugin/collecting.py", "import pytest"),
        (
            "claims/test_brackets.py",
            "SOURCE = ARENA / '2 > Stage 1'\nX = [at_least(x / 2) for x in Y if x > 5]",
        ),
        ("claims/test_brackets.py", "def test_x(subject):\n    return subject.head.cosine"),
        ("claims/test_brackets.py", "def f():\n    return at_least(5 / 56)"),
        ("claims/conftest.py", "import torch\nassert torch"),
    ],
)
def test_what_is_allowed_is_not_reported(path: str, source: str) -> None:
    assert violations(path, source) == []
