"""Where the heads look: on the prompts, and on random tokens said twice."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from replications.analysis import head_scores as heads
from replications.analysis import statistics as stats
from replications.analysis.head_scores import HeadScores
from replications.models import sites
from replications.systems.name_recall.data import END, LAST
from replications.systems.name_recall.roles import Head

if TYPE_CHECKING:
    from replications.systems.name_recall.measure import NameRecallSubject

BATCH, SEED = 20, 0
"""Rows of random tokens, and their seed."""
LONGEST = 50
"""Random tokens in a row before they are said again, where the context has room for it."""


class Attention:
    """Attention patterns of one subject."""

    def __init__(self, subject: NameRecallSubject) -> None:
        self._s = subject

    @cached_property
    def scores(self) -> HeadScores:
        """Induction, duplicate-token and previous-token scores of every head."""
        s = self._s
        length = min(LONGEST, (s.lens.shape.n_ctx - 1) // 2)
        ids = torch.tensor([t for t in range(s.lens.shape.d_vocab) if t != s.tokenizer.bos])
        tokens = heads.repeated_tokens(ids, length, BATCH, SEED, bos=s.tokenizer.bos)
        return heads.scores(s.lens, tokens, length)

    def pattern(self, head: Head, tokens: Tensor | None = None) -> Tensor:
        """A head's mean attention on the clean prompts, or on other tokens: [query key]."""
        layer, index = head
        tokens = self._s.prompts.clean if tokens is None else tokens
        place = sites.PATTERN(layer).pick(head=index)
        return self._s.lens.read(tokens, {"p": place})["p"].double().mean(0)

    # ---------------------------------------------------------------- layer 0
    @cached_property
    def duplicate(self) -> dict[str, float]:
        """See `duplicate_of`."""
        return self.duplicate_of(self._s.roles.duplicate)

    @cached_property
    def duplicate_by_previous(self) -> dict[str, float]:
        """The same of the previous-token head."""
        return self.duplicate_of(self._s.roles.previous)

    def duplicate_of(self, head: Head) -> dict[str, float]:
        """Where the last token looks most, what opens the text left out; duplicate-token score."""
        return {
            "looks_at": self._looks_at(self.pattern(head)[END]),
            "score": self.scores.duplicate[head].mean().item(),
        }

    @cached_property
    def previous(self) -> dict[str, float]:
        """See `previous_of`."""
        return self.previous_of(self._s.roles.previous)

    @cached_property
    def previous_by_duplicate(self) -> dict[str, float]:
        """The same of the duplicate-token head."""
        return self.previous_of(self._s.roles.duplicate)

    def previous_of(self, head: Head) -> dict[str, float]:
        """Mean attention to the token before, on the prompts; where the last name looks most."""
        pattern = self.pattern(head)
        return {
            "diagonal": pattern.diagonal(-1).mean().item(),
            "looks_at": int(pattern[LAST].argmax()),
        }

    # ---------------------------------------------------------------- layer 1
    @cached_property
    def copying(self) -> dict[str, float]:
        """See `_to_last_name`."""
        return self._to_last_name(self._s.roles.copying, self._s.prompts.clean)

    @cached_property
    def copying_by_previous(self) -> dict[str, float]:
        """The same of the previous-token head."""
        return self._to_last_name(self._s.roles.previous, self._s.prompts.clean)

    @cached_property
    def copying_mismatched(self) -> dict[str, float]:
        """The same of the copying head where the first first name is another one."""
        return self._to_last_name(self._s.roles.copying, self._s.prompts.first_name)

    def _to_last_name(self, head: Head, tokens: Tensor) -> dict[str, float]:
        """Where the last token looks most, what opens the text left out; attention to the name."""
        row = self.pattern(head, tokens)[END]
        return {"looks_at": self._looks_at(row), "attention": row[LAST].item()}

    def _looks_at(self, row: Tensor) -> int:
        """The position most attended to, position 0 left out."""
        return 1 + int(row[1:].argmax())

    @cached_property
    def second(self) -> dict[str, float]:
        """See `_against`."""
        return self._against(self._s.roles.second)

    @cached_property
    def second_by_copying(self) -> dict[str, float]:
        """The same of the copying head."""
        return self._against(self._s.roles.copying)

    def _against(self, head: Head) -> dict[str, float]:
        """A head's three scores, each as a share of the score of the head that has the role."""
        roles, scores = self._s.roles, self.scores
        pairs = {
            "previous": (scores.previous, roles.previous),
            "duplicate": (scores.duplicate, roles.duplicate),
            "induction": (scores.induction, roles.copying),
        }
        return {
            name: stats.ratio(score[head].mean().item(), score[role].mean().item())
            for name, (score, role) in pairs.items()
        }
