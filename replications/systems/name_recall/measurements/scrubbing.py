"""Causal scrubbing of the induction circuit: what may copying heads depend on?

The document's account: a copying head looks for the token that follows the earlier copy of the last
token, told by a head of the first layer what came before each token, and copies it. Strings are the
document's sentence with random names; in half of them the first name at the end is the one that was
introduced, in half another. The loss is the cross-entropy, in nats, with the probabilities that the
model itself gives after the sentence; 0 % is recovered where outputs are those of random strings.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from replications.circuits.scrubbing import (
    Component,
    DirectPath,
    Embeddings,
    Feature,
    Output,
    Position,
    recovered_interval,
    scrub,
)
from replications.systems.name_recall import data
from replications.systems.name_recall.data import END, FIRST, LAST
from replications.systems.name_recall.roles import Roles
from replications.systems.name_recall.task import Task

STRINGS, REFERENCES = 1000, 300


def sentences(task: Task, n: int = STRINGS, seed: int = 0) -> Tensor:
    """The document's sentence with random names: long [n pos].

    Half have the introduced first name at the end, half another one.
    """
    generator = torch.Generator().manual_seed(seed)
    tokens = task.prompts.clean[:1].repeat(n, 1)
    firsts, lasts = (
        torch.tensor([task.tokenizer.token(f" {name}") for name in data.single(task.tokenizer, of)])
        for of in (data.FIRST_NAMES, data.LAST_NAMES)
    )

    def drawn(count: int) -> Tensor:
        return torch.randint(count, (n,), generator=generator)

    first = drawn(len(firsts))
    other = (first + 1 + drawn(len(firsts) - 1)) % len(firsts)
    same = torch.rand(n, generator=generator) < 0.5
    tokens[:, FIRST], tokens[:, LAST] = firsts[first], lasts[drawn(len(lasts))]
    tokens[:, END] = firsts[torch.where(same, first, other)]
    return tokens


class Scrubbing:
    """Hypotheses about the copying heads of one model, scrubbed together."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task, self._roles = task, roles

    @cached_property
    def tokens(self) -> Tensor:
        """The strings: long [string pos]."""
        return sentences(self._task)

    # ---------------------------------------------------------------- features
    @cached_property
    def _features(self) -> dict[str, Feature]:
        first, last, end = (self.tokens[:, at] for at in (FIRST, LAST, END))
        found = first == end
        return {
            "after copy": Feature("token after the copy", last.where(found, -1)),
            "before copy": Feature("token before the copy", found.long()),
            "first": Feature("first name", first),
            "last": Feature("last name", last),
            "end": Feature("last token", end),
            "copied": Feature("whether it is a copy", found.long()),
        }

    def _both(self, *names: str) -> Feature:
        return Feature.both(" and ".join(names), [self._features[name] for name in names])

    # ---------------------------------------------------------------- hypotheses
    @cached_property
    def hypotheses(self) -> dict[str, Output]:
        """The account, with and without what the heads read, and wrong ones."""
        f = self._features
        return {
            "nothing scrubbed": Output(),
            "random": Output(on=Feature.none(len(self.tokens))),
            "after copy": self._direct(f["after copy"]),
            "before copy": self._direct(f["before copy"]),
            "any last name": self._direct(f["last"]),
            "first name": self._direct(f["first"]),
            "inputs": self._inputs(f["first"]),
            "inputs, previous token unread": self._inputs(f["last"]),
        }

    def _direct(self, on: Feature) -> Output:
        """The direct paths of copying heads depend on a feature, the second head's on the name."""
        return Output(*(DirectPath(head, on) for head in self._roles.copying), *self._second)

    @property
    def _second(self) -> list[DirectPath]:
        return [DirectPath(head, self._features["last"]) for head in self._roles.second]

    def _inputs(self, before: Feature) -> Output:
        """The same through what copying heads read: the last name and the token before it.

        They read the last name from the embedding and, in what the previous-token head wrote beside
        it, `before`; at the end they read the last token, and there from the head that finds
        duplicates, if there is one, whether it is a copy.
        """
        f, roles = self._features, self._roles
        told = [Component(head, LAST, before) for head in roles.previous]
        finds = [Component(head, END, f["copied"]) for head in roles.duplicate]
        at = (
            Position(LAST, self._both("first", "last"), Embeddings(f["last"]), *told),
            Position(END, self._both("end", "copied"), Embeddings(f["end"]), *finds),
        )
        paths = [DirectPath(head, f["after copy"], *at) for head in roles.copying]
        return Output(*paths, *self._second)

    # ---------------------------------------------------------------- results
    @cached_property
    def _losses(self) -> dict[str, Tensor]:
        found = scrub(
            self._task.network, self.tokens, self.hypotheses, references=REFERENCES, reads_at=END
        )
        (model,) = found["nothing scrubbed"]
        target = model.logits.double().softmax(-1)
        return {
            name: -(target * result.logits.double().log_softmax(-1)).sum(-1)
            for name, (result,) in found.items()
        }

    def recovered(self, name: str) -> dict[str, float]:
        """The share of the loss that a hypothesis recovers, and the low end of its interval."""
        three = (self._losses[which] for which in ("nothing scrubbed", name, "random"))
        found = recovered_interval(*three)
        return {"recovered": found.mean, "low": found.low}
