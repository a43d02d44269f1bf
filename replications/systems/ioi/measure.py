"""A model on the indirect-object task: one subject, and the parts that claims measure."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens
from replications.models.prompting import Words
from replications.models.tokenizers import Tokenizer
from replications.systems.ioi import model
from replications.systems.ioi.early import Early
from replications.systems.ioi.induction import Induction
from replications.systems.ioi.moved import Moved
from replications.systems.ioi.movers import Movers
from replications.systems.ioi.roles import Roles, by_behaviour
from replications.systems.ioi.task import Task


class IoiSubject:
    """One model with the prompts it is measured on. Everything is computed once, when asked for.

    `roles` are found by what the heads do if left out. `bos`: whether prompts begin with the token
    that opens a text; `prompts`: how many there are; `other` opens a model to compare with.
    """

    def __init__(
        self,
        name: str,
        lens: Lens,
        tokenizer: Tokenizer,
        *,
        roles: Roles | None = None,
        bos: bool = True,
        prompts: int = 96,
        other: Callable[[], IoiSubject] | None = None,
    ) -> None:
        self.name = name
        self.lens = lens
        self.task = Task(lens, tokenizer, bos=bos, n=prompts)
        self._roles = roles
        self._other = other

    def __repr__(self) -> str:
        return f"<model {self.name!r} on the indirect-object task>"

    @property
    def prompting(self) -> Words:
        """How it is asked in words."""
        return Words(self.task.tokenizer, self.task.bos, vocabulary="replications/ioi/words.py")

    @property
    def tokens(self) -> Tensor:
        """The prompts: long [prompt pos]."""
        return self.task.batch.tokens

    @cached_property
    def roles(self) -> Roles:
        """Which head plays which part."""
        return self._roles or by_behaviour(self.task, self.early)

    @cached_property
    def early(self) -> Early:
        return Early(self.task)

    @cached_property
    def induction(self) -> Induction:
        """Early heads."""
        return Induction(self.task, self.roles, self.early)

    @cached_property
    def movers(self) -> Movers:
        """Name movers and their backups."""
        return Movers(self.task, self.roles)

    @cached_property
    def moved(self) -> Moved:
        """The signals of the S-inhibition heads."""
        return Moved(self.task, self.roles)

    @cached_property
    def other(self) -> IoiSubject:
        """The model it is compared with.  BadInput if it came without one."""
        if self._other is None:
            raise BadInput(f"{self!r} has no model to be compared with")
        return self._other()

    @cached_property
    def untrained(self) -> IoiSubject:
        """Random weights of the same architecture, with the same heads in the same parts."""
        return IoiSubject(
            f"{self.name}~untrained",
            self.lens.reopen(model.untrained_like(self.lens)),
            self.task.tokenizer,
            roles=self.roles,
            bos=self.task.bos,
            prompts=len(self.task.batch),
        )
