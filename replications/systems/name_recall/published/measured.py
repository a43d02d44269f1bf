"""The figures of `short_prompt.json`, and the same measured on a model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from replications.analysis.published import Distance, Figure, read
from replications.errors import BadInput
from replications.lens import Lens, as_network
from replications.models import Site, Tokenizer, sites
from replications.patching import Grid, sweeps

Corruption = Literal["last_name", "first_name", "second_name"]
SENTENCE = "Her name was {} {}. When {}"
CLEAN = ("Alex", "Hart", "Alex")
CORRUPTED: Mapping[Corruption, tuple[str, str, str]] = {
    "last_name": ("Alex", "Carroll", "Alex"),
    "first_name": ("Sarah", "Hart", "Alex"),
    "second_name": ("Alex", "Hart", "Sarah"),
}
ANSWERS = (" Hart", " Carroll")
LENGTH = 9
"""Tokens of the prompt in GPT-2's tokenizer, with the one before the text."""
GREETING = "Hello world!"


@cache
def figures() -> Mapping[str, Figure]:
    """The published figures, by name."""
    return read(Path(__file__).with_name("short_prompt.json"))


def count() -> int:
    """How many published numbers there are."""
    return sum(map(len, figures().values()))


class Published:
    """The figures on one model. Patches go from a corrupted prompt into the clean one.

    Distances are in the unit of the figure and name the place where they are largest.
    """

    def __init__(self, lens: Lens, tokenizer: Tokenizer) -> None:
        self._lens = lens
        self._tokenizer = tokenizer

    def tokens(self, names: tuple[str, str, str] = CLEAN) -> Tensor:
        """The prompt about some names, long [1 9].

        Raises BadInput if it has another number of tokens than in GPT-2's tokenizer.
        """
        text = SENTENCE.format(*names)
        found = self._tokenizer.encode(text, bos=True)
        if len(found) != LENGTH:
            raise BadInput(
                f"{text!r} is {len(found)} tokens, {self._tokenizer.strings(found)}, and in "
                f"GPT-2's tokenizer {LENGTH}; the published positions are those of GPT-2's tokens"
            )
        return torch.tensor([found])

    def map(
        self, corruption: Corruption, *, exchanged: bool = False, after: Site = sites.RESID_POST
    ) -> Tensor:
        """logit(Hart) - logit(Carroll) with the stream of one state patched: float64 [state pos].

        State 0 is the stream before layer 0, state l the site `after` in layer l - 1. With
        `exchanged`, patches go from the clean prompt into the corrupted one.
        """
        base, source = self.tokens(), self.tokens(CORRUPTED[corruption])
        if exchanged:
            base, source = source, base
        answers = torch.tensor([[self._tokenizer.token(word) for word in ANSWERS]])
        grids = [Grid(sites.RESID_PRE, "layer pos", layers=[0]), Grid(after, "layer pos")]
        found = sweeps(as_network(self._lens), base, source, grids, answers)
        return torch.cat([part.values[..., 0].double() for part in found])

    def patched(
        self,
        name: Corruption,
        *,
        corruption: Corruption | None = None,
        exchanged: bool = False,
        before: bool = False,
    ) -> Distance:
        """A printed map.

        `corruption` takes another one than the map's; `before` patches the stream before each
        layer where the map has the one after it.
        """
        after = sites.RESID_PRE if before else sites.RESID_POST
        return figures()[name].distance(
            self.map(corruption or name, exchanged=exchanged, after=after)
        )

    def next_tokens(
        self, names: tuple[str, str, str] = CLEAN, *, bos: bool = True
    ) -> dict[str, Any]:
        """The five largest logits: their tokens in order, and how far the printed ones are off.

        Also how far the printed percentages are off.
        """
        wanted = figures()["next_token_logits"]
        tokens = [self._tokenizer.token(word) for word in wanted.labels["token"]]
        prompt = self.tokens(names)[:, 0 if bos else 1 :]
        logits = self._lens.run(prompt).logits[0, -1].double()
        percent = 100 * logits.softmax(-1)
        return {
            "tokens": self._tokenizer.strings(logits.topk(len(tokens)).indices.tolist()),
            "logits": wanted.distance(logits[tokens]),
            "percent": figures()["next_token_percent"].distance(percent[tokens]),
        }

    def loss(self, *, bos: bool = True) -> float:
        """Mean cross-entropy on "Hello world!", in nats, of each token after the first."""
        tokens = torch.tensor([self._tokenizer.encode(GREETING, bos=bos)])
        logits = self._lens.run(tokens).logits[0, :-1].double()
        return torch.nn.functional.cross_entropy(logits, tokens[0, 1:]).item()
