"""Parts of the models, destroyed one at a time, to see which claims notice.

Every lesion changes weights, so that every measurement sees the damaged model. A random part is
drawn from a normal distribution and scaled to the Frobenius norm of what it replaces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from replications.lens import Lens
from replications.models import Head
from replications.models.parameters import in_layer
from replications.systems.algorithmic.model import CUMSUM, PALINDROME, SORTED, SUM, UNIQUE, Model
from replications.systems.algorithmic.roles import label

Lesion = Callable[[Lens], Lens]


def _random(*names: str, number: int | None = None) -> Lesion:
    """Make parameters random, or those of one head of theirs."""

    def destroy(lens: Lens) -> Lens:
        weights = dict(lens.state_dict)
        generator = torch.Generator().manual_seed(0)
        for name in names:
            whole = weights[name].clone()
            part = whole if number is None else whole[number]
            noise = torch.randn(part.shape, generator=generator).to(part)
            part.copy_(noise * part.norm() / noise.norm())
            weights[name] = whole
        return lens.reopen(weights)

    return destroy


def _circuit(kind: str, head: Head) -> dict[str, Lesion]:
    """W_QK or W_OV of a head, made random."""
    layer, number = head
    names = [in_layer(layer, f"attn.W_{letter}") for letter in kind]
    return {f"W_{kind} of {label(head)} random": _random(*names, number=number)}


def _untrained(model: Model) -> Lesion:
    """Weights from which training could have started; the control "untrained" has another seed."""
    return lambda lens: lens.reopen(model.untrained(1))


LESIONS: Mapping[str, Mapping[str, Lesion]] = {
    "palindrome": {
        **_circuit("QK", (0, 0)),
        **_circuit("OV", (0, 0)),
        **_circuit("OV", (0, 1)),
        **_circuit("QK", (1, 0)),
        **_circuit("OV", (1, 0)),
        **_circuit("OV", (1, 1)),
        "positions random": _random("pos_embed.W_pos"),
        "untrained": _untrained(PALINDROME),
    },
    "unique": {
        **_circuit("OV", (0, 0)),
        **_circuit("QK", (0, 1)),
        **_circuit("OV", (0, 1)),
        **_circuit("QK", (0, 2)),
        **_circuit("QK", (1, 2)),
        **_circuit("OV", (1, 2)),
        "positions random": _random("pos_embed.W_pos"),
        "untrained": _untrained(UNIQUE),
    },
    "sum": {
        **_circuit("QK", (0, 0)),
        **_circuit("OV", (0, 0)),
        **_circuit("QK", (0, 1)),
        **_circuit("OV", (0, 1)),
        **_circuit("QK", (0, 2)),
        **_circuit("OV", (0, 2)),
        **_circuit("QK", (1, 0)),
        "unembedding random": _random("unembed.W_U"),
        "untrained": _untrained(SUM),
    },
    "sorted": {
        **_circuit("QK", (0, 0)),
        **_circuit("OV", (0, 0)),
        **_circuit("QK", (0, 1)),
        **_circuit("OV", (0, 1)),
        "positions random": _random("pos_embed.W_pos"),
        "untrained": _untrained(SORTED),
    },
    "cumsum": {
        **_circuit("QK", (0, 0)),
        **_circuit("OV", (0, 0)),
        "neurons random": _random(in_layer(0, "mlp.W_in"), in_layer(0, "mlp.W_out")),
        "unembedding random": _random("unembed.W_U"),
        "untrained": _untrained(CUMSUM),
    },
}
"""By problem, then by name."""
