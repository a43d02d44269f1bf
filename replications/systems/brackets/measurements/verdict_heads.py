"""Sections 2 to 4 of the document: the heads that write the verdict to position 0.

In the published model head 2.0 answers a wrong total and head 2.1 a negative suffix.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.lens import Read
from replications.models import Head, sites
from replications.systems.brackets.data import CLOSE, MAX_LENGTH, OPEN, suffix_elevation
from replications.systems.brackets.measurements.elevation_head import evenness
from replications.systems.brackets.model import SHAPE
from replications.systems.brackets.recording import head_label
from replications.systems.brackets.roles import Roles
from replications.systems.brackets.task import Task


class VerdictHead:
    """One head's contribution u to "unbalanced", where it looks, and what it reads there."""

    def __init__(self, task: Task, roles: Roles, head: Head) -> None:
        self.task = task
        self.head = head
        self.label = head_label(head)
        self._rival = roles.negative if head == roles.total else roles.total

    def __repr__(self) -> str:
        return f"<head {self.label} of {self.task.lens!r}>"

    @property
    def contribution(self) -> Tensor:
        """u of this head: float64 [n]."""
        return self.task.contribution(self.head)

    @property
    def attention(self) -> Tensor:
        """Attention from position 0: [n key=42]."""
        return self.task.attention_from_0(self.head)

    # ---------------------------------------------------------------- contributions by class
    def _mean(self, rows: Tensor) -> float:
        return self.contribution[rows].mean().item()

    def _auroc(self, rows: Tensor) -> float:
        return stats.auroc(self.contribution[rows], self.contribution[self.task.B])

    def _times_the_other_head(self, rows: Tensor) -> float:
        """Mean u over that of the other verdict head (of the total head, if this is neither)."""
        other = self.task.contribution(self._rival)[rows].mean().item()
        return stats.ratio(self._mean(rows), other)

    def says_unbalanced(self, rows: Tensor) -> dict[str, float]:
        """Its answer to some strings: AUROC of u against balanced strings, mean u over that of the
        other verdict head, and the 5th percentile of u."""
        return {
            "auroc": self._auroc(rows),
            "times_the_other_head": self._times_the_other_head(rows),
            "fifth_percentile": self.fifth_percentile(rows),
        }

    def decides(self, rows: Tensor) -> dict[str, float]:
        """Its answer to some strings: AUROC of u against balanced strings, mean u over that of the
        other verdict head, and the accuracy that is left when it is silenced at position 0."""
        task = self.task
        verdicts = task.calls_balanced(task.silence(self.head), task.data.subset(rows))
        return {
            "auroc": self._auroc(rows),
            "times_the_other_head": self._times_the_other_head(rows),
            "accuracy_when_silenced": 1 - verdicts.double().mean().item(),
        }

    def fifth_percentile(self, rows: Tensor) -> float:
        """The 5th percentile of u over some strings."""
        return stats.quantile(self.contribution[rows], 0.05)

    @property
    def by_open_share(self) -> dict[str, float]:
        """Mean u of strings that start with '(' and whose share of '(' is below one half, exactly
        one half (N strings only), and above it."""
        share, rows = self.task.data.open_share, self.task.data.starts_open
        return {
            "below_half": self._mean(rows & (share < 0.5)),
            "negative_at_half": self._mean(self.task.N),
            "above_half": self._mean(rows & (share > 0.5)),
        }

    @property
    def gap_at_half(self) -> float:
        """Mean u on N strings (share of '(' exactly one half) less that on balanced ones."""
        return self._mean(self.task.N) - self._mean(self.task.B)

    def lowest_answers(self, *, first: str = ")", quantile: float = 0.0) -> dict[str, float]:
        """A low quantile of u (0: the smallest) over strings that start with ')', and over those
        of them whose total is right. With `first` = "(", both are over N strings."""
        rows = self.task.N if first == "(" else ~self.task.data.starts_open
        total_right = rows & self.task.data.only_negative
        return {
            "smallest": stats.quantile(self.contribution[rows], quantile),
            "smallest_total_right": stats.quantile(self.contribution[total_right], quantile),
        }

    # ---------------------------------------------------------------- attention from position 0
    def attention_to_position_1(self, *, first: str = "(") -> dict[str, float]:
        """Mean attention from position 0 over strings with this first bracket: to position 1, and
        the largest to any other position."""
        open_ = self.task.data.starts_open
        mean = self.attention[open_ if first == "(" else ~open_].double().mean(0)
        rest = torch.cat([mean[:1], mean[2:]])
        return {"position_1": mean[1].item(), "largest_other": rest.max().item()}

    def attention_by_class(self, unbalanced: Tensor | None = None) -> dict[str, float]:
        """Mean attention from position 0 to position 1, on balanced strings and on some unbalanced
        ones, by default T."""
        to_1 = self.attention[:, 1].double()
        return {
            "balanced": to_1[self.task.B].mean().item(),
            "unbalanced": to_1[self.task.T if unbalanced is None else unbalanced].mean().item(),
        }

    def closed_starts(self, rows: Tensor | None = None) -> dict[str, float]:
        """Accuracy on some strings, by default those that start with ')', and mean attention from
        position 0 to position 1 on strings that start with '(' and on these."""
        closed = ~self.task.data.starts_open if rows is None else rows
        right = self.task.recording.calls_balanced[closed] == self.task.B[closed]
        return {
            "accuracy": right.double().mean().item(),
            "attention_open_first": self.attention_to_position_1(first="(")["position_1"],
            "attention_closed_first": self.attention[closed, 1].double().mean().item(),
        }

    @property
    def attention_evenness(self) -> dict[str, float]:
        """Evenness of the mean attention from position 0 over the brackets of balanced strings of
        length 40; see `elevation_head.evenness`."""
        rows = self.task.B & (self.task.data.lengths == MAX_LENGTH)
        return evenness(self.attention[rows].double().mean(0)[1 : MAX_LENGTH + 1])

    @cached_property
    def _negative_positions(self) -> Tensor:
        """Where the suffixes of N strings are negative: bool [n pos]."""
        return suffix_elevation(self.task.data.tokens[self.task.N]) < 0

    @property
    def attention_to_negative_positions(self) -> dict[str, float]:
        """On N strings: attention mass on positions whose suffix is negative, over their share of
        the tokens, and how often the most attended position is one of them."""
        attention = self.attention[self.task.N].double()
        negative = self._negative_positions
        mass = (attention * negative).sum(-1).mean()
        lengths = self.task.data.lengths[self.task.N]
        share = (negative.sum(-1) / (lengths + 2)).double().mean()
        top = negative.gather(1, attention.argmax(-1, keepdim=True)).double().mean()
        return {"mass_over_share": (mass / share).item(), "argmax_negative": top.item()}

    # ---------------------------------------------------------------- what it reads
    def _gap_at_negative_positions(self, values: Tensor) -> float:
        """Mean of values [n pos] on N strings at positions with a negative suffix, less that at
        the other brackets."""
        tokens, negative = self.task.data.tokens[self.task.N], self._negative_positions
        brackets = (tokens == OPEN) | (tokens == CLOSE)
        return (values[negative].mean() - values[brackets & ~negative].mean()).item()

    @property
    def value_sign(self) -> float:
        """On N strings: how much further the value vector points to "unbalanced" at positions
        with a negative suffix than at the other brackets."""
        direction = self.task.OV(self.head) @ self.task.unbalanced_before_final
        read = self.task.read_layernorm(self.head[0], lambda x: x.double() @ direction.to(x.device))
        values = self.task.lens.read(self.task.data.tokens[self.task.N], {"value": read})["value"]
        return self._gap_at_negative_positions(values)

    @cached_property
    def input_gaps(self) -> dict[str, float]:
        """On N strings, for each earlier head and MLP: its output along this head's direction, at
        positions with a negative suffix less that at the other brackets."""
        fit = self.task.layernorm_fit(self.head[0])
        direction = fit.pull_back(self.task.OV(self.head) @ self.task.unbalanced_before_final)
        outputs = self._outputs_along(direction, self.task.data.tokens[self.task.N])
        return {c: self._gap_at_negative_positions(x) for c, x in outputs.items()}

    def _outputs_along(self, direction: Tensor, tokens: Tensor) -> dict[str, Tensor]:
        reads: dict[str, Read] = {}
        for layer in range(self.head[0]):
            heads = self.task.weights.W_O[layer].double() @ direction  # [head d_head]
            for head in range(SHAPE.n_heads):
                reads[head_label((layer, head))] = Read(
                    sites.Z(layer).pick(head=head),
                    lambda z, v=heads[head]: z.double() @ v.to(z.device),  # type: ignore[misc]
                )
            reads[f"mlp{layer}"] = Read(
                sites.MLP_OUT(layer), lambda x: x.double() @ direction.to(x.device)
            )
        return dict(self.task.lens.read(tokens, reads))

    @property
    def input_dominance(self) -> dict[str, float]:
        """The weaker of the input gaps of MLPs, and that over the largest |gap| of a head."""
        gaps = self.input_gaps
        weaker = min(gap for c, gap in gaps.items() if c.startswith("mlp"))
        heads = max(abs(gap) for c, gap in gaps.items() if not c.startswith("mlp"))
        return {"gap": weaker, "times_the_largest_head": stats.ratio(weaker, heads)}
