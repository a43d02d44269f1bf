"""The architectures of the problems, and how weights become a model that can be measured.

Every model is causal, with learned positions that are added to the residual stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens, open_lens
from replications.models import Shape, check_state_dict, parameters, read_state_dict, untrained
from replications.systems.algorithmic import problems
from replications.systems.algorithmic.data import addition, cumsum, palindrome, sorting, unique


@dataclass(frozen=True)
class Model:
    """The model of one problem: what errors call it, its architecture and its published file.

    The published model was trained on numbers as tokens, of which `negative` are negative: these
    are the last rows of its embedding. Here they are the first ones.
    """

    problem: str
    called: str
    shape: Shape
    fixture: str
    negative: int = 0

    def check(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The parameters alone, checked against the architecture; attention masks are dropped.

        Raises BadInput naming the first tensor that does not fit.
        """
        return check_state_dict(state_dict, self.shape, model=self.called)

    def read(self, content: bytes, name: str) -> dict[str, Tensor]:
        """Weights from the bytes of a `.pt` or `.safetensors` file whose sha256 was verified.

        Raises BadInput when the bytes are not such a file or hold another model.
        """
        return read_state_dict(content, name, self.shape, model=self.called)

    def published(self, content: bytes) -> dict[str, Tensor]:
        """The weights of the published file, with its embedding in the order of tokens.

        Raises as `read`.
        """
        return self._in_order(self.read(content, self.fixture))

    def _in_order(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        W_E = torch.roll(weights["embed.W_E"], self.negative, 0)
        return weights | {"embed.W_E": W_E}

    def untrained(self, seed: int) -> dict[str, Tensor]:
        """The weights that training with this seed starts from; 42 is the published start.

        Matrices are normal with standard deviation 0.8 / sqrt(d_model), LayerNorms the identity,
        biases zero. Raises BadInput for a negative seed.
        """
        spread = untrained.by_width(self.shape.d_model)
        drawn = untrained.untrained(parameters.classic(self.shape), spread, seed)
        return self._in_order(drawn)

    def open(
        self, state_dict: Mapping[str, Tensor], *, device: str = "cpu", dtype: str = "float32"
    ) -> Lens:
        """A lens on the model with these weights. Raises BadInput if they do not fit."""
        return open_lens(self.shape, self.check(state_dict), device=device, dtype=dtype)


PALINDROME = Model(
    problem="palindrome",
    called="the palindrome classifier",
    shape=Shape(
        n_layers=2,
        n_heads=2,
        d_model=28,
        d_head=14,
        d_mlp=0,
        n_ctx=palindrome.CONTEXT,
        d_vocab=palindrome.VALUES + 2,
        d_vocab_out=2,
        attn_only=True,
    ),
    fixture=problems.PUBLISHED["palindrome"],
)
UNIQUE = Model(
    problem="unique",
    called="the first-unique-letter model",
    shape=Shape(
        n_layers=2,
        n_heads=3,
        d_model=42,
        d_head=14,
        d_mlp=0,
        n_ctx=unique.CONTEXT,
        d_vocab=unique.NONE + 1,
        d_vocab_out=unique.NONE + 1,
        attn_only=True,
    ),
    fixture=problems.PUBLISHED["unique"],
)
SUM = Model(
    problem="sum",
    called="the addition model",
    shape=Shape(
        n_layers=2,
        n_heads=3,
        d_model=48,
        d_head=24,
        d_mlp=0,
        n_ctx=addition.CONTEXT,
        d_vocab=addition.EQUALS + 1,
        d_vocab_out=addition.EQUALS + 1,
        attn_only=True,
    ),
    fixture=problems.PUBLISHED["sum"],
)
SORTED = Model(
    problem="sorted",
    called="the sorting model",
    shape=Shape(
        n_layers=1,
        n_heads=2,
        d_model=96,
        d_head=48,
        d_mlp=0,
        n_ctx=sorting.CONTEXT,
        d_vocab=sorting.SEP + 1,
        d_vocab_out=sorting.SEP + 1,
        attn_only=True,
    ),
    fixture=problems.PUBLISHED["sorted"],
)
CUMSUM = Model(
    problem="cumsum",
    called="the running-sum model",
    shape=Shape(
        n_layers=1,
        n_heads=1,
        d_model=24,
        d_head=12,
        d_mlp=8,
        n_ctx=cumsum.CONTEXT,
        d_vocab=2 * cumsum.MAXIMUM + 1,
        d_vocab_out=3,
        normalization=None,
    ),
    fixture=problems.PUBLISHED["cumsum"],
    negative=cumsum.MAXIMUM,
)
MODELS: Mapping[str, Model] = {
    model.problem: model for model in (PALINDROME, UNIQUE, SUM, SORTED, CUMSUM)
}
SUM_ONE_LAYER = replace(
    SUM,
    problem=problems.SUM_ONE_LAYER,
    called="the addition model of one layer",
    shape=replace(SUM.shape, n_layers=1),
    fixture="",
)
"""Spoken of in the document, and not published: trained here alone."""


def model_of(problem: str) -> Model:
    """The model of a problem. Raises BadInput for an unknown one."""
    if problem not in MODELS:
        raise BadInput(f"unknown problem {problem!r}; there are: {', '.join(MODELS)}")
    return MODELS[problem]
