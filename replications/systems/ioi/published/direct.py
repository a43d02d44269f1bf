"""Direct logit attribution on the eight prompts, and what is left when head 9.9 is set to zero.

Everything is a mean over prompts of a share in logit(answer) less logit(other name) at the end,
projected as in `analysis.logit_attribution`: each part is divided by the final LayerNorm's scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.logit_attribution import (
    LogitAttribution,
    directions,
    logit_attribution,
)
from replications.lens import Lens, as_network
from replications.models import Edit, Head, Place, apply, sites
from replications.systems.ioi.published.prompts import Pair

ABLATED: Head = (9, 9)
"""The head with the largest attribution, as printed."""


class Direct:
    """Shares of one model's parts on the clean prompts of `pair`."""

    def __init__(self, lens: Lens, pair: Pair) -> None:
        self._lens = lens
        self._pair = pair

    # ---------------------------------------------------------------- the whole model
    @cached_property
    def whole(self) -> LogitAttribution:
        """Without an ablation."""
        return self._attribution(())

    @cached_property
    def _stacks(self) -> Mapping[str, Tensor]:
        """Each part and each point of the stream, at the end of the prompts: float64 [n d_model]"""
        layers = range(self._lens.shape.n_layers)
        places: dict[str, Place] = {"embed": sites.EMBED(), "pos": sites.POS_EMBED()}
        for i in layers:
            places |= {f"attn{i}": sites.ATTN_OUT(i), f"mlp{i}": sites.MLP_OUT(i)}
            places |= {f"pre{i}": sites.RESID_PRE(i), f"mid{i}": sites.RESID_MID(i)}
        places["final"] = sites.RESID_POST(layers[-1])
        run, n = self._lens.run(self._pair.clean, places), len(self._pair.clean)
        found = {name: run[name] for name in places}
        return {name: x.expand(n, *x.shape[1:])[:, -1].double() for name, x in found.items()}

    def _shares(self, names: list[str], *, own_scale: bool = False) -> Tensor:
        stacked = torch.stack([self._stacks[name] for name in names])
        direction, _ = directions(self._lens, self._pair.answers)
        scale = self.whole.scale
        if own_scale:
            eps = as_network(self._lens).eps
            scale = (stacked.var(-1, correction=0) + eps).sqrt()
        return ((stacked * direction).sum(-1) / scale).mean(-1)

    @property
    def by_part(self) -> Tensor:
        """Embedding, position, then attention and MLP of each layer: float64 [part]."""
        layers = range(self._lens.shape.n_layers)
        return self._shares(["embed", "pos", *(f"{p}{i}" for i in layers for p in ("attn", "mlp"))])

    def logit_lens(self, *, own_scale: bool = False) -> Tensor:
        """The stream before and inside each layer, and after the last: float64 [stream].

        All points are divided by the scale of the last one, or each by its own.
        """
        layers = range(self._lens.shape.n_layers)
        names = [f"{p}{i}" for i in layers for p in ("pre", "mid")]
        return self._shares([*names, "final"], own_scale=own_scale)

    @property
    def by_head(self) -> Tensor:
        """Each head: float64 [layer head]."""
        return self.whole.heads.mean(-1)

    # ---------------------------------------------------------------- without head 9.9
    @cached_property
    def ablated(self) -> LogitAttribution:
        """With the output of head 9.9 set to zero at the end of the prompts."""
        return self._attribution((self._zeros(at_the_end=True),))

    @cached_property
    def ablated_everywhere(self) -> LogitAttribution:
        """With the output of head 9.9 set to zero at every position."""
        return self._attribution((self._zeros(at_the_end=False),))

    def _zeros(self, *, at_the_end: bool) -> Edit:
        layer, head = ABLATED
        place = sites.Z(layer).pick(head=head)
        if at_the_end:
            place = place.pick(pos=self._pair.clean.shape[1] - 1)
        return apply(place, torch.zeros_like)

    def _attribution(
        self, edits: tuple[Edit, ...], *, scale: Tensor | None = None
    ) -> LogitAttribution:
        pair = self._pair
        return logit_attribution(
            self._lens, pair.clean, pair.ends, pair.answers, edits, scale=scale
        )

    @property
    def after_on_the_old_scale(self) -> Tensor:
        """Each head without head 9.9, divided by the whole model's scale: float64 [layer head]."""
        edits = (self._zeros(at_the_end=True),)
        return self._attribution(edits, scale=self.whole.scale).heads.mean(-1)

    def scales(self, *, everywhere: bool = False) -> Tensor:
        """The final LayerNorm's scale, whole and ablated: float64 [2 n]."""
        without = self.ablated_everywhere if everywhere else self.ablated
        return torch.stack([self.whole.scale, without.scale])

    def scale_ratio(self, *, everywhere: bool = False) -> float:
        """The mean over prompts of the whole model's scale over the ablated model's."""
        whole, without = self.scales(everywhere=everywhere)
        ratio: float = (whole / without).mean().item()
        return ratio

    def repair(self, *, everywhere: bool = False) -> dict[str, float]:
        """Mean logit differences, and how much of what head 9.9 gave comes back without it.

        `naive` is what is left if nothing else changes; recovered is (after - naive) / given.
        """
        without = self.ablated_everywhere if everywhere else self.ablated
        whole, after = (run.logit_difference.mean().item() for run in (self.whole, without))
        given = self.by_head[ABLATED].item()
        return {
            "whole": whole,
            "given": given,
            "naive": whole - given,
            "after": after,
            "recovered": (after - whole + given) / given,
        }
