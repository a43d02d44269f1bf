"""One part of the circuit destroyed at a time, to see which claims notice.

A head lesion gives some heads their mean output, at every position of every text: zero values with
a constant bias, which is what they write whatever they attend to. The mean is over the ABC prompts
up to their ends. Four more lesions are mistakes in preprocessing, and one is a model that was never
trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.logit_attribution import LogitAttribution
from replications.models import Edit, Head
from replications.systems.ioi.data import ABC, Batch, Sample
from replications.systems.ioi.measure import IoiSubject
from replications.systems.ioi.roles import Heads, Roles
from replications.systems.ioi.task import Task

Lesion = Callable[[IoiSubject], Task]
"""Makes the task of the lesioned subject from the intact one."""


class ExchangedAnswers(Task):
    """A task on which S is taken for the answer, and IO for the wrong name."""

    @cached_property
    def answers(self) -> Tensor:
        """Tokens of S and IO: long [n 2]."""
        return self.io_and_s.flip(1)


class ShiftedEnd(Task):
    """A task that reads every prompt one token too early."""

    def encode(self, sample: Sample) -> Batch:
        """Prompts in the tokens of this model, their ends one token too early."""
        batch = super().encode(sample)
        return replace(batch, end=batch.end - 1)


class UnfoldedWeights(Task):
    """A task that attributes without the weights of the final LayerNorm."""

    def attribute(self, edits: Sequence[Edit] = ()) -> LogitAttribution:
        """Direct logit attribution, with the unembedding as it is stored."""
        weights = dict(self.lens.state_dict)
        weights["ln_final.w"] = torch.ones_like(weights["ln_final.w"])
        unfolded = self.with_lens(self.lens.reopen(weights))
        shares = Task.attribute(unfolded, edits)
        return replace(shares, logit_difference=super().attribute(edits).logit_difference)


class ScaleLeftOut(Task):
    """A task that attributes without dividing by the scale of the final LayerNorm."""

    def attribute(self, edits: Sequence[Edit] = ()) -> LogitAttribution:
        """Direct logit attribution, as if the final LayerNorm divided by 1."""
        found = super().attribute(edits)
        parts = ("heads", "mlps", "embedding", "biases")
        return replace(found, **{name: getattr(found, name) * found.scale for name in parts})


def _untrained(subject: IoiSubject) -> Task:
    return subject.untrained.task


def _heads_mean(chosen: Callable[[Roles], Heads]) -> Lesion:
    def destroy(subject: IoiSubject) -> Task:
        weights = dict(subject.lens.state_dict)
        for head in chosen(subject.roles):
            _make_constant(weights, head, _mean(subject.task, head))
        return subject.task.with_lens(subject.lens.reopen(weights))

    return destroy


def _make_constant(weights: dict[str, Tensor], head: Head, value: Tensor) -> None:
    """Change the weights so that a head's output z is `value` [d_head] everywhere."""
    layer, number = head
    W_V, b_V = (".".join(("blocks", str(layer), "attn", name)) for name in ("W_V", "b_V"))
    weights |= {name: weights[name].clone() for name in (W_V, b_V)}
    weights[W_V][number] = 0.0
    weights[b_V][number] = value.to(weights[b_V])


def _mean(task: Task, head: Head) -> Tensor:
    """A head's mean output over ABC prompts, padding left out: [d_head]."""
    layer, number = head
    z = task.z_on(ABC, layer)[:, :, number]
    read = torch.arange(z.shape[1]) <= task.abc.end[:, None]
    return z[read].mean(0)


def _task(kind: type[Task]) -> Lesion:
    def mistake(subject: IoiSubject) -> Task:
        task = subject.task
        return kind(task.lens, task.tokenizer, bos=task.bos, sample=task.sample)

    return mistake


LESIONS: Mapping[str, Lesion] = {
    "name mover mean": _heads_mean(lambda roles: (roles.name_mover,)),
    "negative heads mean": _heads_mean(lambda roles: roles.negative),
    "S-inhibition heads mean": _heads_mean(lambda roles: roles.s_inhibition),
    "induction heads mean": _heads_mean(lambda roles: roles.induction),
    "duplicate-token heads mean": _heads_mean(lambda roles: roles.duplicate),
    "previous-token heads mean": _heads_mean(lambda roles: roles.previous),
    "answers exchanged": _task(ExchangedAnswers),
    "read one token early": _task(ShiftedEnd),
    "unfolded weights": _task(UnfoldedWeights),
    "scale left out": _task(ScaleLeftOut),
    "untrained": _untrained,
}
"""Name → lesion. Roles are those of the intact subject."""
OF_CONSTRUCTION = tuple(name for name in LESIONS if name != "unfolded weights")
"""The lesions of the construction: opened as GPT-2 is, its final LayerNorm is folded already."""
OF_TOYS = (
    "name mover mean",
    "S-inhibition heads mean",
    "answers exchanged",
    "read one token early",
    "unfolded weights",
    "untrained",
)
"""The lesions that toys have too. Nothing is destroyed where no head fills a role."""
