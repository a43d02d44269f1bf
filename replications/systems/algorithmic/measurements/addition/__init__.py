"""Measurements of the addition model."""

from replications.systems.algorithmic.measurements.addition.attention import Attention
from replications.systems.algorithmic.measurements.addition.behaviour import Behaviour
from replications.systems.algorithmic.measurements.addition.carries import Carries
from replications.systems.algorithmic.measurements.addition.circuits import Circuits
from replications.systems.algorithmic.measurements.addition.probe import Probe
from replications.systems.algorithmic.measurements.addition.readout import Readout

__all__ = ["Attention", "Behaviour", "Carries", "Circuits", "Probe", "Readout"]
