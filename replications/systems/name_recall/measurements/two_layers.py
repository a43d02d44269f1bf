"""Method 1 on a two-layer model, and the Interlude's argument that one layer is not enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from replications.analysis import statistics as stats
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
    def path(self, corruption: Corruption) -> list[int]:
        """The position with the largest effect in each row of the residual-stream map."""
        return [int(p) for p in self._task.residual_share(corruption).abs().argmax(1)]

    def one_step(self, corruption: Corruption) -> dict[str, float]:
        """Effects at the last name's position (5) and at the last token (11), by row of the map.

        Shares of what the whole corruption does.  A word that moves in layer 1 only is at
        position 5 in rows 0 and 1, and at position 11 in row 2.
        """
        effect = self._task.residual_share(corruption)
        return {
            "row_0_at_5": effect[0, LAST].item(),
            "row_1_at_5": effect[1, LAST].item(),
            "row_1_at_11": effect[1, END].item(),
            "row_2_at_11": effect[2, END].item(),
        }

    # ---------------------------------------------------------------- two people
    def against_one_layer(
        self, *, two_layers: Task | None = None, one_layer: Sequence[Task] | None = None
    ) -> dict[str, float]:
        """Preferences between two people, of this model and of models with one layer.

        two_layers: the preference of this model in nats; share_with_one: the largest preference
        of the one-layer models, in absolute value, as a share of it.  For controls other models
        can be given in the place of either.  Raises BadInput for a subject without one-layer
        models.
        """
        own = preference(self._task)
        smaller = self._one_layer() if one_layer is None else one_layer
        return {
            "two_layers": own if two_layers is None else preference(two_layers),
            "share_with_one": stats.ratio(max(abs(preference(task)) for task in smaller), own),
        }


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
