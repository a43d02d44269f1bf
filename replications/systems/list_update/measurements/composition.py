"""The section "Summary": which compositions the model needs, by cutting one of them at a time.

Q-, K- or V-composition is cut by giving the copying head the queries, keys or values it would have
if no head had written anything: made from embeddings and, for queries and keys, positions.
"""

from __future__ import annotations

from torch import Tensor

from replications.errors import BadInput
from replications.lens import Run
from replications.models import put_rows, sites
from replications.systems.list_update.roles import Roles
from replications.systems.list_update.task import Task


class Composition:
    """One model without query, key or value composition."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task = task
        self._roles = roles
        self._runs: dict[sites.Site, Run] = {}

    # ---------------------------------------------------------------- runs
    def _from_embeddings(self, site: sites.Site) -> Tensor:
        """The copying head's q, k or v if no head had written: [n pos d_head]."""
        weights, head = self._task.lens.weights, self._roles.copying
        matrices = {sites.Q: weights.W_Q, sites.K: weights.W_K, sites.V: weights.W_V}
        if site not in matrices:
            raise BadInput(f"composition is through q, k or v, not through {site.name}")
        inputs = weights.W_E[self._task.tokens]
        if site != sites.V:
            inputs = inputs + weights.W_pos[: inputs.shape[1]]
        return inputs @ matrices[site][head]

    def _run(self, site: sites.Site) -> Run:
        """The run with the composition through one site cut; it reads the copying pattern."""
        if site not in self._runs:
            layer, number = self._roles.copying
            edit = put_rows(site(layer).pick(head=number), self._from_embeddings(site))
            reads = {"pattern": sites.PATTERN(layer).pick(head=number)}
            self._runs[site] = self._task.lens.run(self._task.tokens, reads, [edit])
        return self._runs[site]

    def logits_without(self, site: sites.Site) -> Tensor:
        """Logits at the predictions without the composition of q, k or v: float64 [n j number]."""
        return self._run(site).logits[:, self._task.predicting].double()

    def pattern_without(self, site: sites.Site) -> Tensor:
        """The copying head's attention without that composition: float64 [n query key]."""
        return self._run(site)["pattern"].double()

    # ---------------------------------------------------------------- findings
    def _accuracies(self, logits: Tensor) -> dict[str, float]:
        right = logits.argmax(-1) == self._task.answers
        return {
            "updated": right[self._task.updated].double().mean().item(),
            "kept": right[self._task.kept].double().mean().item(),
        }

    def _answer_logit(self, logits: Tensor) -> float:
        return logits.gather(-1, self._task.answers[..., None]).mean().item()

    def accuracies(self, site: sites.Site) -> dict[str, float]:
        """The shares of updated and of kept predictions that are right without that composition.

        `updated_intact` is the share of updated predictions that are right in the intact model.
        """
        intact, cut = map(self._accuracies, (self._task.logits, self.logits_without(site)))
        return {"updated_intact": intact["updated"], **cut}

    def logit_lost(self, site: sites.Site) -> float:
        """The share of the right answers' mean logit that is lost without that composition."""
        intact, left = map(self._answer_logit, (self._task.logits, self.logits_without(site)))
        return 1 - left / intact

    def change(self, site: sites.Site) -> float:
        """The larger change of the two accuracies, updated and kept, without that composition."""
        intact = self._accuracies(self._task.logits)
        cut = self._accuracies(self.logits_without(site))
        return max(abs(intact[which] - cut[which]) for which in intact)
