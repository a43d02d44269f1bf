"""Models as plain tensors: their architecture, activations, weights and tokenizers."""

from replications.models.edits import Edit, apply, put, put_rows
from replications.models.network import Network
from replications.models.shape import Head, Shape
from replications.models.sites import SITES, Place, Site
from replications.models.tokenizers import Tokenizer

__all__ = [
    "SITES",
    "Edit",
    "Head",
    "Network",
    "Place",
    "Shape",
    "Site",
    "Tokenizer",
    "apply",
    "put",
    "put_rows",
]
