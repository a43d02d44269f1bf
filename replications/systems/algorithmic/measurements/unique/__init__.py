"""Measurements of the first-unique-letter model."""

from replications.systems.algorithmic.measurements.unique.adversarial import Adversarial
from replications.systems.algorithmic.measurements.unique.attention import Attention
from replications.systems.algorithmic.measurements.unique.attribution import Attribution
from replications.systems.algorithmic.measurements.unique.behaviour import Behaviour
from replications.systems.algorithmic.measurements.unique.by_letter import ByLetter
from replications.systems.algorithmic.measurements.unique.circuits import Circuits

__all__ = ["Adversarial", "Attention", "Attribution", "Behaviour", "ByLetter", "Circuits"]
