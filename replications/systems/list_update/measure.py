"""The list-update model under the microscope: one subject, its measurements and its variants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens, open_lens
from replications.systems.list_update import data, model
from replications.systems.list_update.data import DOCUMENT, Format
from replications.systems.list_update.measurements.architecture import Architecture
from replications.systems.list_update.measurements.attention import Attention
from replications.systems.list_update.measurements.attribution import Attribution
from replications.systems.list_update.measurements.behaviour import Behaviour
from replications.systems.list_update.measurements.circuits import Circuits
from replications.systems.list_update.measurements.composition import Composition
from replications.systems.list_update.measurements.patching import Patching
from replications.systems.list_update.measurements.paths import Paths
from replications.systems.list_update.measurements.techniques import Techniques
from replications.systems.list_update.roles import Roles, find_roles
from replications.systems.list_update.task import MEASUREMENT_SEED, ListPrompting, Task

PAIRS = 200
"""How many generated pairs of prompts activation patching is measured on."""


class ListUpdateSubject:
    """One list-update model with the prompts it is measured on, measured when asked.

    `format` is that of the prompts. `roles` are found if left out. `seed` is the seed the model
    was trained with; `curve` gives the loss of each training step; `one_layer` gives the models of
    one layer that it is compared with. `tokens` are prompts with their answers, long [n pos], to
    measure on; generated ones if left out. Raises BadInput for tokens that are not of the format.
    """

    def __init__(
        self,
        name: str,
        lens: Lens,
        format: Format = DOCUMENT,
        *,
        roles: Roles | None = None,
        seed: int = 0,
        curve: Callable[[], Sequence[float]] | None = None,
        one_layer: Callable[[], Sequence[ListUpdateSubject]] | None = None,
        tokens: Tensor | None = None,
    ) -> None:
        self.name = name
        self.lens = lens
        self.task = Task(lens, format, tokens)
        self.seed = seed
        self._roles = roles
        self._curve = curve
        self._one_layer = one_layer
        self._tokens = tokens

    def __repr__(self) -> str:
        return f"<list-update model {self.name!r}, lists of {self.task.format.length}>"

    @property
    def prompting(self) -> ListPrompting:
        """How it is asked to update a list."""
        return ListPrompting(self.task.format)

    @property
    def tokens(self) -> Tensor:
        """The prompts with their answers: long [n pos]."""
        return self.task.tokens

    @cached_property
    def roles(self) -> Roles:
        """Which head plays which part."""
        return self._roles or find_roles(self.task)

    @cached_property
    def loss_curve(self) -> Sequence[float]:
        """The loss of each training step, in nats. Raises BadInput if the weights have none."""
        if self._curve is None:
            raise BadInput(f"{self!r} came without the loss curve of its training")
        return self._curve()

    # ---------------------------------------------------------------- variants and other models
    def variant(self, name: str, lens: Lens) -> ListUpdateSubject:
        """Another model of the same history, prompts and roles, called NAME~name."""
        return ListUpdateSubject(
            f"{self.name}~{name}",
            lens,
            self.task.format,
            roles=self._roles,
            seed=self.seed,
            curve=self._curve,
            one_layer=self._one_layer,
            tokens=self._tokens,
        )

    @cached_property
    def untrained(self) -> ListUpdateSubject:
        """The weights from which its training started."""
        layers = self.lens.shape.n_layers
        weights = model.untrained_state_dict(self.seed, layers, self.task.format)
        return self.variant("untrained", self.lens.reopen(weights))

    @cached_property
    def standard_positions(self) -> ListUpdateSubject:
        """The same weights with positions added to the residual stream."""
        shape = replace(self.lens.shape, positions="standard")
        dtype = self.lens.weights.W_E.dtype
        lens = open_lens(shape, self.lens.state_dict, device=str(self.lens.device), dtype=dtype)
        return self.variant("standard-positions", lens)

    @cached_property
    def one_bias_trained(self) -> ListUpdateSubject:
        """The same weights with one bias, that of the unembedding, moved from 0 to 0.1."""
        weights = dict(self.lens.state_dict)
        weights["unembed.b_U"] = weights["unembed.b_U"] + 0.1
        return self.variant("one-bias-trained", self.lens.reopen(weights))

    @cached_property
    def one_layer_models(self) -> Sequence[ListUpdateSubject]:
        """Every model of one layer. Raises BadInput if there are none for its format."""
        if self._one_layer is None:
            raise BadInput(f"{self!r} has no model with one layer to be compared with")
        return self._one_layer()

    @property
    def one_layer(self) -> ListUpdateSubject:
        """The first model of one layer."""
        return self.one_layer_models[0]

    # ---------------------------------------------------------------- measurements
    @cached_property
    def architecture(self) -> Architecture:
        """Section "Load model"."""
        return Architecture(self.task, self.seed)

    @cached_property
    def behaviour(self) -> Behaviour:
        """Section "Training"."""
        return Behaviour(self.task, lambda: self.loss_curve)

    @cached_property
    def attribution(self) -> Attribution:
        """Section "Direct logit attribution"."""
        return Attribution(self.task)

    @cached_property
    def attention(self) -> Attention:
        """Sections "Stare at … patterns"."""
        return Attention(self.task, self.roles)

    @cached_property
    def circuits(self) -> Circuits:
        """Circuits in the weights, of several sections."""
        return Circuits(self.lens.weights, self.task.format, self.roles)

    @cached_property
    def printed(self) -> Patching:
        """Section "Activation patching", on the pair of prompts that the document prints."""
        return Patching(self.lens, data.printed_pair(), self.roles)

    @cached_property
    def pairs(self) -> Patching:
        """Section "Activation patching", on 200 generated pairs of the same kind."""
        pairs = data.pairs(PAIRS, MEASUREMENT_SEED, self.task.format)
        return Patching(self.lens, pairs, self.roles)

    @cached_property
    def paths(self) -> Paths:
        """Section "More refined direct logit attribution"."""
        return Paths(self.task, self.roles, self.circuits)

    @cached_property
    def composition(self) -> Composition:
        """Section "Summary"."""
        return Composition(self.task, self.roles)

    @cached_property
    def techniques(self) -> Techniques:
        """Section "General techniques"."""
        parts = (self.attribution, self.attention, self.pairs, self.circuits)
        return Techniques(self.roles, *parts)
