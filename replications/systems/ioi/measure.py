"""A model on the indirect-object task: one subject, and the parts that claims measure."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens
from replications.models.prompting import Words
from replications.systems.ioi import construction, model
from replications.systems.ioi.measurements import (
    Circuits,
    EarlyHeads,
    EarlyPaths,
    Edges,
    NameMovers,
    Planted,
    PositionAgainstToken,
    Printed,
)
from replications.systems.ioi.published import Published
from replications.systems.ioi.roles import Roles, find_roles
from replications.systems.ioi.task import Task

VOCABULARY = "replications/systems/ioi/data/words.py"


class IoiSubject:
    """One model with the prompts it is measured on. Everything is computed once, when asked for.

    Without `roles`, heads are found by what they do. `other` opens a model to compare with.
    """

    def __init__(
        self,
        name: str,
        task: Task,
        *,
        roles: Roles | None = None,
        other: Callable[[], IoiSubject] | None = None,
    ) -> None:
        self.name = name
        self.task = task
        self._roles = roles
        self._other = other

    def __repr__(self) -> str:
        return f"<model {self.name!r} on the indirect-object task>"

    @property
    def lens(self) -> Lens:
        """The model."""
        return self.task.lens

    @property
    def tokens(self) -> Tensor:
        """The prompts: long [n pos]."""
        return self.task.batch.tokens

    @property
    def prompting(self) -> Words:
        """How the model is asked something in words."""
        return Words(self.task.tokenizer, self.task.bos, vocabulary=VOCABULARY)

    @cached_property
    def roles(self) -> Roles:
        """Which head plays which part."""
        return self._roles or find_roles(self.task)

    # ---------------------------------------------------------------- parts
    @cached_property
    def early_heads(self) -> EarlyHeads:
        """Attention of induction, duplicate-token and previous-token heads."""
        return EarlyHeads(self.task, self.roles)

    @cached_property
    def early_paths(self) -> EarlyPaths:
        """Path patching into and out of the induction heads."""
        return EarlyPaths(self.task, self.roles)

    @cached_property
    def name_movers(self) -> NameMovers:
        """Name movers and their backups."""
        return NameMovers(self.task, self.roles)

    @cached_property
    def position_against_token(self) -> PositionAgainstToken:
        """The signals of the S-inhibition heads."""
        return PositionAgainstToken(self.task, self.roles)

    @cached_property
    def circuits(self) -> Circuits:
        """The whole circuit as heads."""
        return Circuits(self.task, self.roles)

    @cached_property
    def edges(self) -> Edges:
        """The whole circuit as edges."""
        return Edges(self.task, self.roles)

    @cached_property
    def planted(self) -> Planted:
        """The edges of the construction: of this subject only if it is one."""
        return Planted(self.edges, construction.planted_edges(), construction.live_edges())

    @cached_property
    def printed(self) -> Printed:
        """What the document prints for its own prompts."""
        return Printed(self.task, self.roles, self.name_movers)

    @cached_property
    def published(self) -> Published:
        """The figures that public notebooks printed of GPT-2 small."""
        return Published(self.lens, self.task.tokenizer)

    # ---------------------------------------------------------------- other subjects
    @cached_property
    def opened(self) -> IoiSubject:
        """This model with the token that opens a text before each prompt."""
        task = self.task
        after = Task(task.lens, task.tokenizer, bos=True, sample=task.sample)
        return self.variant("opened", after)

    @cached_property
    def other(self) -> IoiSubject:
        """The model to compare with.  BadInput if there is none."""
        if self._other is None:
            raise BadInput(f"{self!r} has no model to compare with; open one with other=…")
        return self._other()

    def variant(self, name: str, task: Task) -> IoiSubject:
        """This subject with another task, such as other weights; roles and `other` stay."""
        return IoiSubject(f"{self.name}~{name}", task, roles=self.roles, other=self._other)

    @cached_property
    def untrained(self) -> IoiSubject:
        """Random weights of the same architecture, with the roles of this subject."""
        lens = self.lens.reopen(model.untrained_like(self.lens))
        return self.variant("untrained", self.task.with_lens(lens))
