"""Sections 2 to 4 of the document: what happens to the verdict when a part is replaced.

Replacement values are means over balanced strings, position by position, unless said otherwise.
w are the inputs of the total head at position 1; see `Task.inputs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from replications.analysis import statistics as stats
from replications.models import Edit, Head, Place, Site, put, put_rows, sites
from replications.patching import sweep
from replications.systems.brackets.data import BracketData
from replications.systems.brackets.model import BALANCED, UNBALANCED
from replications.systems.brackets.recording import (
    COMPONENTS,
    HEADS,
    head_label,
    parse_head,
    sibling,
)
from replications.systems.brackets.roles import Roles
from replications.systems.brackets.task import Task

PAIRS = 500
"""How many pairs of strings the patching measurements use."""


class Circuit:
    """The total-elevation circuit: layer-0 tally → MLPs at position 1 → total head → verdict."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self.task = task
        self.roles = roles

    # ---------------------------------------------------------------- silencing verdict heads
    def loss_rise(
        self, on_T: Head | None = None, on_N: Head | None = None, *, on_balanced: bool = False
    ) -> dict[str, float]:
        """What silencing one head on T strings and another on N strings does to the loss.

        The two rises of the mean cross-entropy, and the lower of the two changes of accuracy. By
        default the heads are the negative head on T and the total head on N: those that are not
        responsible. With `on_balanced`, both are silenced on balanced strings instead.
        """
        task, roles = self.task, self.roles
        T, N = (task.B, task.B) if on_balanced else (task.T, task.N)
        of_T = self._loss_rise(on_T or roles.negative, T)
        of_N = self._loss_rise(on_N or roles.total, N)
        return {
            "rise_on_T": of_T[0],
            "rise_on_N": of_N[0],
            "change_of_accuracy": min(of_T[1], of_N[1]),
        }

    def _loss_rise(self, head: Head, rows: Tensor) -> tuple[float, float]:
        """Rise of the mean loss, and change of accuracy, when `head` is silenced."""
        data = self.task.data.subset(rows)
        label = data.labels.long()
        unedited = self.task.recording.logits[rows].double()
        logits = [unedited, self.task.logits(self.task.silence(head), data)]
        loss = [F.cross_entropy(x, label).item() for x in logits]
        right = [(x.argmax(-1) == label).double().mean().item() for x in logits]
        return loss[1] - loss[0], right[1] - right[0]

    # ---------------------------------------------------------------- layer-1 heads
    @property
    def other_of_layer_1(self) -> Head:
        """The head of layer 1 that is not the helper; head 1.0 if there is no helper."""
        return sibling(self.roles.helper) if self.roles.helper else (1, 0)

    def without(self, head: Head | None = None) -> dict[str, float]:
        """A head, by default the helper, replaced at every position.

        The share of the total head's contribution that is lost on N strings, and the absolute
        share that it changes by on T strings. Both are zero if there is no helper.
        """
        head = head or self.roles.helper
        if not head:
            return {"lost_on_N": 0.0, "change_on_T": 0.0}
        edits = self.task.silence_everywhere(head)
        return {
            "lost_on_N": self._lost(edits, self.task.N),
            "change_on_T": abs(self._lost(edits, self.task.T)),
        }

    def carries_negative(self, component: str | None = None) -> dict[str, float]:
        """Does a component, by default the helper head, tell the total head of negative suffixes?

        Its mean input w to the total head on N strings over that on T strings, and the share of
        the total head's contribution on N strings that is lost without it: without a head
        everywhere, or without an MLP at position 1. Both are zero if there is no helper.
        """
        if not component:
            if not self.roles.helper:
                return {"N_over_T": 0.0, "lost_on_N": 0.0}
            component = head_label(self.roles.helper)
        w = self.task.inputs(self.roles.total)[component]
        if component.startswith("mlp"):
            edits: Sequence[Edit] = [self._mlp_mean(int(component[3:]), 1)]
        else:
            edits = self.task.silence_everywhere(parse_head(component))
        return {
            "N_over_T": _mean_over(w[self.task.N], w[self.task.T]),
            "lost_on_N": self._lost(edits, self.task.N),
        }

    def helper_input(self, head: Head | None = None) -> dict[str, float]:
        """Input w of a head, by default the helper, to the total head.

        Its AUROC for unbalanced strings that start with '(' against balanced ones, and its mean
        over that of mlp1 on the former.
        """
        w, head = self.task.inputs(self.roles.total), head or self.roles.helper
        mine = w[head_label(head)] if head else torch.zeros_like(w["mlp1"])
        unbalanced = ~self.task.B & self.task.data.starts_open
        return {
            "auroc": stats.auroc(mine[unbalanced], mine[self.task.B]),
            "over_mlp1": _mean_over(mine[unbalanced], w["mlp1"][unbalanced]),
        }

    def _lost(self, edits: Sequence[Edit], rows: Tensor) -> float:
        """Share of the total head's mean contribution on some strings that edits take away."""
        after = self._total_contribution(edits, self.task.data.subset(rows)).mean()
        return (1 - after / self.task.contribution(self.roles.total)[rows].mean()).item()

    def _total_contribution(self, edits: Sequence[Edit], data: BracketData) -> Tensor:
        u = self.task.in_unbalanced_direction(self.task.record(edits, data))
        return u[COMPONENTS.index(head_label(self.roles.total))]

    # ---------------------------------------------------------------- inputs of the total head
    def mlp_inputs(
        self, first: str = "mlp1", second: str = "mlp0", position: int = 1
    ) -> dict[str, float]:
        """Mean inputs w of the total head on unbalanced strings.

        That of component `first`, that over the next largest, and the rank of `second` among all
        components (1 is the largest). Another position is read along the direction of position 1.
        """
        inputs = self.task.in_direction_before(self.roles.total, self.task.recording, position)
        w = {c: x[~self.task.B].mean().item() for c, x in inputs.items()}
        ranked = sorted(w, key=lambda c: -w[c])
        next_largest = max(value for c, value in w.items() if c != first)
        return {
            "largest": w[first],
            "times_the_next": stats.ratio(w[first], next_largest),
            "rank_of_the_second": ranked.index(second) + 1,
        }

    def inputs_by_open_share(
        self, first: str = "mlp1", second: str = "mlp0", *, shuffled: bool = False
    ) -> dict[str, float]:
        """Mean inputs w of two components by share of '(', on strings that start with '('.

        Of `first` on the weaker side of one half and (balanced or not) at one half, of `second`
        on its stronger side. If `shuffled`, strings have the shares of others that start with '('.
        """
        w, share = self.task.inputs(self.roles.total), self.task.data.open_share
        open_ = self.task.data.starts_open
        if shuffled:
            order = torch.randperm(int(open_.sum()), generator=torch.Generator().manual_seed(0))
            share = share.masked_scatter(open_, share[open_][order])
        sides = {
            c: [w[c][open_ & side].mean().item() for side in (share < 0.5, share > 0.5)]
            for c in (first, second)
        }
        return {
            "first_weaker_side": min(sides[first]),
            "first_at_half": w[first][open_ & (share == 0.5)].mean().item(),
            "second_stronger_side": max(sides[second]),
        }

    def embedding_input(self, *, first: str = "(") -> float:
        """Largest |w| of the embeddings over strings that start with this bracket."""
        open_ = self.task.data.starts_open
        w = self.task.inputs(self.roles.total)["emb"]
        return w[open_ if first == "(" else ~open_].abs().max().item()

    # ---------------------------------------------------------------- stage by stage
    def errors_without(self, *heads: Head) -> float:
        """Error rate on T strings when a head's output is its mean over all strings.

        The highest rate over the heads, which are replaced one at a time.
        """
        return max(self._errors_without(head) for head in heads)

    def _errors_without(self, head: Head) -> float:
        edit = put(sites.Z(head[0]).pick(head=head[1]), self.task.mean_z(head))
        verdicts = self.task.calls_balanced([edit], self.task.data.subset(self.task.T))
        return verdicts.double().mean().item()

    @property
    def other_early_heads(self) -> list[Head]:
        """The heads of layers 0 and 1, except the elevation head."""
        return [h for h in HEADS if h[0] < 2 and h != self.roles.elevation]

    def _mlp_mean(self, layer: int, position: int) -> Edit:
        outputs = self.task.recording.written_at(f"mlp{layer}", position)[self.task.B]
        return put(sites.MLP_OUT(layer).pick(pos=position), outputs.mean(0))

    def lost_without_mlps(self, position: int = 1) -> float:
        """Share of the total head's contribution on T strings that is lost when the outputs of
        mlp0 and mlp1 at a position are replaced."""
        return self._lost([self._mlp_mean(layer, position) for layer in (0, 1)], self.task.T)

    def gained_from_mlps(self, position: int) -> float:
        """Rise of the total head's contribution on balanced strings when the outputs of mlp0 and
        mlp1 at a position come from T strings, as a share of its contribution on T strings."""
        base, sources = self._balanced_strings, self._sources(self.task.T)
        places = {f"{layer}": sites.MLP_OUT(layer).pick(pos=position) for layer in (0, 1)}
        outputs = self.task.lens.read(sources, places)
        edits = [put_rows(place, outputs[name]) for name, place in places.items()]
        rise = self._total_contribution(edits, base) - self._total_contribution((), base)
        on_T = self.task.contribution(self.roles.total)[self.task.T]
        return (rise.mean() / on_T.mean()).item()

    def mlp_indirect_share(self, position: int = 1) -> dict[str, float]:
        """How much of mlp0's effect passes through mlp1, on T strings.

        The fall of mlp1's mean input w when mlp0's output at a position is replaced, and that fall
        over mlp0's own mean w.
        """
        head, rows = self.roles.total, self.task.T
        edits = [self._mlp_mean(0, position)]
        recording = self.task.record(edits, self.task.data.subset(rows))
        own, mlp1 = (self.task.inputs(head)[c][rows].mean() for c in ("mlp0", "mlp1"))
        after = self.task.in_direction_before(head, recording)["mlp1"].mean()
        change = (mlp1 - after).item()
        return {"change_of_mlp1": change, "over_mlp0": stats.ratio(change, own.item())}

    # ---------------------------------------------------------------- patching between strings
    @cached_property
    def _balanced_strings(self) -> BracketData:
        return self.task.data.subset(self.task.B.nonzero()[:PAIRS, 0])

    def _sources(self, mask: Tensor) -> Tensor:
        """Tokens of one string of the class for each balanced string, the last first."""
        rows = mask.nonzero()[:, 0].flip(0)
        rows = rows[torch.arange(len(self._balanced_strings)) % len(rows)]
        return self.task.data.tokens[rows]

    def copied(self, head: Head, *, from_failures: bool = True) -> float:
        """Mean rise of LDu on balanced strings when one head's output at position 0 comes from a
        run on T strings (or, without `from_failures`, on other balanced strings)."""
        sources = self._sources(self.task.T if from_failures else self.task.B)
        place = sites.Z(head[0]).pick(head=head[1], pos=0)
        return self._ldu_rise(place, self._balanced_strings, sources)

    @cached_property
    def _first_bracket_pairs(self) -> tuple[BracketData, BracketData]:
        """Balanced strings B as '()' + B and as '))' + B: only the first bracket differs."""
        rows = (self.task.B & (self.task.data.lengths <= 38)).nonzero()[:PAIRS, 0]
        tails = [self.task.data.strings[i] for i in rows.tolist()]
        clean, corrupted = (BracketData.from_strings([p + t for t in tails]) for p in ("()", "))"))
        return clean, corrupted

    def moved(self, head: Head, site: Site, position: int = 1) -> float:
        """Mean rise of LDu on '()' + B when one head's v (or k) at one position comes from
        '))' + B."""
        clean, corrupted = self._first_bracket_pairs
        place = site(head[0]).pick(pos=position, head=head[1])
        return self._ldu_rise(place, clean, corrupted.tokens)

    def _ldu_rise(self, place: Place, base: BracketData, source: Tensor) -> float:
        """Mean rise of LDu when one place is taken from the run on the source tokens."""
        lens = self.task.lens
        if lens.edits:  # a lesion, which the weights that `sweep` reads do not show
            edit = put_rows(place, lens.read(source, {"value": place})["value"])
            ldu = [self.task.logit_difference(edits, base) for edits in ((), (edit,))]
            return (ldu[1] - ldu[0]).mean().item()
        classes = torch.tensor([UNBALANCED, BALANCED]).expand(len(source), 2)
        found = sweep(lens, base.tokens, source, [place], classes, at=0)
        return (found.values[0] - found.base).double().mean().item()

    def known_at(self, position: int = 1) -> float:
        """AUROC of the total head's summed inputs w at a position, T strings against balanced
        ones."""
        inputs = self.task.in_direction_before(self.roles.total, self.task.recording, position)
        summed = torch.stack(list(inputs.values())).sum(0)
        return stats.auroc(summed[self.task.T], summed[self.task.B])

    def carried_by(self, position: int = 1) -> float:
        """Mean rise of LDu on balanced strings when the residual stream that the total head reads
        at a position comes from T strings."""
        place = sites.RESID_PRE(self.roles.total[0]).pick(pos=position)
        return self._ldu_rise(place, self._balanced_strings, self._sources(self.task.T))

    def early_close(self, head: Head) -> dict[str, float]:
        """How far a head's v, and its k, at position 1 move LDu from '()' + B to '))' + B."""
        return {"v": self.moved(head, sites.V), "k": self.moved(head, sites.K)}


def _mean_over(above: Tensor, below: Tensor) -> float:
    """mean(above) / mean(below), and 0 where `above` is zero: the input of a head that writes too
    late to be read, or is not there."""
    mean = above.mean().item()
    return stats.ratio(mean, below.mean().item()) if mean else 0.0
