"""A list-update model on its prompts: what it is asked, and the run that measurements share.

Notation. A prediction j = 0, 1, 2 … is made at the j-th prediction position (7, 8, 9 for lists of
three). Its source is where its answer stands in the prompt: list position j + 1 or, if j is the
updated index, the position of the new element. Means by index are means over the prompts with that
index, like the batches of the document, which have one index each.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens, Run
from replications.models import Head, sites
from replications.systems.list_update import data
from replications.systems.list_update.format import DOCUMENT, Format

ANSWERS = 10_000
"""A model is measured on at least so many answers: 3,334 prompts for lists of three."""
MEASUREMENT_SEED = 2_000_000
"""The seed of those prompts; the training seeds are small numbers."""
NEWLINE = "NL"


class Task:
    """One model and the n prompts it is measured on. Everything is computed once, when needed.

    `tokens` are prompts with their answers, long [n pos]; generated ones if left out. Raises
    BadInput for tokens that are not of the format.
    """

    def __init__(self, lens: Lens, format: Format = DOCUMENT, tokens: Tensor | None = None) -> None:
        self.lens = lens
        self.format = format
        self._tokens = None if tokens is None else data.check_tokens(tokens, format)

    # ---------------------------------------------------------------- prompts
    @cached_property
    def tokens(self) -> Tensor:
        """The prompts with their answers, an index and a new element for each: long [n pos]."""
        if self._tokens is not None:
            return self._tokens
        prompts = math.ceil(ANSWERS / self.format.length)
        return data.generate_mixed(prompts, MEASUREMENT_SEED, self.format)

    @cached_property
    def index(self) -> Tensor:
        """The updated index of each prompt: long [n]."""
        return self.tokens[:, self.format.index_position]

    @cached_property
    def answers(self) -> Tensor:
        """The right answers: long [n j]."""
        return data.answers(self.tokens, self.format)

    @cached_property
    def sources(self) -> Tensor:
        """The position in the prompt where each right answer stands: long [n j]."""
        return data.sources(self.tokens, self.format)

    @cached_property
    def updated(self) -> Tensor:
        """Whether j is the updated index: bool [n j]."""
        return self.index[:, None] == torch.arange(self.format.length)

    @property
    def kept(self) -> Tensor:
        """Whether j is an index that keeps its element: bool [n j]."""
        return ~self.updated

    @property
    def predicting(self) -> slice:
        """The prediction positions."""
        positions = self.format.prediction_positions
        return slice(positions.start, positions.stop)

    def by_index(self, values: Tensor, index: Tensor | None = None) -> Tensor:
        """Means of `values` [n …] over the prompts with each index: [index …].

        The indices are those of the prompts unless others are given, long [n].
        """
        index = self.index if index is None else index
        return torch.stack([values[index == i].mean(0) for i in range(self.format.length)])

    # ---------------------------------------------------------------- the run
    @property
    def heads(self) -> list[Head]:
        """The heads in the order of the layers, one per layer."""
        return [(layer, 0) for layer in range(self.lens.shape.n_layers)]

    @cached_property
    def run(self) -> Run:
        """The unedited run: all patterns and, at prediction positions, what is written.

        It reads "embed", "pos_embed", "final" (the last residual stream) and for each layer
        "attn_out0" …, each [n j d_model], and "pattern0" …, each [n query key].
        """
        there = {"pos": self.predicting}
        reads = {"embed": sites.EMBED().pick(**there), "pos_embed": sites.POS_EMBED().pick(**there)}
        for layer, number in self.heads:
            reads[f"attn_out{layer}"] = sites.ATTN_OUT(layer).pick(**there)
            reads[f"pattern{layer}"] = sites.PATTERN(layer).pick(head=number)
        last, _ = self.heads[-1]
        reads["final"] = sites.RESID_POST(last).pick(**there)
        return self.lens.run(self.tokens, reads)

    @cached_property
    def logits(self) -> Tensor:
        """Logits at the prediction positions: float64 [n j number]."""
        return self.run.logits[:, self.predicting].double()

    def output(self, head: Head) -> Tensor:
        """What a head writes at the prediction positions: float64 [n j d_model]."""
        return self.run[f"attn_out{head[0]}"].double()

    def pattern(self, *heads: Head) -> Tensor:
        """Attention through one or more heads: float64 [n query key].

        For several heads, the earliest first, this is the virtual pattern: how much of what stands
        at a key reaches the query by way of all of them, A_last @ … @ A_first.
        """
        first, *others = (self.run[f"pattern{layer}"].double() for layer, _ in heads)
        found = first
        for pattern in others:
            found = pattern @ found
        return found


@dataclass(frozen=True)
class ListPrompting:
    """How a model is asked to update a list; see `replications.models.prompting.Prompting`.

    A prompt is the list, NL, the index, the new element, NL, and the answers that are given so
    far, as in "14 23 48 NL 1 26 NL". A line break may stand for NL. BOS is put before the prompt.
    """

    format: Format

    @property
    def reads_at(self) -> int:
        """Logits are read at the last token unless the user says otherwise."""
        return -1

    @property
    def contrast(self) -> None:
        """The task does not fix two outputs to compare."""
        return None

    def tokens(self, text: str) -> Tensor:
        """The tokens of one prompt: long [1 pos].

        Raises BadInput for a text that is not a prompt of the format.
        """
        words, n = text.replace("\n", f" {NEWLINE} ").split(), self.format.length
        ends = [place for place, word in enumerate(words) if word == NEWLINE]
        if ends != [n, n + 3] or len(words) > 2 * n + 4:
            raise BadInput(
                f"{text!r} is not a prompt of this task: give {n} numbers, {NEWLINE}, an index, "
                f"a new element, {NEWLINE}, and at most {n} answers, as in {self._example()!r}"
            )
        found = [self._token(word) for word in words]
        if found[n + 1] >= n:
            raise BadInput(f"index {found[n + 1]} is out of range: indices are 0 to {n - 1}")
        return torch.tensor([[self.format.bos, *found]])

    def labels(self, tokens: Tensor) -> list[str]:
        """What stands at each position of tokens [1 pos]."""
        names = {self.format.bos: "BOS", self.format.newline: NEWLINE}
        return [names.get(token, str(token)) for token in tokens[0].tolist()]

    def output(self, word: str) -> int:
        """The output that a number is. Raises BadInput for anything but a known number."""
        found = self._token(word.strip())
        if found == self.format.newline:
            raise BadInput(f"the model answers with numbers, not with {NEWLINE}")
        return found

    def name(self, output: int) -> str:
        """The number that an output means."""
        return str(output)

    def _token(self, word: str) -> int:
        if word == NEWLINE:
            return self.format.newline
        if not re.fullmatch(r"[0-9]+", word) or int(word) >= self.format.numbers:
            raise BadInput(
                f"{word!r} is not in the vocabulary: numbers are 0 to {self.format.numbers - 1}, "
                f"and {NEWLINE} ends a line"
            )
        return int(word)

    def _example(self) -> str:
        numbers = " ".join(str(14 + i) for i in range(self.format.length))
        return f"{numbers} {NEWLINE} 1 26 {NEWLINE}"
