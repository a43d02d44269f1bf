"""Causal scrubbing of the bracket classifier: features, experiments and wrong hypotheses.

The experiments are those of Redwood Research's post "Causal scrubbing: results on a paren balance
checker" (2022) and of its executable replication.
"""

from replications.systems.brackets.scrubbing.features import Features
from replications.systems.brackets.scrubbing.hypotheses import Hypotheses

__all__ = ["Features", "Hypotheses"]
