"""pyvene: an IntervenableModel for each place, as in its tutorials, which runs the source too."""

from __future__ import annotations

from collections.abc import Sequence

import pyvene
import torch
from torch import Tensor
from transformers import PreTrainedModel

from bench.peers import Peer, only_gpt2
from bench.workloads import Case
from replications.errors import Unsupported
from replications.models import sites
from replications.models.sites import Place

COMPONENTS = {
    sites.RESID_PRE: "block_input",
    sites.ATTN_OUT: "attention_output",
    sites.MLP_OUT: "mlp_output",
    sites.Z: "head_attention_value_output",
}


class Tool(Peer):
    package = "pyvene"
    a_round = (3, 1)

    def __init__(self, model: PreTrainedModel, case: Case) -> None:
        only_gpt2(model)
        super().__init__(model, case)

    @torch.no_grad()
    def sweep(self, places: Sequence[Place]) -> Tensor:
        return torch.stack([self._one(place) for place in places])

    def _one(self, place: Place) -> Tensor:
        picks = dict(place.picks)
        if "pos" not in picks:
            raise Unsupported("all positions at once are not written for it")
        batch = len(self.base)
        where: object = [[picks["pos"]]] * batch
        unit = "pos"
        if "head" in picks:
            unit, where = "h.pos", [[[picks["head"]]] * batch, where]
        part = pyvene.RepresentationConfig(place.layer, COMPONENTS[place.site], unit, 1)
        config = pyvene.IntervenableConfig([part], intervention_types=pyvene.VanillaIntervention)
        _, found = pyvene.IntervenableModel(config, self.model)(
            {"input_ids": self.base},
            [{"input_ids": self.source}],
            {"sources->base": ([where], [where])},
        )
        return self.case.metric(found.logits)
