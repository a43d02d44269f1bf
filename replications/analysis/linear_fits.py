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

BLOCK = 1024
"""Rows that are decomposed at a time."""


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


def fit(
    inputs: Tensor, outputs: Tensor, cutoff: float = CUTOFF, *, counts: Tensor | None = None
) -> LinearFit:
    """Fit `outputs` [rows out] to `inputs` [rows in] through a truncated SVD of the inputs.

    `counts` [rows] says how often each row occurs: the fit is that of the rows repeated so often.
    """
    if counts is None:
        x_mean, y_mean = (v.mean(0, dtype=torch.float64) for v in (inputs, outputs))
    else:
        counts = counts.double()
        x_mean, y_mean = (counts @ v.double() / counts.sum() for v in (inputs, outputs))
    n_in = len(x_mean)
    r = _triangle(inputs, outputs, x_mean, y_mean, counts)
    of_x, shared, left = r[:n_in, :n_in], r[:n_in, n_in:], r[n_in:, n_in:]
    # The inputs have the singular values of their triangle, and conditioning is not squared.
    u, singular, vh = torch.linalg.svd(of_x, full_matrices=False)
    kept = singular > cutoff * singular[0]
    coef = (vh[kept].T @ ((u.T @ shared)[kept] / singular[kept, None])).T
    residual = (shared - of_x @ coef.T).square().sum(0) + left.square().sum(0)
    total = shared.square().sum(0) + left.square().sum(0)
    # An output that never varies is explained exactly if its residual is zero too.
    r_squared = torch.where(
        total > 0, 1 - residual / total.clamp_min(1e-300), (residual == 0) * 1.0
    )
    return LinearFit(coef, y_mean - coef @ x_mean, r_squared.mean().item(), int(kept.sum()))


def _triangle(
    inputs: Tensor, outputs: Tensor, x_mean: Tensor, y_mean: Tensor, counts: Tensor | None
) -> Tensor:
    """R of the QR decomposition of [inputs outputs], centred, in float64: [in + out, in + out].

    Block by block, each block that fits the processor's cache below the triangle so far.
    """
    size = len(x_mean) + len(y_mean)
    r = x_mean.new_zeros(size, size)
    roots = inputs.new_ones(len(inputs), 1) if counts is None else counts.sqrt()[:, None]
    blocks = (v.split(BLOCK) for v in (inputs, outputs, roots))
    for x, y, root in zip(*blocks, strict=True):
        centred = torch.cat([x.double() - x_mean, y.double() - y_mean], dim=1)
        if counts is not None:
            centred *= root
        r = torch.linalg.qr(torch.cat([r, centred]), mode="r").R
    return r


def cosine(a: Tensor, b: Tensor) -> float:
    """Cosine of the angle between two vectors, in float64."""
    a, b = a.double(), b.double()
    return float(a @ b / (a.norm() * b.norm()))
