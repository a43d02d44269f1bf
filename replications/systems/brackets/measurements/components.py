"""Section 2 of the document: how linear the LayerNorms are, and which components matter.

u[c] is what component c writes at position 0 towards "unbalanced"; see `Task.contributions`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from replications.analysis import linear_fits as linear
from replications.analysis import statistics as stats
from replications.systems.brackets.recording import COMPONENTS, HEADS, LAYERS, head_label
from replications.systems.brackets.roles import Roles
from replications.systems.brackets.task import Task

LAST = tuple(head_label(head) for head in HEADS if head[0] == LAYERS[-1])
"""The two heads of the last layer: the only ones whose output no MLP at position 0 reads first."""

AXIS = (-10.0, 20.0)
"""The horizontal axis of the document's histograms; overlaps use its bins of one half."""


class Components:
    """Contributions u of the ten components, and the fits that define their direction."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self.task = task
        self.roles = roles

    # ---------------------------------------------------------------- LayerNorm fits
    def final_layernorm_r_squared(self, *, shuffled: bool = False) -> float:
        """R² of the linear fit of the final LayerNorm at position 0.

        With `shuffled`, inputs are paired with the outputs of other strings.
        """
        if not shuffled:
            return self.task.final_fit.r_squared
        run = self.task.recording.run
        return linear.fit(run["resid_final"], _shuffled(run["ln_final"])).r_squared

    def layer1_layernorm_r_squared(self, *, shuffled: bool = False, pads: bool = True) -> float:
        """R² of the linear fit of layer 1's first LayerNorm over all positions.

        With `shuffled`, inputs are paired with outputs of other rows, on 500 strings. Without
        `pads`, positions that hold padding are left out.
        """
        if not shuffled and pads:
            return self.task.layernorm_fit(1).r_squared
        before, after = self.task.layernorm(1, 500 if shuffled else None, pads=pads)
        return linear.fit(before, _shuffled(after) if shuffled else after).r_squared

    # ---------------------------------------------------------------- is one direction enough?
    def stands_in_for_logits(self, direction: Tensor | None = None) -> dict[str, float]:
        """How well a direction [d_model] before the final LayerNorm stands in for LDu.

        The correlation of the projection with LDu, and the ratio of their gaps between the
        classes. The direction is pf unless another is given.
        """
        direction = self.task.unbalanced_before_final if direction is None else direction
        projected = self.task.recording.run["resid_final"].double() @ direction
        true = self.task.recording.logit_difference
        balanced = self.task.B
        gap = projected[~balanced].mean() - projected[balanced].mean()
        true_gap = true[~balanced].mean() - true[balanced].mean()
        return {
            "correlation": stats.correlation(projected, true),
            "gap_ratio": (gap / true_gap).item(),
        }

    @property
    def random_direction(self) -> Tensor:
        """A random direction as long as pf: float64 [d_model]."""
        pf = self.task.unbalanced_before_final
        random = torch.randn(len(pf), generator=torch.Generator().manual_seed(0)).to(pf)
        direction: Tensor = random * pf.norm() / random.norm()
        return direction

    # ---------------------------------------------------------------- contributions
    def weakest_effect(self, *components: str) -> float:
        """The smallest, over the named components, of the largest |u| over the strings."""
        u = self.task.contributions
        return min(u[c].abs().max().item() for c in components)

    def dominance(self, *heads: str, shuffled_labels: bool = False) -> dict[str, float]:
        """Two heads, by default those of the last layer, against the other components.

        The smaller of their mean gaps between unbalanced and balanced strings, that gap over the
        largest gap of any other component, and the lower of their AUROCs.
        """
        u, unbalanced, heads = (
            self.task.contributions,
            self._unbalanced(shuffled_labels),
            heads or LAST,
        )
        gaps = {c: (u[c][unbalanced].mean() - u[c][~unbalanced].mean()).item() for c in COMPONENTS}
        smaller = min(gaps[h] for h in heads)
        others = max(abs(gap) for c, gap in gaps.items() if c not in heads)
        return {
            "smaller_gap": smaller,
            "times_the_next": stats.ratio(smaller, others),
            "lower_auroc": min(stats.auroc(u[h][unbalanced], u[h][~unbalanced]) for h in heads),
        }

    def foreign_answers(self, on_N: str | None = None, on_T: str | None = None) -> dict[str, float]:
        """How one head answers N strings and another T strings: the lower AUROC against balanced
        strings, and the lower mean of u. By default the total and the negative head, each on the
        failure that is not its own."""
        task, u = self.task, self.task.contributions
        on_N, on_T = on_N or head_label(self.roles.total), on_T or head_label(self.roles.negative)
        pairs = ((u[on_N], task.N), (u[on_T], task.T))
        return {
            "lower_auroc": min(stats.auroc(x[rows], x[task.B]) for x, rows in pairs),
            "lower_mean": min(x[rows].mean().item() for x, rows in pairs),
        }

    def class_overlap(self, *others: str, shuffled_labels: bool = False) -> dict[str, float]:
        """Overlap of the histograms of u for the two classes (1: identical, 0: disjoint).

        The larger of the last two heads', and the smallest of other components', by default the
        helper head and the last MLP.
        """
        u, unbalanced = self.task.contributions, self._unbalanced(shuffled_labels)

        def overlap(c: str) -> float:
            return stats.overlap(u[c][unbalanced], u[c][~unbalanced], *AXIS, bins=60)

        helper = [head_label(self.roles.helper)] if self.roles.helper else []
        others = others or (*helper, f"mlp{LAYERS[-1]}")
        return {
            "last_heads_larger": max(overlap(h) for h in LAST),
            "others_smallest": min(overlap(c) for c in others),
        }

    def _unbalanced(self, shuffled: bool) -> Tensor:
        return ~(_shuffled(self.task.B) if shuffled else self.task.B)


def _shuffled(rows: Tensor) -> Tensor:
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]
