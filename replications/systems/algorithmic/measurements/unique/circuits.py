"""What the weights say: QK circuits of layer 0, and paths from letters to answers.

Divisors of LayerNorms are means over the data set. For paths they are means over all rows and
positions 1 to 19; for QK circuits, over everything for letters and over rows for each position.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.statistics import correlation
from replications.models import Head
from replications.systems.algorithmic.data.unique import CONTEXT, LETTERS
from replications.systems.algorithmic.roles import UniqueRoles, label
from replications.systems.algorithmic.task import Task

STRONG = 75
"""How much a path adds to the logit of its letter if it is called strong."""


class Circuits:
    """Circuits of the first-unique-letter model, read off its prepared weights."""

    def __init__(self, task: Task, roles: UniqueRoles) -> None:
        self._task = task
        self._roles = roles

    # ---------------------------------------------------------------- QK circuits
    @cached_property
    def _letters(self) -> Tensor:
        """W_E of the letters: [letter d_model]."""
        return self._task.network.W_E[: len(LETTERS)]

    @cached_property
    def _places(self) -> Tensor:
        """W_pos over the mean divisor at each position: [pos d_model]."""
        return self._task.network.W_pos / self._task.scale(0).mean(0)[:, None]

    def letter_scores(self, head: Head, *, scaled: bool = True) -> Tensor:
        """Attention scores of letters for letters: [letter letter]; without scale for controls."""
        letters = self._letters / (self._task.scale(0).mean() if scaled else 1)
        return letters @ self._task.QK(head) @ letters.T / self._task.root

    def letter_diagonals(
        self, *, scaled: bool = True, off_diagonal: bool = False
    ) -> Mapping[str, list[float]]:
        """The score of each letter for itself, by head of layer 0: [letter].

        For controls: without the divisor, or the mean of each letter's scores for other letters.
        """
        found = {}
        for head in ((0, 1), (0, 2), (0, 0)):
            scores = self.letter_scores(head, scaled=scaled)
            own = scores.diagonal()
            other = (scores.sum(1) - own) / (len(own) - 1)
            found[label(head)] = (other if off_diagonal else own).tolist()
        return found

    def gradient(self, head: Head) -> float:
        """How a letter's score falls with the position of the key, from 1 to 19.

        The largest of the ten letters' correlations of score and position: -1 for a steady fall.
        """
        scores = self._letters @ self._task.QK(head) @ self._places[1:].T
        positions = torch.arange(1.0, CONTEXT)
        return max(correlation(row, positions) for row in scores)

    def gradients(self, head: Head | None = None) -> Mapping[str, float]:
        """`gradient` of heads 0.0 and 0.2, or of one head given for both."""
        return {label(early): self.gradient(head or early) for early in self._roles.early}

    def first_to_itself(
        self, early: Head | None = None, *, position: int = 1
    ) -> Mapping[str, float]:
        """How position 1, or another, matches itself, and how 0.1 avoids its own position.

        The positional scores of a position for itself in 0.0, 0.2 and 0.1, and in `pattern` the
        smaller attention of position 1 to itself in 0.0 and 0.2. A head avoids its own position by
        the mean score for earlier positions less that for itself, averaged over 3 to 19; `avoids`
        is by how much 0.1 exceeds twice what 0.0 and 0.2 do (or zero). Another head may take the
        place of 0.0 and 0.2.
        """
        first, second = (early, early) if early else self._roles.early
        duplicates = self._roles.duplicates
        own = {h: self._positional(h)[position, position].item() for h in {first, second}}
        others = max(self._avoids(first), self._avoids(second), 0.0)
        looks = [
            self._task.pattern(h)[:, position, position].mean().item() for h in (first, second)
        ]
        return {
            "0.0": own[first],
            "0.2": own[second],
            "0.1": self._positional(duplicates)[position, position].item(),
            "pattern": min(looks),
            "avoids": self._avoids(duplicates) - 2 * others,
        }

    def _positional(self, head: Head) -> Tensor:
        return self._places @ self._task.QK(head) @ self._places.T / self._task.root

    def _avoids(self, head: Head) -> float:
        scores = self._positional(head)
        apart = [scores[i, 1:i].mean() - scores[i, i] for i in range(3, CONTEXT)]
        return torch.stack(apart).mean().item()

    # ---------------------------------------------------------------- paths
    def _mean_scale(self, layer: int | None) -> Tensor:
        return self._task.scale(layer)[:, 1:].mean()

    def _to_answers(self, stream: Tensor) -> Tensor:
        """What a stream [letter d_model] adds to the logit of each letter itself: [letter]."""
        logits = stream @ self._task.network.W_U / self._mean_scale(None)
        return logits[:, : len(LETTERS)].diagonal()

    def direct(self) -> Tensor:
        """The path from the embedding to the answer, through no head: [letter]."""
        return self._to_answers(self._letters)

    def through(self, *heads: Head) -> Tensor:
        """The path through a head, or through one of layer 0 and then one of layer 1: [letter]."""
        stream = self._letters
        for head in heads:
            previous = self._mean_scale(head[0])
            stream = stream @ self._task.OV(head) / previous
        return self._to_answers(stream)

    def copying(self, head: Head | None = None) -> Mapping[str, list[float]]:
        """What heads 0.0 and 0.2, or one given for both, add to the logit of their source."""
        return {label(h): self.through(head or h).tolist() for h in self._roles.early}

    def owned(self, early: Head | None, *, outside: bool = False) -> list[float]:
        """The path of each letter through its own head of layer 1: [letter].

        The path begins with a head of layer 0, or is direct. `outside` gives, for controls, the
        mean of the letters outside the domain of that head.
        """
        start = () if early is None else (early,)
        paths = {late: self.through(*start, late) for late in self._roles.domain}
        found = []
        for letter in LETTERS:
            late = self._roles.owners[letter]
            if outside:
                domain = self._roles.domain[late]
                rest = [i for i, other in enumerate(LETTERS) if other not in domain]
                found.append(paths[late][rest].mean().item())
            else:
                found.append(paths[late][LETTERS.index(letter)].item())
        return found

    def negative(
        self, duplicates: Head | None = None, *, outside: bool = False
    ) -> Mapping[str, list[float]]:
        """Paths said to suppress a letter: 0.1 and the direct path for all, 0.2 for a, b and g.

        Another head may take the place of 0.1 and 0.2; for `outside` see `owned`.
        """
        every = self.owned(duplicates or self._roles.duplicates, outside=outside)
        some = self.owned(duplicates or self._roles.early[1], outside=outside)
        direct = self.owned(None, outside=outside)
        if duplicates:
            direct = self.owned(duplicates, outside=outside)
        return {
            "0.1": every,
            "0.2": [some[LETTERS.index(letter)] for letter in "abg"],
            "direct": direct,
        }

    def positive(self, head: Head | None = None) -> Mapping[str, float | list[float]]:
        """Paths said to boost a letter: 0.0 for all, 0.2 for all but a, b and g.

        `strongest` is the strongest path of a letter, for the letter where that is weakest. Another
        head may take the place of both.
        """
        first, second = (head, head) if head else self._roles.early
        one, two = self.owned(first), self.owned(second)
        return {
            "0.0": one,
            "0.2": [two[i] for i, letter in enumerate(LETTERS) if letter not in "abg"],
            "strongest": min(max(pair) for pair in zip(one, two, strict=True)),
        }

    def negative_cells(self, head: Head | None = None) -> list[str]:
        """The paths 0.0 or 0.2 -> 1.h that suppress a letter of 1.h's domain.

        Another head may take the place of both.
        """
        return [
            f"{label(early)} {letter}"
            for early in self._roles.early
            for letter, value in zip(LETTERS, self.owned(head or early), strict=True)
            if value < 0
        ]
