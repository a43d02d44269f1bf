"""How well a model does, in the numbers that the documents print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from replications.models import Edit
from replications.systems.algorithmic.data import Examples
from replications.systems.algorithmic.task import Task


def headline(
    task: Task, edits: Sequence[Edit] = (), examples: Examples | None = None
) -> Mapping[str, float]:
    """The loss in nats; the mean, the median and the smallest probability of the right answers;
    and the share of answers that are right."""
    given = task.examples if examples is None else examples
    logits = task.logits(edits, examples)
    log_probability = logits.log_softmax(-1).gather(-1, given.labels[..., None])[..., 0]
    probability = log_probability.exp()
    return {
        "loss": -log_probability.mean().item(),
        "mean": probability.mean().item(),
        "median": probability.quantile(0.5).item(),
        "smallest": probability.min().item(),
        "accuracy": (logits.argmax(-1) == given.labels).double().mean().item(),
    }
