"""The pictures of the running-sum model."""

from __future__ import annotations

from typing import Any

import torch
from matplotlib.figure import Figure

from replications.plotting import charts
from replications.plotting.pictures import CannotDraw, picture
from replications.systems.algorithmic.data.cumsum import MAXIMUM, SYMBOLS
from replications.systems.algorithmic.measure import CumsumSubject


def _subject(subject: Any) -> CumsumSubject:
    if not isinstance(subject, CumsumSubject):
        raise CannotDraw("it belongs to the running-sum model")
    return subject


@picture(
    "Numbers on a line",
    "Where W_E W_OV puts the numbers -5 to 5 on its first direction.",
)
def number_line(subject: Any) -> Figure:
    s = _subject(subject)
    figure, grid = charts.canvas()
    numbers = torch.arange(-MAXIMUM, MAXIMUM + 1)
    coordinates = s.circuits.numbers @ s.circuits.direction
    charts.lines(grid.flat[0], {"": (numbers, coordinates)})
    charts.label(grid.flat[0], "number", "coordinate along u")
    return figure


@picture(
    "What is lost without one neuron",
    "The rise in loss with one neuron at zero. In the published model neuron 2 matters most, 5 and "
    "6 not at all.",
)
def neurons_off(subject: Any) -> Figure:
    s = _subject(subject)
    figure, grid = charts.canvas()
    names = [str(neuron) for neuron in range(s.neurons.number)]
    charts.bars(grid.flat[0], names, s.neurons.rises())
    charts.label(grid.flat[0], "neuron", "rise in loss, nats")
    return figure


@picture(
    "How neurons answer to the mean so far",
    "The largest effect of each neuron on each answer, over multiples of u from -4 to 4.",
)
def neuron_responses(subject: Any) -> Figure:
    s = _subject(subject)
    return charts.heatmaps(
        {"": s.neurons.responses()}, charts.LOGITS, x="answer", y="neuron",
        x_ticks=SYMBOLS.outputs, y_ticks=[str(neuron) for neuron in range(s.neurons.number)],
    )  # fmt: skip
