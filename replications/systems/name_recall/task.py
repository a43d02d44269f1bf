"""One model on its prompts: the runs, patches and metrics that several measurements share.

The metric is the document's: the logit of the clean prompt's last name less the logit of the other
last name, at the last token, in nats.  All patching here is noising: the clean prompt is the base,
and single places get what they hold in the run on a corrupted prompt, the source (Method 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from replications.analysis import head_scores
from replications.analysis.head_scores import HeadScores
from replications.lens import Lens
from replications.lens.networks import as_network
from replications.models import Head, sites
from replications.models.edits import Edit, put_rows
from replications.models.network import Network
from replications.models.sites import Place
from replications.models.tokenizers import Tokenizer
from replications.patching import Grid, Sweep, sweeps
from replications.systems.name_recall import data
from replications.systems.name_recall.data import DOCUMENT, Corruption, Names, Prompts

Kind = Literal["residual", "attn_out", "heads", "heads_by_position"]
GRIDS: dict[Kind, Sequence[Grid]] = {
    "residual": (
        Grid(sites.RESID_PRE, "layer pos", layers=[0]),
        Grid(sites.RESID_POST, "layer pos"),
    ),
    "attn_out": (Grid(sites.ATTN_OUT, "layer pos"),),
    "heads": (Grid(sites.Z, "layer head"),),
    "heads_by_position": (Grid(sites.Z, "layer head pos"),),
}
Metric = Callable[[Tensor], Tensor]
"""Maps logits at the last token, [… n d_vocab_out], to numbers, [… n]."""

BATCH, SEED = 20, 0
"""Rows of repeated random tokens for head scores, and the seed they are drawn with."""
LONGEST = 50
"""Random tokens in a row before they are repeated, where the context has room for so many."""


class Task:
    """A model with the document's sentence about some people.  What it returns is computed once.

    `names` are the people; left out, fifty random pairs.  `stored_after` is the block after which
    the last name's position is patched; left out, the block before the last.
    """

    def __init__(
        self,
        lens: Lens,
        tokenizer: Tokenizer,
        names: Sequence[Names] | None = None,
        *,
        stored_after: int | None = None,
    ) -> None:
        self.lens = lens
        self.tokenizer = tokenizer
        self.names = tuple(data.name_pairs(tokenizer) if names is None else names)
        self.stored_after = max(self.layers - 2, 0) if stored_after is None else stored_after
        self._metrics: dict[Corruption | None, float] = {}
        self._effects: dict[tuple[Kind, Corruption], Tensor] = {}

    # ---------------------------------------------------------------- prompts
    def about(self, names: Sequence[Names]) -> Task:
        """The same model with the sentence about other people."""
        return Task(self.lens, self.tokenizer, names, stored_after=self.stored_after)

    @cached_property
    def document(self) -> Task:
        """The same model on the document's own prompt."""
        return self.about([DOCUMENT])

    @cached_property
    def pairs(self) -> Task:
        """The same model on the sentence about fifty random pairs of people."""
        return self.about(data.name_pairs(self.tokenizer))

    @cached_property
    def prompts(self) -> Prompts:
        """The sentence about each of `names`, clean and corrupted."""
        return data.prompts(self.tokenizer, self.names)

    # ---------------------------------------------------------------- the model
    @property
    def layers(self) -> int:
        return self.lens.shape.n_layers

    @property
    def network(self) -> Network:
        """The weights as plain tensors.  Raises Unsupported for a lens with standing edits."""
        return as_network(self.lens)

    @cached_property
    def scores(self) -> HeadScores:
        """Induction, duplicate-token and previous-token scores on repeated random tokens.

        Each is mean attention, float64 [layer head row].
        """
        bos = self.tokenizer.bos
        length = min(LONGEST, (self.lens.shape.n_ctx - 1) // 2)
        ids = torch.tensor([t for t in range(self.lens.shape.d_vocab) if t != bos])
        tokens = head_scores.repeated_tokens(ids, length, BATCH, SEED, bos=bos)
        return head_scores.scores(self.lens, tokens, length)

    def pattern(self, head: Head, corruption: Corruption | None = None) -> Tensor:
        """A head's attention, averaged over the clean or corrupted prompts: float64 [query key]."""
        layer, index = head
        place = sites.PATTERN(layer).pick(head=index)
        tokens = self.prompts.tokens(corruption)
        return self.lens.read(tokens, {"p": place})["p"].double().mean(0)

    # ---------------------------------------------------------------- runs
    def run(self, tokens: Tensor, edits: Sequence[Edit] = ()) -> Tensor:
        """Logits at the last token of tokens [n pos], where these are: [n d_vocab_out]."""
        with torch.no_grad():
            return self.network.forward(tokens, edits)[:, -1].to(tokens.device)

    def next_token(self, text: str) -> Tensor:
        """Log probabilities of the token after a text, float64 [d_vocab_out]."""
        tokens = torch.tensor([self.tokenizer.encode(text, bos=True)])
        return self.run(tokens)[0].double().log_softmax(-1)

    def difference(self, logits: Tensor) -> Tensor:
        """The metric on each prompt, float64 [n], from logits [n d_vocab_out]."""
        found = logits.double().gather(1, self.prompts.answers)
        return found[:, 0] - found[:, 1]

    def metric(self, corruption: Corruption | None = None) -> float:
        """The mean metric of the prompts with one corruption, or of the clean ones."""
        if corruption not in self._metrics:
            logits = self.run(self.prompts.tokens(corruption))
            self._metrics[corruption] = self.difference(logits).mean().item()
        return self._metrics[corruption]

    # ---------------------------------------------------------------- patches
    def patched(self, places: Sequence[Place], corruption: Corruption) -> Tensor:
        """Logits at the last token with all `places` as in the corrupted run: [n d_vocab_out]."""
        with torch.no_grad():
            source = self.network.cache(self.prompts.tokens(corruption))
        edits = [put_rows(p, source[Place(p.site, p.layer)][p.index]) for p in places]
        return self.run(self.prompts.clean, edits)

    def with_other_last_name(self, after: int, position: int) -> Tensor:
        """Logits with the residual stream after one block, at one position, as in the last-name
        corruption: [n d_vocab_out]."""
        return self.patched([sites.RESID_POST(after).pick(pos=position)], "last_name")

    def map(self, kind: Kind, corruption: Corruption) -> Tensor:
        """The mean metric with each place of one kind patched alone, float64.

        residual: [row pos], row 0 before block 0, row l after block l-1; attn_out: [layer pos];
        heads: [layer head], a head's output at every position; heads_by_position:
        [layer head pos].
        """
        return self.metric() - self.effect(kind, corruption)

    def effect(self, kind: Kind, corruption: Corruption) -> Tensor:
        """How far each patch lowers the mean metric, float64, shaped like `map`.

        Exactly zero where the clean and the corrupted run agree.
        """
        key = (kind, corruption)
        if key not in self._effects:
            found = self._swept(kind, corruption, self.prompts.answers)
            parts = [part.base.double() - part.values.double() for part in found]
            self._effects[key] = torch.cat(parts).mean(-1)
        return self._effects[key]

    def residual_share(self, corruption: Corruption) -> Tensor:
        """Residual-stream effects as shares of what the whole corruption does: [row pos]."""
        whole = self.metric() - self.metric(corruption)
        return self.effect("residual", corruption) / whole

    def map_of(self, kind: Kind, corruption: Corruption, metric: Metric) -> Tensor:
        """Like `map`, for the mean of another metric, which is given all logits."""
        every = torch.arange(self.lens.shape.d_vocab_out)
        logits = self._swept(kind, corruption, every.expand(len(self.prompts), -1))
        return torch.cat([metric(part.values.double()) for part in logits]).mean(-1)

    def _swept(self, kind: Kind, corruption: Corruption, answers: Tensor) -> list[Sweep]:
        """Single patches from the corrupted into the clean run."""
        clean, corrupted = self.prompts.clean, self.prompts.tokens(corruption)
        return sweeps(self.network, clean, corrupted, GRIDS[kind], answers)


def rank(logits: Tensor, tokens: Tensor) -> Tensor:
    """How many other tokens have at least this logit: long [n], for logits [n d_vocab_out],
    tokens [n]."""
    own = logits.gather(1, tokens[:, None])
    return (logits >= own).sum(1) - 1


def mean_rank(logits: Tensor, tokens: Tensor) -> float:
    """The mean of `rank` over prompts."""
    return torch.mean(rank(logits, tokens).double()).item()
