"""The head that tallies brackets (0.0): what it writes for each bracket, and where it looks."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from replications.analysis import linear_fits as linear
from replications.analysis import statistics as stats
from replications.models import sites
from replications.models.edits import put
from replications.systems.brackets.data import (
    CLOSE,
    CONTEXT,
    MAX_LENGTH,
    OPEN,
    BracketData,
    tokenize,
)  # fmt: skip
from replications.systems.brackets.model import SHAPE
from replications.systems.brackets.trace import COMPONENTS, HeadName, head_label

if TYPE_CHECKING:
    from replications.systems.brackets.measure import BracketSubject

TALLY_POSITIONS = (3, 5, 10, 15, 20, 25, 30)
SHORTEST_SUFFIX = 5
LATE_QUERIES = range(27, 32)
"""Query positions whose attention is not uniform, as the document's hint names them."""


class ElevationHead:
    """A layer-0 head seen as an adder: attention over the suffix times one vector per bracket."""

    def __init__(self, subject: BracketSubject, head: HeadName) -> None:
        self.s = subject
        self.layer, self.index = head
        self.label = head_label(head)

    def __repr__(self) -> str:
        return f"<elevation head {self.label} of {self.s!r}>"

    @property
    def sibling(self) -> ElevationHead:
        """The other head of the layer."""
        return ElevationHead(self.s, (self.layer, 1 - self.index))

    # ---------------------------------------------------------------- what it writes for a bracket
    @cached_property
    def OV(self) -> Tensor:
        return self.s.weights.OV(self.layer, self.index).double()

    def _image(self, token: int) -> Tensor:
        return self.s.layernorm_fit(self.layer).push(self.s.weights.W_E[token]) @ self.OV

    @cached_property
    def v_L(self) -> Tensor:
        """Image of '(' under the layer-0 LayerNorm fit and W_OV, float64 [d_model]."""
        return self._image(OPEN)

    @cached_property
    def v_R(self) -> Tensor:
        """Image of ')', float64 [d_model]."""
        return self._image(CLOSE)

    @property
    def bracket_cosine(self) -> float:
        """Cosine of v_L and v_R: -1 when the head adds one and subtracts the other."""
        return linear.cosine(self.v_L, self.v_R)

    @cached_property
    def response_cosine(self) -> float:
        """Cosine of what one more '(' and one more ')' change in the head's output at position 1.

        The bracket is appended to balanced strings, and the change averaged. A part common to
        both vectors cancels, because attention is an average: this form of the finding needs no
        linear fit, and forgives a common offset of v_L and v_R.
        """
        rows = (self.s.B & (self.s.data.lengths < MAX_LENGTH)).nonzero()[:, 0][:1000]
        strings = [self.s.data.strings[i] for i in rows.tolist()]
        before = self._output_at_1(strings)
        left, right = (self._output_at_1([s + b for s in strings]) - before for b in "()")
        return linear.cosine(left.mean(0), right.mean(0))

    def _output_at_1(self, strings: list[str]) -> Tensor:
        place = sites.Z(self.layer).pick(pos=1, head=self.index)
        z = self.s.lens.read(tokenize(strings, length=CONTEXT), {"z": place})["z"]
        return z.double() @ self.s.weights.W_O[self.layer, self.index].double()

    def squared_cosines(self, layer: int, vector: Tensor | None = None) -> Tensor:
        """Squared cosine of v_R (or of `vector`) with each neuron's input weights, [d_mlp]."""
        v = self.v_R if vector is None else vector.double()
        W_in = self.s.weights.W_in[layer].double()
        return ((v / v.norm()) @ (W_in / W_in.norm(dim=0))).square()

    def mean_squared_cosine(self, layer: int) -> float:
        """Mean over the MLP's neurons of the squared cosine with v_R. Chance is 1/d_model.

        Neurons with no input weights at all have no direction and are left out.
        """
        return self.squared_cosines(layer).nanmean().item()

    def mean_squared_cosine_permuted(self, layer: int) -> float:
        """The same with the coordinates of v_R permuted."""
        order = torch.randperm(SHAPE.d_model, generator=torch.Generator().manual_seed(0))
        return self.squared_cosines(layer, self.v_R[order]).nanmean().item()

    # ---------------------------------------------------------------- the tally
    @cached_property
    def output_at_1(self) -> Tensor:
        """The head's output at position 1, float64 [n d_model]."""
        return self.s.trace.components[COMPONENTS.index(self.label), :, 1].double()

    def _along_v_L(self, output: Tensor) -> Tensor:
        return output @ (self.v_L / self.v_L.norm())

    @property
    def tally(self) -> dict[str, float]:
        """Does the output at position 1 hold (n_L - n_R)/n of the whole string?

        Correlation along v_L over strings that start with '(', and the share of the output's
        variance in its first principal direction.
        """
        rows = self.s.data.starts_open
        output = self.output_at_1[rows]
        opens, closes = (c[rows, 1].double() for c in self.s.data.suffix_counts)
        singular = torch.linalg.svdvals(output - output.mean(0)).square()
        return {
            "correlation": stats.correlation(
                self._along_v_L(output), (opens - closes) / (opens + closes)
            ),
            "variance_in_one_direction": (singular[0] / singular.sum()).item(),
        }

    @cached_property
    def _outputs_everywhere(self) -> Tensor:
        """z at every position, [n pos d_head]."""
        place = sites.Z(self.layer).pick(head=self.index)
        return self.s.lens.read(self.s.data.tokens, {"z": place})["z"]

    def _output_at(self, position: int) -> Tensor:
        W_O = self.s.weights.W_O[self.layer, self.index].double()
        return self._outputs_everywhere[:, position].double() @ W_O

    def _tally_correlation(self, position: int, *, prefix: bool) -> float:
        """Correlation along v_L of the output at one position with the tally per bracket.

        The tally is that of the brackets from this position on, or of those before it. Over
        strings with '(' there and at least five brackets from there on: over a shorter suffix
        [start] and [end], which are attended too, outweigh the brackets.
        """
        data = self.s.data
        opens, closes = (count[:, position] for count in data.suffix_counts)
        rows = (data.tokens[:, position] == OPEN) & (opens + closes >= SHORTEST_SUFFIX)
        if prefix:
            opens, closes = (count[:, position - 1] for count in data.prefix_counts)
        opens, closes = opens[rows].double(), closes[rows].double()
        read_out = self.s.weights.W_O[self.layer, self.index].double() @ self.v_L / self.v_L.norm()
        along = self._outputs_everywhere[rows, position].double() @ read_out
        return stats.correlation(along, (opens - closes) / (opens + closes))

    @cached_property
    def suffix_and_prefix(self) -> dict[str, float]:
        """Lowest correlation with the suffix tally and highest with the prefix tally, over
        positions 3 to 30."""
        return {
            "lowest_with_suffix": self.lowest_suffix_correlation,
            "highest_with_prefix": max(
                self._tally_correlation(i, prefix=True) for i in TALLY_POSITIONS
            ),
        }

    @cached_property
    def lowest_suffix_correlation(self) -> float:
        """Lowest correlation with the suffix tally over positions 3 to 30."""
        return min(self._tally_correlation(i, prefix=False) for i in TALLY_POSITIONS)

    @property
    def lowest_prefix_correlation(self) -> float:
        """Lowest correlation with the prefix tally over the same positions."""
        return min(self._tally_correlation(i, prefix=True) for i in TALLY_POSITIONS)

    @property
    def highest_write_cosine(self) -> float:
        """Over positions 1 to 30, the highest cosine of what a '(' and a ')' add to the output.

        The output at a position with '(' is regressed, without intercept, on the shares of '(',
        of ')' and of [end] among the tokens from there on: no intercept, because a slope against
        shares that add up to one would be opposite for any head.
        """
        return max(self._write_cosine(i) for i in range(1, 31))

    def _write_cosine(self, position: int) -> float:
        rows = self.s.data.tokens[:, position] == OPEN
        opens, closes = (c[rows, position].double() for c in self.s.data.suffix_counts)
        shares = torch.stack([opens, closes, torch.ones_like(opens)], dim=1)
        shares = shares / shares.sum(1, keepdim=True)
        # Normal equations: lstsq's last digit depends on where its arguments lie in memory.
        to_fit = torch.linalg.pinv(shares.T @ shares, hermitian=True) @ shares.T
        writes = to_fit @ self._output_at(position)[rows]
        return linear.cosine(writes[0], writes[1])

    @property
    def balanced_spread(self) -> float:
        """Spread along v_L over balanced strings, as a share of that over all open strings."""
        along = self._along_v_L(self.output_at_1)
        return (along[self.s.B].std() / along[self.s.data.starts_open].std()).item()

    @property
    def balanced_spread_random(self) -> float:
        """The same along a random direction."""
        random = torch.randn(SHAPE.d_model, generator=torch.Generator().manual_seed(0)).double()
        along = self.output_at_1 @ random
        return (along[self.s.B].std() / along[self.s.data.starts_open].std()).item()

    # ---------------------------------------------------------------- where it looks
    @cached_property
    def grids(self) -> dict[str, Tensor]:
        """Attention [query key] with queries of all-'(' or all-')' and keys averaged over both."""
        tokens = tokenize(["(" * MAX_LENGTH, ")" * MAX_LENGTH])
        reads = {"q": sites.Q(self.layer), "k": sites.K(self.layer)}
        run = self.s.lens.read(tokens, reads)
        q, k = run["q"][:, :, self.index].double(), run["k"][:, :, self.index].double()
        grids = (q @ k.mean(0).T / SHAPE.d_head**0.5).softmax(-1)
        return {"(": grids[0], ")": grids[1]}

    def _after_over_before(self, bracket: str) -> Tensor:
        """Mean attention to later brackets over that to earlier ones, for queries 5 to 35."""
        grid = self.grids[bracket]
        return torch.stack([grid[i, i + 1 : 41].mean() / grid[i, 1:i].mean() for i in range(5, 36)])

    @property
    def looks_ahead(self) -> dict[str, float]:
        """How much more a '(' attends to a later bracket than to an earlier one."""
        ratios = self._after_over_before("(")
        return {"lowest": ratios.min().item(), "median": ratios.median().item()}

    @property
    def looks_ahead_from_close(self) -> float:
        """The lowest such ratio when the queries are ')'."""
        return self._after_over_before(")").min().item()

    def _suffix_variation(self, query: int) -> float:
        return stats.variation(self.grids["("][query, query:41])

    @property
    def suffix_variation(self) -> float:
        """Largest coefficient of variation of attention over the suffix, for most queries."""
        return max(self._suffix_variation(i) for i in (1, 5, 10, 15, 20, 25))

    @property
    def late_suffix_variation(self) -> float:
        """The smallest for queries 27 to 31, where the document sees uneven patches."""
        return min(self._suffix_variation(i) for i in LATE_QUERIES)

    def _patch(self, query: int) -> float:
        grid = self.grids["("]
        return (grid[query, 38:41].mean() / grid[query, query:38].mean()).item()

    @property
    def uneven_patch(self) -> dict[str, float]:
        """Queries 27 to 31: how much more they attend to keys 38 to 40 than to the rest of their
        suffix, and how uneven they are. The smallest of each."""
        return {
            "keys_38_to_40_over_rest": min(self._patch(i) for i in LATE_QUERIES),
            "variation": self.late_suffix_variation,
        }

    @property
    def uneven_patch_row_25(self) -> dict[str, float]:
        """The same for query 25 alone, which is even."""
        return {"keys_38_to_40_over_rest": self._patch(25), "variation": self._suffix_variation(25)}

    @cached_property
    def attention_at_1(self) -> Tensor:
        """Mean attention of position 1 over balanced strings of length 40, with the queries of the
        all-'(' string put in: float64 [key=42]."""
        rows = self.s.B & (self.s.data.lengths == MAX_LENGTH)
        q_place, all_open = sites.Q(self.layer), tokenize("(" * MAX_LENGTH)
        queries = self.s.lens.read(all_open, {"q": q_place})["q"][0]
        place = sites.PATTERN(self.layer).pick(head=self.index, query=1)
        run = self.s.lens.read(self.s.data.tokens[rows], {"p": place}, [put(q_place, queries)])
        return run["p"].double().mean(0)

    @property
    def position_1_evenness(self) -> dict[str, float]:
        """Evenness of that attention over the brackets: variation, and entropy over its maximum."""
        return _evenness(self.attention_at_1[1:41])

    @property
    def total_head_evenness(self) -> dict[str, float]:
        """The same numbers for the total head's attention from position 0."""
        rows = self.s.B & (self.s.data.lengths == MAX_LENGTH)
        return _evenness(self.s.total_head.attention[rows].double().mean(0)[1:41])

    def weighted_and_true_share(self, string: str, query: int) -> tuple[float, float]:
        """Share of '(' in the suffix from `query` on: weighted by the attention, and true."""
        data = BracketData.from_strings([string])
        place = sites.PATTERN(self.layer).pick(head=self.index, query=query)
        pattern = self.s.lens.read(data.tokens, {"p": place})["p"][0].double()
        suffix = torch.arange(CONTEXT) >= query
        opens = (data.tokens[0] == OPEN) & suffix
        brackets = suffix & (data.tokens[0] >= OPEN)
        weighted = pattern[opens].sum() / pattern[brackets].sum()
        return weighted.item(), (opens.sum() / brackets.sum()).item()


def _evenness(attention: Tensor) -> dict[str, float]:
    p = attention / attention.sum()
    entropy = -(p * p.log()).sum() / torch.tensor(float(len(p))).log()
    return {"variation": stats.variation(attention), "entropy": entropy.item()}
