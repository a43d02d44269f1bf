"""Measurements of the sorting model."""

from replications.systems.algorithmic.measurements.sorting.attention import Attention
from replications.systems.algorithmic.measurements.sorting.attribution import Attribution
from replications.systems.algorithmic.measurements.sorting.behaviour import Behaviour
from replications.systems.algorithmic.measurements.sorting.circuits import Circuits

__all__ = ["Attention", "Attribution", "Behaviour", "Circuits"]
