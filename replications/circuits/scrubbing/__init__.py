"""Causal scrubbing: is a hypothesis about what a network computes enough to predict its output?

Chan et al., "Causal scrubbing: a method for rigorously testing interpretability hypotheses"
(2022). A hypothesis names inputs of a computation, each with the feature of the string that is
supposed to matter there. Every named input is then computed on another string that agrees on the
feature, and everything that is not named on a string drawn at random. If the output is as good as
before, the hypothesis holds. Effects can cancel, and two hypotheses that allow the same exchanges
cannot be told apart: Scheurer et al., "Practical pitfalls of causal scrubbing" (2023).
"""

from replications.circuits.scrubbing.clean import logits_at
from replications.circuits.scrubbing.features import Feature
from replications.circuits.scrubbing.hypothesis import (
    Along,
    Component,
    DirectPath,
    Embeddings,
    Estimate,
    Mask,
    Node,
    Output,
    Position,
)
from replications.circuits.scrubbing.results import (
    Estimated,
    estimated,
    recovered_interval,
    recovered_share,
)
from replications.circuits.scrubbing.running import Scrubbed, scrub

__all__ = [
    "Along",
    "Component",
    "DirectPath",
    "Embeddings",
    "Estimate",
    "Estimated",
    "Feature",
    "Mask",
    "Node",
    "Output",
    "Position",
    "Scrubbed",
    "estimated",
    "logits_at",
    "recovered_interval",
    "recovered_share",
    "scrub",
]
