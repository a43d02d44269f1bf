"""Means with standard errors, and the share of the loss that a hypothesis recovers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from replications.analysis.statistics import MeanInterval, bootstrap_ratio


@dataclass(frozen=True)
class Estimated:
    """A mean and its standard error."""

    mean: float
    error: float


def estimated(values: Tensor) -> Estimated:
    """The mean of values [n], and the standard deviation over the square root of n."""
    values = values.double()
    return Estimated(values.mean().item(), (values.std() / len(values) ** 0.5).item())


def recovered_share(model: Tensor, scrubbed: Tensor, random: Tensor) -> Estimated:
    """(L_random - L_scrubbed) / (L_random - L_model), from the losses [n] of the same references.

    The standard error is that of the ratio of two means, to first order: pairs of losses belong to
    one reference, so they are not independent.
    """
    model, scrubbed, random = model.double(), scrubbed.double(), random.double()
    above, below = random - scrubbed, random - model
    share = (above.mean() / below.mean()).item()
    error = (above - share * below).std() / below.mean().abs() / len(below) ** 0.5
    return Estimated(share, error.item())


def recovered_interval(
    model: Tensor, scrubbed: Tensor, random: Tensor, *, seed: int = 0
) -> MeanInterval:
    """The same share with its 95 % percentile bootstrap interval over the references."""
    model, scrubbed, random = (losses.double() for losses in (model, scrubbed, random))
    return bootstrap_ratio(random - scrubbed, random - model, seed=seed)
