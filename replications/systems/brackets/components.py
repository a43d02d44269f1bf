"""Which components push position 0 towards "unbalanced", and how linear the last LayerNorm is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from replications.analysis import linear_fits as linear
from replications.analysis import statistics as stats
from replications.systems.brackets.data import PAD
from replications.systems.brackets.trace import COMPONENTS, HEADS, LAYERS, head_label

if TYPE_CHECKING:
    from replications.systems.brackets.measure import BracketSubject

LAST = tuple(head_label(head) for head in HEADS if head[0] == LAYERS[-1])
"""The two heads of the last layer: the only ones whose output the classifier reads unprocessed."""

AXIS = (-10.0, 20.0)
"""The horizontal axis of the document's histograms; overlaps use its bins of one half."""


class Components:
    """Contributions u[c] of the ten components, and the fits that define their direction."""

    def __init__(self, subject: BracketSubject) -> None:
        self.s = subject

    # ---------------------------------------------------------------- LayerNorm fits
    @property
    def final_layernorm_r_squared(self) -> float:
        """R² of the linear fit of the final LayerNorm at position 0."""
        return self.s.final_fit.r_squared

    @property
    def shuffled_final_layernorm_r_squared(self) -> float:
        """The same with the outputs of other strings: what a fit gives when nothing is there."""
        run = self.s.trace.run
        return linear.fit(run["resid_final"], run["ln_final"][_shuffle(len(self.s.data))]).r_squared

    @property
    def layer1_layernorm_r_squared(self) -> float:
        """R² of the linear fit of layer 1's first LayerNorm over all positions, pads included."""
        return self.s.layernorm_fit(1).r_squared

    @property
    def shuffled_layer1_layernorm_r_squared(self) -> float:
        """The same with the rows of the outputs shuffled, on 500 strings."""
        before, after = self.s.layernorm(1, strings=500)
        return linear.fit(before, after[_shuffle(len(after))]).r_squared

    @property
    def layer1_layernorm_r_squared_without_pads(self) -> float:
        """The same over the positions that hold a token other than padding."""
        real = (self.s.data.tokens != PAD).flatten()
        before, after = self.s.layernorm(1)
        return linear.fit(before[real], after[real]).r_squared

    # ---------------------------------------------------------------- is one direction enough?
    def _linearity(self, direction: Tensor) -> dict[str, float]:
        projected = self.s.trace.run["resid_final"].double() @ direction
        true = self.s.trace.logit_difference
        balanced = self.s.B
        gap = projected[~balanced].mean() - projected[balanced].mean()
        true_gap = true[~balanced].mean() - true[balanced].mean()
        return {
            "correlation": stats.correlation(projected, true),
            "gap_ratio": (gap / true_gap).item(),
        }

    @property
    def linear_direction(self) -> dict[str, float]:
        """How well pf stands in for LDu: their correlation, and the ratio of their class gaps."""
        return self._linearity(self.s.unbalanced_before_final)

    @property
    def random_direction(self) -> dict[str, float]:
        """The same for a random direction as long as pf."""
        pf = self.s.unbalanced_before_final
        random = torch.randn(len(pf), generator=torch.Generator().manual_seed(0)).to(pf)
        return self._linearity(random * pf.norm() / random.norm())

    @property
    def direction_before_scale_and_bias(self) -> dict[str, float]:
        """The same when the fit targets the normalised vector without scale and bias.

        That is what a reading by the hook name `hook_normalized` gives from TransformerLens 3 on.
        """
        residual = self.s.trace.run["resid_final"].double()
        centred = residual - residual.mean(-1, keepdim=True)
        normalised = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        fit = linear.fit(residual, normalised)
        return self._linearity(fit.pull_back(self.s.unbalanced_after_final))

    # ---------------------------------------------------------------- contributions
    @property
    def largest_embedding_effect(self) -> float:
        """Largest |u[emb]| over the strings."""
        return self.s.contributions["emb"].abs().max().item()

    @property
    def smallest_other_effect(self) -> float:
        """The smallest, over the other components, of their largest |u|."""
        others = [u.abs().max().item() for c, u in self.s.contributions.items() if c != "emb"]
        return min(others)

    def _gaps(self, unbalanced: Tensor) -> dict[str, float]:
        u = self.s.contributions
        return {c: (u[c][unbalanced].mean() - u[c][~unbalanced].mean()).item() for c in COMPONENTS}

    def _dominance(self, unbalanced: Tensor, heads: tuple[str, ...] = LAST) -> dict[str, float]:
        gaps, u = self._gaps(unbalanced), self.s.contributions
        others = max(abs(gap) for c, gap in gaps.items() if c not in heads)
        return {
            "smaller_gap": min(gaps[h] for h in heads),
            "times_the_next": stats.ratio(min(gaps[h] for h in heads), others),
            "lower_auroc": min(stats.auroc(u[h][unbalanced], u[h][~unbalanced]) for h in heads),
        }

    @property
    def last_heads_dominance(self) -> dict[str, float]:
        """The two heads of the last layer against the other components.

        The smaller of their two mean gaps between unbalanced and balanced strings, that gap over
        the largest gap of any other component, and the lower of their AUROCs.
        """
        return self._dominance(~self.s.B)

    @property
    def last_heads_dominance_shuffled(self) -> dict[str, float]:
        """The same with the labels shuffled."""
        return self._dominance(~self.s.B[_shuffle(len(self.s.data))])

    @property
    def layer1_heads_dominance(self) -> dict[str, float]:
        """The same for the two heads of layer 1."""
        return self._dominance(~self.s.B, ("1.0", "1.1"))

    def _foreign(self, on_N: str, on_T: str) -> dict[str, float]:
        s, u = self.s, self.s.contributions
        pairs = ((u[on_N], s.N), (u[on_T], s.T))
        return {
            "lower_auroc": min(stats.auroc(x[rows], x[s.B]) for x, rows in pairs),
            "lower_mean": min(x[rows].mean().item() for x, rows in pairs),
        }

    @property
    def last_heads_overlap(self) -> dict[str, float]:
        """How the total head answers N strings and the negative head T strings: the lower AUROC
        against balanced strings, and the lower mean."""
        return self._foreign(self.s.total_head.label, self.s.negative_head.label)

    @property
    def layer1_heads_overlap(self) -> dict[str, float]:
        """The same for the two heads of layer 1."""
        return self._foreign("1.0", "1.1")

    def _overlaps(self, unbalanced: Tensor) -> dict[str, float]:
        u = self.s.contributions
        helper = head_label(self.s.roles.helper)

        def overlap(c: str) -> float:
            return stats.overlap(u[c][unbalanced], u[c][~unbalanced], *AXIS, bins=60)

        return {
            "last_heads_larger": max(overlap(h) for h in LAST),
            "helper_and_last_mlp_smaller": min(overlap(helper), overlap(f"mlp{LAYERS[-1]}")),
        }

    @property
    def class_overlap(self) -> dict[str, float]:
        """Overlap of the histograms of u for the two classes (1: identical, 0: disjoint)."""
        return self._overlaps(~self.s.B)

    @property
    def class_overlap_shuffled(self) -> dict[str, float]:
        """The same with the labels shuffled."""
        return self._overlaps(~self.s.B[_shuffle(len(self.s.data))])


def _shuffle(n: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))
