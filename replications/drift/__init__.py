"""What moved between two runs: rows of two ledgers, and activations of one model."""

from replications.drift.accepted import Accepted
from replications.drift.changes import Change, Floor, compare

__all__ = ["Accepted", "Change", "Floor", "compare"]
