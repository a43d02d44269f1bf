"""The weights of a lens as a `Network`: plain tensors, for everything that needs no hooks."""

from __future__ import annotations

import weakref

from replications.errors import Unsupported
from replications.lens.base import Lens
from replications.models.network import Network


def as_network(model: Lens | Network) -> Network:
    """The network of a lens, in the lens's dtype and on its device; a network comes back as it is.

    As long as a lens lives, every call returns one and the same network. Raises Unsupported for a
    lens with standing edits, which weights cannot express.
    """
    if isinstance(model, Network):
        return model
    if model.edits:
        raise Unsupported(
            "this lens makes edits in every run, which weights cannot express; give the lens "
            "without them, or change the weights and use lens.reopen(state_dict)"
        )
    if model not in _NETWORKS:
        made = Network.from_state_dict(model.shape, model.state_dict)
        _NETWORKS[model] = made.to(model.device, model.weights.W_E.dtype)
    return _NETWORKS[model]


_NETWORKS: weakref.WeakKeyDictionary[Lens, Network] = weakref.WeakKeyDictionary()
