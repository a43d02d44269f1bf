"""The picture of a circuit: nodes in rows from the embedding up to the logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from replications.circuits.graph import Edge, Node

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUPS = {None: "into MLPs, logits", "q": "into queries", "k": "into keys", "v": "into values"}


def draw(edges: Sequence[tuple[Edge, float]], *, unit: str) -> Figure:
    """A circuit as a graph: an arrow for each edge, as wide as the size of its effect.

    `edges` are edges with their effects, which are in `unit`. Solid arrows lower what is measured
    when they are patched, dashed ones raise it; the colour says which input is read. Call it inside
    `charts.style()`. Raises BadInput without matplotlib.
    """
    from replications.plotting import graphs

    arrows = [
        graphs.Arrow(str(edge.sender), str(edge.receiver), effect, GROUPS[edge.input])
        for edge, effect in edges
    ]
    return graphs.rows(_rows([edge for edge, _ in edges]), arrows, [*GROUPS.values()], unit=unit)


def _rows(edges: Sequence[Edge]) -> list[list[str]]:
    """The nodes of some edges by row: embedding, the heads of a layer, its MLP, …, logits."""
    nodes = {node for edge in edges for node in (edge.sender, edge.receiver)}
    nodes |= {Node("embed"), Node("logits")}
    by_row: dict[tuple[int, int], list[Node]] = {}
    for node in sorted(nodes, key=_order):
        by_row.setdefault(_order(node)[:2], []).append(node)
    return [[str(node) for node in row] for row in by_row.values()]


def _order(node: Node) -> tuple[int, int, int]:
    if node.layer is None:
        return (-1 if node.kind == "embed" else 10**6), 0, 0
    return node.layer, int(node.kind == "mlp"), node.head or 0
