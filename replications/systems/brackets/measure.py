"""A bracket classifier as a subject: its task, its roles, and the parts that claims measure."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from replications.lens import Lens
from replications.models import Head
from replications.systems.brackets import model
from replications.systems.brackets.data import BracketData
from replications.systems.brackets.lesions import LESIONS
from replications.systems.brackets.measurements import (
    Adversarial,
    Behaviour,
    Circuit,
    Components,
    Edges,
    ElevationHead,
    Neurons,
    Scrubbing,
    VerdictHead,
)
from replications.systems.brackets.prompting import BracketPrompting
from replications.systems.brackets.recording import parse_head
from replications.systems.brackets.roles import PUBLISHED, Roles, find_roles
from replications.systems.brackets.task import Task

OWN_STRINGS = 10_000
"""How many of its own strings a model is scrubbed on, where it was published with others."""
ON_OWN_STRINGS = (
    "0a", "0b", "1a", "1b", "2a", "2b",
    "features exchanged", "features exchanged, count(", "2a from position 2",
)  # fmt: skip
"""The hypotheses that are scrubbed on these."""
VARIANT_STRINGS = 5_000
"""How many of the published strings a lesioned model is scrubbed on: there are many of them."""


class BracketSubject:
    """One bracket classifier with the strings it is measured on.

    Everything is computed once, when it is asked for.

    `lens` is the model, `data` the strings, `full_data` loads all the strings of which they are a
    part. `roles` says which head plays which part; left out, the heads are found by what they do.
    `untrained` opens the untrained model on the same strings, so that several subjects can share
    one. `scrubbed` loads the strings on which the model was scrubbed when it was published. Raises
    BadInput if there are no strings.
    """

    def __init__(
        self,
        name: str,
        lens: Lens,
        data: BracketData,
        *,
        roles: Roles | None = None,
        full_data: Callable[[], BracketData] | None = None,
        untrained: Callable[[], BracketSubject] | None = None,
        scrubbed: Callable[[], BracketData] | None = None,
    ) -> None:
        self.name = name
        self.lens = lens
        self.task = Task(lens, data, full_data)
        self._roles = roles
        self._untrained = untrained
        self._scrubbed = scrubbed
        self._heads: dict[Head, VerdictHead] = {}

    def __repr__(self) -> str:
        return f"<bracket classifier {self.name!r}, {len(self.task.data)} strings>"

    @property
    def prompting(self) -> BracketPrompting:
        """How it is asked about a string."""
        return BracketPrompting()

    @cached_property
    def found_roles(self) -> Roles:
        """The heads found by what they do, also where the published ones are known."""
        return find_roles(self.task)

    @cached_property
    def roles(self) -> Roles:
        """Which head plays which part."""
        return self._roles or self.found_roles

    # ---------------------------------------------------------------- parts
    @cached_property
    def behaviour(self) -> Behaviour:
        """Verdicts, padding, tokens and data (section 1)."""
        return Behaviour(self.task)

    @cached_property
    def components(self) -> Components:
        """What each component writes at position 0 (section 2)."""
        return Components(self.task, self.roles)

    @cached_property
    def circuit(self) -> Circuit:
        """Interventions on the circuit (sections 2 to 4)."""
        return Circuit(self.task, self.roles)

    @cached_property
    def edges(self) -> Edges:
        """The circuit for the total elevation as edges (section 3)."""
        return Edges(self.task, self.roles)

    @cached_property
    def neurons(self) -> Neurons:
        """Neurons of mlp0 and mlp1, along what the total head reads (section 3)."""
        return Neurons(self.task, self.roles)

    def neurons_before(self, head: Head) -> Neurons:
        """Neurons of mlp0 and mlp1, along what another head reads."""
        return Neurons(self.task, self.roles, head)

    @cached_property
    def elevation_head(self) -> ElevationHead:
        """The layer-0 head that tallies brackets, 0.0 in the published model (section 3)."""
        return ElevationHead(self.task, self.roles.elevation)

    @cached_property
    def adversarial(self) -> Adversarial:
        """Strings that fool the model (section 4)."""
        return Adversarial(self.task, self.roles)

    @cached_property
    def scrubbing(self) -> Scrubbing:
        """Causal scrubbing, on the published strings if there are any, or else on its own."""
        data = self._scrubbed() if self._scrubbed else self.task.full_data
        return Scrubbing(self.task, self.roles, data)

    @cached_property
    def scrubbing_on_own_strings(self) -> Scrubbing:
        """Causal scrubbing on the first of the strings that all else is measured on."""
        data = self.task.full_data.subset(slice(OWN_STRINGS))
        return Scrubbing(self.task, self.roles, data, together=ON_OWN_STRINGS)

    @property
    def total_head(self) -> VerdictHead:
        """The head that catches a wrong total elevation, 2.0 in the published model."""
        return self._verdict_head(self.roles.total)

    @property
    def negative_head(self) -> VerdictHead:
        """The head that catches a negative suffix, 2.1 in the published model."""
        return self._verdict_head(self.roles.negative)

    def head(self, label: str) -> VerdictHead:
        """Any head by its label, such as "2.0". Raises BadInput for an unknown one."""
        return self._verdict_head(parse_head(label))

    def _verdict_head(self, head: Head) -> VerdictHead:
        if head not in self._heads:
            self._heads[head] = VerdictHead(self.task, self.roles, head)
        return self._heads[head]

    # ---------------------------------------------------------------- variants
    def variant(self, name: str, lens: Lens, roles: Roles | None = None) -> BracketSubject:
        """Another model on the same strings, with this subject's roles unless told otherwise."""
        return self._with_task(name, self.task.with_lens(lens), roles)

    def lesioned(self, name: str) -> BracketSubject:
        """This subject with one part destroyed, or read wrongly: one of `lesions.LESIONS`."""
        return self._with_task(name, LESIONS[name](self.task))

    def _with_task(self, name: str, task: Task, roles: Roles | None = None) -> BracketSubject:
        found = BracketSubject(
            f"{self.name}~{name}", task.lens, task.data, roles=roles or self.roles
        )
        found.task = task
        if scrubbed := self._scrubbed:
            found._scrubbed = lambda: scrubbed().subset(slice(VARIANT_STRINGS))
        return found

    @cached_property
    def before_scale_and_bias(self) -> BracketSubject:
        """This subject with every LayerNorm read before its scale and bias."""
        return self.lesioned("LayerNorm before scale and bias")

    @cached_property
    def untrained(self) -> BracketSubject:
        """The same architecture with random weights, on the same strings.

        Its heads do nothing by which a role could be found, so it is given the published roles.
        """
        if self._untrained:
            return self._untrained()
        lens = self.lens.reopen(model.untrained_state_dict(seed=0))
        return self.variant("untrained", lens, PUBLISHED)
