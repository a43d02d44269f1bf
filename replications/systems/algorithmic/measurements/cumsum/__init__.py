"""Measurements of the running-sum model."""

from replications.systems.algorithmic.measurements.cumsum.attention import Attention
from replications.systems.algorithmic.measurements.cumsum.behaviour import Behaviour
from replications.systems.algorithmic.measurements.cumsum.circuits import Circuits
from replications.systems.algorithmic.measurements.cumsum.neurons import Neurons

__all__ = ["Attention", "Behaviour", "Circuits", "Neurons"]
