"""Direct logit attribution: by prefix, by component, and by the two paths through the last head.

A contribution is a vector times the column of W_U of the right answer, averaged over prompts.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from replications.systems.list_update.measure import ListUpdateSubject


class Attribution:
    """What writes the right answers of one subject."""

    def __init__(self, subject: ListUpdateSubject) -> None:
        self._s = subject

    @cached_property
    def _directions(self) -> Tensor:
        """W_U of the right answers: float64 [n j d_model]."""
        return self._s.weights.W_U.T[self._s.answers].double()

    def _contribution(self, name: str) -> Tensor:
        """Of what the run read under `name`, averaged over prompts: [j]."""
        return (self._s.run[name].double() * self._directions).sum(-1).mean(0)

    # ---------------------------------------------------------------- components
    @cached_property
    def components(self) -> dict[str, Tensor]:
        """Contribution of the embedding and of each layer's attention: each float64 [j]."""
        names = ["embed", *(f"attn_out{layer}" for layer in range(self._s.layers))]
        return {name: self._contribution(name) for name in names}

    @cached_property
    def totals(self) -> Tensor:
        """Sum of all components: float64 [j]."""
        return torch.stack(list(self.components.values())).sum(0)

    @cached_property
    def accumulated(self) -> Tensor:
        """Contribution of the stream before each layer and after the last: float64 [layer+1 j]."""
        return torch.stack(list(self.components.values())).cumsum(0)

    @cached_property
    def logit_lens(self) -> dict[str, float]:
        """First prediction: contribution before each layer as a share of that after the last."""
        summed = self.accumulated[:, 0] / self.totals[0]
        return {"before_layer_0": summed[0].item(), "after_layer_0": summed[1].item()}

    @cached_property
    def last_head(self) -> dict[str, float]:
        """First prediction: share of the last head, and its contribution in logits."""
        return self._share_of(f"attn_out{self._s.layers - 1}")

    @cached_property
    def first_head(self) -> dict[str, float]:
        return self._share_of("attn_out0")

    def _share_of(self, name: str) -> dict[str, float]:
        part = self.components[name][0]
        return {"share": (part / self.totals[0]).item(), "logits": part.item()}

    @cached_property
    def all_predictions(self) -> dict[str, float]:
        """The smallest share of the last head, and the ratio of the largest total to the least."""
        shares = self.components[f"attn_out{self._s.layers - 1}"] / self.totals
        return {
            "smallest_share": shares.min().item(),
            "largest_total_ratio": (self.totals.max() / self.totals.min()).item(),
        }

    @cached_property
    def all_predictions_by_first_head(self) -> dict[str, float]:
        shares = self.components["attn_out0"] / self.totals
        return {**self.all_predictions, "smallest_share": shares.min().item()}

    @cached_property
    def unexplained(self) -> float:
        """Largest entry of the final stream that embeddings and heads do not explain."""
        return self._rest("embed", *(f"attn_out{i}" for i in range(self._s.layers)))

    @cached_property
    def unexplained_with_positions(self) -> float:
        """The same, with the positional embeddings counted among the components."""
        return self._rest("embed", "pos_embed", *(f"attn_out{i}" for i in range(self._s.layers)))

    def _rest(self, *names: str) -> float:
        parts = sum((self._s.run[name].double() for name in names), torch.zeros(()))
        return (self._s.run["final"].double() - parts).abs().max().item()

    # ---------------------------------------------------------------- paths
    @cached_property
    def paths(self) -> dict[str, Tensor]:
        """The last head's contribution, split exactly: each float64 [n j].

        direct = A1 t W_E OV1 W_U and two_heads = A1 A0 t W_E OV0 OV1 W_U, at the right answer.
        With one layer there is only the direct path.
        """
        return self._paths_to(self._s.answers)

    def _paths_to(self, numbers: Tensor) -> dict[str, Tensor]:
        """Both paths in the direction of other numbers than the answers, long [n j]."""
        circuits, last = self._s.circuits, self._s.layers - 1
        rows = self._s.pattern(last)[:, self._s.predicting]
        direct = self._through(rows, circuits.OV(last), numbers)
        if last == 0:
            return {"direct": direct, "two_heads": torch.zeros_like(direct)}
        both = self._through(rows @ self._s.pattern(0), circuits.OV(0, last), numbers)
        return {"direct": direct, "two_heads": both}

    def _through(self, rows: Tensor, circuit: Tensor, numbers: Tensor) -> Tensor:
        """Attention `rows` [n j key] through a circuit [token number], at `numbers`: [n j]."""
        read = circuit[self._s.tokens[:, None, :], numbers[:, :, None]]
        return (rows * read).sum(-1)

    def _shares(self, first: Tensor, second: Tensor) -> Tensor:
        """Share of `first` by index and prediction: [index j]."""
        first, second = self._s.by_index(first), self._s.by_index(second)
        return first / (first + second)

    @cached_property
    def direct_shares(self) -> Tensor:
        """The direct path's share of the last head, by index and prediction: [index j]."""
        return self._shares(self.paths["direct"], self.paths["two_heads"])

    @cached_property
    def first_prediction_paths(self) -> dict[str, float]:
        """The share of each path in the first prediction, over all indices; they add up to 1."""
        return self._first_prediction(self.paths)

    @cached_property
    def other_number_paths(self) -> dict[str, float]:
        """The same in the direction of the number after the answer."""
        numbers = (self._s.answers + 1) % self._s.task.numbers
        return self._first_prediction(self._paths_to(numbers))

    def _first_prediction(self, paths: dict[str, Tensor]) -> dict[str, float]:
        direct, both = (paths[name][:, 0].mean() for name in ("direct", "two_heads"))
        total = direct + both
        return {
            "direct": (direct / total).item(),
            "two_heads": (both / total).item(),
            "logits": total.item(),
        }

    @cached_property
    def smallest_share(self) -> float:
        """The smaller share of the two paths, the smallest over indices and predictions."""
        return torch.minimum(self.direct_shares, 1 - self.direct_shares).min().item()

    @cached_property
    def updated_less_kept(self) -> float:
        """The direct path's share at the updated index less its mean at the others."""
        return self._contrast(0)

    @cached_property
    def updated_less_kept_permuted(self) -> float:
        """The same with another prediction in the place of the updated one."""
        return self._contrast(1)

    @cached_property
    def updated_less_kept_by_index(self) -> list[float]:
        return [value.item() for value in self._contrasts(0)]

    def _contrast(self, shift: int) -> float:
        return self._contrasts(shift).mean().item()

    def _contrasts(self, shift: int) -> Tensor:
        shares = self.direct_shares.roll(-shift, 1)
        own = shares.diagonal()
        return own - (shares.sum(1) - own) / (len(own) - 1)
