"""Inputs of the algorithmic problems, one module for each problem, as pure functions.

Every set is drawn from one generator on the CPU, in the order in which the published code draws, so
that equal seeds and sizes give the published sequences. A set of another size is another set: 1,000
rows are not the first rows of 2,000.
"""

from replications.systems.algorithmic.data.examples import Examples, Symbols

__all__ = ["Examples", "Symbols"]
