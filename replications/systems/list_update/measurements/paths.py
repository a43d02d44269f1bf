"""The sections "More refined direct logit attribution" and "… on all predictions": two paths.

With one-hot tokens t and attention A, the copying head's contribution splits exactly into

    direct    = A1 t W_E OV1 W_U
    two_heads = A1 A0 t W_E OV0 OV1 W_U

where 0 stands for the previous-token head and 1 for the copying head.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from replications.models import Head
from replications.systems.list_update.measurements.circuits import Circuits
from replications.systems.list_update.roles import Roles
from replications.systems.list_update.task import Task


class Paths:
    """The copying head's contribution by the direct path and by the path through both heads."""

    def __init__(self, task: Task, roles: Roles, circuits: Circuits) -> None:
        self._task = task
        self._roles = roles
        self._circuits = circuits

    # ---------------------------------------------------------------- the two terms
    @cached_property
    def terms(self) -> dict[str, Tensor]:
        """Both paths' contributions to the right answers, in logits: each float64 [n j]."""
        return self._to(self._task.answers)

    def _to(
        self, numbers: Tensor, look: Head | None = None, reverse: bool = False
    ) -> dict[str, Tensor]:
        """Both paths' contributions to the logits of `numbers`, long [n j].

        Wrong hypotheses, for controls: the direct path attends as the head `look` does; with
        `reverse`, the path through both heads takes them in the wrong order.
        """
        previous, copying = self._roles.previous, self._roles.copying
        direct = self._through(numbers, (copying if look is None else look,), (copying,))
        if previous == copying:
            return {"direct": direct, "two_heads": torch.zeros_like(direct)}
        heads = (copying, previous) if reverse else (previous, copying)
        return {"direct": direct, "two_heads": self._through(numbers, heads, heads)}

    def _through(
        self, numbers: Tensor, attention: tuple[Head, ...], OV: tuple[Head, ...]
    ) -> Tensor:
        """What reaches the logits of `numbers` [n j] through heads in a row: [n j].

        `attention` are the heads whose patterns are multiplied, `OV` those whose OV matrices are.
        """
        rows = self._task.pattern(*attention)[:, self._task.predicting]
        read = self._circuits.OV(*OV)[self._task.tokens[:, None, :], numbers[:, :, None]]
        return (rows * read).sum(-1)

    def _shares(self, terms: Mapping[str, Tensor], index: Tensor | None = None) -> Tensor:
        """The share of the direct path by index and prediction: float64 [index j]."""
        direct, both = (self._task.by_index(term, index) for term in terms.values())
        return direct / (direct + both)

    @cached_property
    def direct_shares(self) -> Tensor:
        """The share of the direct path by index and prediction: float64 [index j]."""
        return self._shares(self.terms)

    # ---------------------------------------------------------------- findings
    def first_prediction(
        self, offset: int = 0, *, look: Head | None = None, reverse: bool = False
    ) -> dict[str, float]:
        """Both paths' shares of the first prediction over all prompts, and their sum in logits.

        With an `offset`, contributions are to the number that is larger than the answer by so
        much (modulo how many numbers there are). For `look` and `reverse` see `_to`.
        """
        numbers = (self._task.answers + offset) % self._task.format.numbers
        terms = self._to(numbers, look, reverse)
        direct, both = (terms[name][:, 0].mean() for name in ("direct", "two_heads"))
        total = direct + both
        return {
            "direct": (direct / total).item(),
            "two_heads": (both / total).item(),
            "logits": total.item(),
        }

    def everywhere(self, *, look: Head | None = None, reverse: bool = False) -> dict[str, float]:
        """The smaller share of the two paths, at the index and prediction where it is smallest.

        `logits` is their mean sum over all predictions. For `look` and `reverse` see `_to`.
        """
        terms = self._to(self._task.answers, look, reverse)
        shares = self._shares(terms)
        smallest = torch.minimum(shares, 1 - shares).min().item()
        return {"smallest_share": smallest, "logits": _total(terms)}

    def updated_less_kept(self, shift: int = 0, *, shuffled: bool = False) -> dict[str, float]:
        """The direct path's share at the updated index less its mean elsewhere, over the indices.

        With a `shift`, the prediction so many places after the updated one takes its part. If
        `shuffled`, every prompt has the index of the prompt before it. `logits` is the mean sum of
        both paths over all predictions.
        """
        index = self._task.index.roll(1) if shuffled else None
        shares = self._shares(self.terms, index).roll(-shift, 1)
        return {"difference": contrasts(shares).mean().item(), "logits": _total(self.terms)}


def _total(terms: Mapping[str, Tensor]) -> float:
    """The mean sum of both paths over prompts and predictions, in logits."""
    return (terms["direct"] + terms["two_heads"]).mean().item()


def contrasts(shares: Tensor) -> Tensor:
    """Each diagonal entry of `shares` [index j] less the mean of the others in its row: [index]."""
    own = shares.diagonal()
    return own - (shares.sum(1) - own) / (len(own) - 1)
