"""Exact activation and path patching, and its first-order estimate."""

from replications.patching.activation import Grid, Sweep, expected_flops, sweep, sweeps
from replications.patching.attribution import Agreement, Attribution, agreement, attribute
from replications.patching.paths import HeadInputs, PathSweep, path_patch

__all__ = [
    "Agreement",
    "Attribution",
    "Grid",
    "HeadInputs",
    "PathSweep",
    "Sweep",
    "agreement",
    "attribute",
    "expected_flops",
    "path_patch",
    "sweep",
    "sweeps",
]
