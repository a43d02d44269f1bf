"""What is measured, one file for each section of the document.

Early heads are in `early_heads` (attention) and `early_paths` (path patching). Backup name movers
are in `name_movers`, with the ablation of one head in `ablation`. Signals of the S-inhibition heads
are in `position_against_token`, with their tables in `signal_table`. `printed` has what is printed
for the document's own prompts. `circuits` has the whole circuit as heads, `edges` as edges.
`arithmetic` needs no model.
"""

from replications.systems.ioi.measurements.ablation import STANDS_OUT, Ablation, Ablations
from replications.systems.ioi.measurements.arithmetic import Arithmetic
from replications.systems.ioi.measurements.circuits import Circuits
from replications.systems.ioi.measurements.early_heads import EarlyHeads
from replications.systems.ioi.measurements.early_paths import EarlyPaths
from replications.systems.ioi.measurements.edges import Edges, Planted
from replications.systems.ioi.measurements.name_movers import NameMovers
from replications.systems.ioi.measurements.position_against_token import PositionAgainstToken
from replications.systems.ioi.measurements.printed import Printed
from replications.systems.ioi.measurements.signal_table import Table, Tables

__all__ = [
    "STANDS_OUT",
    "Ablation",
    "Ablations",
    "Arithmetic",
    "Circuits",
    "EarlyHeads",
    "EarlyPaths",
    "Edges",
    "NameMovers",
    "Planted",
    "PositionAgainstToken",
    "Printed",
    "Table",
    "Tables",
]
