"""The measurements of the bracket document, by section.

Section 1: `behaviour`. Section 2: `components`, `verdict_heads`, `circuit`. Section 3:
`verdict_heads`, `neurons`, `elevation_head`, `circuit`, `edges`. Section 4: `verdict_heads`,
`adversarial`, `circuit`. Beyond the document: `scrubbing`.
"""

from replications.systems.brackets.measurements.adversarial import Adversarial
from replications.systems.brackets.measurements.behaviour import Behaviour
from replications.systems.brackets.measurements.circuit import Circuit
from replications.systems.brackets.measurements.components import Components
from replications.systems.brackets.measurements.edges import Edges
from replications.systems.brackets.measurements.elevation_head import ElevationHead
from replications.systems.brackets.measurements.neurons import Neurons
from replications.systems.brackets.measurements.scrubbing import Scrubbing
from replications.systems.brackets.measurements.verdict_heads import VerdictHead

__all__ = [
    "Adversarial",
    "Behaviour",
    "Circuit",
    "Components",
    "Edges",
    "ElevationHead",
    "Neurons",
    "Scrubbing",
    "VerdictHead",
]
