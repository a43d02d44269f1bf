"""The head attends to all numbers so far alike, so it computes their mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from replications.analysis.statistics import correlation
from replications.models import sites
from replications.models.parameters import in_layer
from replications.systems.algorithmic.data.cumsum import MAXIMUM, of_values, values_of
from replications.systems.algorithmic.measurements.cumsum.circuits import Circuits
from replications.systems.algorithmic.task import Task

Quantity = Literal["mean", "sum", "value", "mean before attention"]
PAIRS = {
    "mean": ([1, 1, 2], [1, 1, 2, 1, 1, 2]),
    "sum": ([1, 1, 2], [2, 2, 0, 1, -1, 0]),
    "value": ([1, 1, 2], [-1, -4, 2]),
    "mean before attention": ([1, 1, 2], [3, 1, 0]),
}
"""For each quantity, two sequences in which it is the same at the end."""


class Attention:
    """Attention, and what stands in the stream after it."""

    def __init__(self, task: Task, circuits: Circuits) -> None:
        self._task = task
        self._circuits = circuits

    def uniform(self) -> Mapping[str, float]:
        """The largest deviation of the attention from 1 / (query + 1), the largest entry of W_Q
        and W_K."""
        pattern, network = self._task.pattern((0, 0)), self._task.network
        length = pattern.shape[-1]
        even = torch.ones(length, length).tril() / torch.arange(1, length + 1)[:, None]
        return {
            "deviation": (pattern - even).abs().max().item(),
            "entries": max(W.abs().max().item() for W in (network.W_Q, network.W_K)),
        }

    def not_zero(self) -> int:
        """How many entries of W_Q and W_K are not exactly zero, as the file has them."""
        weights = self._task.lens.state_dict
        return sum(int((weights[in_layer(0, f"attn.W_{n}")] != 0).sum()) for n in "QK")

    # ---------------------------------------------------------------- the mean so far
    def _along(self, stream: Tensor) -> Tensor:
        return stream @ self._circuits.direction

    def mean_so_far(self, of: Quantity = "mean") -> Mapping[str, float]:
        """How the stream's component along u follows the mean of the numbers so far.

        `r2` is the squared correlation over all positions, `residual` the largest residual of the
        line over the range of the component, and `sequences` how far the components are apart at
        the end of two sequences of one mean. For controls: another quantity in place of the mean,
        or the stream before attention.
        """
        place = sites.RESID_PRE(0) if of == "mean before attention" else sites.RESID_MID(0)
        found = self._along(self._task.activation(place)).flatten()
        wanted = self._quantity(of).flatten()
        centred = wanted - wanted.mean()
        slope = (centred * found).mean() / centred.square().mean()
        residual = (found - found.mean() - slope * centred).abs().max()
        first, second = (self._at_end(values, place) for values in PAIRS[of])
        return {
            "r2": correlation(found, wanted) ** 2,
            "residual": (residual / (found.max() - found.min())).item(),
            "sequences": abs(first - second),
        }

    def _quantity(self, of: Quantity) -> Tensor:
        values = values_of(self._task.tokens).double()
        if of == "value":
            return values
        sums = values.cumsum(1)
        return sums if of == "sum" else sums / torch.arange(1, values.shape[1] + 1)

    def _at_end(self, values: list[int], place: sites.Place) -> float:
        tokens = of_values(torch.tensor([values])).tokens
        found = self._task.prepared.read(tokens, {"stream": place})["stream"]
        return self._along(found.double()[0, -1]).item()

    # ---------------------------------------------------------------- only the sum matters
    def _last(self, values: Tensor) -> Tensor:
        """Probabilities at the last position: [n output]."""
        logits = self._task.prepared.run(values + MAXIMUM).logits.double()
        return logits[:, -1].softmax(-1)

    def order_free(self, control: Literal["", "raised", "exchanged"] = "") -> Mapping[str, float]:
        """The largest change of a probability at the last position when the other numbers are put
        in a random order (`permuted`), and when one of them rises and another falls by one
        (`moved`).

        For controls, the change when one rises alone, or is exchanged with the last one.
        """
        values = values_of(self._task.tokens)
        if control:
            permuted = moved = _raised(values) if control == "raised" else _exchanged(values)
        else:
            permuted, moved = _permuted(values), _raised(_lowered(values))
        clean = self._last(values)
        return {
            name: (self._last(changed) - clean).abs().max().item()
            for name, changed in {"permuted": permuted, "moved": moved}.items()
        }


def _permuted(values: Tensor) -> Tensor:
    """All numbers but the last in a random order, another for each sequence."""
    drawn = torch.rand(values[:, :-1].shape, generator=torch.Generator().manual_seed(0))
    return torch.cat([values[:, :-1].gather(1, drawn.argsort(1)), values[:, -1:]], dim=1)


def _raised(values: Tensor) -> Tensor:
    """The first number below the maximum raised by one."""
    place = (values < MAXIMUM).long().argmax(1, keepdim=True)
    return values.scatter_add(1, place, torch.ones_like(place))


def _lowered(values: Tensor) -> Tensor:
    """The last number but one that is above the minimum lowered by one."""
    above = (values[:, :-1] > -MAXIMUM).long().flip(1).argmax(1, keepdim=True)
    place = values.shape[1] - 2 - above
    return values.scatter_add(1, place, -torch.ones_like(place))


def _exchanged(values: Tensor) -> Tensor:
    """The last number and the one before it exchanged: the sums at the end stay as they are."""
    return torch.cat([values[:, :-2], values[:, -1:], values[:, -2:-1]], dim=1)
