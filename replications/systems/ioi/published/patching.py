"""Exact patching and its first-order estimate, into the corrupted prompts from the clean ones.

A value is the share of the way from the corrupted prompts' mean logit difference (0) to the clean
prompts' (1): means over prompts first, then the share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from replications.analysis import statistics
from replications.lens import Lens, as_network
from replications.models import Tokenizer, sites
from replications.models.sites import Site
from replications.patching import Grid, PatchingResult, attribute, sweep
from replications.patching.results import recovery
from replications.systems.ioi.published.prompts import EIGHT, MAIN, Texts, encode

SITES: Mapping[str, Site] = {
    site.name: site
    for site in (
        sites.RESID_PRE, sites.RESID_MID, sites.RESID_POST, sites.ATTN_OUT, sites.MLP_OUT,
        sites.Z, sites.Q, sites.K, sites.V, sites.PATTERN,
    )
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """How the values of one figure are computed.

    `axes` are those of a Grid. With `last`, of the positions only the last one is taken, and it has
    no axis of its own.
    """

    texts: Texts
    bos: bool
    site: str
    axes: str
    estimated: bool = False
    last: bool = False


def _eight() -> dict[str, Recipe]:
    blocks, heads = ("resid_pre", "attn_out", "mlp_out"), ("z", "q", "k", "v", "pattern")
    found = {name: Recipe(EIGHT, True, name, "layer pos") for name in blocks}
    found |= {f"head_{name}": Recipe(EIGHT, True, name, "layer head") for name in heads}
    return found | {
        f"head_pos_{name}": Recipe(EIGHT, True, name, "layer head pos") for name in heads
    }


SWEEPS = _eight()
"""The thirteen sweeps that were made exactly and by estimate, by their names."""
EXPLORED = ("resid_pre", "attn_out", "mlp_out", "head_z", "head_v", "head_pattern")
RECIPES: Mapping[str, Recipe] = {
    **{f"exploratory/{name}": SWEEPS[name] for name in EXPLORED},
    **{f"activation_patching/{name}": recipe for name, recipe in SWEEPS.items()},
    **{
        f"attribution_patching/{name}": replace(recipe, estimated=True)
        for name, recipe in SWEEPS.items()
    },
    "main/resid_pre": Recipe(MAIN, True, "resid_pre", "layer pos"),
    "nnsight_activation/resid_post": Recipe(MAIN, False, "resid_post", "layer pos"),
    "nnsight_attribution/head_z_at_the_end": Recipe(
        EIGHT, False, "z", "layer head pos", estimated=True, last=True
    ),
    "nnsight_attribution/z": Recipe(EIGHT, False, "z", "layer pos", estimated=True),
}
"""The recipe of every published sweep."""


class Patching:
    """Sweeps of one model; each recipe is carried out once."""

    def __init__(self, lens: Lens, tokenizer: Tokenizer) -> None:
        self._lens = lens
        self._tokenizer = tokenizer
        self._found: dict[Recipe, Tensor] = {}

    def shares(self, recipe: Recipe) -> Tensor:
        """The values of a recipe, float64, with the axes that it names."""
        if recipe not in self._found:
            self._found[recipe] = self._shares(recipe)
        return self._found[recipe]

    def _shares(self, recipe: Recipe) -> Tensor:
        pair = encode(recipe.texts, self._tokenizer, bos=recipe.bos)
        end = pair.clean.shape[1] - 1
        places = Grid(SITES[recipe.site], recipe.axes, positions=[end] if recipe.last else None)
        run = attribute if recipe.estimated else sweep
        network = as_network(self._lens)
        found: PatchingResult = run(network, pair.corrupted, pair.clean, places, pair.answers)
        values, base, source = (
            part.double().mean(-1) for part in (found.values, found.base, found.source)
        )
        shares = recovery(values, base, source)
        return shares.squeeze(-1) if recipe.last else shares

    def aligned(self, recipe: Recipe, length: int | None) -> Tensor:
        """`shares` with `length` positions: the token before a text is left out or put in front.

        Nothing differs at that token, so its values are zero. Used where a figure is compared with
        values that were measured with the other choice.
        """
        found = self.shares(recipe)
        if "pos" not in recipe.axes.split() or recipe.last or length is None:
            return found
        if found.shape[-1] > length:
            return found[..., found.shape[-1] - length :]
        return torch.nn.functional.pad(found, (length - found.shape[-1], 0))

    def agreement(self, name: str, kind: str, *, swept: str = "") -> float:
        """How a sweep's estimates compare with its exact values, over all places.

        `kind` is "pearson", "spearman" (correlations) or "largest_error". The exact values are
        those of the sweep `swept`, by default the same one.
        """
        guess = self.shares(replace(SWEEPS[name], estimated=True)).flatten()
        truth = self.shares(SWEEPS[swept or name]).flatten()
        return agreement(guess, truth, kind)


def agreement(guess: Tensor, truth: Tensor, kind: str) -> float:
    """A correlation of two samples [n], or their largest difference: see `Patching.agreement`."""
    if kind == "largest_error":
        return (guess - truth).abs().max().item()
    measure = {"pearson": statistics.correlation, "spearman": statistics.spearman}[kind]
    return measure(guess, truth)
