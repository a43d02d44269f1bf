"""Section 3 of the document: MLP neurons at position 1.

They are described by how they answer a share of '(' above or below one half.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.errors import BadInput
from replications.models import Head
from replications.systems.brackets.measurements.elevation_head import ElevationHead
from replications.systems.brackets.model import SHAPE
from replications.systems.brackets.roles import Roles
from replications.systems.brackets.task import Task

ABOVE, BELOW = 0.55, 0.45
"""Open proportions beyond which a string counts as clearly above or below one half."""
THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.8)


class Neurons:
    """Contributions of single neurons along the direction that a head reads.

    By default that is the direction of the total head (p20).

    For each neuron, over strings that start with '(': `high` is its mean contribution where the
    share of '(' exceeds 0.55, `low` where it is under 0.45, both less its mean on balanced strings.
    """

    def __init__(self, task: Task, roles: Roles, head: Head | None = None) -> None:
        self.task = task
        self.roles = roles
        self.head = head or roles.total

    @cached_property
    def contributions(self) -> Tensor:
        """activation × (W_out @ direction) less its mean over balanced strings.

        float64 [layer=2 n neuron=56].
        """
        direction = self.task.direction_before(self.head)
        layers = []
        for layer in range(2):
            activations = self.task.recording.run[f"neurons{layer}"].double()
            out = activations * (self.task.weights.W_out[layer].double() @ direction)
            layers.append(out - out[self.task.B].mean(0))
        return torch.stack(layers)

    def _mean(self, rows: Tensor) -> Tensor:
        return self.contributions[:, rows & self.task.data.starts_open].mean(1)

    @cached_property
    def high(self) -> Tensor:
        """Mean contribution where the share of '(' is above 0.55: float64 [layer=2 neuron=56]."""
        return self._mean(self.task.data.open_share > ABOVE)

    @cached_property
    def low(self) -> Tensor:
        """Mean contribution where the share of '(' is below 0.45: float64 [layer=2 neuron=56]."""
        return self._mean(self.task.data.open_share < BELOW)

    def _pick(self, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
        index = [parse_neuron(name) for name in names]
        layers, neurons = (list(part) for part in zip(*index, strict=True))
        return self.high[layers, neurons], self.low[layers, neurons]

    def fire_above_half(self, *names: str) -> dict[str, float]:
        """Of the named neurons: the smallest `high`, and the largest |`low`|."""
        high, low = self._pick(names)
        return {"smallest_high": high.min().item(), "largest_abs_low": low.abs().max().item()}

    def fire_below_half(self, *names: str) -> dict[str, float]:
        """Of the named neurons: the smallest `low`, and the largest `high`."""
        high, low = self._pick(names)
        return {"smallest_low": low.min().item(), "largest_high": high.max().item()}

    def fire_on_both_sides(self, *names: str) -> dict[str, float]:
        """Of the named neurons: the smallest `high` and the smallest `low`."""
        high, low = self._pick(names)
        return {"smallest_high": high.min().item(), "smallest_low": low.min().item()}

    def weaker_two_sided(self, first: tuple[str, ...], second: tuple[str, ...]) -> dict[str, float]:
        """Two-sided response of neurons `first`, and by how much `second` exceed it at least.

        A neuron's response is the smaller of `high` and `low`.
        """
        one, two = (torch.minimum(*self._pick(names)) for names in (first, second))
        return {
            "smallest_response": one.min().item(),
            "layer_1_exceeds_by": (two.min() - one.max()).item(),
        }

    def high_of(self, name: str) -> float:
        """`high` of one neuron."""
        return self._pick((name,))[0].item()

    # ---------------------------------------------------------------- counts per layer
    def _layer1_surplus(self, counted: list[Tensor]) -> list[int]:
        counts = torch.stack(counted).sum(-1)  # [threshold layer]
        return (counts[:, 1] - counts[:, 0]).tolist()

    @property
    def more_above_half_in_layer1(self) -> list[int]:
        """For each threshold: neurons that fire above one half only, layer 1 less layer 0."""
        return self._layer1_surplus([(self.high > t) & (self.low < t / 2) for t in THRESHOLDS])

    @property
    def fewer_below_half_in_layer1(self) -> list[int]:
        """For each threshold: neurons that fire below one half only, layer 0 less layer 1."""
        surplus = self._layer1_surplus([(self.low > t) & (self.high < t / 2) for t in THRESHOLDS])
        return [-count for count in surplus]

    @property
    def more_two_sided_in_layer1(self) -> list[int]:
        """For each threshold up to 0.5: neurons that fire on both sides, layer 1 less layer 0."""
        return self._layer1_surplus([(self.high > t) & (self.low > t) for t in THRESHOLDS[:-1]])

    def detectors(self, rows: Tensor | None = None) -> dict[str, int]:
        """Neurons with |high| or |low| above 0.3, by layer.

        If `rows` are given, neurons whose mean over these strings is beyond 0.3 instead.
        """
        answers = [self.high, self.low] if rows is None else [self._mean(rows)]
        counts = (torch.stack(answers).abs() > 0.3).any(0).sum(-1)
        return {"layer_0": int(counts[0]), "layer_1": int(counts[1])}

    # ---------------------------------------------------------------- against the tally direction
    def cosine_tracks_effect(self, *, random: bool = False) -> float:
        """Rank correlation, over the neurons of layer 0, of the squared cosine with v_R and the
        absolute mean contribution on strings with a wrong total.

        With `random`, a random vector takes the place of v_R.
        """
        task = self.task
        vector = torch.randn(SHAPE.d_model, generator=torch.Generator().manual_seed(0))
        elevation_head = ElevationHead(task, self.roles.elevation)
        cosines = elevation_head.squared_cosines(0, vector if random else None)
        rows = task.T | (task.data.both & task.data.starts_open)
        effect = self.contributions[0][rows].mean(0).abs()
        present = ~cosines.isnan()
        return stats.spearman(cosines[present], effect[present])


def parse_neuron(name: str) -> tuple[int, int]:
    """ "1.53" -> (1, 53). Raises BadInput for a neuron that is not in MLP 0 or 1."""
    layer, _, neuron = name.partition(".")
    known = (
        layer in ("0", "1") and neuron.isascii() and neuron.isdigit() and int(neuron) < SHAPE.d_mlp
    )
    if not known:
        raise BadInput(f"unknown neuron {name!r}: give layer.neuron, 0.0 to 1.{SHAPE.d_mlp - 1}")
    return int(layer), int(neuron)
