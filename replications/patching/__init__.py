"""Exact activation patching and path patching, and the first-order estimate of the former.

`ask` and `patch` take two prompts in words, `sweep_pairs` many.

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
from replications.patching.pair_file import Pair, read_pairs
from replications.patching.pair_sweeps import SweptPairs, sweep_pairs
from replications.patching.paths import HeadInputs, PathSweep, Softmax, every_head, path_patch
from replications.patching.prompt_pair import PatchedPair, Question, ask, patch
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
    "Pair",
    "PatchedPair",
    "PatchingResult",
    "PathSweep",
    "Question",
    "RecoveryMetric",
    "Softmax",
    "Sweep",
    "SweptPairs",
    "agreement",
    "ask",
    "attribute",
    "every_head",
    "expected_flops",
    "logit_difference",
    "patch",
    "path_patch",
    "read_pairs",
    "recovery",
    "sweep",
    "sweep_pairs",
    "sweeps",
]
