"""The import graph of `replications`: which package may import which, and what is wrong with it.

    python -m tests.import_graph

prints the rows, every arrow between them, the cycles and the arrows upwards; exit status 1 if
there are any. The rows are those of docs/architecture.md.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "replications"
ROWS = (
    ("cli", "__main__"),
    ("commands",),
    ("pytest_plugin",),
    ("report",),
    ("systems",),
    ("drift",),
    ("training",),
    ("circuits",),
    ("patching",),
    ("analysis",),
    ("lens",),
    ("models",),
    ("judging",),
    ("fixtures",),
    ("plotting",),
    ("errors", "files"),
)
"""From the top down: a row may import those below it, never those above."""
ROW = {name: i for i, names in enumerate(ROWS) for name in names}

Graph = Mapping[str, frozenset[str]]
"""Module → the modules of the package it imports."""


def read(root: Path = ROOT) -> Graph:
    """The graph of the package that lies in `root`."""
    sources = {_name(path, root): path for path in sorted((root / PACKAGE).rglob("*.py"))}
    texts = {name: path.read_text(encoding="utf-8") for name, path in sources.items()}
    return graph(texts)


def graph(texts: Mapping[str, str]) -> Graph:
    """The graph of modules given by dotted name and source text."""
    return {
        name: frozenset(m for m in imported(name, text, set(texts)) if m != name)
        for name, text in texts.items()
        if name != PACKAGE  # it only names its systems, for type checkers
    }


def imported(module: str, text: str, modules: set[str]) -> Iterator[str]:
    """The modules of the package that `text` imports: at the top, inside functions, for types."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == PACKAGE)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node, modules)
            if base.split(".")[0] != PACKAGE:
                continue
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in modules else base


def cycles(found: Graph) -> list[list[str]]:
    """Groups of modules that import one another, at the top of their files or later."""
    reach = {name: _reachable(found, name) for name in found}
    groups = {
        tuple(sorted({name, *(other for other in reach[name] if name in reach.get(other, ()))}))
        for name in found
        if name in reach[name]
    }
    return [list(group) for group in sorted(groups)]


def upwards(found: Graph) -> list[str]:
    """Arrows from a row to one above it, and names that are in no row."""
    wrong = []
    for module, targets in sorted(found.items()):
        mine = _row(module)
        if mine is None:
            continue
        for target in sorted(targets):
            theirs = _row(target)
            if theirs is not None and ROW.get(theirs, -1) < ROW.get(mine, -1):
                wrong.append(f"{module} imports {target}, which is above it")
        if mine not in ROW:
            wrong.append(f"{module} is in no row")
    return wrong


def arrows(found: Graph) -> list[str]:
    """Row → the rows it imports, from the top down."""
    between: dict[str, set[str]] = {name: set() for names in ROWS for name in names}
    for module, targets in found.items():
        mine = _row(module)
        if mine in between:
            between[mine] |= {row for t in targets if (row := _row(t)) and row != mine}
    return [
        f"{name:14} → {', '.join(sorted(targets, key=ROW.__getitem__)) or '–'}"
        for name, targets in between.items()
        if any(_row(module) == name for module in found)
    ]


def _name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _row(module: str) -> str | None:
    """The row a module is in; None for the package itself, which only names its systems."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def _base(module: str, node: ast.ImportFrom, modules: set[str]) -> str:
    if not node.level:
        return node.module or ""
    is_package = any(name.startswith(f"{module}.") for name in modules)
    above = module.split(".")[: len(module.split(".")) - node.level + is_package]
    return ".".join([*above, *([node.module] if node.module else [])])


def _reachable(found: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(found[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += found.get(name, ())
    return seen


def main() -> int:
    """Print the graph and what is wrong with it."""
    found = read()
    print(*arrows(found), sep="\n")
    circles, wrong = cycles(found), upwards(found)
    for group in circles:
        print(f"cycle: {', '.join(group)}")
    for line in wrong:
        print(f"upwards: {line}")
    entries = [p.name for p in (ROOT / PACKAGE).iterdir() if p.name != "__pycache__"]
    print(
        f"{len(found)} modules, {len(circles)} cycles, {len(wrong)} arrows upwards, "
        f"{len(entries)} entries in {PACKAGE}/"
    )
    return 1 if circles or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
