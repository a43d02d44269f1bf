"""One model on the indirect-object task: prompts, answers, and what to compare them with.

The metric is the document's: logit of the indirect object less logit of the subject, at the last
token of the prompt. "ABC" prompts have three other names each; on them the metric keeps the names
of the prompt they were made from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.logit_attribution import (
    LogitAttribution,
    directions,
    logit_attribution,
)
from replications.lens import Lens
from replications.models import sites
from replications.models.edits import Edit, put_rows
from replications.models.tokenizers import Tokenizer
from replications.patching import logit_difference
from replications.systems.ioi import prompts as texts
from replications.systems.ioi.prompts import Batch, Prompts

Head = tuple[int, int]
"""Layer and head."""
SEED = 1_000_000
"""Of the prompts that models are measured on; the training seeds are small numbers."""


class Task:
    """`n` prompts for one model, and the runs that several measurements share."""

    def __init__(self, lens: Lens, tokenizer: Tokenizer, *, bos: bool, n: int) -> None:
        self.lens = lens
        self.tokenizer = tokenizer
        self.bos = bos
        self.prompts = texts.generate(n, SEED)
        self.batch = self.encode(self.prompts)
        self._z: dict[tuple[str, int], Tensor] = {}

    def encode(self, prompts: Prompts) -> Batch:
        return texts.encode(prompts, self.tokenizer, bos=self.bos)

    def flipped(self, rule: str) -> Batch:
        """The prompts with their names exchanged by a rule of `prompts.flip`."""
        return self.encode(texts.flip(self.prompts, rule, SEED + 1))

    @cached_property
    def abc(self) -> Batch:
        """The prompts with three other names each."""
        return self.flipped(texts.ABC)

    @cached_property
    def answers(self) -> Tensor:
        """Tokens of IO and S: long [n 2]."""
        p, names = self.prompts, texts.name_tokens(self.tokenizer)
        return torch.stack([names[p.names_in(slot)] for slot in (p.io_slot, p.s_slot)], 1)

    @cached_property
    def positions(self) -> Mapping[str, Tensor]:
        """Where IO, S1, the token after S1, S2 and the end stand: each long [n]."""
        slots, p = self.batch.slots, self.prompts
        io, s1 = (slots.gather(1, x[:, None])[:, 0] for x in (p.io_slot, p.s_slot))
        return {"IO": io, "S1": s1, "S1+1": s1 + 1, "S2": slots[:, 2], "end": self.batch.end}

    # ---------------------------------------------------------------- runs
    def difference(self, edits: Sequence[Edit] = (), tokens: Tensor | None = None) -> Tensor:
        """The metric on each prompt, or on other `tokens` of the same layout: float64 [n]."""
        logits = self.lens.run(self.batch.tokens if tokens is None else tokens, edits=edits).logits
        return logit_difference(logits, self.batch.end, *self.answers.unbind(1))

    @cached_property
    def accuracy(self) -> float:
        """Share of prompts on which IO is the most likely of all tokens."""
        logits = self.lens.run(self.batch.tokens).logits
        best = logits[torch.arange(len(self.batch)), self.batch.end].argmax(-1)
        return (best == self.answers[:, 0]).double().mean().item()

    @cached_property
    def attribution(self) -> LogitAttribution:
        """Direct logit attribution of the unedited run."""
        return self.attribute()

    def attribute(
        self, edits: Sequence[Edit] = (), *, scale: Tensor | None = None
    ) -> LogitAttribution:
        return logit_attribution(
            self.lens, self.batch.tokens, self.batch.end, self.answers, edits, scale=scale
        )

    def attention(self, head: Head, query: str, key: str, edits: Sequence[Edit] = ()) -> Tensor:
        """Attention of one head between two named positions: float64 [n]."""
        layer, number = head
        place = sites.PATTERN(layer).pick(head=number)
        pattern = self.lens.read(self.batch.tokens, {"p": place}, edits)["p"]
        rows = torch.arange(len(pattern))
        return pattern[rows, self.positions[query], self.positions[key]].double()

    def source(self, head: Head) -> str:
        """The named position from which a head, at the end, takes most of its attribution."""
        layer, number = head
        places = {
            "pattern": sites.PATTERN(layer).pick(head=number),
            "v": sites.V(layer).pick(head=number),
        }
        seen = self.lens.read(self.batch.tokens, places)
        rows = torch.arange(len(self.batch))
        written = seen["v"].double() @ self.lens.weights.W_O[head].double().to(seen["v"].device)
        direction, _ = directions(self.lens, self.answers)
        moved = seen["pattern"][rows, self.batch.end] * (written * direction[:, None]).sum(-1)
        shares = {name: moved[rows, at].mean().item() for name, at in self.positions.items()}
        return max(shares, key=lambda name: shares[name])

    # ---------------------------------------------------------------- edits
    def z_on(self, rule: str, layer: int) -> Tensor:
        """What a layer's heads give on the flipped prompts: [n pos head d_head]. Run once."""
        if (rule, layer) not in self._z:
            batch = self.abc if rule == texts.ABC else self.flipped(rule)
            self._z[rule, layer] = self.lens.read(batch.tokens, {"z": sites.Z(layer)})["z"]
        return self._z[rule, layer]

    def mean_z(self, head: Head) -> Tensor:
        """A head's mean on ABC prompts, by template and position: [n pos d_head]."""
        layer, number = head
        z = self.z_on(texts.ABC, layer)[:, :, number]
        found = torch.empty_like(z)
        for template in self.abc.template.unique():
            same = self.abc.template == template
            found[same] = z[same].mean(0)
        return found

    def at_end(self, head: Head, values: Tensor) -> Edit:
        """Put `values` [n pos d_head] in a head's output at the end of each prompt only."""
        layer, number = head
        end = self.batch.end

        def change(current: Tensor, rows: slice) -> Tensor:
            changed = current.clone()
            each = torch.arange(len(current))
            changed[each, end[rows]] = values[rows][each, end[rows]].to(current)
            return changed

        return Edit(sites.Z(layer).pick(head=number), change)

    def ablate(self, *heads: Head) -> list[Edit]:
        """Mean ablation of heads at the end, with the means of ABC prompts by template."""
        return [self.at_end(head, self.mean_z(head)) for head in heads]

    def ablate_to_zero(self, head: Head) -> list[Edit]:
        return [self.at_end(head, torch.zeros_like(self.mean_z(head)))]

    def outputs_on(self, rule: str, heads: Sequence[Head]) -> list[Edit]:
        """Replace these heads' outputs, at every position, by those on the flipped prompts."""
        return [
            put_rows(sites.Z(layer).pick(head=number), self.z_on(rule, layer)[:, :, number])
            for layer, number in heads
        ]
