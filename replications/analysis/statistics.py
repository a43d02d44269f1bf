"""Small statistics on one-dimensional samples. All return Python floats or intervals of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when first used: scipy.stats takes seconds
import torch
from torch import Tensor


@dataclass(frozen=True)
class MeanInterval:
    """A mean with a bootstrap interval."""

    mean: float
    low: float
    high: float


def bootstrap_mean(
    values: Tensor, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> MeanInterval:
    """The mean of `values` [n] and its percentile bootstrap interval, the same for one seed."""
    sample = values.double().cpu().numpy()
    found = scipy.stats.bootstrap(
        (sample,),
        np.mean,
        confidence_level=confidence,
        n_resamples=resamples,
        method="percentile",
        random_state=np.random.default_rng(seed),  # `rng` from scipy 1.15 on; both are taken
    ).confidence_interval
    return MeanInterval(float(sample.mean()), float(found.low), float(found.high))


def bootstrap_ratio(
    above: Tensor, below: Tensor, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> MeanInterval:
    """mean(above) / mean(below) of pairs [n], with its percentile bootstrap interval.

    Pairs are drawn together. The result is the same for one seed.
    """
    generator, n = torch.Generator().manual_seed(seed), len(below)
    drawn = torch.randint(0, n, (resamples, n), generator=generator)
    ratios = above[drawn].mean(1) / below[drawn].mean(1)
    tail = (1 - confidence) / 2
    low, high = torch.quantile(ratios, torch.tensor([tail, 1 - tail], dtype=torch.float64))
    return MeanInterval((above.mean() / below.mean()).item(), low.item(), high.item())


@dataclass(frozen=True)
class Intervals:
    """Means [m] with bootstrap intervals; NaN bounds if there was a single example."""

    mean: Tensor
    low: Tensor
    high: Tensor

    def rows(self) -> list[tuple[float, float, float]]:
        """(mean, low, high) of each."""
        return list(zip(self.mean.tolist(), self.low.tolist(), self.high.tolist(), strict=True))


def bootstrap_means(
    values: Tensor, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Intervals:
    """The mean of each column of `values` [n m], with its percentile bootstrap interval.

    All columns are resampled together. The result is the same for one seed.
    """
    ones = torch.ones(len(values), dtype=torch.float64)
    return bootstrap_ratios(values, ones, confidence=confidence, resamples=resamples, seed=seed)


def bootstrap_ratios(
    above: Tensor, below: Tensor, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Intervals:
    """mean(above) / mean(below) for each column of `above` [n m], as `bootstrap_ratio`.

    `below` is [n]; rows are drawn together.
    """
    above, below = above.double().cpu(), below.double().cpu()
    mean = above.mean(0) / below.mean()
    if len(below) < 2:
        return Intervals(mean, mean * torch.nan, mean * torch.nan)
    generator, n = torch.Generator().manual_seed(seed), len(below)
    drawn = torch.randint(0, n, (resamples, n), generator=generator)
    counts = torch.zeros(resamples, n, dtype=torch.float64)
    counts.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
    tail = (1 - confidence) / 2
    bounds = torch.tensor([tail, 1 - tail], dtype=torch.float64)
    parts = [  # torch.quantile takes no more than 2^24 numbers at a time
        torch.quantile((counts @ some) / (counts @ below)[:, None], bounds, dim=0)
        for some in above.split(4096, dim=1)
    ]
    low, high = torch.cat(parts, 1)
    return Intervals(mean, low, high)


def auroc(positive: Tensor, negative: Tensor) -> float:
    """The probability that a positive outranks a negative; ties count half.

    It says nothing about the size of the difference: a constant with rounding noise can score 0.95.
    Report an effect beside it.
    """
    ranks = scipy.stats.rankdata(torch.cat([positive, negative]).double().cpu().numpy())
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson correlation of two samples [n]."""
    return torch.corrcoef(torch.stack([a.double().cpu(), b.double().cpu()]))[0, 1].item()


def spearman(a: Tensor, b: Tensor) -> float:
    """Spearman rank correlation of two samples [n]."""
    return float(
        scipy.stats.spearmanr(a.double().cpu().numpy(), b.double().cpu().numpy()).statistic
    )


def quantile(a: Tensor, q: float) -> float:
    """The q-quantile, by linear interpolation."""
    return torch.quantile(a.double(), q).item()


def overlap(a: Tensor, b: Tensor, low: float, high: float, bins: int) -> float:
    """Overlap of two histograms with common bins: 1 for equal distributions, 0 for disjoint.

    Values beyond `low` and `high` count in the outermost bins.
    """
    p, q = (torch.histc(x.double().clamp(low, high), bins, low, high) / len(x) for x in (a, b))
    return torch.minimum(p, q).sum().item()


def variation(a: Tensor) -> float:
    """Coefficient of variation: sample standard deviation over mean."""
    a = a.double()
    return (a.std() / a.mean()).item()


def ratio(a: float, b: float) -> float:
    """a / b, infinite or NaN where b is zero: neither satisfies any expectation."""
    return (torch.tensor(a, dtype=torch.float64) / b).item()
