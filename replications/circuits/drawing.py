"""The picture of a circuit: nodes in rows from the embedding up to the logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from replications.circuits.graph import Edge, Node
from replications.circuits.known import METHODS, KnownCircuit

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
    nodes = _rows([edge for edge, _ in edges])
    return graphs.rows(nodes, arrows, [*GROUPS.values()], unit=unit, y="embedding to logits")


def draw_known(known: KnownCircuit, others: int = 0) -> Figure:
    """The edges of a stated circuit and as many more as `others`, those with the largest effects.

    Effects are exact. The stated edges alone keep a share of the metric, which the title says.
    """
    found, stated = known.searched.effects["exact"], set(known.circuit.edges)
    effects = found.effects()
    order = effects.abs().argsort(descending=True, stable=True).tolist()
    more = [i for i in order if found.edges[i] not in stated][:others]
    shown = [i for i in order if found.edges[i] in stated or i in more]
    figure = draw([(found.edges[i], effects[i].item()) for i in shown], unit="logits")
    kept = known.faithful()["recovered"]
    title = f"{len(stated)} edges of the document keep {kept:.0%}"
    if others:
        title += f"\nshown with the next {others}"
    figure.suptitle(title, fontsize=10)
    return figure


def draw_sizes(known: KnownCircuit, sizes: Sequence[int]) -> Figure:
    """What the top edges of each method keep by their number, and three circuits beside them.

    These are the stated circuit, ACDC's, and the best of the stated circuit's peers. Call it inside
    `charts.style()`. Raises BadInput without matplotlib.
    """
    from replications.plotting import charts

    figure, grid = charts.canvas(width=6, height=4)
    axes = grid[0, 0]
    acdc = known.searched.acdc
    series = {
        name.replace("_", "-"): (sizes, known.kept_by_size(name, sizes)) for name in METHODS
    } | {
        "the document": ([len(known.circuit)], [known.faithful()["recovered"]]),
        "acdc": ([len(acdc)], known.searched.recovered([acdc])),
        "best random": ([len(known.circuit)], [known.peers.kept.max()]),
    }
    charts.lines(axes, series)
    for level in (0, 1):
        axes.axhline(level, color=charts.GREY, linewidth=0.8)
    charts.label(axes, "edges of the circuit", "share of the logit difference kept")
    return figure


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
