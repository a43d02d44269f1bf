"""What the model says: its tokens, the ranks of names, and whether it does the task."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.errors import BadInput
from replications.models import sites
from replications.systems.name_recall import data
from replications.systems.name_recall.data import (
    DOCUMENT,
    FIRST_NAMES,
    LAST,
    LAST_NAMES,
    SENTENCE,
    Names,
)
from replications.systems.name_recall.patches import Patches
from replications.systems.name_recall.residual import mean_rank, rank

if TYPE_CHECKING:
    from replications.systems.name_recall.measure import NameRecallSubject

UNRELATED = 7
"""Position of "Tomorrow", which has nothing to do with either name."""


class Behaviour:
    """Logits and ranks of one subject on its prompts."""

    def __init__(self, subject: NameRecallSubject) -> None:
        self._s = subject

    # ---------------------------------------------------------------- tokens
    @cached_property
    def token_positions(self) -> dict[str, object]:
        """See `_token_positions`."""
        return self._token_positions(bos=True)

    @cached_property
    def token_positions_without_bos(self) -> dict[str, object]:
        """The same without the token that opens the text."""
        return self._token_positions(bos=False)

    def _token_positions(self, *, bos: bool) -> dict[str, object]:
        """Tokens of the document's prompt; where its names stand; lengths of the corruptions."""
        t, n = self._s.tokenizer, DOCUMENT
        strings = [s.strip() for s in t.strings(t.encode(_prompt(n, n.first), bos=bos))]
        corrupted = [
            _prompt(Names(n.first, n.other_last, "", ""), n.first),
            _prompt(Names(n.other_first, n.last, "", ""), n.first),
            _prompt(n, n.other_first),
        ]
        return {
            "tokens": len(strings),
            "first_name": [i for i, s in enumerate(strings) if s == n.first],
            "last_name": [i for i, s in enumerate(strings) if s == n.last],
            "corrupted": [len(t.encode(text, bos=bos)) for text in corrupted],
            "answers": [len(t.encode(f" {name}")) for name in (n.last, n.other_last)],
        }

    # ---------------------------------------------------------------- ranks
    @cached_property
    def recall(self) -> dict[str, float]:
        """Rank of the last name after the clean prompt; how many other names are before it."""
        return self._recall(self._s.prompts.clean)

    @cached_property
    def recall_mismatched(self) -> dict[str, float]:
        """The same where the second first name is another one."""
        return self._recall(self._s.prompts.second_name)

    def _recall(self, tokens: Tensor) -> dict[str, float]:
        s = self._s
        logits, right = s.patches.run(tokens), s.prompts.correct
        known = data.single(s.tokenizer, (*FIRST_NAMES, *LAST_NAMES))
        names = torch.tensor([s.tokenizer.token(f" {name}") for name in known])
        before = (logits[:, names] > logits.gather(1, right[:, None])).sum(1)
        return {
            "rank": mean_rank(logits, right),
            "names_before": before.double().mean().item(),
        }

    @cached_property
    def top(self) -> list[tuple[int, str, float, float]]:
        """The prompt test: rank, token, logit, probability of the first prompt's ten best."""
        return self._top(self._s.patches.run(self._s.prompts.clean[:1])[0])

    @cached_property
    def top_when_patched(self) -> list[tuple[int, str, float, float]]:
        """The same with position 5 patched as in `ranks_when_patched`."""
        return self._top(self._patched(self._s.stored_after, LAST)[0])

    def _top(self, logits: Tensor) -> list[tuple[int, str, float, float]]:
        logits = logits.double()
        best = logits.topk(10).indices
        chances = logits.softmax(-1)[best].tolist()
        shown = zip(self._s.tokenizer.strings(best), logits[best].tolist(), chances, strict=True)
        return [(place, *line) for place, line in enumerate(shown)]

    @cached_property
    def ranks_when_patched(self) -> dict[str, float]:
        """Ranks of both last names with position 5 patched after the block named by the document.

        In a model of two layers that is the block before the last.
        """
        return self._ranks_when_patched(self._s.stored_after, LAST)

    @cached_property
    def ranks_when_patched_elsewhere(self) -> dict[str, float]:
        """The same at an unrelated position."""
        return self._ranks_when_patched(self._s.stored_after, UNRELATED)

    @cached_property
    def ranks_when_patched_at_the_end(self) -> dict[str, float]:
        """The same at position 5 after the last block."""
        return self._ranks_when_patched(self._s.layers - 1, LAST)

    def _ranks_when_patched(self, layer: int, position: int) -> dict[str, float]:
        prompts, logits = self._s.prompts, self._patched(layer, position)
        return {
            "other": mean_rank(logits, prompts.incorrect),
            "right": mean_rank(logits, prompts.correct),
        }

    def _patched(self, layer: int, position: int) -> Tensor:
        """Logits with the other last name's stream at one position after a block: [n d_vocab]."""
        place = sites.RESID_POST(layer).pick(pos=position)
        return self._s.patches.patched([place], "last_name")

    # ---------------------------------------------------------------- the task
    @cached_property
    def solves(self) -> dict[str, float]:
        """Metric on the document's prompt; share of the name pairs where it is positive."""
        on_document, on_pairs = (p.difference(p.run(p.prompts.clean)) for p in self._both)
        return _solved(on_document, on_pairs)

    @cached_property
    def solves_without_names(self) -> dict[str, float]:
        """The same after the second sentence alone, in which no last name is given."""
        found = []
        for patches, names in zip(self._both, ([DOCUMENT], self._s.names), strict=True):
            tokens = data.without_introduction(self._s.tokenizer, names)
            found.append(patches.difference(patches.run(tokens)))
        return _solved(*found)

    @cached_property
    def _both(self) -> tuple[Patches, Patches]:
        """The document's prompt, and the pairs of names."""
        s = self._s
        return s.patches_on(data.document_prompts(s.tokenizer)), s.patches_on(
            data.prompts(s.tokenizer, s.names)
        )

    # ---------------------------------------------------------------- two people
    @cached_property
    def difference_between_two(self) -> float:
        """Last name asked for less that of the other person named: mean difference of logits."""
        made = data.two_people(self._s.tokenizer, self._s.names)
        found = self._s.patches.run(made.tokens).double().gather(1, made.answers)
        return (found[:, 0] - found[:, 1]).mean().item()

    @cached_property
    def recall_between_two(self) -> float:
        """Share of those prompts where the last name asked for has the largest logit."""
        made = data.two_people(self._s.tokenizer, self._s.names)
        best = rank(self._s.patches.run(made.tokens), made.answers[:, 0]) == 0
        return best.double().mean().item()

    @cached_property
    def one_layer(self) -> dict[str, float]:
        """This model's difference between two people; the largest of one layer, as its share.

        Raises BadInput for a subject that came without models of one layer.
        """
        return self._against(
            max(abs(m.behaviour.difference_between_two) for m in self._s.one_layer_models)
        )

    @cached_property
    def two_layers_for_one(self) -> dict[str, float]:
        """The same with this model in the place of those of one layer."""
        return self._against(self.difference_between_two)

    @cached_property
    def one_layer_for_two(self) -> dict[str, float]:
        """The same with a model of one layer in the place of this one, and no other beside it."""
        smaller = self._s.one_layer_models[0].behaviour.difference_between_two
        return {"two_layers": smaller, "share_with_one": self.one_layer["share_with_one"]}

    def _against(self, smaller: float) -> dict[str, float]:
        own = self.difference_between_two
        return {"two_layers": own, "share_with_one": stats.ratio(smaller, own)}


def _prompt(names: Names, again: str) -> str:
    return SENTENCE.format(first=names.first, last=names.last, again=again)


def _solved(on_document: Tensor, on_pairs: Tensor) -> dict[str, float]:
    if len(on_document) != 1:
        raise BadInput("the document has one prompt")
    return {
        "difference": on_document.item(),
        "share_of_pairs": (on_pairs > 0).double().mean().item(),
    }
