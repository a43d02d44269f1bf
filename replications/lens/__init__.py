"""The only door to TransformerLens: one interface, a backend for each kind of model it has had.

`open_lens` opens weights of your own, `open_pretrained` a published model. A `Lens` runs prompts,
reads activations and edits them, with the same meaning on every supported version.
"""

from replications.fixtures import PRETRAINED
from replications.lens.base import Lens, Read, Run, Soundness, Weights
from replications.lens.networks import as_network
from replications.lens.opening import open_lens, open_pretrained

__all__ = [
    "PRETRAINED",
    "Lens",
    "Read",
    "Run",
    "Soundness",
    "Weights",
    "as_network",
    "open_lens",
    "open_pretrained",
]
