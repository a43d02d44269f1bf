"""The list-update model under the microscope: one subject, its measurements and its variants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens
from replications.models import Head
from replications.models.parameters import in_layer
from replications.systems.list_update import data, model, train
from replications.systems.list_update.format import DOCUMENT, Format
from replications.systems.list_update.measurements.architecture import Architecture
from replications.systems.list_update.measurements.attention import Attention
from replications.systems.list_update.measurements.attribution import Attribution
from replications.systems.list_update.measurements.behaviour import Behaviour
from replications.systems.list_update.measurements.circuits import Circuits
from replications.systems.list_update.measurements.composition import Composition
from replications.systems.list_update.measurements.edges import Edges
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
    one layer that it is compared with, and `other_seed` a model of two layers that was trained with
    another seed. `tokens` are prompts with their answers, long [n pos], to
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
        other_seed: Callable[[], ListUpdateSubject] | None = None,
        tokens: Tensor | None = None,
    ) -> None:
        self.name = name
        self.lens = lens
        self.task = Task(lens, format, tokens)
        self.seed = seed
        self._roles = roles
        self._curve = curve
        self._one_layer = one_layer
        self._other_seed = other_seed
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
            other_seed=self._other_seed,
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
        return self.variant("standard-positions", model.with_standard_positions(self.lens))

    @cached_property
    def one_bias_trained(self) -> ListUpdateSubject:
        """The same weights after one more step of training, of the unembedding's bias alone."""
        weights = train.with_bias_step(self.lens.state_dict, self.seed)
        return self.variant("one-bias-trained", self.lens.reopen(weights))

    def without(self, head: Head) -> ListUpdateSubject:
        """The same weights, but this head writes nothing."""
        layer, number = head
        name = in_layer(layer, "attn.W_O")
        output = self.lens.state_dict[name].clone()
        output[number] = 0.0
        weights = {**self.lens.state_dict, name: output}
        return self.variant(f"without-{layer}.{number}", self.lens.reopen(weights))

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

    @cached_property
    def other_seed(self) -> ListUpdateSubject:
        """A model of two layers, trained with another seed. Raises BadInput if there is none."""
        if self._other_seed is None:
            raise BadInput(f"{self!r} has no model of another seed to be compared with")
        return self._other_seed()

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
    def edges(self) -> Edges:
        """The circuit of the section "Activation patching" as edges, on the same pairs."""
        return Edges(self.lens, self.pairs.prompts, self.roles)

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
