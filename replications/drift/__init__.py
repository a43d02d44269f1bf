"""What moved between two runs: rows of two ledgers, and activations of one model.

`compare` gives the changes between two ledgers, and `accepted.apply` marks those that are known and
right.  `fingerprint` (which needs torch) finds where in a model a difference began.
"""

from replications.drift.accepted import Accepted
from replications.drift.changes import Change, compare
from replications.judging.noise import Floor

__all__ = ["Accepted", "Change", "Floor", "compare"]
