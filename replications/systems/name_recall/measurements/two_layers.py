"""Method 1 on a two-layer model, and the Interlude's argument that one layer is not enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.models.parameters import in_layer
from replications.systems.name_recall import data
from replications.systems.name_recall.data import END, LAST, Corruption
from replications.systems.name_recall.task import Task


class TwoLayers:
    """What two layers can do.  `one_layer` gives the one-layer models for the comparison."""

    def __init__(self, task: Task, one_layer: Callable[[], Sequence[Task]]) -> None:
        self._task = task
        self._one_layer = one_layer

    # ---------------------------------------------------------------- the task
    def solves(self, *, introduced: bool = True) -> dict[str, float]:
        """Whether the model recalls the last name.

        difference: the metric on the document's prompt; share_of_pairs: the share of fifty pairs
        of names with a positive metric.  Without `introduced` the prompt is the second sentence
        alone, in which no last name is given.
        """
        on_document, on_pairs = (
            _differences(task, introduced) for task in (self._task.document, self._task.pairs)
        )
        return {
            "difference": on_document.item(),
            "share_of_pairs": (on_pairs > 0).double().mean().item(),
        }

    # ---------------------------------------------------------------- paths
    def between_layers(self, corruption: Corruption, position: int = LAST) -> float:
        """The effect at one position between the layers, as a share of the whole corruption's.

        Before layer 0 all of it is at the changed word, after layer 1 all of it is at the last
        token, whatever the model; only the row between them says anything.
        """
        return self._task.residual_share(corruption)[1, position].item()

    def stays_at(self, position: int) -> float:
        """Between the layers, the last name's effect at a position less that at the last token."""
        return self.between_layers("last_name", position) - self.between_layers("last_name", END)

    # ---------------------------------------------------------------- two people
    def against_one_layer(
        self, *, of: Callable[[Task], float] | None = None, silenced: int | None = None
    ) -> dict[str, float]:
        """Preferences between two people, of this model and of models with one layer.

        two_layers: the preference of this model in nats, with the attention of the layer
        `silenced` set to zero; share_with_one: the largest preference of the one-layer models, in
        absolute value, as a share of this model's.  `of` is measured in the place of `preference`.
        Raises BadInput for a subject without one-layer models.
        """
        measure = preference if of is None else of
        task = self._task if silenced is None else without_attention(self._task, silenced)
        smaller = max(abs(measure(one)) for one in self._one_layer())
        return {
            "two_layers": measure(task),
            "share_with_one": stats.ratio(smaller, measure(self._task)),
        }


def without_attention(task: Task, layer: int) -> Task:
    """The same task for a model in which the heads of one layer write nothing."""
    weights = dict(task.lens.state_dict)
    name = in_layer(layer, "attn.W_O")
    weights[name] = torch.zeros_like(weights[name])
    return Task(task.lens.reopen(weights), task.tokenizer, task.names)


def one_person(task: Task) -> float:
    """With one person in the prompt: the mean logit difference of that last name less another
    one, in nats, over fifty pairs of names."""
    return task.pairs.metric()


def preference(task: Task) -> float:
    """Of two people in a prompt: the mean logit difference of the last name asked for, less the
    other one's, in nats."""
    made = data.two_people(task.tokenizer, task.pairs.names)
    found = task.run(made.tokens).double().gather(1, made.answers)
    return (found[:, 0] - found[:, 1]).mean().item()


def _differences(task: Task, introduced: bool) -> Tensor:
    """The metric on each prompt, [n], with the first sentence or without it."""
    tokens = task.prompts.clean
    if not introduced:
        tokens = data.without_introduction(task.tokenizer, task.names)
    return task.difference(task.run(tokens))
