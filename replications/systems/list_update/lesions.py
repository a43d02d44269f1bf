"""Parts of the circuit, destroyed one at a time, to see which claims notice.

Every lesion changes weights, so that sweeps and circuits see it too, or how they are used. A random
part is drawn from a normal distribution and scaled to the Frobenius norm of what it replaces.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from replications.lens import Lens
from replications.systems.list_update import model
from replications.systems.list_update.task import Task

Lesion = Callable[[Task], Lens]
Change = Callable[[Tensor, torch.Generator], Tensor]


def _lesion(change: Change, *names: str, rows: Callable[[Task], slice] | None = None) -> Lesion:
    """Change these parameters of a model, or the `rows` of them only."""

    def destroy(task: Task) -> Lens:
        weights = dict(task.lens.state_dict)
        generator = torch.Generator().manual_seed(0)
        where = slice(None) if rows is None else rows(task)
        for name in names:
            whole = weights[name].clone()
            whole[where] = change(whole[where], generator)
            weights[name] = whole
        return task.lens.reopen(weights)

    return destroy


def _random(part: Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.randn(part.shape, generator=generator).to(part)
    scaled: Tensor = noise * part.norm() / noise.norm()
    return scaled


def _zero(part: Tensor, generator: torch.Generator) -> Tensor:
    return torch.zeros_like(part)


def _one_later(part: Tensor, generator: torch.Generator) -> Tensor:
    """Each row takes the place of the next one."""
    return part.roll(1, 0)


def _exchanged(part: Tensor, generator: torch.Generator) -> Tensor:
    """Columns 2 i and 2 i + 1 change places: a model says 7 where it said 6, and 6 for 7."""
    return part.reshape(len(part), -1, 2).flip(-1).flatten(1)


def _untrained(task: Task) -> Lens:
    """Weights from which training could have started."""
    weights = model.untrained_state_dict(0, task.lens.shape.n_layers, task.format)
    return task.lens.reopen(weights)


def _layers_exchanged(task: Task) -> Lens:
    """The heads of both layers change places."""
    weights = task.lens.state_dict
    exchanged = {"0": "1", "1": "0"}
    moved = {}
    for name, value in weights.items():
        block, layer, *rest = name.split(".")
        new = ".".join([block, exchanged[layer], *rest]) if layer in exchanged else name
        moved[new] = value
    return task.lens.reopen(moved)


def _positions_in_the_stream(task: Task) -> Lens:
    """Positions are added to the residual stream, not to queries and keys alone."""
    return model.with_standard_positions(task.lens)


def _elements(task: Task) -> slice:
    """The numbers that can be elements only, not indices."""
    return slice(task.format.length, task.format.numbers)


def _indices(task: Task) -> slice:
    """The numbers that can be indices (and elements)."""
    return slice(0, task.format.length)


LESIONS: dict[str, Lesion] = {
    "head 0.0 zero": _lesion(_zero, "blocks.0.attn.W_O"),
    "head 1.0 zero": _lesion(_zero, "blocks.1.attn.W_O"),
    "W_OV of 0.0 random": _lesion(_random, "blocks.0.attn.W_V", "blocks.0.attn.W_O"),
    "W_OV of 1.0 random": _lesion(_random, "blocks.1.attn.W_V", "blocks.1.attn.W_O"),
    "W_QK of 0.0 random": _lesion(_random, "blocks.0.attn.W_Q", "blocks.0.attn.W_K"),
    "W_QK of 1.0 random": _lesion(_random, "blocks.1.attn.W_Q", "blocks.1.attn.W_K"),
    "positions random": _lesion(_random, "pos_embed.W_pos"),
    "W_E of elements random": _lesion(_random, "embed.W_E", rows=_elements),
    "W_E of indices random": _lesion(_random, "embed.W_E", rows=_indices),
    "W_U random": _lesion(_random, "unembed.W_U"),
    "layers exchanged": _layers_exchanged,
    "positions zero": _lesion(_zero, "pos_embed.W_pos"),
    "positions one later": _lesion(_one_later, "pos_embed.W_pos"),
    "positions in the stream": _positions_in_the_stream,
    "answers exchanged": _lesion(_exchanged, "unembed.W_U"),
    "untrained": _untrained,
}
"""By name; for the document's model of two layers with one head each."""
