"""The sections "More refined direct logit attribution" and "… on all predictions": two paths.

With one-hot tokens t and attention A, the copying head's contribution splits exactly into

    direct    = A1 t W_E OV1 W_U
    two_heads = A1 A0 t W_E OV0 OV1 W_U

where 0 stands for the previous-token head and 1 for the copying head.
"""

from __future__ import annotations

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

    def _to(self, numbers: Tensor) -> dict[str, Tensor]:
        """Both paths' contributions to the logits of `numbers`, long [n j]."""
        previous, copying = self._roles.previous, self._roles.copying
        direct = self._through(numbers, copying)
        if previous == copying:
            return {"direct": direct, "two_heads": torch.zeros_like(direct)}
        return {"direct": direct, "two_heads": self._through(numbers, previous, copying)}

    def _through(self, numbers: Tensor, *heads: Head) -> Tensor:
        """What reaches the logits of `numbers` [n j] through these heads in a row: [n j]."""
        rows = self._task.pattern(*heads)[:, self._task.predicting]
        circuit = self._circuits.OV(*heads)
        read = circuit[self._task.tokens[:, None, :], numbers[:, :, None]]
        return (rows * read).sum(-1)

    @cached_property
    def direct_shares(self) -> Tensor:
        """The share of the direct path by index and prediction: float64 [index j]."""
        direct, both = (self._task.by_index(term) for term in self.terms.values())
        return direct / (direct + both)

    # ---------------------------------------------------------------- findings
    def first_prediction(self, offset: int = 0) -> dict[str, float]:
        """Both paths' shares of the first prediction over all prompts, and their sum in logits.

        With an `offset`, contributions are to the number that is larger than the answer by so
        much (modulo the largest number plus 1).
        """
        numbers = (self._task.answers + offset) % self._task.format.numbers
        terms = self.terms if offset == 0 else self._to(numbers)
        direct, both = (terms[name][:, 0].mean() for name in ("direct", "two_heads"))
        total = direct + both
        return {
            "direct": (direct / total).item(),
            "two_heads": (both / total).item(),
            "logits": total.item(),
        }

    @cached_property
    def smallest_share(self) -> float:
        """The smaller share of the two paths, at the index and prediction where it is smallest."""
        return torch.minimum(self.direct_shares, 1 - self.direct_shares).min().item()

    def updated_less_kept(self, shift: int = 0) -> float:
        """The mean of `contrasts` over the indices."""
        return self.contrasts(shift).mean().item()

    def contrasts(self, shift: int = 0) -> Tensor:
        """The direct path's share at the updated index less its mean elsewhere: float64 [index].

        With a `shift`, the prediction so many places after the updated one takes its part.
        """
        shares = self.direct_shares.roll(-shift, 1)
        own = shares.diagonal()
        return own - (shares.sum(1) - own) / (len(own) - 1)
