"""A bracket classifier on its strings: the runs, directions and classes that measurements share.

The notation is that of ARENA's chapter on balanced brackets. LDu is logit(unbalanced) minus
logit(balanced) at position 0, so a larger value means "more unbalanced".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import einops
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from replications.analysis import linear_fits as linear
from replications.circuits.scrubbing import logits_at
from replications.errors import BadInput
from replications.lens import Lens, Read, Weights
from replications.models import Edit, Head, Network, put, sites
from replications.systems.brackets.data import (
    CLOSE,
    CONTEXT,
    OPEN,
    PAD,
    BracketData,
    tokenize,
)  # fmt: skip
from replications.systems.brackets.model import BALANCED, UNBALANCED
from replications.systems.brackets.recording import (
    COMPONENTS,
    LAYERS,
    MeanZ,
    Recording,
    components_before,
    head_label,
    logit_difference,
    record_with_means,
    recorded_places,
)

EPSILON = 1e-5
"""What the model's LayerNorms add to the variance."""


class Task:
    """A model and the n strings it is measured on. Everything is computed once, when needed.

    `full_data` loads all the strings of which `data` is a part. Without `affine`, every LayerNorm
    is read before its scale and bias: a wrong preprocessing, used by controls and lesions. Raises
    BadInput if there are no strings.
    """

    def __init__(
        self,
        lens: Lens,
        data: BracketData,
        full_data: Callable[[], BracketData] | None = None,
        *,
        affine: bool = True,
    ) -> None:
        if not len(data):
            raise BadInput("no strings to measure on: give at least one")
        self.lens = lens
        self.data = data
        self.load_full_data = full_data
        self.affine = affine
        self._inputs: dict[Head, dict[str, Tensor]] = {}
        self._input_fits: dict[int, linear.LinearFit] = {}
        self._layernorm_fits: dict[int, linear.LinearFit] = {}

    def with_lens(self, lens: Lens) -> Task:
        """Another model on the same strings, read in the same way."""
        return Task(lens, self.data, self.load_full_data, affine=self.affine)

    def before_scale_and_bias(self) -> Task:
        """The same model, but with every LayerNorm read before its scale and bias.

        From TransformerLens 3 on, that is what reading the hook `hook_normalized` gives.
        """
        other = Task(self.lens, self.data, self.load_full_data, affine=False)
        other._unedited = self._unedited  # the model is the same
        return other

    @property
    def weights(self) -> Weights:
        """The weights by role."""
        return self.lens.weights

    @cached_property
    def full_data(self) -> BracketData:
        """All the strings there are: 100,000 for the published model."""
        return self.load_full_data() if self.load_full_data else self.data

    # ---------------------------------------------------------------- classes of strings
    @cached_property
    def T(self) -> Tensor:
        """Strings that start with '(' and whose only fault is the total elevation: bool [n]."""
        return self.data.only_total & self.data.starts_open

    @cached_property
    def N(self) -> Tensor:
        """Strings that start with '(' and whose only fault is a negative suffix: bool [n]."""
        return self.data.only_negative & self.data.starts_open

    @cached_property
    def B(self) -> Tensor:
        """Strings labelled balanced: bool [n]."""
        return self.data.labels

    # ---------------------------------------------------------------- runs
    @property
    def recording(self) -> Recording:
        """The unedited run on all strings."""
        return self._unedited[0]

    @cached_property
    def _unedited(self) -> tuple[Recording, MeanZ]:
        """The unedited run on all strings, and the means of the attention outputs in it."""
        return record_with_means(self.lens, self.data.tokens, self.B)

    def record(self, edits: Sequence[Edit] = (), data: BracketData | None = None) -> Recording:
        """A run with edits, on the task's strings or on `data`."""
        tokens = (self.data if data is None else data).tokens
        return Recording(self.lens.run(tokens, recorded_places(), edits), self.weights)

    def logits(self, edits: Sequence[Edit], data: BracketData) -> Tensor:
        """Logits at position 0 of a run with edits on other strings: float64 [n 2]."""
        return self.lens.run(data.tokens, edits=edits).logits[:, 0].double()

    def calls_balanced(self, edits: Sequence[Edit], data: BracketData) -> Tensor:
        """Which of other strings are called balanced in a run with edits: bool [n]."""
        return self.logits(edits, data).argmax(-1) == BALANCED

    def logit_difference(self, edits: Sequence[Edit], data: BracketData) -> Tensor:
        """LDu of a run with edits on other strings: float64 [n]."""
        return logit_difference(self.logits(edits, data))

    def confidence(self, strings: str | Sequence[str]) -> Tensor:
        """P(balanced) of each string: float64 [n].

        Raises BadInput for what cannot be tokenised, and for odd lengths, which the model never
        saw in training.
        """
        batch = [strings] if isinstance(strings, str) else list(strings)
        tokens = tokenize(batch)
        odd = next((s for s in batch if len(s) % 2), None)
        if odd is not None:
            raise BadInput(
                f"{odd!r} has odd length {len(odd)}; the classifier was trained on even lengths, "
                "and an odd string is never balanced"
            )
        return self.confidence_of_tokens(tokens)

    def confidence_of_tokens(self, tokens: Tensor, *, masked: bool = True) -> Tensor:
        """P(balanced) of each row of tokens [n pos]: float64 [n]."""
        logits = self.lens.run(tokens, masked=masked).logits[:, 0]
        return logits.double().softmax(-1)[:, BALANCED]

    @cached_property
    def network(self) -> Network:
        """The weights as plain tensors, in the precision and on the device of the lens."""
        made = Network.from_state_dict(self.lens.shape, self.lens.state_dict)
        return made.to(self.lens.device, self.weights.W_E.dtype)

    def verdicts(self, tokens: Tensor) -> Tensor:
        """Which of many strings, tokens [n pos], are called balanced: bool [n].

        Without TransformerLens, and several times as fast: pads are left out, which changes no
        verdict (see `Behaviour.padding_effect`), and the last layer is run at position 0 only.
        """
        return logits_at(self.network, tokens, edits=self.lens.edits).argmax(-1) == BALANCED

    def per_cent_balanced(
        self, strings: Sequence[str], *, exchanged: bool = False, masked: bool = True
    ) -> list[float]:
        """P(balanced) of each string, in per cent, with all strings padded to full length.

        If `exchanged`, the two brackets exchange their token ids; without `masked`, padding keys
        are left visible.
        """
        tokens = tokenize(strings, length=CONTEXT)
        tokens = exchange_brackets(tokens) if exchanged else tokens
        return (100 * self.confidence_of_tokens(tokens, masked=masked)).tolist()

    # ---------------------------------------------------------------- means to put in place
    def mean_z(self, head: Head, *, balanced: bool = False) -> Tensor:
        """A head's mean attention output over all (or over balanced) strings: [pos d_head]."""
        return self._unedited[1][balanced][head[0]][:, head[1]]

    def silence(self, head: Head) -> Sequence[Edit]:
        """Edits that give a head, at position 0, its mean output on balanced strings."""
        layer, number = head
        z = self.recording.run[f"z{layer}"][self.B, 0, number]
        return (put(sites.Z(layer).pick(head=number, pos=0), z.double().mean(0)),)

    def silence_everywhere(self, head: Head) -> Sequence[Edit]:
        """Edits that give a head, at each position, its mean output on balanced strings there."""
        layer, number = head
        return (put(sites.Z(layer).pick(head=number), self.mean_z(head, balanced=True)),)

    # ---------------------------------------------------------------- fits of the LayerNorms
    @cached_property
    def final_fit(self) -> linear.LinearFit:
        """Linear fit of the final LayerNorm at position 0."""
        run = self.recording.run
        return self._fit(run["resid_final"], run["ln_final"])

    def input_fit(self, layer: int) -> linear.LinearFit:
        """Linear fit of the LayerNorm before a layer's attention, at position 1."""
        if layer not in self._input_fits:
            run = self.recording.run
            self._input_fits[layer] = self._fit(run[f"resid_pre{layer}"], run[f"ln1_{layer}"])
        return self._input_fits[layer]

    def _fit(self, before: Tensor, after: Tensor, counts: Tensor | None = None) -> linear.LinearFit:
        return linear.fit(before, after if self.affine else normalised(before), counts=counts)

    def layernorm_fit(self, layer: int) -> linear.LinearFit:
        """Linear fit of the LayerNorm before a layer's attention, over all positions and pads."""
        if layer not in self._layernorm_fits:
            # Before layer 0 the stream depends on the token and its position alone.
            few = layer == 0 and not self.lens.edits
            read = self._first_layernorm() if few else self.layernorm(layer)
            self._layernorm_fits[layer] = self._fit(*read)
        return self._layernorm_fits[layer]

    def _first_layernorm(self) -> tuple[Tensor, Tensor, Tensor]:
        """`layernorm(0)` with each pair of token and position once, and how often it occurs."""
        tokens = self.data.tokens
        pairs = tokens * CONTEXT + torch.arange(CONTEXT)
        _, first, counts = np.unique(pairs.numpy(), return_index=True, return_counts=True)
        strings, positions = (torch.from_numpy(i) for i in divmod(first, CONTEXT))
        reads = {"before": sites.RESID_PRE(0), "after": sites.LN1(0)}
        run = self.lens.read(tokens[strings], reads)
        before, after = (run[r][torch.arange(len(first)), positions] for r in reads)
        return before, after, torch.from_numpy(counts)

    def layernorm(
        self, layer: int, strings: int | None = None, *, pads: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Input and output of the LayerNorm before a layer's attention, each [(n pos) d_model].

        They are read on the first `strings` strings, or on all; without `pads`, at the positions
        that hold no padding.
        """
        tokens = self.data.tokens[:strings]
        reads = {"before": sites.RESID_PRE(layer), "after": sites.LN1(layer)}
        run = self.lens.read(tokens, reads)
        before, after = (einops.rearrange(run[r], "n pos d -> (n pos) d") for r in reads)
        kept = torch.ones_like(tokens, dtype=torch.bool) if pads else tokens != PAD
        return before[kept.flatten()], after[kept.flatten()]

    def read_layernorm(self, layer: int, reduce: Callable[[Tensor], Tensor]) -> Read:
        """Reads `reduce` of the output of the LayerNorm before a layer's attention."""
        if self.affine:
            return Read(sites.LN1(layer), reduce)
        return Read(sites.RESID_PRE(layer), lambda x: reduce(normalised(x)))

    # ---------------------------------------------------------------- directions at position 0
    @cached_property
    def unbalanced_after_final(self) -> Tensor:
        """Direction after the final LayerNorm that means "unbalanced": float64 [d_model]."""
        return (self.weights.W_U[:, UNBALANCED] - self.weights.W_U[:, BALANCED]).double()

    @cached_property
    def unbalanced_before_final(self) -> Tensor:
        """pf, the direction before the final LayerNorm that means "unbalanced": float64 [d_model].

        pf = final_fit.T @ (W_U[:, 0] - W_U[:, 1])
        """
        return self.final_fit.pull_back(self.unbalanced_after_final)

    def in_unbalanced_direction(self, recording: Recording) -> Tensor:
        """u: each component's output at position 0 along pf, float64 [component n].

        Each component's mean over balanced strings of the unedited run is subtracted.
        """
        direction = self.unbalanced_before_final
        centre = (self.recording.components[:, self.B, 0].double() @ direction).mean(1)
        return recording.components[:, :, 0].double() @ direction - centre[:, None]

    @cached_property
    def contributions(self) -> dict[str, Tensor]:
        """u of the unedited run by component name, each float64 [n]."""
        return dict(zip(COMPONENTS, self.in_unbalanced_direction(self.recording), strict=True))

    # ---------------------------------------------------------------- directions at position 1
    def OV(self, head: Head) -> Tensor:
        """W_V @ W_O of a head: float64 [d_model d_model]."""
        return self.weights.OV(*head).double()

    def direction_before(self, head: Head) -> Tensor:
        """Direction at position 1 that a head turns into "unbalanced": float64 [d_model].

        input_fit.T @ OV @ pf; the document calls that of head 2.0 p20.
        """
        return self.input_fit(head[0]).pull_back(self.OV(head) @ self.unbalanced_before_final)

    def in_direction_before(
        self, head: Head, recording: Recording, position: int = 1
    ) -> dict[str, Tensor]:
        """w: each component's output at position 1 along `direction_before(head)`, float64 [n].

        Each component's mean over balanced strings of the unedited run is subtracted. Components
        of the last layer are left out; w is zero for others that write after the head has read.
        Positions 0 and 2 can be asked for too; the direction stays that of position 1.
        """
        direction = self.direction_before(head)
        centre = self.recording.components[:, self.B, position].double() @ direction
        w = recording.components[:, :, position].double() @ direction - centre.mean(1, keepdim=True)
        w[len(components_before(head[0])) :] = 0
        return dict(zip(components_before(LAYERS[-1]), w, strict=False))

    def inputs(self, head: Head) -> dict[str, Tensor]:
        """w of the unedited run by component name, each float64 [n]."""
        if head not in self._inputs:
            self._inputs[head] = self.in_direction_before(head, self.recording)
        return self._inputs[head]

    # ---------------------------------------------------------------- attention
    def attention_from_0(self, head: Head) -> Tensor:
        """A head's attention from position 0: [n key=42]."""
        return self.recording.run[f"pattern{head[0]}"][:, head[1]]

    def contribution(self, head: Head) -> Tensor:
        """u of one head: float64 [n]."""
        return self.contributions[head_label(head)]


def exchange_brackets(tokens: Tensor) -> Tensor:
    """The tokens with '(' and ')' exchanged, all others left as they are."""
    return torch.where(tokens >= OPEN, OPEN + CLOSE - tokens, tokens)


def normalised(x: Tensor) -> Tensor:
    """What a LayerNorm makes of vectors [… d_model] before it applies its scale and bias."""
    x = x.double()
    return F.layer_norm(x, [x.shape[-1]], eps=EPSILON)
