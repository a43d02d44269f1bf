"""Hypotheses about circuits: which nodes and edges do a task, and how to test that.

Every edge of a model patched exactly, circuits found by exact effects or by estimates of them, and
causal scrubbing.
"""

from replications.circuits.circuit import Circuit, edges_over, top_edges
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

__all__ = [
    "Circuit",
    "Discovery",
    "Edge",
    "EdgeEstimate",
    "EdgeSetSweep",
    "EdgeSweep",
    "Graph",
    "Node",
    "NodeOutputs",
    "acdc",
    "eap",
    "eap_ig",
    "edge_sweep",
    "edges",
    "edges_over",
    "expected_edge_flops",
    "node_outputs",
    "patch_edge_sets",
    "top_edges",
]
