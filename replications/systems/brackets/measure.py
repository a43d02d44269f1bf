"""The bracket classifier under the microscope: one subject, its traces and its directions.

Notation follows ARENA's chapter on balanced brackets.  LDu is logit(unbalanced) minus
logit(balanced) at position 0, so more means "unbalanced".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import einops
import torch
from torch import Tensor

from replications.analysis import linear_fits as linear
from replications.errors import BadInput
from replications.lens import Lens, Weights
from replications.models import sites
from replications.models.edits import Edit
from replications.systems.brackets import model
from replications.systems.brackets.adversarial import Adversarial
from replications.systems.brackets.behaviour import Behaviour
from replications.systems.brackets.checking import CheckingHead
from replications.systems.brackets.circuit import Circuit
from replications.systems.brackets.components import Components
from replications.systems.brackets.data import BracketData
from replications.systems.brackets.elevation import ElevationHead
from replications.systems.brackets.model import BALANCED, UNBALANCED
from replications.systems.brackets.neurons import Neurons
from replications.systems.brackets.prompting import BracketPrompting
from replications.systems.brackets.roles import find_roles
from replications.systems.brackets.trace import (
    COMPONENTS,
    LAYERS,
    PUBLISHED_ROLES,
    HeadName,
    Roles,
    Trace,
    head_label,
    parse_head,
    trace_reads,
)  # fmt: skip


class BracketSubject:
    """One bracket classifier with the strings it is measured on.

    Everything is computed once, when it is asked for.

    `lens` is the model, `data` the strings, `roles` says which head does what; left out, the
    heads are found by what they do (`replications.systems.brackets.roles`). `untrained` gives the
    untrained model on the same strings, so that several subjects can share one. Raises BadInput
    if there are no strings.
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
    ) -> None:
        if not len(data):
            raise BadInput(f"no strings to measure {name!r} on")
        self.name = name
        self.lens = lens
        self.data = data
        self._roles = roles
        self._full_data = full_data
        self._untrained = untrained

    def __repr__(self) -> str:
        return f"<bracket classifier {self.name!r}, {len(self.data)} strings>"

    @property
    def weights(self) -> Weights:
        return self.lens.weights

    @property
    def prompting(self) -> BracketPrompting:
        """How it is asked about a string."""
        return BracketPrompting()

    @cached_property
    def full_data(self) -> BracketData:
        """All the strings there are: 100,000 published ones for `arena`."""
        return self._full_data() if self._full_data else self.data

    @cached_property
    def roles(self) -> Roles:
        return self._roles or find_roles(self)

    @property
    def roles_by_rule(self) -> list[str]:
        """The heads found by rule: elevation, helper, total, negative."""
        found = find_roles(self)
        return [head_label(h) for h in (found.elevation, found.helper, found.total, found.negative)]

    # ---------------------------------------------------------------- runs
    @cached_property
    def trace(self) -> Trace:
        """The intact run on all strings."""
        return self.rerun()

    def rerun(self, edits: Sequence[Edit] = (), data: BracketData | None = None) -> Trace:
        """A run with edits, on this subject's strings or on others."""
        tokens = (self.data if data is None else data).tokens
        return Trace(self.lens.run(tokens, trace_reads(), edits), self.weights)

    def logits(self, edits: Sequence[Edit], data: BracketData) -> Tensor:
        """Logits at position 0 of a run with edits on other strings, float64 [n 2]."""
        return self.lens.run(data.tokens, edits=edits).logits[:, 0].double()

    def calls_balanced(self, edits: Sequence[Edit], data: BracketData) -> Tensor:
        """The verdicts of such a run, bool [n]."""
        return self.logits(edits, data).argmax(-1) == BALANCED

    def logit_difference(self, edits: Sequence[Edit], data: BracketData) -> Tensor:
        """LDu of such a run, float64 [n]."""
        logits = self.logits(edits, data)
        return logits[:, UNBALANCED] - logits[:, BALANCED]

    @cached_property
    def _mean_z(self) -> dict[bool, list[Tensor]]:
        reads = {f"{layer}": sites.Z(layer) for layer in LAYERS}
        z = self.lens.read(self.data.tokens, reads)
        masks = {True: self.B, False: torch.ones_like(self.B)}
        return {
            only: [z[name][rows].double().mean(0) for name in reads] for only, rows in masks.items()
        }

    def mean_z(self, head: HeadName, *, balanced: bool = False) -> Tensor:
        """A head's mean attention output over all (or over balanced) strings, [pos d_head]."""
        return self._mean_z[balanced][head[0]][:, head[1]]

    def variant(self, name: str, lens: Lens, roles: Roles | None = None) -> BracketSubject:
        """Another model on the same strings, with this subject's roles unless told otherwise."""
        return BracketSubject(
            f"{self.name}~{name}",
            lens,
            self.data,
            roles=roles or self.roles,
            full_data=self._full_data,
        )

    @cached_property
    def untrained(self) -> BracketSubject:
        """The same architecture with random weights, on the same strings.

        No head of it has a role to be found by, so it is given the published ones.
        """
        if self._untrained:
            return self._untrained()
        lens = self.lens.reopen(model.untrained_state_dict(seed=0))
        return self.variant("untrained", lens, PUBLISHED_ROLES)

    # ---------------------------------------------------------------- directions
    @cached_property
    def final_fit(self) -> linear.LinearFit:
        """Linear fit of the final LayerNorm at position 0."""
        return linear.fit(self.trace.run["resid_final"], self.trace.run["ln_final"])

    @cached_property
    def _layernorm_fits(self) -> dict[int, linear.LinearFit]:
        return {}

    def layernorm_fit(self, layer: int) -> linear.LinearFit:
        """Linear fit of a layer's first LayerNorm over all positions, pads included."""
        if layer not in self._layernorm_fits:
            self._layernorm_fits[layer] = linear.fit(*self.layernorm(layer))
        return self._layernorm_fits[layer]

    def layernorm(self, layer: int, strings: int | None = None) -> tuple[Tensor, Tensor]:
        """Input and output of a layer's first LayerNorm, each [(n pos) d_model].

        On the first `strings` strings, or on all.
        """
        reads = {"before": sites.RESID_PRE(layer), "after": sites.LN1(layer)}
        run = self.lens.read(self.data.tokens[:strings], reads)
        before, after = (einops.rearrange(run[r], "n pos d -> (n pos) d") for r in reads)
        return before, after

    @cached_property
    def unbalanced_after_final(self) -> Tensor:
        """Direction after the final LayerNorm that means "unbalanced", float64 [d_model]."""
        return (self.weights.W_U[:, UNBALANCED] - self.weights.W_U[:, BALANCED]).double()

    @cached_property
    def unbalanced_before_final(self) -> Tensor:
        """The same before the final LayerNorm (pf): fit.T @ (W_U[:, 0] - W_U[:, 1])."""
        return self.final_fit.pull_back(self.unbalanced_after_final)

    def in_unbalanced_direction(self, trace: Trace) -> Tensor:
        """u: each component's output at position 0 along pf, float64 [component n].

        Less each component's mean over balanced strings of the intact run.
        """
        direction = self.unbalanced_before_final
        centre = (self.trace.components[:, self.data.labels, 0].double() @ direction).mean(1)
        return trace.components[:, :, 0].double() @ direction - centre[:, None]

    @cached_property
    def contributions(self) -> dict[str, Tensor]:
        """u of the intact run by component name, each float64 [n]."""
        return dict(zip(COMPONENTS, self.in_unbalanced_direction(self.trace), strict=True))

    # ---------------------------------------------------------------- classes of strings
    @cached_property
    def T(self) -> Tensor:
        """Only the total elevation is wrong, first bracket '(': bool [n]."""
        return self.data.only_total & self.data.starts_open

    @cached_property
    def N(self) -> Tensor:
        """Only some suffix is negative, first bracket '(': bool [n]."""
        return self.data.only_negative & self.data.starts_open

    @cached_property
    def B(self) -> Tensor:
        """Labelled balanced: bool [n]."""
        return self.data.labels

    # ---------------------------------------------------------------- parts
    @cached_property
    def behaviour(self) -> Behaviour:
        return Behaviour(self)

    @cached_property
    def components(self) -> Components:
        return Components(self)

    @cached_property
    def circuit(self) -> Circuit:
        return Circuit(self)

    @cached_property
    def adversarial(self) -> Adversarial:
        return Adversarial(self)

    @cached_property
    def neurons(self) -> Neurons:
        return Neurons(self)

    @cached_property
    def elevation_head(self) -> ElevationHead:
        """The layer-0 head that tallies brackets (0.0 in the published model)."""
        return self._elevation_head(self.roles.elevation)

    @cached_property
    def total_head(self) -> CheckingHead:
        """The head that catches a wrong total elevation (2.0 in the published model)."""
        return self.head(head_label(self.roles.total))

    @cached_property
    def negative_head(self) -> CheckingHead:
        """The head that catches a negative suffix (2.1 in the published model)."""
        return self.head(head_label(self.roles.negative))

    @cached_property
    def _heads(self) -> dict[HeadName, CheckingHead]:
        return {}

    def head(self, label: str) -> CheckingHead:
        """Any head by its index, such as "2.0". Raises BadInput for an unknown one."""
        name = parse_head(label)
        return self._heads.setdefault(name, CheckingHead(self, name))

    def _elevation_head(self, name: HeadName) -> ElevationHead:
        return ElevationHead(self, name)
