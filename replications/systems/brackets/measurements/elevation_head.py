"""Section 3 of the document: the head that tallies brackets (0.0 in the published model).

What it writes for each bracket, and where it looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis import linear_fits as linear
from replications.analysis import statistics as stats
from replications.models import Head, put, sites
from replications.systems.brackets.data import (
    CLOSE,
    CONTEXT,
    MAX_LENGTH,
    OPEN,
    BracketData,
    tokenize,
)  # fmt: skip
from replications.systems.brackets.model import SHAPE
from replications.systems.brackets.recording import head_label, sibling
from replications.systems.brackets.task import Task

TALLY_POSITIONS = (3, 5, 10, 15, 20, 25, 30)
"""Where the tally of the suffix is set against that of the prefix."""
EVEN_QUERIES = (1, 5, 10, 15, 20, 25)
LATE_QUERIES = range(27, 32)
"""Query positions whose attention is not uniform, as the document's hint names them."""


class ElevationHead:
    """A layer-0 head seen as an adder: attention over the suffix times one vector per bracket."""

    def __init__(self, task: Task, head: Head) -> None:
        self.task = task
        self.head = head
        self.label = head_label(head)

    def __repr__(self) -> str:
        return f"<elevation head {self.label} of {self.task.lens!r}>"

    @property
    def sibling(self) -> ElevationHead:
        """The other head of the layer."""
        return ElevationHead(self.task, sibling(self.head))

    # ---------------------------------------------------------------- what it writes for a bracket
    @cached_property
    def _W_O(self) -> Tensor:
        """float64 [d_head d_model]"""
        return self.task.weights.W_O[self.head].double()

    def image(self, token: int) -> Tensor:
        """Image of a token under the layer-0 LayerNorm fit and W_OV: float64 [d_model]."""
        fit = self.task.layernorm_fit(self.head[0])
        return fit.push(self.task.weights.W_E[token]) @ self.task.OV(self.head)

    @cached_property
    def v_L(self) -> Tensor:
        """`image` of '(': float64 [d_model]."""
        return self.image(OPEN)

    @cached_property
    def v_R(self) -> Tensor:
        """`image` of ')': float64 [d_model]."""
        return self.image(CLOSE)

    @property
    def bracket_cosine(self) -> float:
        """Cosine of v_L and v_R: -1 when the head adds one and subtracts the other."""
        return linear.cosine(self.v_L, self.v_R)

    def image_cosine(self, first: int, second: int) -> float:
        """Cosine of the images of two tokens."""
        return linear.cosine(self.image(first), self.image(second))

    def response_cosine(self, first: str = "(", second: str = ")") -> float:
        """Cosine of what one more '(' and one more ')' change in the head's output at position 1.

        The brackets, or other strings of at most two brackets, are appended to balanced strings,
        and the changes are averaged. Attention is an average, so a part common to v_L and v_R
        cancels. Unlike `bracket_cosine` this needs no linear fit.
        """
        data = self.task.data
        rows = (self.task.B & (data.lengths <= MAX_LENGTH - 2)).nonzero()[:, 0][:1000]
        strings = [data.strings[i] for i in rows.tolist()]
        before = self._output_at_1(strings)
        one, other = (
            self._output_at_1([s + more for s in strings]) - before for more in (first, second)
        )
        return linear.cosine(one.mean(0), other.mean(0))

    def _output_at_1(self, strings: list[str]) -> Tensor:
        place = sites.Z(self.head[0]).pick(pos=1, head=self.head[1])
        z = self.task.lens.read(tokenize(strings, length=CONTEXT), {"z": place})["z"]
        return z.double() @ self._W_O

    def squared_cosines(self, layer: int, vector: Tensor | None = None) -> Tensor:
        """Squared cosine of v_R (or of `vector`) with each neuron's input weights: [d_mlp].

        NaN for a neuron whose input weights are all zero.
        """
        v = self.v_R if vector is None else vector.double()
        W_in = self.task.weights.W_in[layer].double()
        cosines: Tensor = (v / v.norm()) @ (W_in / W_in.norm(dim=0))
        return cosines.square()

    def mean_squared_cosine(
        self, layer: int, vector: Tensor | None = None, *, permuted: bool = False
    ) -> float:
        """Mean over the neurons of an MLP of the squared cosine with v_R (or with `vector`).

        Chance is 1/d_model. If `permuted`, the vector's coordinates are permuted. Neurons whose
        input weights are all zero have no direction and are left out.
        """
        v = self.v_R if vector is None else vector
        order = torch.randperm(SHAPE.d_model, generator=torch.Generator().manual_seed(0))
        return self.squared_cosines(layer, v[order] if permuted else v).nanmean().item()

    # ---------------------------------------------------------------- the tally
    @cached_property
    def output_at_1(self) -> Tensor:
        """The head's output at position 1: float64 [n d_model]."""
        return self.task.recording.written_at(self.label, 1)

    def _along_v_L(self, output: Tensor) -> Tensor:
        unit: Tensor = self.v_L / self.v_L.norm()
        return output @ unit

    @property
    def tally(self) -> dict[str, float]:
        """Does the output at position 1 hold (n_L - n_R)/n of the whole string?

        Its correlation along v_L over strings that start with '(', and the share of the output's
        variance in its first principal direction.
        """
        rows = self.task.data.starts_open
        output = self.output_at_1[rows]
        opens, closes = (c[rows, 1].double() for c in self.task.data.suffix_counts)
        singular = torch.linalg.svdvals(output - output.mean(0)).square()
        return {
            "correlation": stats.correlation(
                self._along_v_L(output), (opens - closes) / (opens + closes)
            ),
            "variance_in_one_direction": (singular[0] / singular.sum()).item(),
        }

    @cached_property
    def _outputs_everywhere(self) -> Tensor:
        """z at every position: [n pos d_head]."""
        place = sites.Z(self.head[0]).pick(head=self.head[1])
        return self.task.lens.read(self.task.data.tokens, {"z": place})["z"]

    def _output_at(self, position: int) -> Tensor:
        return self._outputs_everywhere[:, position].double() @ self._W_O

    def tally_correlation(self, position: int, *, prefix: bool = False) -> float:
        """Correlation along v_L of the output at one position with the tally per bracket.

        The tally is that of the brackets from this position on, or (`prefix`) of those before it.
        Strings count that have '(' there. Both sides are taken less their means over strings of the
        same length: in a short suffix [start] and [end], which are attended too, weigh more, so
        that across lengths the output varies with the length alone. NaN if nothing varies.
        """
        data = self.task.data
        rows = data.tokens[:, position] == OPEN
        opens, closes = (count[rows, position] for count in data.suffix_counts)
        if prefix:
            opens, closes = (count[rows, position - 1] for count in data.prefix_counts)
        tally = (opens - closes).double() / (opens + closes).clamp(min=1)
        read_out = self._W_O @ self.v_L / self.v_L.norm()
        along = self._outputs_everywhere[rows, position].double() @ read_out
        lengths = data.lengths[rows]
        return stats.correlation(within(along, lengths), within(tally, lengths))

    @property
    def suffix_against_prefix(self) -> dict[str, float]:
        """Over positions 3 to 30, the smallest lead of the correlation with the suffix tally over
        that with the prefix tally, and the highest with the prefix tally."""
        suffix, prefix = (
            [self.tally_correlation(i, prefix=side) for i in TALLY_POSITIONS]
            for side in (False, True)
        )
        return {
            "smallest_lead": min(s - p for s, p in zip(suffix, prefix, strict=True)),
            "highest_with_prefix": max(prefix),
        }

    def lowest_tally_correlation(self, *, prefix: bool = False) -> float:
        """Lowest correlation with the tally of the suffix (or of the prefix), over positions 2 to
        39: at 40 a suffix that starts with '(' is always the same."""
        return min(self.tally_correlation(i, prefix=prefix) for i in range(2, MAX_LENGTH))

    @property
    def highest_write_cosine(self) -> float:
        """Over positions 1 to 30, the highest cosine of what a '(' and a ')' add to the output.

        The output at a position with '(' is regressed on the shares of '(', of ')' and of [end]
        among the tokens from there on. There is no intercept: the shares add up to one, so with
        an intercept the slopes would be opposite for any head.
        """
        return max(self._write_cosine(i) for i in range(1, 31))

    def _write_cosine(self, position: int) -> float:
        data = self.task.data
        rows = data.tokens[:, position] == OPEN
        opens, closes = (c[rows, position].double() for c in data.suffix_counts)
        shares = torch.stack([opens, closes, torch.ones_like(opens)], dim=1)
        shares = shares / shares.sum(1, keepdim=True)
        # Normal equations: lstsq's last digit depends on where its arguments lie in memory.
        to_fit = torch.linalg.pinv(shares.T @ shares, hermitian=True) @ shares.T
        writes = to_fit @ self._output_at(position)[rows]
        return linear.cosine(writes[0], writes[1])

    def balanced_spread(self, *, random: bool = False) -> float:
        """Standard deviation of the output at position 1 along v_L (or along a random direction)
        over balanced strings, as a share of that over all strings that start with '('."""
        if random:
            generator = torch.Generator().manual_seed(0)
            along = self.output_at_1 @ torch.randn(SHAPE.d_model, generator=generator).double()
        else:
            along = self._along_v_L(self.output_at_1)
        return (along[self.task.B].std() / along[self.task.data.starts_open].std()).item()

    # ---------------------------------------------------------------- where it looks
    @cached_property
    def grids(self) -> dict[str, Tensor]:
        """Attention by bracket of the queries, each float64 [query=42 key=42].

        Queries are those of 40 times '(' or 40 times ')', keys the average of both strings.
        """
        tokens = tokenize(["(" * MAX_LENGTH, ")" * MAX_LENGTH])
        layer, number = self.head
        run = self.task.lens.read(tokens, {"q": sites.Q(layer), "k": sites.K(layer)})
        q, k = run["q"][:, :, number].double(), run["k"][:, :, number].double()
        grids = (q @ k.mean(0).T / SHAPE.d_head**0.5).softmax(-1)
        return {"(": grids[0], ")": grids[1]}

    def _after_over_before(self, bracket: str) -> Tensor:
        """Mean attention to later brackets over that to earlier ones, for queries 5 to 35."""
        grid = self.grids[bracket]
        return torch.stack([grid[i, i + 1 : 41].mean() / grid[i, 1:i].mean() for i in range(5, 36)])

    @property
    def looks_ahead(self) -> dict[str, float]:
        """How much more a '(' attends to a later bracket than to an earlier one: the lowest and
        the median ratio over queries 5 to 35."""
        ratios = self._after_over_before("(")
        return {"lowest": ratios.min().item(), "median": ratios.median().item()}

    @property
    def looks_ahead_from_close(self) -> float:
        """How much more a ')' attends to a later bracket than to an earlier one: the lowest ratio
        over queries 5 to 35."""
        return self._after_over_before(")").min().item()

    def suffix_variation(
        self,
        queries: Iterable[int] = EVEN_QUERIES,
        extreme: Callable[[Iterable[float]], float] = max,
    ) -> float:
        """Coefficient of variation of a '(' query's attention over its suffix: the largest (or,
        with `extreme` = min, the smallest) over the queries."""
        grid = self.grids["("]
        return extreme(stats.variation(grid[i, i : MAX_LENGTH + 1]) for i in queries)

    def uneven_patch(self, queries: Iterable[int] = LATE_QUERIES) -> dict[str, float]:
        """How much more '(' queries attend to keys 38 to 40 than to the rest of their suffix, and
        the coefficient of variation over the suffix: the smallest of each over the queries."""
        grid, queries = self.grids["("], tuple(queries)
        patch = [(grid[i, 38:41].mean() / grid[i, i:38].mean()).item() for i in queries]
        return {
            "keys_38_to_40_over_rest": min(patch),
            "variation": self.suffix_variation(queries, min),
        }

    @cached_property
    def attention_at_1(self) -> Tensor:
        """Mean attention from position 1 over balanced strings of length 40: float64 [key=42].

        The queries are replaced by those of the string of 40 times '('.
        """
        layer, number = self.head
        rows = self.task.B & (self.task.data.lengths == MAX_LENGTH)
        q_place, all_open = sites.Q(layer), tokenize("(" * MAX_LENGTH)
        queries = self.task.lens.read(all_open, {"q": q_place})["q"][0]
        place = sites.PATTERN(layer).pick(head=number, query=1)
        edits = [put(q_place, queries)]
        run = self.task.lens.read(self.task.data.tokens[rows], {"p": place}, edits)
        return run["p"].double().mean(0)

    @property
    def position_1_evenness(self) -> dict[str, float]:
        """Evenness of `attention_at_1` over the brackets; see `evenness`."""
        return evenness(self.attention_at_1[1 : MAX_LENGTH + 1])

    def weighted_and_true_share(self, string: str, query: int) -> tuple[float, float]:
        """Share of '(' in the suffix from `query` on: weighted by the attention, and true."""
        data = BracketData.from_strings([string])
        place = sites.PATTERN(self.head[0]).pick(head=self.head[1], query=query)
        pattern = self.task.lens.read(data.tokens, {"p": place})["p"][0].double()
        suffix = torch.arange(CONTEXT) >= query
        opens = (data.tokens[0] == OPEN) & suffix
        brackets = suffix & (data.tokens[0] >= OPEN)
        weighted = pattern[opens].sum() / pattern[brackets].sum()
        return weighted.item(), (opens.sum() / brackets.sum()).item()


def evenness(attention: Tensor) -> dict[str, float]:
    """How even attention [key] is: its coefficient of variation (0: even), and its entropy as a
    share of the largest possible (1: even)."""
    p = attention / attention.sum()
    entropy = -(p * p.log()).sum() / torch.tensor(float(len(p))).log()
    return {"variation": stats.variation(attention), "entropy": entropy.item()}


def within(values: Tensor, groups: Tensor) -> Tensor:
    """Values [n] less the mean of those of the same group [n]: float64."""
    _, index, sizes = groups.unique(return_inverse=True, return_counts=True)
    sums = torch.zeros(len(sizes), dtype=torch.float64).index_add(0, index, values.double())
    centred: Tensor = values - (sums / sizes)[index]
    return centred
