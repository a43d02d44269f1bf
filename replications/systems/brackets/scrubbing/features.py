"""The features of bracket strings that the hypotheses name; p_i is the share of '(' from i on."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from replications.circuits.scrubbing import Feature
from replications.systems.brackets.data import (
    CONTEXT,
    END,
    OPEN,
    PAD,
    BracketData,
    suffix_counts,
)  # fmt: skip


class Features:
    """Features of a set of strings. `weights` [length query key] turn p into the adjusted p.

    See `elevation.attention_weights`.
    """

    def __init__(self, data: BracketData, weights: Tensor) -> None:
        self.data = data
        self._weights = weights
        self._horizons: dict[tuple[int, bool], Feature] = {}

    # ---------------------------------------------------------------- shares of '('
    @cached_property
    def shares(self) -> Tensor:
        """p_i at each position i: float64 [string 42]; NaN where no bracket follows.

        Position 0 is the start token, so p_0 = p_1, the share in the whole string.
        """
        opens, closes = suffix_counts(self.data.tokens)
        return opens.double() / (opens + closes)

    @cached_property
    def adjusted_shares(self) -> Tensor:
        """The adjusted p_i: '(' weighted by attention, float64 [string 42].

        NaN for strings of a length of which the weights say nothing.
        """
        is_open = (self.data.tokens == OPEN).double()
        found = torch.empty_like(is_open)
        for length in self.data.lengths.unique().tolist():
            rows = self.data.lengths == length
            found[rows] = is_open[rows] @ self._weights[length].T
        return found

    # ---------------------------------------------------------------- features
    @cached_property
    def nothing(self) -> Feature:
        """All strings agree."""
        return Feature.none(len(self.data))

    @cached_property
    def label(self) -> Feature:
        """Balanced or not."""
        return Feature("balanced", self.data.balanced)

    @cached_property
    def count(self) -> Feature:
        """p_0 = 1/2."""
        return Feature("count", ~self.data.total_failure)

    @cached_property
    def horizon(self) -> Feature:
        """No p_i above 1/2."""
        return Feature("horizon", ~self.data.negative_failure)

    @cached_property
    def open(self) -> Feature:
        """The first bracket is '('."""
        return Feature("open", self.data.starts_open)

    @cached_property
    def count_open(self) -> Feature:
        """count( : count and open."""
        return Feature("count(", ~self.data.total_failure & self.data.starts_open)

    @cached_property
    def p1_open(self) -> Feature:
        """One class for strings that start with ')', and one for each p_1 of the others."""
        return Feature("p1-open", torch.where(self.data.starts_open, self.shares[:, 1], -1.0))

    @cached_property
    def length(self) -> Feature:
        """The number of brackets."""
        return Feature("length", self.data.lengths)

    # ---------------------------------------------------------------- the horizon by position
    def horizon_at(self, position: int, *, adjusted: bool) -> Feature:
        """horizon_i: the five classes of `horizon_classes` at one position."""
        key = position, adjusted
        if key not in self._horizons:
            classes = self._classes(adjusted)[:, position]
            self._horizons[key] = Feature(f"horizon_{position}", classes)
        return self._horizons[key]

    def horizon_all(self, *, adjusted: bool) -> Feature:
        """horizon_all: no position speaks against the string."""
        return Feature("horizon_all", (self._classes(adjusted) >= 0).all(1))

    def has_position(self, position: int) -> Feature:
        """Whether there is a token other than padding at a position."""
        return Feature(f"position {position}", self.data.tokens[:, position] != PAD)

    def _classes(self, adjusted: bool) -> Tensor:
        return self._adjusted_classes if adjusted else self._plain_classes

    @cached_property
    def _plain_classes(self) -> Tensor:
        return horizon_classes(self.data.tokens, self.shares)

    @cached_property
    def _adjusted_classes(self) -> Tensor:
        return horizon_classes(self.data.tokens, self.adjusted_shares)


def horizon_classes(tokens: Tensor, shares: Tensor) -> Tensor:
    """What each position says of the string: int8 [string 42], negative if it speaks against it.

    0 is padding; 1 and -1 are the end token after ')' and after '('; 2 and -2 are a bracket, or the
    start, with a share p of '(' from there on of at most 1/2, and above 1/2. Adjusted shares are
    sums of rounded weights, so 1/2 has a margin of 1e-9.
    """
    before = torch.cat([tokens.new_full((len(tokens), 1), PAD), tokens[:, :-1]], dim=1)
    end = torch.where(before == OPEN, -1, 1)
    bracket = torch.where(shares > 0.5 + 1e-9, -2, 2)
    found = torch.where(tokens == END, end, bracket)
    return torch.where(tokens == PAD, 0, found).to(torch.int8)


POSITIONS = range(CONTEXT)
