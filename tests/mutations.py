"""Single-point changes of a Python file: which there are, as characters to replace."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

COMPARISONS = {
    ast.Lt: ">=", ast.LtE: ">", ast.Gt: "<=", ast.GtE: "<", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
ARITHMETIC = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "*",
    ast.Pow: "*", ast.BitAnd: "|", ast.BitOr: "&",
}  # fmt: skip
METHODS = {
    "max": "min", "min": "max", "amax": "amin", "amin": "amax", "argmax": "argmin",
    "argmin": "argmax", "sum": "mean", "mean": "sum", "any": "all", "all": "any", "abs": "neg",
    "tril": "triu", "triu": "tril", "cumsum": "cumprod", "softmax": "sigmoid",
    "clamp_min": "clamp_max",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: characters `start` to `stop` of a file become `new`."""

    path: str
    line: int
    start: int
    stop: int
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.old!r} → {self.new!r}"


def mutants(path: str, source: str) -> list[Mutant]:
    """Every mutant of one file, in the order of the text."""
    lines = source.splitlines(keepends=True)
    begins = [0]
    for line in lines:
        begins.append(begins[-1] + len(line))

    def offset(line: int, column: int) -> int:
        # ast counts bytes of UTF-8.
        return begins[line - 1] + len(lines[line - 1].encode()[:column].decode())

    def span(node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        end = offset(node.end_lineno, node.end_col_offset)
        return offset(node.lineno, node.col_offset), end

    found = []
    for node in _code(ast.parse(source)):
        for start, stop, new in _changes(node, source, span):
            number = source.count("\n", 0, start) + 1
            found.append(Mutant(path, number, start, stop, source[start:stop], new))
    return sorted(found, key=lambda mutant: (mutant.start, mutant.new))


Span = Callable[[ast.expr], tuple[int, int]]


def _changes(node: ast.AST, source: str, span: Span) -> Iterator[tuple[int, int, str]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        start, stop = span(node.left)[1], span(node.comparators[0])[0]
        yield start, stop, _between(source[start:stop], COMPARISONS[type(node.ops[0])])
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        start, stop = span(node.left)[1], span(node.right)[0]
        yield start, stop, _between(source[start:stop], ARITHMETIC[type(node.op)])
    elif isinstance(node, ast.BoolOp):
        start, stop = span(node.values[0])[1], span(node.values[1])[0]
        word = "or" if isinstance(node.op, ast.And) else "and"
        yield start, stop, _between(source[start:stop], word)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Invert, ast.Not)):
        start = span(node)[0]
        yield start, start + (3 if isinstance(node.op, ast.Not) else 1), ""
    elif isinstance(node, ast.Constant):
        new = _constant(node.value)
        if new is not None:
            yield *span(node), new
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name = node.func.attr
        if name in METHODS:
            stop = span(node.func)[1]
            yield stop - len(name), stop, METHODS[name]
    elif isinstance(node, (ast.If, ast.IfExp)):
        start, stop = span(node.test)
        yield start, stop, f"not ({source[start:stop]})"


def _between(text: str, operator: str) -> str:
    """`text` is what stands between two operands; brackets of the operands stay."""
    before = text[: len(text) - len(text.lstrip(")\n "))]
    after = text[len(text.rstrip("(\n ")) :]
    return f"{before.rstrip(' ')} {operator} {after.lstrip(' ')}"


def _constant(value: object) -> str | None:
    if isinstance(value, bool):
        return str(not value)
    if isinstance(value, int):
        return str(value + 1)
    if isinstance(value, float):
        return repr(value * 2 if value else 1.0)
    return None


def _code(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that compute: no annotations, decorators, default texts, messages of errors."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.JoinedStr)):
            continue
        if isinstance(node, ast.AnnAssign):
            if node.value is not None:
                yield node.value
                yield from _code(node.value)
            continue
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.name == "__repr__":
                continue
            for statement in node.body:
                yield statement
                yield from _code(statement)
            continue
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                yield from _code(ast.Module([statement], []))
            continue
        yield node
        yield from _code(node)
