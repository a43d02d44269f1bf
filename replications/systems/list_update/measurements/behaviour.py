"""The section "Training": the loss, the accuracy, and the training curve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from torch import Tensor

from replications.systems.list_update.data import answers, generate_mixed
from replications.systems.list_update.task import Task

FRESH, FRESH_SEED = 10_000, 3_000_000
BATCH = 256
"""As many prompts as a batch of the document has."""


class Behaviour:
    """How well one model does on its prompts. `curve` gives the loss of each training step."""

    def __init__(self, task: Task, curve: Callable[[], Sequence[float]]) -> None:
        self._task = task
        self._curve = curve

    # ---------------------------------------------------------------- accuracy
    @cached_property
    def _right(self) -> Tensor:
        """Whether the largest logit is that of the answer: float64 [n j]."""
        return (self._task.logits.argmax(-1) == self._task.answers).double()

    @cached_property
    def accuracy(self) -> float:
        """The share of answers that have the largest logit."""
        return self._right.mean().item()

    @cached_property
    def batch_accuracy(self) -> float:
        """The accuracy on the first 256 prompts, as many as a batch of the document has."""
        return self._right[:BATCH].mean().item()

    @cached_property
    def fresh_accuracy(self) -> float:
        """The accuracy on 10,000 other prompts: rare mistakes need many prompts to be seen."""
        task = self._task
        tokens = generate_mixed(FRESH, FRESH_SEED, task.format)
        logits = task.lens.run(tokens).logits[:, task.predicting]
        return (logits.argmax(-1) == answers(tokens, task.format)).double().mean().item()

    def against(self, smaller: Iterable[Behaviour]) -> dict[str, float]:
        """The accuracy of this model, of two layers, and the best one of models of one layer."""
        return {"two_layers": self.accuracy, "one_layer": max(one.accuracy for one in smaller)}

    # ---------------------------------------------------------------- loss
    @cached_property
    def loss(self) -> float:
        """Mean cross-entropy of the answers, in nats."""
        log_probs = self._task.logits.log_softmax(-1)
        return -log_probs.gather(-1, self._task.answers[..., None]).mean().item()

    def losses(self, step: int) -> dict[str, float]:
        """The loss on the measured prompts, and the training loss of one step, in nats."""
        return {"on_our_prompts": self.loss, "in_training": self.training_loss(step)}

    def training_loss(self, step: int) -> float:
        """The loss on the training batch of one step, before that step, in nats."""
        return self._curve()[step]
