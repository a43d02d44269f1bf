"""Hypotheses about circuits: which nodes and edges do a task, and how to test that.

Every edge of a model patched exactly, circuits found by exact effects or by estimates of them, and
causal scrubbing (in `circuits.scrubbing`).
"""

from replications.circuits.circuit import (
    Circuit,
    edge_auroc,
    edges_over,
    random_edges,
    random_paths,
    top_edges,
)
from replications.circuits.discovery import Discovery, acdc
from replications.circuits.edge_sets import (
    EdgeSetSweep,
    NodeOutputs,
    node_outputs,
    patch_edge_sets,
)
from replications.circuits.edges import EdgeSweep, edge_sweep, expected_edge_flops
from replications.circuits.estimates import EdgeEstimate, eap, eap_ig
from replications.circuits.graph import Edge, Graph, Node, edges
from replications.circuits.known import KnownCircuit, Peers, Searched
from replications.circuits.quality import (
    Completeness,
    Curve,
    Faithfulness,
    Minimality,
    Prompts,
    completeness,
    faithfulness,
    faithfulness_curve,
    minimality,
    worst_part,
)
from replications.circuits.scrubbing import Scrubbed, scrub

__all__ = [
    "Circuit",
    "Completeness",
    "Curve",
    "Discovery",
    "Edge",
    "EdgeEstimate",
    "EdgeSetSweep",
    "EdgeSweep",
    "Faithfulness",
    "Graph",
    "KnownCircuit",
    "Minimality",
    "Node",
    "NodeOutputs",
    "Peers",
    "Prompts",
    "Scrubbed",
    "Searched",
    "acdc",
    "completeness",
    "eap",
    "eap_ig",
    "edge_auroc",
    "edge_sweep",
    "edges",
    "edges_over",
    "expected_edge_flops",
    "faithfulness",
    "faithfulness_curve",
    "minimality",
    "node_outputs",
    "patch_edge_sets",
    "random_edges",
    "random_paths",
    "scrub",
    "top_edges",
    "worst_part",
]
