"""The studied behaviours. Nothing of a system is imported until it is asked for."""

from replications.systems.registry import SYSTEMS, System, load, named

__all__ = ["SYSTEMS", "System", "load", "named"]
