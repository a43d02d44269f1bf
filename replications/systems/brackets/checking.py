"""The heads that write the verdict to position 0: 2.0 (total) and 2.1 (negative suffix)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from replications.analysis import linear_fits as linear
from replications.analysis import statistics as stats
from replications.lens import Read
from replications.models import sites
from replications.models.edits import Edit, put
from replications.systems.brackets.data import CLOSE, OPEN, suffix_elevation
from replications.systems.brackets.model import SHAPE
from replications.systems.brackets.trace import COMPONENTS, LAYERS, HeadName, Trace, head_label

if TYPE_CHECKING:
    from replications.systems.brackets.measure import BracketSubject

BEFORE_LAST = 1 + 3 * LAYERS[-1]
"""How many components write before the last layer."""


class CheckingHead:
    """One head's contribution to "unbalanced" (u), where it looks, and what it reads there."""

    def __init__(self, subject: BracketSubject, head: HeadName) -> None:
        self.s = subject
        self.layer, self.index = head
        self.label = head_label(head)

    def __repr__(self) -> str:
        return f"<head {self.label} of {self.s!r}>"

    @property
    def other(self) -> CheckingHead:
        """The checking head that is not this one (2.1 for 2.0)."""
        roles = self.s.roles
        mine = (self.layer, self.index)
        return self.s.head(head_label(roles.negative if mine == roles.total else roles.total))

    @property
    def contribution(self) -> Tensor:
        """u of this head, float64 [n]."""
        return self.s.contributions[self.label]

    # ---------------------------------------------------------------- contributions by class
    def _mean(self, rows: Tensor) -> float:
        return self.contribution[rows].mean().item()

    def _auroc(self, rows: Tensor) -> float:
        return stats.auroc(self.contribution[rows], self.contribution[self.s.B])

    @property
    def on_total_failures(self) -> dict[str, float]:
        """How it answers strings whose only fault is the total (T), against balanced ones."""
        return {
            "auroc": self._auroc(self.s.T),
            "times_the_other_head": stats.ratio(self._mean(self.s.T), self.other._mean(self.s.T)),
            "fifth_percentile": stats.quantile(self.contribution[self.s.T], 0.05),
        }

    @property
    def on_negative_failures(self) -> dict[str, float]:
        """How it answers strings whose only fault is a negative suffix (N), and what is left
        of the accuracy on them when it is silenced at position 0."""
        verdicts = self.s.calls_balanced(self.silence(), self.s.data.subset(self.s.N))
        return {
            "auroc": self._auroc(self.s.N),
            "times_the_other_head": stats.ratio(self._mean(self.s.N), self.other._mean(self.s.N)),
            "accuracy_when_silenced": 1 - verdicts.double().mean().item(),
        }

    @property
    def negative_auroc(self) -> dict[str, float]:
        """AUROC and 5th percentile of u on N strings against balanced ones."""
        return {
            "auroc": self._auroc(self.s.N),
            "fifth_percentile": stats.quantile(self.contribution[self.s.N], 0.05),
        }

    @property
    def by_open_share(self) -> dict[str, float]:
        """Mean u of open strings with a share of '(' below, at and above one half."""
        share, rows = self.s.data.open_share, self.s.data.starts_open
        return {
            "below_half": self._mean(rows & (share < 0.5)),
            "negative_at_half": self._mean(self.s.N),
            "above_half": self._mean(rows & (share > 0.5)),
        }

    @property
    def gap_at_half(self) -> float:
        """Mean u on N strings (share of '(' exactly one half) less that on balanced ones."""
        return self._mean(self.s.N) - self._mean(self.s.B)

    @property
    def on_closed_starts(self) -> dict[str, float]:
        """Smallest u over strings that start with ')', and over those whose total is right."""
        closed = ~self.s.data.starts_open
        return {
            "smallest": self.contribution[closed].min().item(),
            "smallest_total_right": self.contribution[closed & self.s.data.only_negative]
            .min()
            .item(),
        }

    @property
    def on_open_negatives(self) -> dict[str, float]:
        """The same numbers on N strings that start with '(', where 2.0 is silent."""
        low = stats.quantile(self.contribution[self.s.N], 0.05)
        return {"smallest": low, "smallest_total_right": low}

    # ---------------------------------------------------------------- attention from position 0
    @property
    def attention(self) -> Tensor:
        """Attention from position 0, [n key=42]."""
        return self.s.trace.run[f"pattern{self.layer}"][:, self.index]

    def attention_profile(self, rows: Tensor) -> dict[str, float]:
        """Mean attention from position 0: to position 1, and the largest to any other."""
        mean = self.attention[rows].double().mean(0)
        rest = torch.cat([mean[:1], mean[2:]])
        return {"position_1": mean[1].item(), "largest_other": rest.max().item()}

    @property
    def attention_to_position_1(self) -> dict[str, float]:
        """The profile on strings that start with '('."""
        return self.attention_profile(self.s.data.starts_open)

    @property
    def attention_to_position_1_closed(self) -> dict[str, float]:
        """The profile on strings that start with ')'."""
        return self.attention_profile(~self.s.data.starts_open)

    @property
    def attention_by_class(self) -> dict[str, float]:
        """Mean attention from position 0 to position 1 on balanced and on T strings."""
        to_1 = self.attention[:, 1].double()
        return {
            "balanced": to_1[self.s.B].mean().item(),
            "wrong_total": to_1[self.s.T].mean().item(),
        }

    @property
    def closed_starts(self) -> dict[str, float]:
        """Accuracy on strings that start with ')', and attention to position 1 by first bracket."""
        closed = ~self.s.data.starts_open
        right = self.s.trace.calls_balanced[closed] == self.s.B[closed]
        return {
            "accuracy": right.double().mean().item(),
            "attention_open_first": self.attention_to_position_1["position_1"],
            "attention_closed_first": self.attention_to_position_1_closed["position_1"],
        }

    @cached_property
    def _negative_places(self) -> Tensor:
        return suffix_elevation(self.s.data.tokens[self.s.N]) < 0

    @property
    def attention_to_negative_positions(self) -> dict[str, float]:
        """On N strings: attention mass on positions whose suffix is negative, over their share of
        the tokens, and how often the most attended position is one of them."""
        attention = self.attention[self.s.N].double()
        places = self._negative_places
        mass = (attention * places).sum(-1).mean()
        share = (places.sum(-1) / (self.s.data.lengths[self.s.N] + 2)).double().mean()
        top = places.gather(1, attention.argmax(-1, keepdim=True)).double().mean()
        return {"mass_over_share": (mass / share).item(), "argmax_negative": top.item()}

    # ---------------------------------------------------------------- what it reads
    @property
    def OV(self) -> Tensor:
        """W_V @ W_O, float64 [d_model d_model]."""
        return self.s.weights.OV(self.layer, self.index).double()

    @cached_property
    def input_fit(self) -> linear.LinearFit:
        """Linear fit of the LayerNorm before this layer's attention, at position 1."""
        run = self.s.trace.run
        return linear.fit(run[f"resid_pre{self.layer}"], run[f"ln1_{self.layer}"])

    @cached_property
    def direction(self) -> Tensor:
        """Direction at position 1 that this head turns into "unbalanced" (p20): fit.T @ OV @ pf."""
        return self.input_fit.pull_back(self.OV @ self.s.unbalanced_before_final)

    def in_direction(self, trace: Trace) -> dict[str, Tensor]:
        """w: each component's output at position 1 along `direction`, float64 [n].

        Less each component's mean over balanced strings of the intact run; zero for components
        that write only after this head has read.
        """
        centre = self.s.trace.components[:, self.s.B, 1].double() @ self.direction
        w = trace.components[:, :, 1].double() @ self.direction - centre.mean(1, keepdim=True)
        w[1 + 3 * self.layer :] = 0
        return dict(zip(COMPONENTS[:BEFORE_LAST], w, strict=False))

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """w of the intact run by component name."""
        return self.in_direction(self.s.trace)

    @property
    def value_sign(self) -> float:
        """On N strings: how much further the value vector points to "unbalanced" at positions
        with a negative suffix than at the other brackets."""
        direction = self.OV @ self.s.unbalanced_before_final
        tokens = self.s.data.tokens[self.s.N]
        read = Read(sites.LN1(self.layer), lambda x: x.double() @ direction.to(x.device))
        values = self.s.lens.read(tokens, {"value": read})["value"]
        brackets = (tokens == OPEN) | (tokens == CLOSE)
        return (
            values[self._negative_places].mean() - values[brackets & ~self._negative_places].mean()
        ).item()

    @cached_property
    def input_gaps(self) -> dict[str, float]:
        """On N strings, for each earlier head and MLP: its output along this head's direction, at
        positions with a negative suffix less that at the other brackets."""
        direction = self.s.layernorm_fit(self.layer).pull_back(
            self.OV @ self.s.unbalanced_before_final
        )
        tokens = self.s.data.tokens[self.s.N]
        brackets = (tokens == OPEN) | (tokens == CLOSE)
        negative = self._negative_places
        outputs = self._outputs_along(direction, tokens)
        return {
            c: (x[negative].mean() - x[brackets & ~negative].mean()).item()
            for c, x in outputs.items()
        }

    def _outputs_along(self, direction: Tensor, tokens: Tensor) -> dict[str, Tensor]:
        reads: dict[str, Read] = {}
        for layer in range(self.layer):
            heads = self.s.weights.W_O[layer].double() @ direction  # [head d_head]
            for head in range(SHAPE.n_heads):
                reads[f"{layer}.{head}"] = Read(
                    sites.Z(layer).pick(head=head),
                    lambda z, v=heads[head]: z.double() @ v.to(z.device),  # type: ignore[misc]
                )
            reads[f"mlp{layer}"] = Read(
                sites.MLP_OUT(layer), lambda x: x.double() @ direction.to(x.device)
            )
        return dict(self.s.lens.read(tokens, reads))

    @property
    def mlps_against_heads(self) -> dict[str, float]:
        """The smaller of the MLPs' input gaps, and the same over the largest gap of a head."""
        gaps = self.input_gaps
        mlps = min(gap for c, gap in gaps.items() if c.startswith("mlp"))
        heads = max(abs(gap) for c, gap in gaps.items() if not c.startswith("mlp"))
        return {"smaller_mlp": mlps, "times_the_largest_head": stats.ratio(mlps, heads)}

    @property
    def heads_against_mlps(self) -> dict[str, float]:
        """The same with heads and MLPs exchanged."""
        gaps = self.input_gaps
        heads = max(gap for c, gap in gaps.items() if not c.startswith("mlp"))
        mlps = max(abs(gap) for c, gap in gaps.items() if c.startswith("mlp"))
        return {"smaller_mlp": heads, "times_the_largest_head": stats.ratio(heads, mlps)}

    # ---------------------------------------------------------------- interventions
    def place(self, **picks: int) -> sites.Place:
        """Where this head's attention output (z) sits."""
        return sites.Z(self.layer).pick(head=self.index, **picks)

    def silence(self) -> Sequence[Edit]:
        """Edits that give this head its mean output on balanced strings, at position 0."""
        z = self.s.trace.run[f"z{self.layer}"][self.s.B, 0, self.index]
        return (put(self.place(pos=0), z.double().mean(0)),)

    def silence_everywhere(self) -> Sequence[Edit]:
        """The same at every position."""
        return (put(self.place(), self.s.mean_z((self.layer, self.index), balanced=True)),)
