"""The induction circuit: the path from previous-token to copying head, copying, composition."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.lens.networks import as_network
from replications.models import sites
from replications.models.edits import Edit, apply, put_rows
from replications.models.network import Network
from replications.patching import HeadInputs, path_patch
from replications.systems.name_recall import composition
from replications.systems.name_recall.composition import Input
from replications.systems.name_recall.data import END, FIRST, LAST
from replications.systems.name_recall.residual import rank
from replications.systems.name_recall.roles import Head

if TYPE_CHECKING:
    from replications.systems.name_recall.measure import NameRecallSubject

COPIED = 10
"""A last name counts as copied when it is among so many largest logits."""


class Circuit:
    """How the heads of one subject work together."""

    def __init__(self, subject: NameRecallSubject) -> None:
        self._s = subject

    @property
    def _network(self) -> Network:
        return as_network(self._s.lens)

    # ---------------------------------------------------------------- induction
    @cached_property
    def induction(self) -> dict[str, float]:
        """Path from previous-token head to keys, induction score, copying: see the parts."""
        return self._with_path(self.path_share(self._s.roles.previous, sites.K))

    @cached_property
    def induction_through_queries(self) -> dict[str, float]:
        """The same with the path that ends in queries."""
        return self._with_path(self.path_share(self._s.roles.previous, sites.Q))

    @cached_property
    def induction_through_values(self) -> dict[str, float]:
        """The same with the path that ends in values."""
        return self._with_path(self.path_share(self._s.roles.previous, sites.V))

    @cached_property
    def induction_from_duplicate(self) -> dict[str, float]:
        """The same with the path from the duplicate-token head to keys."""
        return self._with_path(self.path_share(self._s.roles.duplicate, sites.K))

    def _with_path(self, share: float) -> dict[str, float]:
        scores = self._s.attention.scores
        return {
            "path": share,
            "induction_score": scores.induction[self._s.roles.copying].mean().item(),
            "copied": self.copied,
        }

    def path_share(self, sender: Head, site: sites.Site) -> float:
        """The first-name corruption sent from one head into the copying head's q, k or v.

        Together with those of the heads that share its role.  As a share of what the corrupted
        stream does at the last name's position, before that layer.  Keys and values are changed
        at that position, queries at the last token.
        """
        s = self._s
        position = END if site is sites.Q else LAST
        found = path_patch(
            s.lens,
            s.prompts.clean,
            s.prompts.first_name,
            [[sender]],
            answers=s.prompts.answers,
            receiver=HeadInputs(site, s.roles.all_copying, [position]),
        )
        whole = s.patches.effect("residual", "first_name")[s.roles.copying[0], LAST].item()
        return stats.ratio((found.base - found.values[0]).double().mean().item(), whole)

    @cached_property
    def copied(self) -> float:
        """Share of last names that the copying head's OV circuit puts among the ten best tokens.

        Its input is what stands at the last name's position of each prompt about a pair of names.
        """
        s, network = self._s, self._network
        layer, head = s.roles.copying
        tokens = s.pair_prompts.clean
        place = sites.V(layer).pick(head=head, pos=LAST)
        value = s.lens.read(tokens, {"v": place})["v"]
        written = value @ network.W_O[layer, head]
        # Only order counts, so that LayerNorm's scale does not.
        centred = written - written.mean(-1, keepdim=True)
        if network.ln_final_w is not None:
            centred = centred * network.ln_final_w
        found = rank(centred @ network.W_U, tokens[:, LAST]) < COPIED
        return found.double().mean().item()

    # ---------------------------------------------------------------- composition
    @cached_property
    def k_composition(self) -> dict[str, float]:
        """K-composition of each layer-0 head with the copying head, less that of random ones."""
        return self._composition("K")

    @cached_property
    def q_composition(self) -> dict[str, float]:
        """Q-composition."""
        return self._composition("Q")

    def _composition(self, through: Input, random: Head | None = None) -> dict[str, float]:
        """By label of the layer-0 head; the writing of `random` is replaced by a random matrix."""
        s, network, shape = self._s, self._network, self._s.lens.shape
        reads = composition.reading(network, s.roles.copying, through)
        less = composition.baseline(shape.d_model, shape.d_head)
        found = {}
        for head in [(0, i) for i in range(shape.n_heads)]:
            writes = composition.writing(network, head)
            if head == random:
                generator = torch.Generator().manual_seed(1)
                writes = composition.random(shape.d_model, shape.d_head, generator)
            found[s.label(head)] = composition.score(writes, reads) - less
        return found

    @cached_property
    def k_composition_random(self) -> dict[str, float]:
        """With a random matrix in the place of what the previous-token head writes."""
        return self._composition("K", self._s.roles.previous)

    @cached_property
    def q_composition_random(self) -> dict[str, float]:
        """With a random matrix in the place of what the duplicate-token head writes."""
        return self._composition("Q", self._s.roles.duplicate)

    @cached_property
    def k_composition_exchanged(self) -> dict[str, float]:
        """With previous-token and duplicate-token head exchanged."""
        return self._exchanged(self.k_composition)

    @cached_property
    def q_composition_exchanged(self) -> dict[str, float]:
        return self._exchanged(self.q_composition)

    def _exchanged(self, found: dict[str, float]) -> dict[str, float]:
        a, b = (self._s.label(h) for h in (self._s.roles.previous, self._s.roles.duplicate))
        return found | {a: found[b], b: found[a]}

    # ---------------------------------------------------------------- positions
    @cached_property
    def through_positions(self) -> float:
        """What the duplicate-token head says when positions 4 and 5 are exchanged.

        Its output at the last token, from a run with the two positional embeddings exchanged, is
        put into the clean run: what that takes away, as a share of the clean metric.
        """
        exchange = apply(
            sites.POS_EMBED().pick(pos=slice(FIRST, LAST + 1)), lambda there: there.flip(-2)
        )
        z = self._duplicate_output(self._s.prompts.clean, (exchange,))
        return self._with_duplicate_output(z)

    @cached_property
    def through_tokens(self) -> float:
        """The same with the token at position 5 exchanged for the other last name instead."""
        return self._with_duplicate_output(self._duplicate_output(self._s.prompts.last_name))

    def _duplicate_output(self, tokens: Tensor, edits: tuple[Edit, ...] = ()) -> Tensor:
        layer, head = self._s.roles.duplicate
        place = sites.Z(layer).pick(head=head, pos=END)
        return self._s.lens.read(tokens, {"z": place}, edits)["z"]

    def _with_duplicate_output(self, z: Tensor) -> float:
        s, (layer, head) = self._s, self._s.roles.duplicate
        edit = put_rows(sites.Z(layer).pick(head=head, pos=END), z)
        logits = s.patches.run(s.prompts.clean, (edit,))
        return 1 - stats.ratio(s.patches.difference(logits).mean().item(), s.patches.clean)
