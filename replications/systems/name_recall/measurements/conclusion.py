"""The conclusion: the induction circuit, and the second variant through the duplicate-token head.

Paths from the previous-token head into the copying head, copying, and composition.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from replications.analysis import composition
from replications.analysis import statistics as stats
from replications.analysis.composition import Input
from replications.models import Head, sites
from replications.models.edits import Edit, apply, put_rows
from replications.patching import HeadInputs, path_patch
from replications.systems.name_recall.data import END, FIRST, LAST
from replications.systems.name_recall.roles import Roles
from replications.systems.name_recall.task import Task, rank

COPIED = 10
"""A last name counts as copied if it is among this many largest logits."""
INPUTS: dict[Input, sites.Site] = {"Q": sites.Q, "K": sites.K, "V": sites.V}


class Conclusion:
    """How the heads of the circuit work together."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task = task
        self._roles = roles

    # ---------------------------------------------------------------- the induction circuit
    def induction(self, sender: Head, through: Input = "K") -> dict[str, float]:
        """path: see `path_share`; induction_score: the copying head's; copied: see `copied`."""
        scores = self._task.scores
        return {
            "path": self.path_share(sender, through),
            "induction_score": scores.induction[self._roles.copying].mean().item(),
            "copied": self.copied,
        }

    def path_share(self, sender: Head, through: Input) -> float:
        """The effect of the first-name corruption on the path from one head into copying heads.

        The path ends in the keys or values of all copying heads at the last name's position, or in
        their queries at the last token.  A share of the effect of patching the whole residual
        stream at the last name's position, in front of the copying heads' layer.
        """
        task, copying = self._task, self._roles.all_copying
        position = END if through == "Q" else LAST
        found = path_patch(
            task.lens,
            task.prompts.clean,
            task.prompts.first_name,
            [[sender]],
            answers=task.prompts.answers,
            receiver=HeadInputs(INPUTS[through], copying, [position]),
        )
        whole = task.effect("residual", "first_name")[copying[0][0], LAST].item()
        return stats.ratio((found.base - found.values[0]).double().mean().item(), whole)

    @cached_property
    def copied(self) -> float:
        """The share of last names that the copying head's OV circuit puts among the ten best.

        The circuit is applied to the residual stream at the last name's position, for fifty pairs
        of names, and what it writes is unembedded.
        """
        network, (layer, head) = self._task.network, self._roles.copying
        tokens = self._task.pairs.prompts.clean
        place = sites.V(layer).pick(head=head, pos=LAST)
        value = self._task.lens.read(tokens, {"v": place})["v"]
        written = value @ network.W_O[layer, head]
        # The scale of the final LayerNorm is left out: only the order of logits counts.
        centred = written - written.mean(-1, keepdim=True)
        if network.ln_final_w is not None:
            centred = centred * network.ln_final_w
        found = rank(centred @ network.W_U, tokens[:, LAST]) < COPIED
        return found.double().mean().item()

    # ---------------------------------------------------------------- composition
    def composition(self, through: Input, *, random: Head | None = None) -> dict[str, float]:
        """Composition scores of the layer-0 heads with the copying head, by label.

        The mean score of random matrices is subtracted.  What the head `random` writes is replaced
        by a random matrix.
        """
        network, shape = self._task.network, self._task.lens.shape
        reads = composition.reading(network, self._roles.copying, through)
        baseline = composition.baseline(shape.d_model, shape.d_head)
        found = {}
        for head in [(0, i) for i in range(shape.n_heads)]:
            writes = composition.writing(network, head)
            if head == random:
                generator = torch.Generator().manual_seed(1)
                writes = composition.random(shape.d_model, shape.d_head, generator)
            found[self._roles.label(head)] = composition.score(writes, reads) - baseline
        return found

    # ---------------------------------------------------------------- positions
    def through_duplicate(self, exchanged: Literal["positions", "last name"]) -> float:
        """How far the metric falls if only the duplicate-token head sees a change.

        Its output at the last token comes from a run with the positional embeddings of positions
        4 and 5 exchanged, or from the last-name corruption; all else is from the clean run.  A
        share of the clean metric.
        """
        task = self._task
        if exchanged == "positions":
            edit = apply(
                sites.POS_EMBED().pick(pos=slice(FIRST, LAST + 1)), lambda there: there.flip(-2)
            )
            z = self._duplicate_output(task.prompts.clean, (edit,))
        else:
            z = self._duplicate_output(task.prompts.last_name)
        logits = task.run(task.prompts.clean, (put_rows(self._duplicate_place, z),))
        return 1 - stats.ratio(task.difference(logits).mean().item(), task.metric())

    @property
    def _duplicate_place(self) -> sites.Place:
        layer, head = self._roles.duplicate
        return sites.Z(layer).pick(head=head, pos=END)

    def _duplicate_output(self, tokens: Tensor, edits: tuple[Edit, ...] = ()) -> Tensor:
        return self._task.lens.read(tokens, {"z": self._duplicate_place}, edits)["z"]
