"""Models as plain tensors: architecture, activations, weights and tokenizers.

A `Shape` is an architecture, a `Network` its weights with a forward pass. A `Place` is an
activation, and an `Edit` changes one on the way. `read_state_dict` and `open_model` read weights.
"""

from replications.models.edits import Edit, apply, put, put_rows
from replications.models.folder import OwnModel, open_folder, open_model
from replications.models.network import Network
from replications.models.shape import Head, Shape
from replications.models.sites import SITES, Place, Site
from replications.models.state_dicts import check_state_dict, read_state_dict
from replications.models.tokenizers import Tokenizer

__all__ = [
    "SITES",
    "Edit",
    "Head",
    "Network",
    "OwnModel",
    "Place",
    "Shape",
    "Site",
    "Tokenizer",
    "apply",
    "check_state_dict",
    "open_folder",
    "open_model",
    "put",
    "put_rows",
    "read_state_dict",
]
