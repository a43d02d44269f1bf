"""The arithmetic of an edge sweep in closed form, 2 for every multiplication with an addition.

Let d be d_model, a = n_heads d_head, n the positions of the window, and T the keys that its queries
see: all up to the metric's position, or all of a model that is not causal. For one example

    q, k, v            2 d a each, for each row
    O                  2 a d for each row
    the MLP            4 d d_mlp for each row
    attention          4 a T for each query, masked or not

A whole layer has n rows; the last layer has n rows of keys and values, and one query and row for
the rest. The base run is a run of T positions, the source run one of its window, both with all
queries. Each layer also computes what every head's change would write, n 2 a d in all, or 2 a d in
the last layer.

An edge into a head costs its share of what its sender makes for all heads: one product (q, k or v)
and one attention; then 2 d_head d for each row it changes, the MLP of its layer, and all later
layers. An edge into an MLP costs that MLP and all later layers, an edge into the logits nothing.
Shared keys and values cost less, gated neurons a third product. An MLP that reads what attention
reads costs nothing for edges into heads of its layer. Where a norm follows attention, what every
head writes is computed for both runs.
LayerNorms, softmax and the unembedding of the answers do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from replications.circuits.graph import Graph
from replications.models.shape import Shape


@dataclass(frozen=True)
class Prices:
    """What parts of a forward pass cost for one example."""

    shape: Shape
    keys: int
    """T: how many keys each query is multiplied with."""

    @property
    def width(self) -> int:
        return self.shape.n_heads * self.shape.d_head

    @property
    def product(self) -> int:
        """One row of q or O."""
        return 2 * self.shape.d_model * self.width

    @property
    def key(self) -> int:
        """One row of k or v."""
        return 2 * self.shape.d_model * self.shape.key_value_heads * self.shape.d_head

    @property
    def mlp(self) -> int:
        """One row of the MLP."""
        return (6 if self.shape.gated else 4) * self.shape.d_model * self.shape.d_mlp

    @property
    def query(self) -> int:
        """One query of all heads: its scores, and the sum over values."""
        return 4 * self.width * self.keys

    def layer(self, layer: int, rows: int) -> int:
        """A layer of a run with so many rows."""
        left = self.rows(layer, rows)
        return 2 * rows * self.key + left * (2 * self.product + self.query + self.mlp)

    def unpatched(self, rows: int) -> int:
        """All layers of an unpatched run, whose queries are computed at all its rows."""
        return self.after(-1, rows) + (rows - 1) * self.product

    def rows(self, layer: int, rows: int) -> int:
        """How many rows of them a layer has after q, k and v."""
        return 1 if layer == self.shape.n_layers - 1 else rows

    def after(self, layer: int, rows: int) -> int:
        """All layers behind this one."""
        return sum(self.layer(later, rows) for later in range(layer + 1, self.shape.n_layers))


def expected(graph: Graph, wanted: Tensor, *, window: tuple[int, int], at: int) -> int:
    """What one example costs, the two unpatched runs included.

    `wanted` is bool [receiver sender]; `window` the positions from the first that may differ to the
    end, and `at` the metric's.
    """
    start, stop = window
    prices, shape = Prices(graph.shape, stop), graph.shape
    total = prices.unpatched(stop) + prices.unpatched(stop - min(start, at))
    if start >= stop:
        return total
    n = stop - start
    changes = sum(prices.rows(layer, n) for layer in range(shape.n_layers)) * prices.product
    total += changes * (2 if shape.post_norms else 1)
    free_mlp = 0 if shape.parallel else prices.mlp
    for layer in range(shape.n_layers):
        first, rows, later = layer * graph.readers, prices.rows(layer, n), prices.after(layer, n)
        for which in range(3):
            some = first + which * shape.n_heads
            part = wanted[some : some + shape.n_heads]
            senders, edges = int(part.any(0).sum()), int(part.sum())
            read = rows * prices.product if which == 0 else n * prices.key
            total += senders * (read + rows * prices.query)
            write = 2 * shape.d_head * shape.d_model
            total += edges * (rows * (write + free_mlp) + later)
        if not shape.attn_only:
            total += int(wanted[first + graph.readers - 1].sum()) * (rows * prices.mlp + later)
    return total
