"""Measurements of the palindrome classifier."""

from replications.systems.algorithmic.measurements.palindrome.attention import Attention
from replications.systems.algorithmic.measurements.palindrome.behaviour import Behaviour
from replications.systems.algorithmic.measurements.palindrome.circuits import Circuits
from replications.systems.algorithmic.measurements.palindrome.mistakes import Mistakes

__all__ = ["Attention", "Behaviour", "Circuits", "Mistakes"]
