"""The list-update model under the microscope: one subject, its run and its parts.

Notation.  A prediction j = 0, 1, 2 … is made at the j-th prediction position (7, 8, 9 for lists of
three); its source is where its answer stands in the prompt: list position j + 1, or the new
element if j is the updated index.  Layer 0 is where head 0.0 is, the last layer where head 1.0 is.
Means by index are taken over the prompts with that index, as in the document's batches, which
have one index each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens, Run, Weights
from replications.models import sites
from replications.systems.list_update import data, model
from replications.systems.list_update.attention import Attention
from replications.systems.list_update.attribution import Attribution
from replications.systems.list_update.behaviour import Behaviour
from replications.systems.list_update.circuits import Circuits
from replications.systems.list_update.cuts import Cuts
from replications.systems.list_update.data import DOCUMENT, Task
from replications.systems.list_update.patches import Patches
from replications.systems.list_update.pipeline import Pipeline
from replications.systems.list_update.prompting import ListPrompting

ANSWERS = 10_000
"""Answers a subject is measured on, at least: 3,334 prompts for lists of three."""
MEASUREMENT_SEED = 2_000_000
"""Seed of those prompts; the training seeds are small numbers."""


class ListUpdateSubject:
    """One list-update model with the prompts it is measured on.

    Everything is computed once, when it is asked for.

    `seed` is the seed it was trained with; `curve` gives the loss of each training step;
    `one_layer` gives the models with one layer that it is compared with; `tokens` are prompts
    with their answers to measure on, generated ones if left out.
    """

    def __init__(
        self,
        name: str,
        lens: Lens,
        task: Task = DOCUMENT,
        *,
        seed: int = 0,
        curve: Callable[[], Sequence[float]] | None = None,
        one_layer: Callable[[], Sequence[ListUpdateSubject]] | None = None,
        tokens: Tensor | None = None,
    ) -> None:
        self.name = name
        self.lens = lens
        self.task = task
        self.seed = seed
        self._curve = curve
        self._one_layer = one_layer
        self._tokens = None if tokens is None else data.check_tokens(tokens, task)

    def __repr__(self) -> str:
        return f"<list-update model {self.name!r}, lists of {self.task.length}>"

    @property
    def weights(self) -> Weights:
        return self.lens.weights

    @property
    def prompting(self) -> ListPrompting:
        """How it is asked to update a list."""
        return ListPrompting(self.task)

    @property
    def layers(self) -> int:
        return self.lens.shape.n_layers

    @cached_property
    def loss_curve(self) -> Sequence[float]:
        """The loss of each training step.  BadInput for weights that came without one."""
        if self._curve is None:
            raise BadInput(f"{self!r} came without the loss curve of its training")
        return self._curve()

    # ---------------------------------------------------------------- other models
    @cached_property
    def untrained(self) -> ListUpdateSubject:
        """The weights its training started from, on the same prompts."""
        weights = model.untrained_state_dict(self.seed, self.layers, self.task)
        return ListUpdateSubject(
            f"{self.name}~untrained",
            self.lens.reopen(weights),
            self.task,
            seed=self.seed,
            tokens=self._tokens,
        )

    @cached_property
    def one_layer_models(self) -> Sequence[ListUpdateSubject]:
        """Every model with one layer.  BadInput where there is none for this task."""
        if self._one_layer is None:
            raise BadInput(f"{self!r} has no model with one layer to be compared with")
        return self._one_layer()

    @property
    def one_layer(self) -> ListUpdateSubject:
        """The first model with one layer."""
        return self.one_layer_models[0]

    # ---------------------------------------------------------------- the run
    @cached_property
    def tokens(self) -> Tensor:
        """The prompts, an index and a new element for each: long [n pos]."""
        if self._tokens is not None:
            return self._tokens
        prompts = math.ceil(ANSWERS / self.task.length)
        return data.generate_mixed(prompts, MEASUREMENT_SEED, self.task)

    @cached_property
    def index(self) -> Tensor:
        """The updated index: long [n]."""
        return self.tokens[:, self.task.index_position]

    @cached_property
    def answers(self) -> Tensor:
        """The right answers: long [n j]."""
        return data.answers(self.tokens, self.task)

    @cached_property
    def sources(self) -> Tensor:
        """Where they stand in the prompt: long [n j]."""
        return data.sources(self.tokens, self.task)

    @cached_property
    def updated(self) -> Tensor:
        """Whether j is the updated index: bool [n j]."""
        return self.index[:, None] == torch.arange(self.task.length)

    @cached_property
    def predicting(self) -> slice:
        """The prediction positions."""
        positions = self.task.prediction_positions
        return slice(positions.start, positions.stop)

    @cached_property
    def run(self) -> Run:
        """The intact run: at the prediction positions what each layer adds, and all patterns."""
        there = {"pos": self.predicting}
        reads = {"embed": sites.EMBED().pick(**there), "pos_embed": sites.POS_EMBED().pick(**there)}
        for layer in range(self.layers):
            reads[f"attn_out{layer}"] = sites.ATTN_OUT(layer).pick(**there)
            reads[f"pattern{layer}"] = sites.PATTERN(layer).pick(head=0)
        reads["final"] = sites.RESID_POST(self.layers - 1).pick(**there)
        return self.lens.run(self.tokens, reads)

    def logits(self) -> Tensor:
        """Logits at the prediction positions, float64 [n j number]."""
        return self.run.logits[:, self.predicting].double()

    def pattern(self, layer: int) -> Tensor:
        """A layer's attention, float64 [n query key].  A negative layer counts from the last."""
        return self.run[f"pattern{range(self.layers)[layer]}"].double()

    def by_index(self, values: Tensor) -> Tensor:
        """Means of `values` [n …] over the prompts with each index: [index …]."""
        return torch.stack([values[self.index == i].mean(0) for i in range(self.task.length)])

    # ---------------------------------------------------------------- parts
    @cached_property
    def behaviour(self) -> Behaviour:
        return Behaviour(self)

    @cached_property
    def attribution(self) -> Attribution:
        return Attribution(self)

    @cached_property
    def attention(self) -> Attention:
        return Attention(self)

    @cached_property
    def circuits(self) -> Circuits:
        return Circuits(self.weights, self.task)

    @cached_property
    def cuts(self) -> Cuts:
        return Cuts(self)

    @cached_property
    def printed(self) -> Patches:
        """Activation patching on the document's pair of prompts."""
        return Patches(self.lens, data.printed_pair())

    @cached_property
    def pairs(self) -> Patches:
        """Activation patching on generated pairs of the same kind."""
        return Patches(self.lens, data.pairs(200, MEASUREMENT_SEED, self.task))

    @cached_property
    def pipeline(self) -> Pipeline:
        return Pipeline(self)
