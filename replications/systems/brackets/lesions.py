"""Parts of the circuit, destroyed one at a time to see which claims depend on them.

A weight lesion replaces a matrix by a random one of the same Frobenius norm, or moves its rows or
columns; an activation lesion puts a mean over balanced strings in place of what the part writes.
One lesion leaves the model whole and reads it wrongly.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from replications.models import Edit, Place, apply, put, sites
from replications.systems.brackets.model import untrained_state_dict
from replications.systems.brackets.recording import HEADS, head_label
from replications.systems.brackets.task import Task

Lesion = Callable[[Task], Task]
"""Makes, of a model and its strings, the model without one part on the same strings."""


def _random_weight(*names: str, head: int | None = None) -> Lesion:
    def destroy(task: Task) -> Task:
        weights = dict(task.lens.state_dict)
        generator = torch.Generator().manual_seed(0)
        for name in names:
            whole = weights[name].clone()
            part = whole if head is None else whole[head]
            noise = torch.randn(part.shape, generator=generator)
            part.copy_(noise * part.norm() / noise.norm())
            weights[name] = whole
        return task.with_lens(task.lens.reopen(weights))

    return destroy


def _moved(dim: int, *names: str) -> Lesion:
    """Each of the weights rolled by one along an axis."""

    def destroy(task: Task) -> Task:
        weights = dict(task.lens.state_dict)
        weights |= {name: weights[name].roll(1, dim) for name in names}
        return task.with_lens(task.lens.reopen(weights))

    return destroy


def _untrained(task: Task) -> Task:
    # The control "untrained weights" has another seed.
    return task.with_lens(task.lens.reopen(untrained_state_dict(seed=1)))


def _mean_mlp(layer: int, pos: int | None = None) -> Lesion:
    def destroy(task: Task) -> Task:
        return _edited(task, _mean(task, sites.MLP_OUT(layer), pos))

    return destroy


def _mean_head(layer: int, head: int) -> Lesion:
    def destroy(task: Task) -> Task:
        place = sites.Z(layer).pick(head=head)
        values = task.mean_z((layer, head), balanced=True)
        return _edited(task, _put_positions(place, values))

    return destroy


def _edited(task: Task, *edits: Edit) -> Task:
    return task.with_lens(task.lens.with_edits(edits))


def _mean(task: Task, place: Place, pos: int | None) -> Edit:
    if pos is not None:
        place = place.pick(pos=pos)
    values = task.lens.read(task.data.tokens[task.B], {"value": place})["value"]
    mean = values.double().mean(0)
    return put(place, mean) if pos is not None else _put_positions(place, mean)


def _put_positions(place: Place, values: Tensor) -> Edit:
    """Replace what is at `place` by `values` [pos …], cut to the length of the strings run."""

    def change(current: Tensor) -> Tensor:
        return values[: current.shape[1]].to(current).expand_as(current)

    return apply(place, change)


LESIONS: dict[str, Lesion] = {
    "positions random": _random_weight("pos_embed.W_pos"),
    "W_OV of 0.0 random": _random_weight("blocks.0.attn.W_V", "blocks.0.attn.W_O", head=0),
    "W_QK of 0.0 random": _random_weight("blocks.0.attn.W_Q", "blocks.0.attn.W_K", head=0),
    "W_in of mlp0 and mlp1 random": _random_weight("blocks.0.mlp.W_in", "blocks.1.mlp.W_in"),
    "W_QK of 2.0 random": _random_weight("blocks.2.attn.W_Q", "blocks.2.attn.W_K", head=0),
    "W_QK of 2.1 random": _random_weight("blocks.2.attn.W_Q", "blocks.2.attn.W_K", head=1),
    "W_U random": _random_weight("unembed.W_U"),
    "mlp0 at position 1 mean": _mean_mlp(0, pos=1),
    "mlp1 at position 1 mean": _mean_mlp(1, pos=1),
    "mlp2 mean": _mean_mlp(2),
    **{f"head {head_label(head)} mean": _mean_head(*head) for head in HEADS},
    "positions shifted by one": _moved(0, "pos_embed.W_pos"),
    "answers exchanged": _moved(-1, "unembed.W_U", "unembed.b_U"),
    "LayerNorm before scale and bias": Task.before_scale_and_bias,
    "untrained": _untrained,
}
