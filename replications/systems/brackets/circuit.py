"""Interventions: what happens to the verdict when a part of the circuit is replaced.

Replacement values are means over balanced strings, position by position, unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from replications.analysis import statistics as stats
from replications.models import sites
from replications.models.edits import Edit, put, put_rows
from replications.patching import sweep
from replications.systems.brackets.data import BracketData
from replications.systems.brackets.model import BALANCED, UNBALANCED
from replications.systems.brackets.trace import COMPONENTS, HEADS, HeadName, head_label

if TYPE_CHECKING:
    from replications.systems.brackets.checking import CheckingHead
    from replications.systems.brackets.measure import BracketSubject

PAIRS = 500
"""How many pairs of strings the patching measurements use."""


class Circuit:
    """The total-elevation circuit: layer-0 tally → MLPs at position 1 → total head → verdict."""

    def __init__(self, subject: BracketSubject) -> None:
        self.s = subject

    # ---------------------------------------------------------------- silencing checking heads
    def _loss_rise(self, head: CheckingHead, rows: Tensor) -> tuple[float, float]:
        """Mean rise of the loss, and change of accuracy, when `head` is silenced."""
        data = self.s.data.subset(rows)
        label = data.labels.long()
        intact = self.s.trace.logits[rows].double()
        logits = [intact, self.s.logits(head.silence(), data)]
        loss = [F.cross_entropy(x, label).item() for x in logits]
        right = [(x.argmax(-1) == label).double().mean().item() for x in logits]
        return loss[1] - loss[0], right[1] - right[0]

    @property
    def agreement_lowers_loss(self) -> dict[str, float]:
        """Silence the head that is not responsible: rise of the loss on T and on N strings, and
        the change of accuracy furthest from zero."""
        on_T = self._loss_rise(self.s.negative_head, self.s.T)
        on_N = self._loss_rise(self.s.total_head, self.s.N)
        return {
            "rise_on_T": on_T[0],
            "rise_on_N": on_N[0],
            "change_of_accuracy": min(on_T[1], on_N[1]),
        }

    @property
    def silencing_on_balanced(self) -> dict[str, float]:
        """The same two interventions on balanced strings."""
        negative = self._loss_rise(self.s.negative_head, self.s.B)
        total = self._loss_rise(self.s.total_head, self.s.B)
        return {
            "rise_on_T": negative[0],
            "rise_on_N": total[0],
            "change_of_accuracy": min(negative[1], total[1]),
        }

    # ---------------------------------------------------------------- layer-1 heads
    def without(self, label: str) -> dict[str, float]:
        """A head replaced by its balanced mean everywhere: share of the total head's contribution
        that is lost on N strings, and the relative change of it on T strings."""
        edits = self.s.head(label).silence_everywhere()
        return {
            "lost_on_N": self._lost(edits, self.s.N),
            "change_on_T": abs(self._lost(edits, self.s.T)),
        }

    def _lost(self, edits: Sequence[Edit], rows: Tensor) -> float:
        """Share of the total head's mean contribution on some strings that edits take away."""
        after = self._total_contribution(edits, self.s.data.subset(rows)).mean()
        return (1 - after / self.s.total_head.contribution[rows].mean()).item()

    def _total_contribution(self, edits: Sequence[Edit], data: BracketData) -> Tensor:
        u = self.s.in_unbalanced_direction(self.s.rerun(edits, data))
        return u[COMPONENTS.index(self.s.total_head.label)]

    @property
    def helper(self) -> dict[str, float]:
        """The helper head (1.1) replaced."""
        return self.without(head_label(self.s.roles.helper))

    @property
    def other_layer1_head(self) -> dict[str, float]:
        """The other head of layer 1 (1.0) replaced."""
        return self.without(head_label(_sibling(self.s.roles.helper)))

    def carries_negative(self, label: str) -> dict[str, float]:
        """A layer-1 head's input to the total head: on N strings over on T strings, and the share
        of the total head's contribution on N strings that is lost without it."""
        w = self.s.total_head.inputs[label]
        ratio = (w[self.s.N].mean() / w[self.s.T].mean()).item()
        return {"N_over_T": ratio, "lost_on_N": self.without(label)["lost_on_N"]}

    @property
    def helper_carries_negative(self) -> dict[str, float]:
        return self.carries_negative(head_label(self.s.roles.helper))

    @property
    def other_layer1_head_carries_negative(self) -> dict[str, float]:
        return self.carries_negative(head_label(_sibling(self.s.roles.helper)))

    # ---------------------------------------------------------------- inputs of the total head
    @property
    def mlp_inputs(self) -> dict[str, float]:
        """Mean input to the total head at position 1, unbalanced strings: that of mlp1, the same
        over the next largest, and the rank of mlp0 among all components (1 is the largest)."""
        w = {c: x[~self.s.B].mean().item() for c, x in self.s.total_head.inputs.items()}
        ranked = sorted(w, key=lambda c: -w[c])
        next_largest = max(value for c, value in w.items() if c != "mlp1")
        return {
            "mlp1": w["mlp1"],
            "times_the_next": stats.ratio(w["mlp1"], next_largest),
            "rank_of_mlp0": ranked.index("mlp0") + 1,
        }

    @property
    def mlps_by_open_share(self) -> dict[str, float]:
        """mlp1 first, mlp0 second."""
        return self._by_open_share("mlp1", "mlp0")

    @property
    def heads_by_open_share(self) -> dict[str, float]:
        """The elevation head first, its sibling second."""
        head = self.s.roles.elevation
        return self._by_open_share(head_label(head), head_label(_sibling(head)))

    def _by_open_share(self, first: str, second: str) -> dict[str, float]:
        """Mean inputs to the total head by share of '(' (open strings): of `first` on the weaker
        side of one half and (balanced or not) at one half, of `second` on its stronger side."""
        w, share = self.s.total_head.inputs, self.s.data.open_share
        open_ = self.s.data.starts_open
        sides = {
            c: [w[c][open_ & side].mean().item() for side in (share < 0.5, share > 0.5)]
            for c in (first, second)
        }
        return {
            "first_weaker_side": min(sides[first]),
            "first_at_half": w[first][open_ & (share == 0.5)].mean().item(),
            "second_stronger_side": max(sides[second]),
        }

    def input_effect(self, label: str) -> dict[str, float]:
        """AUROC of a component's input to the total head (open strings, unbalanced against
        balanced), and its mean over that of mlp1."""
        w, open_ = self.s.total_head.inputs, self.s.data.starts_open
        unbalanced = ~self.s.B & open_
        return {
            "auroc": stats.auroc(w[label][unbalanced], w[label][self.s.B]),
            "over_mlp1": (w[label][unbalanced].mean() / w["mlp1"][unbalanced].mean()).item(),
        }

    @property
    def embedding_input_open(self) -> float:
        """Largest |w[emb]| over strings that start with '('."""
        return self.s.total_head.inputs["emb"][self.s.data.starts_open].abs().max().item()

    @property
    def embedding_input_closed(self) -> float:
        """The same over strings that start with ')'."""
        return self.s.total_head.inputs["emb"][~self.s.data.starts_open].abs().max().item()

    @property
    def helper_input(self) -> dict[str, float]:
        return self.input_effect(head_label(self.s.roles.helper))

    @property
    def other_layer1_input(self) -> dict[str, float]:
        return self.input_effect(head_label(_sibling(self.s.roles.helper)))

    # ---------------------------------------------------------------- stage by stage
    def errors_without(self, head: HeadName) -> float:
        """Error rate on T strings with a head's output set to its mean over all strings."""
        edit = put(sites.Z(head[0]).pick(head=head[1]), self.s.mean_z(head))
        verdicts = self.s.calls_balanced([edit], self.s.data.subset(self.s.T))
        return verdicts.double().mean().item()

    @property
    def errors_without_elevation_head(self) -> float:
        return self.errors_without(self.s.roles.elevation)

    @property
    def errors_without_another_head(self) -> float:
        """The worst over the other heads of layers 0 and 1."""
        others = [h for h in HEADS if h[0] < 2 and h != self.s.roles.elevation]
        return max(self.errors_without(h) for h in others)

    def _mlp_mean(self, layer: int, position: int) -> Edit:
        outputs = self.s.trace.components[COMPONENTS.index(f"mlp{layer}"), self.s.B, position]
        return put(sites.MLP_OUT(layer).pick(pos=position), outputs.double().mean(0))

    @property
    def lost_without_mlps(self) -> float:
        """Share of the total head's contribution on T strings that is lost when the outputs of
        mlp0 and mlp1 at position 1 are replaced."""
        return self._lost([self._mlp_mean(layer, 1) for layer in (0, 1)], self.s.T)

    def gained_from_mlps(self, position: int) -> float:
        """Rise of the total head's contribution on balanced strings when the outputs of mlp0 and
        mlp1 at a position come from T strings, as a share of its contribution on T strings."""
        base, donors = self._balanced_strings, self.s.data.tokens[self._donors(self.s.T)]
        places = {f"{layer}": sites.MLP_OUT(layer).pick(pos=position) for layer in (0, 1)}
        outputs = self.s.lens.read(donors, places)
        edits = [put_rows(place, outputs[name]) for name, place in places.items()]
        rise = self._total_contribution(edits, base) - self._total_contribution((), base)
        return (rise.mean() / self.s.total_head.contribution[self.s.T].mean()).item()

    @property
    def mlp_indirect_share(self) -> dict[str, float]:
        """mlp0 replaced at position 1, T strings: mean change of mlp1's input to the total head,
        and the same over the change of mlp0's own input."""
        return self._indirect(1)

    @property
    def mlp_indirect_share_at_2(self) -> dict[str, float]:
        """The same with mlp0 replaced at position 2."""
        return self._indirect(2)

    def _indirect(self, position: int) -> dict[str, float]:
        head, rows = self.s.total_head, self.s.T
        trace = self.s.rerun([self._mlp_mean(0, position)], self.s.data.subset(rows))
        own, mlp1 = (head.inputs[c][rows].mean() for c in ("mlp0", "mlp1"))
        change = (mlp1 - head.in_direction(trace)["mlp1"].mean()).item()
        return {"change_of_mlp1": change, "over_mlp0": stats.ratio(change, own.item())}

    # ---------------------------------------------------------------- patching between strings
    @cached_property
    def _balanced_strings(self) -> BracketData:
        return self.s.data.subset(self.s.B.nonzero()[:PAIRS, 0])

    def _donors(self, mask: Tensor) -> Tensor:
        """One row of the class for each balanced string, the last first."""
        rows = mask.nonzero()[:, 0].flip(0)
        return rows[torch.arange(len(self._balanced_strings)) % len(rows)]

    def copied(self, head: CheckingHead, *, from_failures: bool = True) -> float:
        """Rise of LDu on balanced strings when only this head's output at position 0 comes from a
        run on T strings (or on other balanced strings)."""
        base = self._balanced_strings
        rows = self._donors(self.s.T if from_failures else self.s.B)
        return self._ldu_rise(head.place(pos=0), base, self.s.data.tokens[rows])

    @cached_property
    def _first_bracket_pairs(self) -> tuple[BracketData, BracketData]:
        """Balanced strings B as '()' + B and as '))' + B: only the first bracket differs."""
        rows = (self.s.B & (self.s.data.lengths <= 38)).nonzero()[:PAIRS, 0]
        tails = [self.s.data.strings[i] for i in rows.tolist()]
        return tuple(BracketData.from_strings([p + t for t in tails]) for p in ("()", "))"))  # type: ignore[return-value]

    def moved(self, head: CheckingHead, site: sites.Site, position: int = 1) -> float:
        """Mean change of LDu on '()' + B when one head's v (or k) at one position comes from
        '))' + B."""
        clean, corrupted = self._first_bracket_pairs
        place = site(head.layer).pick(pos=position, head=head.index)
        return self._ldu_rise(place, clean, corrupted.tokens)

    def _ldu_rise(self, place: sites.Place, base: BracketData, source: Tensor) -> float:
        """Mean rise of LDu when one place is taken from the run on the source tokens."""
        if self.s.lens.edits:  # a lesion, which the weights that `sweep` reads do not show
            edit = put_rows(place, self.s.lens.read(source, {"value": place})["value"])
            ldu = [self.s.logit_difference(edits, base) for edits in ((), (edit,))]
            return (ldu[1] - ldu[0]).mean().item()
        classes = torch.tensor([UNBALANCED, BALANCED]).expand(len(source), 2)
        found = sweep(self.s.lens, base.tokens, source, [place], classes, at=0)
        return (found.values[0] - found.base).double().mean().item()

    @property
    def information_at_1(self) -> dict[str, float]:
        """Patching the total head's v at position 1 moves LDu; and the AUROC of its summed inputs
        there, T strings against balanced ones."""
        return self._information(self.s.total_head, 1)

    @property
    def information_at_2(self) -> dict[str, float]:
        """The same with v patched at position 2."""
        return self._information(self.s.total_head, 2)

    @property
    def information_through_other_head(self) -> dict[str, float]:
        """The same with the negative head's v patched at position 1."""
        return self._information(self.s.negative_head, 1)

    def _information(self, head: CheckingHead, position: int) -> dict[str, float]:
        summed = torch.stack(list(self.s.total_head.inputs.values())).sum(0)
        return {
            "ldu_moved_by_v": self.moved(head, sites.V, position),
            "auroc_of_inputs": stats.auroc(summed[self.s.T], summed[self.s.B]),
        }

    def early_close(self, head: CheckingHead) -> dict[str, float]:
        """How far a head's v, and its k, at position 1 move LDu from '()' + B to '))' + B."""
        return {"v": self.moved(head, sites.V), "k": self.moved(head, sites.K)}


def _sibling(head: HeadName) -> HeadName:
    return head[0], 1 - head[1]
