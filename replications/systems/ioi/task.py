"""One model on the indirect-object task: its prompts and answers, and the runs that parts share.

The metric is that of the document: logit of the indirect object (IO) less logit of the subject (S)
at the last token of the prompt. ABC prompts are the same prompts with three other names each; on
them the metric keeps the IO and S of the prompt they were made from.
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
from replications.models import Edit, Head, Site, Tokenizer, put_rows, sites
from replications.patching import HeadInputs, Softmax, every_head, logit_difference, path_patch
from replications.systems.ioi import data
from replications.systems.ioi._repeated_tokens import RepeatedTokens
from replications.systems.ioi.data import Batch, Sample


class Task:
    """A sample of prompts for one model, and the runs that several measurements share.

    `bos` says whether prompts begin with the token that opens a text. n is the number of prompts
    in every shape below.
    """

    def __init__(self, lens: Lens, tokenizer: Tokenizer, *, bos: bool, sample: Sample) -> None:
        self.lens = lens
        self.tokenizer = tokenizer
        self.bos = bos
        self.sample = sample
        self.batch = self.encode(sample)
        self._z: dict[tuple[str, int], Tensor] = {}
        self._attention: dict[tuple[str, str, bool], Tensor] = {}

    def with_lens(self, lens: Lens) -> Task:
        """The same prompts for another model with the same tokenizer."""
        return type(self)(lens, self.tokenizer, bos=self.bos, sample=self.sample)

    def encode(self, sample: Sample) -> Batch:
        """Prompts in the tokens of this model."""
        return sample.encode(self.tokenizer, bos=self.bos)

    def flipped(self, rule: str) -> Batch:
        """The prompts with their names exchanged by a rule of `data.flip`."""
        return self.encode(self.sample.flipped(rule))

    @cached_property
    def abc(self) -> Batch:
        """The ABC prompts."""
        return self.flipped(data.ABC)

    @property
    def io_and_s(self) -> Tensor:
        """Tokens of IO and S: long [n 2]."""
        return self.sample.io_and_s(self.tokenizer)

    @cached_property
    def answers(self) -> Tensor:
        """The right answer and the wrong one, IO and S: long [n 2]."""
        return self.io_and_s

    @cached_property
    def positions(self) -> Mapping[str, Tensor]:
        """Positions of IO, S1, the token after S1 ("S1+1"), S2 and the end: each long [n]."""
        slots, io_slot = self.batch.slots, self.sample.io_slot
        io, s1 = (slots.gather(1, slot[:, None])[:, 0] for slot in (io_slot, 1 - io_slot))
        return {"IO": io, "S1": s1, "S1+1": s1 + 1, "S2": slots[:, 2], "end": self.batch.end}

    @cached_property
    def repeated_tokens(self) -> RepeatedTokens:
        """What heads do on repeated random tokens."""
        return RepeatedTokens(self.lens, self.tokenizer, bos=self.bos, seed=data.SEED)

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

    def attribute(self, edits: Sequence[Edit] = ()) -> LogitAttribution:
        """Direct logit attribution of a run with edits: of each head, [layer head n]."""
        batch = self.batch
        return logit_attribution(self.lens, batch.tokens, batch.end, self.answers, edits)

    def patterns(self, head: Head, tokens: Tensor, edits: Sequence[Edit] = ()) -> Tensor:
        """Attention pattern of one head on `tokens` [n pos]: [n query key]."""
        layer, number = head
        place = sites.PATTERN(layer).pick(head=number)
        return self.lens.read(tokens, {"pattern": place}, edits)["pattern"]

    def attention(self, head: Head, query: str, key: str, edits: Sequence[Edit] = ()) -> Tensor:
        """Attention of one head between two of `positions`, on the prompts: float64 [n]."""
        if not edits:
            return self.attention_of_every_head(query, key)[head]
        pattern = self.patterns(head, self.batch.tokens, edits)
        rows = torch.arange(len(pattern))
        return pattern[rows, self.positions[query], self.positions[key]].double()

    def attention_of_every_head(self, query: str, key: str, *, three_names: bool = False) -> Tensor:
        """Attention of every head between two of `positions`: float64 [layer head n].

        With `three_names`, on ABC prompts. Run once.
        """
        asked = (query, key, three_names)
        if asked not in self._attention:
            layers = range(self.lens.shape.n_layers)
            places = {str(layer): sites.PATTERN(layer) for layer in layers}
            seen = self.lens.read((self.abc if three_names else self.batch).tokens, places)
            rows = torch.arange(len(self.batch))
            at = (self.positions[query], self.positions[key])
            found = [seen[name].double()[rows, :, *at].T for name in places]
            self._attention[asked] = torch.stack(found)
        return self._attention[asked]

    def source(self, head: Head) -> str:
        """The one of `positions` from which a head, at the end, takes most of its attribution."""
        layer, number = head
        places = {
            "pattern": sites.PATTERN(layer).pick(head=number),
            "v": sites.V(layer).pick(head=number),
        }
        seen = self.lens.read(self.batch.tokens, places)
        rows = torch.arange(len(self.batch))
        written = seen["v"].double() @ self.lens.weights.W_O[head].double().to(seen["v"].device)
        direction, _ = directions(self.lens, self.answers)
        by_key = seen["pattern"][rows, self.batch.end] * (written * direction[:, None]).sum(-1)
        shares = {name: by_key[rows, at].mean().item() for name, at in self.positions.items()}
        return max(shares, key=lambda name: shares[name])

    # ---------------------------------------------------------------- edits
    def z_on(self, rule: str, layer: int) -> Tensor:
        """Outputs of a layer's heads on the flipped prompts: [n pos head d_head]. Run once."""
        if (rule, layer) not in self._z:
            batch = self.abc if rule == data.ABC else self.flipped(rule)
            self._z[rule, layer] = self.lens.read(batch.tokens, {"z": sites.Z(layer)})["z"]
        return self._z[rule, layer]

    def mean_z(self, head: Head) -> Tensor:
        """A head's mean output on ABC prompts, by template and position: [n pos d_head]."""
        layer, number = head
        z = self.z_on(data.ABC, layer)[:, :, number]
        found = torch.empty_like(z)
        for template in set(self.abc.template.tolist()):
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

    def ablate_to_zero(self, *heads: Head) -> list[Edit]:
        """Zero ablation of heads at the end."""
        return [self.at_end(head, torch.zeros_like(self.mean_z(head))) for head in heads]

    def outputs_on(self, rule: str, heads: Sequence[Head]) -> list[Edit]:
        """Replace these heads' outputs, at every position, by those on the flipped prompts."""
        return [
            put_rows(sites.Z(layer).pick(head=number), self.z_on(rule, layer)[:, :, number])
            for layer, number in heads
        ]

    # ---------------------------------------------------------------- path patching
    def path_effects(
        self,
        senders: Sequence[Sequence[Head]],
        site: Site,
        into: Sequence[Head],
        *,
        softmax: Softmax = "exact",
    ) -> list[float]:
        """Effect of each set of senders through an input (q, k or v) of the heads `into`.

        The change of the mean metric when the senders' outputs come from ABC prompts, relative to
        the gap between prompts and ABC prompts: 0 is clean, -1 is as bad as ABC. The list is empty
        if there are no senders or no heads `into`.
        """
        if not senders or not into:
            return []
        found = path_patch(
            self.lens,
            self.batch.tokens,
            self.abc.tokens,
            senders,
            answers=self.answers,
            receiver=HeadInputs(site, into, softmax=softmax),
            at=self.batch.end,
        )
        clean, abc = found.base.mean(), found.source.mean()
        effects: list[float] = ((found.mean() - clean) / (clean - abc)).tolist()
        return effects

    def path_effect_of_each(self, site: Site, into: Sequence[Head]) -> dict[Head, float]:
        """`path_effects` of every single head before the last layer of `into`."""
        senders = every_head(self.lens, before=max((layer for layer, _ in into), default=0))
        found = self.path_effects(senders, site, into)
        return {heads[0]: effect for heads, effect in zip(senders, found, strict=True)}
