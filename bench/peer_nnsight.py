"""nnsight: many places in one trace, an invoke each, which run as one batched forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import nnsight
import torch
from nnsight.modeling.transformers import TransformersModel
from tokenizers import Tokenizer, models
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from bench.peers import Peer
from bench.workloads import Case
from replications.models import sites
from replications.models.sites import Place


@dataclass(frozen=True)
class Names:
    """What a kind of model calls its modules."""

    blocks: str
    out: str
    """In a block, the matrix that reads the heads' z and writes attn_out"""


NAMES = {
    "gpt2": Names("transformer.h", "attn.c_proj"),
    "gpt_neox": Names("gpt_neox.layers", "attention.dense"),
    "llama": Names("model.layers", "self_attn.o_proj"),
}
"""By `model_type`."""


class Tool(Peer):
    package = "nnsight"
    a_round = (60, 6)

    @torch.no_grad()
    def __init__(self, model: PreTrainedModel, case: Case) -> None:
        super().__init__(model, case)
        self.traced = TransformersModel(model, tokenizer=_tokenizer(model.config.vocab_size))
        self.names = NAMES[model.config.model_type]
        self.blocks = attrgetter(self.names.blocks)(self.traced)
        self.out = attrgetter(self.names.out)
        with self.traced.trace(self.source):
            kept = nnsight.save([
                (block.input, self.out(block).input, self.out(block).output, block.mlp.output)
                for block in self.blocks
            ])  # fmt: skip
        kinds = (sites.RESID_PRE, sites.Z, sites.ATTN_OUT, sites.MLP_OUT)
        self.cache = {
            kind(layer): value
            for layer, values in enumerate(kept)
            for kind, value in zip(kinds, values, strict=True)
        }
        self.width = case.network.shape.d_head

    @torch.no_grad()
    def sweep(self, places: Sequence[Place]) -> Tensor:
        base, traced = self.base, self.traced
        with traced.trace() as tracer:
            logits = nnsight.save([])
            for place in places:
                with tracer.invoke(base):
                    index, value = self._index(place), self.cache[place.site(place.layer)]
                    self._module(self.blocks[place.layer], place)[index] = value[index]
                    logits.append(traced.lm_head.output[:, -1:])
        return torch.stack([self.case.metric(each) for each in logits])

    def _index(self, place: Place) -> tuple[Any, ...]:
        """The place in an activation [batch pos feature], the heads side by side."""
        picks: dict[str, Any] = dict(place.picks)
        index = (slice(None), picks.get("pos", slice(None)))
        if "head" not in picks:
            return index
        begin = picks["head"] * self.width
        return (*index, slice(begin, begin + self.width))

    def _module(self, block: Any, place: Place) -> Any:
        """Where the place is read and set, in a module that nnsight traces."""
        if place.site is sites.RESID_PRE:
            return block.input
        if place.site is sites.Z:
            return self.out(block).input
        return self.out(block).output if place.site is sites.ATTN_OUT else block.mlp.output


def _tokenizer(size: int) -> PreTrainedTokenizerFast:
    """Any will do: prompts are given as tokens."""
    words = Tokenizer(models.WordLevel({str(i): i for i in range(size)}, unk_token="0"))
    return PreTrainedTokenizerFast(tokenizer_object=words, eos_token="0", pad_token="0")
