"""Early heads: who repeats, who looks back, and what they tell the heads behind them.

Effects are changes of the logit difference relative to the gap between the prompts and their ABC
versions: 0 is clean, -1 is as bad as ABC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.head_scores import HeadScores, repeated_tokens, scores, unrepeated_tokens
from replications.analysis.logit_attribution import directions
from replications.models import sites
from replications.models.network import EPSILON
from replications.models.sites import Site
from replications.patching import HeadInputs, Softmax, every_head, path_patch
from replications.systems.ioi.task import SEED, Head, Task

BATCHES, ROWS = 4, 8
DOCUMENT_LENGTH = 15


class Early:
    """Scores on repeated random tokens, and path patching between heads."""

    def __init__(self, task: Task) -> None:
        self._task = task

    # ---------------------------------------------------------------- random tokens
    @cached_property
    def length(self) -> int:
        """Tokens said twice: 15 as in the document, or as many as the context holds twice."""
        room = self._task.lens.shape.n_ctx - self._task.bos
        return min(DOCUMENT_LENGTH, room // 2)

    @cached_property
    def repeated(self) -> HeadScores:
        """Scores on random tokens said twice, [layer head row]; rows come in BATCHES batches."""
        return self._scores(repeated_tokens)

    @cached_property
    def unrepeated(self) -> HeadScores:
        """The same scores where the second half is fresh."""
        return self._scores(unrepeated_tokens)

    def attention(self, head: Head) -> Tensor:
        """A head's attention on the repeated tokens, averaged over rows: float64 [query key]."""
        layer, number = head
        place = sites.PATTERN(layer).pick(head=number)
        seen = self._task.lens.read(self._draw(repeated_tokens), {"pattern": place})
        return seen["pattern"].double().mean(0)

    def _scores(self, draw: Callable[..., Tensor]) -> HeadScores:
        return scores(self._task.lens, self._draw(draw), self.length)

    def _draw(self, draw: Callable[..., Tensor]) -> Tensor:
        ids = torch.arange(len(self._task.tokenizer))
        ids = ids[ids != self._task.tokenizer.bos]
        bos = self._task.tokenizer.bos if self._task.bos else None
        parts = [draw(ids, self.length, ROWS, SEED + i, bos=bos) for i in range(BATCHES)]
        return torch.cat(parts)

    def spread(self, values: Tensor, head: Head) -> float:
        """Standard deviation of a head's score over the batches; `values` [layer head row]."""
        return values[head].unflatten(0, (BATCHES, ROWS)).mean(1).std().item()

    def boost(self, *, repeated: bool) -> Tensor:
        """Direct effect of each head on the token that followed the first copy: [layer head].

        On its logit, less that of the token that followed in another row; averaged over the second
        half. Of unrepeated tokens, the token is the one that stands where the copy would say.
        """
        lens, length = self._task.lens, self.length
        tokens = self._draw(repeated_tokens if repeated else unrepeated_tokens)
        half = slice(tokens.shape[1] - length, tokens.shape[1] - 1)
        coming = tokens[:, 1 - 2 * length : -length]  # one copy before, one token on
        answers = torch.stack([coming, coming.roll(1, 0)], -1)
        direction, _ = directions(lens, answers.flatten(0, 1))
        layers = range(lens.shape.n_layers)
        places = {str(i): sites.Z(i).pick(pos=half) for i in layers}
        run = lens.run(tokens, places | {"x": sites.RESID_POST(layers[-1]).pick(pos=half)})
        scale = (run["x"].double().var(-1, correction=0) + EPSILON).sqrt()
        projected = direction.unflatten(0, coming.shape) / scale[..., None]
        W_O = lens.weights.W_O.double().to(tokens.device)
        written = [
            torch.einsum("bphk,hkd,bpd->h", run[str(i)].double(), W_O[i], projected) for i in layers
        ]
        return torch.stack(written) / coming.numel()

    # ---------------------------------------------------------------- path patching
    def effects(
        self,
        senders: Sequence[Sequence[Head]],
        site: Site,
        into: Sequence[Head],
        *,
        softmax: Softmax = "exact",
    ) -> list[float]:
        """Effect of each set of senders through an input (q, k or v) of some heads."""
        task = self._task
        found = path_patch(
            task.lens,
            task.batch.tokens,
            task.abc.tokens,
            senders,
            answers=task.answers,
            receiver=HeadInputs(site, into, softmax=softmax),
            at=task.batch.end,
        )
        clean, abc = found.base.mean(), found.source.mean()
        effects: list[float] = ((found.mean() - clean) / (clean - abc)).tolist()
        return effects

    def every_effect(self, site: Site, into: Sequence[Head]) -> dict[Head, float]:
        """The effect of every head in front of the last of `into`, alone."""
        senders = every_head(self._task.lens, before=max(layer for layer, _ in into))
        found = self.effects(senders, site, into) if senders else []
        return {heads[0]: effect for heads, effect in zip(senders, found, strict=True)}
