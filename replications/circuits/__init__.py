"""Hypotheses about circuits: which nodes and edges do a task, and how to test that.

Every edge of a model patched exactly, circuits found by exact effects or by estimates of them, and
causal scrubbing (in `circuits.scrubbing`).
"""

from replications.circuits.scrubbing import Scrubbed, scrub

__all__ = ["Scrubbed", "scrub"]
