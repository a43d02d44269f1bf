"""Activation patching by hooks: one forward pass for each place, nothing clever.

`replications.patching.activation` gives the same numbers fast; its tests compare it with this.

A corrupted run is given back, at one place, what a clean run had there; the metric says how much
of the clean behaviour returns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats as scipy_stats
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens
from replications.models.edits import put_rows
from replications.models.sites import Place, Site

Metric = Callable[[Tensor], Tensor]
"""Logits [batch pos d_vocab_out] to one number per example, [batch]."""


def sweep(lens: Lens, clean: Tensor, corrupted: Tensor, metric: Metric, site: Site) -> Tensor:
    """The metric with each layer and position of `site` patched alone: [layer pos batch].

    `clean` and `corrupted` are tokens [batch pos]; all heads are patched at once.  Of an
    attention pattern the rows are patched, by query.  Raises BadInput for a site without layers
    or positions, or for tokens of different shapes.
    """
    axis = "query" if "query" in site.axes else "pos"
    if not site.layered or axis not in site.axes:
        raise BadInput(f"site {site.name!r} has no layers or no positions to sweep over")
    if clean.shape != corrupted.shape:
        raise BadInput(f"clean tokens {[*clean.shape]}, corrupted {[*corrupted.shape]}")
    found = []
    for layer in range(lens.shape.n_layers):
        values = lens.read(clean, {"whole": site(layer)})["whole"]
        at = site.axes.index(axis)
        for position in range(clean.shape[1]):
            place = site(layer).pick(**{axis: position})
            found.append(_patched(lens, corrupted, metric, place, values.select(at, position)))
    return torch.stack(found).unflatten(0, (lens.shape.n_layers, clean.shape[1]))


def patch(lens: Lens, clean: Tensor, corrupted: Tensor, metric: Metric, place: Place) -> Tensor:
    """The metric with one place patched: [batch]."""
    values = lens.read(clean, {"there": place})["there"]
    return _patched(lens, corrupted, metric, place, values)


def _patched(lens: Lens, tokens: Tensor, metric: Metric, place: Place, values: Tensor) -> Tensor:
    return metric(lens.run(tokens, edits=[put_rows(place, values)]).logits)


@dataclass(frozen=True)
class Recovery:
    """A difference of two logits, as a share of the way from a corrupted run back to a clean one.

    `position`, `correct` and `incorrect` are long [batch]; `clean` and `corrupted` are the
    differences of the two unpatched runs, float64 [batch].
    """

    position: Tensor
    correct: Tensor
    incorrect: Tensor
    clean: Tensor
    corrupted: Tensor

    @classmethod
    def between(
        cls,
        lens: Lens,
        tokens: tuple[Tensor, Tensor],
        position: Tensor,
        correct: Tensor,
        incorrect: Tensor,
    ) -> Recovery:
        """The metric between the runs of `tokens` = (clean, corrupted), each [batch pos]."""
        clean, corrupted = (
            logit_difference(lens.run(t).logits, position, correct, incorrect) for t in tokens
        )
        return cls(position, correct, incorrect, clean, corrupted)

    def __call__(self, logits: Tensor) -> Tensor:
        """1 where the clean difference is back, 0 where nothing changed: float64 [batch]."""
        return self.share(logit_difference(logits, self.position, self.correct, self.incorrect))

    def share(self, differences: Tensor) -> Tensor:
        """The same of differences of logits [… batch] that were read already."""
        return (differences.double() - self.corrupted) / (self.clean - self.corrupted)


def logit_difference(
    logits: Tensor, position: Tensor, correct: Tensor, incorrect: Tensor
) -> Tensor:
    """logit(correct) less logit(incorrect) at one position of each example: float64 [batch]."""
    rows = torch.arange(len(logits))
    there = logits[rows, position].double()
    return there[rows, correct] - there[rows, incorrect]


@dataclass(frozen=True)
class Mean:
    """A mean with a bootstrap interval."""

    mean: float
    low: float
    high: float


def bootstrap_mean(
    values: Tensor, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Mean:
    """The mean of `values` [n] and its percentile bootstrap interval, the same for one seed."""
    sample = values.double().cpu().numpy()
    found = scipy_stats.bootstrap(
        (sample,),
        np.mean,
        confidence_level=confidence,
        n_resamples=resamples,
        method="percentile",
        random_state=np.random.default_rng(seed),  # `rng` from scipy 1.15 on; both are taken
    ).confidence_interval
    return Mean(float(sample.mean()), float(found.low), float(found.high))
