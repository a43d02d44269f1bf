"""What the heads of one model do on repeated random tokens (section "Early induction heads")."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.head_scores import HeadScores, repeated_tokens, scores, unrepeated_tokens
from replications.analysis.logit_attribution import directions
from replications.lens import Lens
from replications.models import Head, Tokenizer, sites
from replications.models.layers import EPSILON

BATCHES, ROWS = 4, 8
"""The texts come in this many batches of this many rows, each batch with a seed of its own."""
DOCUMENT_LENGTH = 15
"""Random tokens of one copy in the document."""


class RepeatedTokens:
    """Rows of random tokens followed by a second copy of them, and scores of heads on these."""

    def __init__(self, lens: Lens, tokenizer: Tokenizer, *, bos: bool, seed: int) -> None:
        self._lens = lens
        self._tokenizer = tokenizer
        self._bos = bos
        self._seed = seed

    @cached_property
    def length(self) -> int:
        """Tokens of one copy: 15 as in the document, fewer if two copies exceed the context."""
        room = self._lens.shape.n_ctx - self._bos
        return min(DOCUMENT_LENGTH, room // 2)

    def tokens(self, *, repeated: bool = True) -> Tensor:
        """The texts: long [row pos]. With `repeated=False` the second half is fresh tokens."""
        ids = torch.arange(len(self._tokenizer))
        ids = ids[ids != self._tokenizer.bos]
        bos = self._tokenizer.bos if self._bos else None
        draw: Callable[..., Tensor] = repeated_tokens if repeated else unrepeated_tokens
        seeds = range(self._seed, self._seed + BATCHES)
        return torch.cat([draw(ids, self.length, ROWS, seed, bos=bos) for seed in seeds])

    def scores(self, *, repeated: bool = True) -> HeadScores:
        """Mean attention by head and row, each float64 [layer head row]."""
        return self._repeated if repeated else self._unrepeated

    @cached_property
    def _repeated(self) -> HeadScores:
        return scores(self._lens, self.tokens(), self.length)

    @cached_property
    def _unrepeated(self) -> HeadScores:
        return scores(self._lens, self.tokens(repeated=False), self.length)

    def attention(self, head: Head) -> Tensor:
        """A head's attention on the repeated tokens, averaged over rows: float64 [query key]."""
        layer, number = head
        place = sites.PATTERN(layer).pick(head=number)
        return self._lens.read(self.tokens(), {"pattern": place})["pattern"].double().mean(0)

    def boost(self, *, repeated: bool = True) -> Tensor:
        """Direct effect of each head on the token that followed the first copy: [layer head].

        The effect on the logit of this token less that on the token which followed in another row,
        averaged over the second half. With `repeated=False` the token is still the one from the
        first half, which then does not come again.
        """
        lens, length = self._lens, self.length
        tokens = self.tokens(repeated=repeated)
        half = slice(tokens.shape[1] - length, tokens.shape[1] - 1)
        coming = tokens[:, 1 - 2 * length : -length]  # one copy back, one token on
        answers = torch.stack([coming, coming.roll(1, 0)], -1)
        direction, _ = directions(lens, answers.flatten(0, 1))
        layers = range(lens.shape.n_layers)
        places = {str(i): sites.Z(i).pick(pos=half) for i in layers}
        run = lens.run(tokens, places | {"x": sites.RESID_POST(layers[-1]).pick(pos=half)})
        scale = (run["x"].double().var(-1, correction=0) + EPSILON).sqrt()
        projected = direction.reshape(*coming.shape, -1) / scale[..., None]
        W_O = lens.weights.W_O.double().to(tokens.device)
        written = [
            torch.einsum("bphk,hkd,bpd->h", run[str(i)].double(), W_O[i], projected) for i in layers
        ]
        return torch.stack(written) / coming.numel()
