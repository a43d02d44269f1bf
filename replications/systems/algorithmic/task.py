"""One model on the sequences it is measured on: the runs and metrics that measurements share.

Notation. `scale(l)` is the divisor of the LayerNorm before layer l, and `scale(None)` that of the
final one. Matrices act on row vectors: W_QK = W_Q W_K^T and W_OV = W_V W_O.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from replications.lens import Lens, Run
from replications.models import Edit, Head, Network, Place, sites
from replications.models.layers import EPSILON
from replications.systems.algorithmic.data import Examples
from replications.systems.algorithmic.processing import processed

Preparation = Literal["processed", "value biases kept", "raw"]
"""Processed as in the published analysis; without its last step; or not at all."""

Kind = Literal["q", "v", "z"]
PER_HEAD = {"q": sites.Q, "v": sites.V, "z": sites.Z}
"""Activations that each head has for itself."""
STREAM = (sites.RESID_PRE, sites.RESID_POST)


class Task:
    """A model and its labelled sequences. Everything is computed once, when it is asked for.

    `lens` has the weights as they were trained. Measurements use `prepared`, which computes the
    same probabilities. Tensors come back in float64.
    """

    def __init__(
        self, lens: Lens, examples: Examples, preparation: Preparation = "processed"
    ) -> None:
        self.lens = lens
        self.examples = examples
        self.preparation = preparation
        self._activations: dict[Place, Tensor] = {}
        self._scales: dict[int | None, Tensor] = {}
        self._edits: dict[Hashable, Edit] = {}
        self._answers: dict[tuple[Edit, ...], Tensor] = {}

    # ---------------------------------------------------------------- the model
    @cached_property
    def prepared(self) -> Lens:
        """The model whose weights and activations are read."""
        if self.preparation == "raw":
            return self.lens
        fold = self.preparation == "processed"
        weights = processed(self.lens.state_dict, self.lens.shape, fold_value_biases=fold)
        return self.lens.reopen(weights)

    @cached_property
    def network(self) -> Network:
        """The prepared weights: float64, on the CPU."""
        found = Network.from_state_dict(self.lens.shape, self.prepared.state_dict)
        return found.to("cpu", torch.float64)

    @cached_property
    def heads(self) -> list[Head]:
        """All heads, in reading order."""
        shape = self.lens.shape
        return [
            (layer, number) for layer in range(shape.n_layers) for number in range(shape.n_heads)
        ]

    def OV(self, head: Head) -> Tensor:
        """W_V W_O of a head: [d_model d_model]."""
        return self.network.W_V[head] @ self.network.W_O[head]

    def QK(self, head: Head) -> Tensor:
        """W_Q W_K^T of a head, not divided by the root of d_head: [d_model d_model]."""
        return self.network.W_Q[head] @ self.network.W_K[head].T

    @property
    def root(self) -> float:
        """The root of d_head, by which scores are divided."""
        return float(self.lens.shape.d_head**0.5)

    # ---------------------------------------------------------------- the unedited run
    @property
    def tokens(self) -> Tensor:
        """The sequences: long [n pos]."""
        return self.examples.tokens

    @cached_property
    def all_logits(self) -> Tensor:
        """Logits at every position: [n pos output]."""
        return self._whole.logits.double()

    def activation(self, place: Place) -> Tensor:
        """What stands at a place, in float64; each place is read once."""
        if place not in self._activations:
            if place in self._places:
                found = self._whole[str(place)]
            else:
                found = self.prepared.read(self.tokens, {"value": place})["value"]
            self._activations[place] = found.double()
        return self._activations[place]

    @cached_property
    def _whole(self) -> Run:
        """One run for all that measurements read."""
        return self.prepared.run(self.tokens, {str(place): place for place in self._places})

    @cached_property
    def _places(self) -> Collection[Place]:
        """What is read together: what this TransformerLens shows rightly of the sites used."""
        shape, wrong = self.prepared.shape, self.prepared.soundness().wrong
        used = [*STREAM, *PER_HEAD.values(), sites.PATTERN]
        if not shape.attn_only:
            used += [sites.RESID_MID, sites.MLP_POST]
        return [site(n) for site in used if site not in wrong for n in range(shape.n_layers)]

    def pattern(self, head: Head) -> Tensor:
        """Attention of a head: [n query key]."""
        return self.activation(sites.PATTERN(head[0]))[:, head[1]]

    def per_head(self, kind: Kind, head: Head) -> Tensor:
        """Queries, values or outputs of a head: [n pos d_head]."""
        return self.activation(PER_HEAD[kind](head[0]))[:, :, head[1]]

    def scale(self, layer: int | None) -> Tensor:
        """The divisor of the LayerNorm before a layer, or of the final one: [n pos]."""
        if layer not in self._scales:
            last = self.lens.shape.n_layers - 1
            place = sites.RESID_POST(last) if layer is None else sites.RESID_PRE(layer)
            variance = self.activation(place).var(-1, unbiased=False)
            self._scales[layer] = (variance + EPSILON).sqrt()
        return self._scales[layer]

    # ---------------------------------------------------------------- metrics
    def once(self, name: Hashable, make: Callable[[], Edit]) -> Edit:
        """The edit of this name, made when it is first asked for, so that it is also run once."""
        if name not in self._edits:
            self._edits[name] = make()
        return self._edits[name]

    def logits(self, edits: Sequence[Edit] = (), examples: Examples | None = None) -> Tensor:
        """Logits where answers are read, of a run with edits: [n answer output].

        Each edit is run on the task's own examples once.
        """
        given = self.examples if examples is None else examples
        if not edits and given.tokens is self.tokens:
            return self.all_logits[:, list(given.answered)]
        if given is self.examples and tuple(edits) in self._answers:
            return self._answers[tuple(edits)].double()
        found = self.prepared.run(given.tokens, edits=edits).logits[:, list(given.answered)]
        if given is self.examples:
            self._answers[tuple(edits)] = found
        return found.double()

    def log_probability(
        self, edits: Sequence[Edit] = (), examples: Examples | None = None
    ) -> Tensor:
        """The logarithm of the probability of each right answer: [n answer]."""
        given = self.examples if examples is None else examples
        logits = self.logits(edits, examples).log_softmax(-1)
        return logits.gather(-1, given.labels[..., None])[..., 0]

    def loss(self, edits: Sequence[Edit] = (), examples: Examples | None = None) -> float:
        """Mean cross-entropy of all answers, in nats."""
        return -self.log_probability(edits, examples).mean().item()
