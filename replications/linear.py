"""Linear fits with an explicit cutoff, and cosines."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CUTOFF = 3e-5
"""Singular values below this share of the largest are dropped.

The layer-0 LayerNorm of the bracket model sees 139 distinct inputs, so its fit is
rank-deficient: below about 1e-7 the values are rounding noise, and a default cutoff fits it.
At 3e-5 the spectrum has a gap of a factor 19; the other fits keep full rank.
"""


@dataclass(frozen=True)
class LinearFit:
    """Least squares with an intercept, in float64.  outputs ≈ inputs @ coef.T + intercept.

    coef [out in], intercept [out]; r_squared is the plain mean over the outputs, as in
    scikit-learn; rank is what survived the cutoff.
    """

    coef: Tensor
    intercept: Tensor
    r_squared: float
    rank: int

    def pull_back(self, direction: Tensor) -> Tensor:
        """The input direction [in] that the fit maps onto `direction` [out]: coef.T @ direction."""
        return self.coef.T @ direction.to(self.coef)

    def push(self, vector: Tensor) -> Tensor:
        """The image [..., out] of input vectors [..., in], without the intercept."""
        return vector.to(self.coef) @ self.coef.T


def fit(inputs: Tensor, outputs: Tensor, cutoff: float = CUTOFF) -> LinearFit:
    """Fit `outputs` [rows out] to `inputs` [rows in] through a truncated SVD of the inputs."""
    x, y = inputs.double(), outputs.double()
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, y = x - x_mean, y - y_mean
    # QR first: the SVD is then of a small square matrix, and conditioning is not squared.
    q, r = torch.linalg.qr(x)
    u, singular, vh = torch.linalg.svd(r, full_matrices=False)
    kept = singular > cutoff * singular[0]
    scaled = (u.T @ (q.T @ y))[kept] / singular[kept, None]
    coef = (vh[kept].T @ scaled).T
    residual = (y - x @ coef.T).square().sum(0)
    total = y.square().sum(0)
    # An output that never varies is explained exactly if its residual is zero too.
    r_squared = torch.where(
        total > 0, 1 - residual / total.clamp_min(1e-300), (residual == 0) * 1.0
    )
    return LinearFit(coef, y_mean - coef @ x_mean, r_squared.mean().item(), int(kept.sum()))


def cosine(a: Tensor, b: Tensor) -> float:
    """Cosine of the angle between two vectors, in float64."""
    a, b = a.double(), b.double()
    return (a @ b / (a.norm() * b.norm())).item()
