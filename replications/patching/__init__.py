"""Exact activation patching and path patching, and the first-order estimate of the former.

Activation patching says *base* for the run that is patched and *source* for the run the patch comes
from; path patching says *sender* and *receiver* for the two ends of a path.
"""

from replications.patching.activation import Sweep, expected_flops, sweep, sweeps
from replications.patching.attribution import (
    Agreement,
    AttributionPatching,
    MisjudgedPlace,
    agreement,
    attribute,
)
from replications.patching.execution import Execution
from replications.patching.grid import SWEPT_SITES, Grid
from replications.patching.metrics import Metric, RecoveryMetric, logit_difference
from replications.patching.paths import HeadInputs, PathSweep, Softmax, every_head, path_patch
from replications.patching.results import PatchingResult, recovery

__all__ = [
    "SWEPT_SITES",
    "Agreement",
    "AttributionPatching",
    "Execution",
    "Grid",
    "HeadInputs",
    "Metric",
    "MisjudgedPlace",
    "PatchingResult",
    "PathSweep",
    "RecoveryMetric",
    "Softmax",
    "Sweep",
    "agreement",
    "attribute",
    "every_head",
    "expected_flops",
    "logit_difference",
    "path_patch",
    "recovery",
    "sweep",
    "sweeps",
]
