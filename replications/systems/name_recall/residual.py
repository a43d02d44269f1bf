"""Where in the residual stream the names are, layer by layer."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.systems.name_recall.data import END, FIRST, LAST
from replications.systems.name_recall.patches import Corruption

if TYPE_CHECKING:
    from replications.systems.name_recall.measure import NameRecallSubject

LATE = 8
"""Row from which the document says that first names left of the end no longer matter."""


class Residual:
    """Findings on the residual-stream maps.  Row 0 is before block 0, row l after block l-1."""

    def __init__(self, subject: NameRecallSubject) -> None:
        self._s = subject

    def effect(self, corruption: Corruption) -> Tensor:
        """What patching takes away, as a share of what the whole corruption does: [row pos]."""
        patches = self._s.patches
        whole = patches.clean - patches.corrupted(corruption)
        return patches.effect("residual", corruption) / whole

    def arrivals(self, corruption: Corruption) -> Tensor:
        """The share of the effect that each block brings to the last token: [layer]."""
        return self.effect(corruption)[:, END].diff()

    # ---------------------------------------------------------------- the last name
    @cached_property
    def jump(self) -> dict[str, float]:
        """See `_jump`, of the last name."""
        return self._jump("last_name")

    @cached_property
    def jump_of_second_name(self) -> dict[str, float]:
        """The same of the second first name, which stands at the last token from the start."""
        return self._jump("second_name")

    def _jump(self, corruption: Corruption) -> dict[str, float]:
        """The block that brings most to the last token; how many bring more than 5 %."""
        arrivals = self.arrivals(corruption)
        return {
            "largest_at": int(arrivals.argmax()),
            "layers_above_5_percent": int((arrivals > 0.05).sum()),
        }

    @cached_property
    def layers_that_carry(self) -> int:
        """How many blocks bring more than a tenth of the last name to the last token."""
        return int((self.arrivals("last_name") > 0.1).sum())

    @cached_property
    def layers_that_carry_second_name(self) -> int:
        """The same of the second first name."""
        return int((self.arrivals("second_name") > 0.1).sum())

    @cached_property
    def last_name_path(self) -> dict[str, float]:
        """See `_held`, of the last name."""
        return self._held("last_name")

    @cached_property
    def last_name_path_of_first_name(self) -> dict[str, float]:
        """The same of the first name."""
        return self._held("first_name")

    def _held(self, corruption: Corruption) -> dict[str, float]:
        """Shares of the effect: at the last name before the last block, at the end after it."""
        effect = self.effect(corruption)
        return {
            "row_0_at_5": effect[0, LAST].item(),
            "row_1_at_5": effect[-2, LAST].item(),
            "row_1_at_11": effect[-2, END].item(),
            "row_2_at_11": effect[-1, END].item(),
        }

    # ---------------------------------------------------------------- the first name
    @cached_property
    def moves_to_last_name(self) -> int:
        """The first row where the first name matters more at position 5 than at position 4."""
        return self._first_row("first_name", LAST, FIRST)

    @cached_property
    def moves_to_last_name_of_last_name(self) -> int:
        """The same of the last name, which is at position 5 from the start."""
        return self._first_row("last_name", LAST, FIRST)

    @cached_property
    def moves_to_end(self) -> int:
        """The first row where the first name matters more at the last token than at position 5."""
        return self._first_row("first_name", END, LAST)

    @cached_property
    def moves_to_end_of_last_name(self) -> int:
        """The same of the last name."""
        return self._first_row("last_name", END, LAST)

    def _first_row(self, corruption: Corruption, here: int, there: int) -> int:
        """The first row with a larger effect `here` than `there`; one past the last if none is.

        Effects below a hundredth are none: two zeros differ by their rounding.
        """
        effect = self.effect(corruption).abs()
        larger = effect[:, here] > effect[:, there].clamp_min(0.01)
        return next(iter(larger.nonzero()[:, 0].tolist()), len(effect))

    @cached_property
    def left_over(self) -> float:
        """The largest effect of the first name left of the last token, from row 8 on."""
        return self._left_over("first_name")

    @cached_property
    def left_over_of_last_name(self) -> float:
        """The same of the last name."""
        return self._left_over("last_name")

    def _left_over(self, corruption: Corruption) -> float:
        return self.effect(corruption)[LATE:, :END].abs().max().item()

    @cached_property
    def neutral(self) -> dict[str, float]:
        """The metric of both corruptions, as shares of the clean one."""
        clean = self._s.patches.clean
        return {
            "first_name": stats.ratio(self._s.patches.corrupted("first_name"), clean),
            "last_name": stats.ratio(self._s.patches.corrupted("last_name"), clean),
        }

    @cached_property
    def neutral_exchanged(self) -> dict[str, float]:
        """The last name's in the place of the first name's."""
        return dict.fromkeys(self.neutral, self.neutral["last_name"])

    # ---------------------------------------------------------------- two layers
    @cached_property
    def first_name_path(self) -> list[int]:
        """The position with the largest effect in each row, of the first name."""
        return self._path("first_name")

    @cached_property
    def last_name_positions(self) -> list[int]:
        """The same of the last name."""
        return self._path("last_name")

    def _path(self, corruption: Corruption) -> list[int]:
        return [int(p) for p in self.effect(corruption).abs().argmax(1)]


def rank(logits: Tensor, tokens: Tensor) -> Tensor:
    """How many tokens have a larger logit: long [n], for logits [n d_vocab_out], tokens [n]."""
    own = logits.gather(1, tokens[:, None])
    return (logits > own).sum(1)


def mean_rank(logits: Tensor, tokens: Tensor) -> float:
    """The mean over prompts of `rank`; 0 is the largest logit."""
    return torch.mean(rank(logits, tokens).double()).item()
