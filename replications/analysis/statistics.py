"""Small statistics on one-dimensional samples. All return Python floats."""

from __future__ import annotations

import torch
from scipy import stats as scipy_stats
from torch import Tensor


def auroc(positive: Tensor, negative: Tensor) -> float:
    """Probability that a positive outranks a negative, ties counted half.

    Says nothing about size: a constant with rounding noise can score 0.95. Pair it with an effect.
    """
    ranks = scipy_stats.rankdata(torch.cat([positive, negative]).double().cpu().numpy())
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson correlation."""
    return torch.corrcoef(torch.stack([a.double().cpu(), b.double().cpu()]))[0, 1].item()


def spearman(a: Tensor, b: Tensor) -> float:
    """Spearman rank correlation."""
    return float(
        scipy_stats.spearmanr(a.double().cpu().numpy(), b.double().cpu().numpy()).statistic
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
