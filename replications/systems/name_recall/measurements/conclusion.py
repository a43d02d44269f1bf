"""The conclusion: the induction circuit, and the second variant through the duplicate-token head.

Paths from the previous-token head into the copying head, copying, and composition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from replications.analysis import composition
from replications.analysis import statistics as stats
from replications.analysis.composition import Input
from replications.models import Head, sites
from replications.models.edits import apply, put_rows
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
    def induction(
        self, senders: Sequence[Head], through: Input = "K", *, scored: Head | None = None
    ) -> dict[str, float]:
        """path: see `path_share`; induction_score: the copying head's; copied: see `copied`.

        The last two are measured on the head `scored`; left out, on the copying head.
        """
        head = self._roles.best("copying") if scored is None else scored
        return {
            "path": self.path_share(senders, through),
            "induction_score": self._task.scores.induction[head].mean().item(),
            "copied": self.copied(head),
        }

    def path_share(self, senders: Sequence[Head], through: Input) -> float:
        """The effect of the first-name corruption on the path from some heads into copying heads.

        The path ends in the keys or values of all copying heads at the last name's position, or in
        their queries at the last token.  A share of the effect of patching the whole residual
        stream at the last name's position, in front of the copying heads' layer; 0 where no head
        sends or copies.
        """
        task, copying = self._task, self._roles.copying
        if not senders or not copying:
            return 0.0
        position = END if through == "Q" else LAST
        found = path_patch(
            task.lens,
            task.prompts.clean,
            task.prompts.first_name,
            [list(senders)],
            answers=task.prompts.answers,
            receiver=HeadInputs(INPUTS[through], copying, [position]),
        )
        whole = task.effect("residual", "first_name")[copying[0][0], LAST].item()
        return stats.ratio((found.base - found.values[0]).double().mean().item(), whole)

    def copied(self, head: Head) -> float:
        """The share of last names that a head's OV circuit puts among the ten best.

        The circuit is applied to the residual stream at the last name's position, for fifty pairs
        of names, and what it writes is unembedded.
        """
        network, (layer, index) = self._task.network, head
        tokens = self._task.pairs.prompts.clean
        place = sites.V(layer).pick(head=index, pos=LAST)
        value = self._task.lens.read(tokens, {"v": place})["v"]
        written = value @ network.W_O[layer, index]
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
        reads = composition.reading(network, self._roles.best("copying"), through)
        baseline = composition.baseline(shape.d_model, shape.d_head)
        found = {}
        for head in [(0, i) for i in range(shape.n_heads)]:
            writes = composition.writing(network, head)
            if head == random:
                generator = torch.Generator().manual_seed(1)
                writes = composition.random(shape.d_model, shape.d_head, generator)
            found[head] = composition.score(writes, reads) - baseline
        return self._roles.by_label(found, ["previous"])

    # ---------------------------------------------------------------- positions
    def through_duplicate(self, exchanged: Literal["positions", "last name"]) -> float:
        """How far the metric falls if only the duplicate-token head sees a change.

        Its output at the last token comes from a run with the positional embeddings of positions
        4 and 5 exchanged, or from the last-name corruption; all else is from the clean run.  A
        share of the clean metric, 0 where no head looks for duplicates.
        """
        task = self._task
        places = {
            f"{layer}.{head}": sites.Z(layer).pick(head=head, pos=END)
            for layer, head in self._roles.duplicate
        }
        if exchanged == "positions":
            swap = apply(
                sites.POS_EMBED().pick(pos=slice(FIRST, LAST + 1)), lambda there: there.flip(-2)
            )
            outputs = task.lens.read(task.prompts.clean, places, (swap,))
        else:
            outputs = task.lens.read(task.prompts.last_name, places)
        logits = task.run(task.prompts.clean, [put_rows(places[n], z) for n, z in outputs.items()])
        return 1 - stats.ratio(task.difference(logits).mean().item(), task.metric())
