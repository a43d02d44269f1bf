"""TransformerLens: its own loop over places, `patching.generic_activation_patch`.

The model is a HookedTransformer in 3.x and a TransformerBridge in 4.x.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm
from transformer_lens import patching
from transformers import PreTrainedModel

from bench.peers import Peer, installed, only_gpt2
from bench.workloads import Case, PathPatching
from replications.models.families.gpt2 import gpt2_shape, gpt2_state_dict
from replications.models.shape import Head, Shape
from replications.models.sites import Place
from replications.patching.paths import HeadInputs

# A bar per sweep would be timed too.
patching.tqdm = partial(tqdm, disable=True)  # type: ignore[assignment, attr-defined]

SETTERS = {
    "layer pos": patching.layer_pos_patch_setter,
    "layer head": patching.layer_head_vector_patch_setter,
    "layer pos head": patching.layer_pos_head_vector_patch_setter,
}


class Tool(Peer):
    package = "transformer_lens"
    a_round = (5, 2)

    @torch.no_grad()
    def __init__(self, model: PreTrainedModel, case: Case) -> None:
        super().__init__(model, case)
        major = int(str(installed(self.package)).split(".")[0])
        self.hooked = bridge(model) if major >= 4 else hooked_transformer(model)
        _, self.cache = self.hooked.run_with_cache(self.source)
        _, self.own = self.hooked.run_with_cache(self.base)

    @torch.no_grad()
    def sweep(self, places: Sequence[Place]) -> Tensor:
        first = dict(places[0].picks)
        axes = ["layer", *(axis for axis in ("pos", "head") if axis in first)]
        rows = [[place.layer, *(dict(place.picks)[a] for a in axes[1:])] for place in places]
        found: Tensor = patching.generic_activation_patch(
            self.hooked, self.base, self.cache, self.case.metric, SETTERS[" ".join(axes)],
            places[0].site.name, index_df=pd.DataFrame(rows, columns=axes),
        )  # fmt: skip
        return found.cpu()

    @torch.no_grad()
    def paths(self, workload: PathPatching, senders: Sequence[Sequence[Head]]) -> Tensor:
        """One run for each sender, and a second one where the path ends in queries."""
        end = workload.end(self.case.network.shape)
        return torch.stack([self._path(sender, end, workload.mlps) for sender in senders])

    def _path(self, sender: Sequence[Head], end: Any, mlps: str) -> Tensor:
        hooks = self._frozen(sender, mlps)
        kept: dict[int, Tensor] = {}
        layers = {layer for layer, _ in end.heads} if isinstance(end, HeadInputs) else ()
        for layer in layers:
            hooks.append((f"blocks.{layer}.attn.hook_q", partial(_keep, kept, layer)))
        logits = self.hooked.run_with_hooks(self.base, fwd_hooks=hooks)
        if isinstance(end, HeadInputs):
            second = [
                (f"blocks.{layer}.attn.hook_q", partial(_queries, kept[layer], end, layer))
                for layer in layers
            ]
            logits = self.hooked.run_with_hooks(self.base, fwd_hooks=second)
        return self.case.metric(logits)

    def _frozen(self, sender: Sequence[Head], mlps: str) -> list[tuple[str, Callable[..., Tensor]]]:
        hooks: list[tuple[str, Callable[..., Tensor]]] = []
        for layer in range(self.case.network.shape.n_layers):
            name = f"blocks.{layer}.attn.hook_z"
            heads = [head for at, head in sender if at == layer]
            hooks.append((name, partial(_heads, self.own[name], self.cache[name], heads)))
            if mlps == "frozen":
                name = f"blocks.{layer}.hook_mlp_out"
                hooks.append((name, partial(_put, self.own[name])))
        return hooks


def _heads(own: Tensor, other: Tensor, heads: list[int], value: Tensor, hook: Any) -> Tensor:
    if not heads:
        return own
    value = own.clone()
    value[:, :, heads] = other[:, :, heads]
    return value


def _put(own: Tensor, value: Tensor, hook: Any) -> Tensor:
    return own


def _keep(kept: dict[int, Tensor], layer: int, value: Tensor, hook: Any) -> Tensor:
    kept[layer] = value.clone()
    return value


def _queries(kept: Tensor, end: HeadInputs, layer: int, value: Tensor, hook: Any) -> Tensor:
    value = value.clone()
    heads = [head for at, head in end.heads if at == layer]
    where = slice(None) if end.positions is None else slice(-1, None)
    value[:, where, heads] = kept[:, where, heads]
    return value


@lru_cache(maxsize=1)
def bridge(model: PreTrainedModel) -> Any:
    """4.x: the bridge around a copy of the model, which it takes apart; the weights are shared."""
    from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module

    copied = copy.deepcopy(model, {id(each): each for each in model.parameters()})
    copied.set_attn_implementation("eager")  # as TransformerLens's own loader does
    return build_bridge_from_module(
        copied, architecture=type(model).__name__, hf_config=copied.config,
        dtype=model.dtype, device=str(model.device), model_name=model.config.model_type,
    ).eval()  # fmt: skip


@lru_cache(maxsize=1)
def hooked_transformer(model: PreTrainedModel) -> Any:
    """3.x: a HookedTransformer with the weights as they are."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    only_gpt2(model)
    shape: Shape = gpt2_shape(model.config)
    config = HookedTransformerConfig(
        n_layers=shape.n_layers, d_model=shape.d_model, n_ctx=shape.n_ctx, d_head=shape.d_head,
        n_heads=shape.n_heads, d_mlp=shape.d_mlp, d_vocab=shape.d_vocab, act_fn=shape.act_fn,
        normalization_type="LN", dtype=model.dtype, device=str(model.device), init_weights=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it is what 3.x is measured by
        made = HookedTransformer(config)
    weights = gpt2_state_dict(model.state_dict(), shape)
    weights["unembed.b_U"] = torch.zeros(shape.d_vocab, dtype=model.dtype)
    missing, unknown = made.load_state_dict(weights, strict=False)
    # Causal masks are buffers of the model's own.
    assert not unknown
    assert all(name.endswith((".mask", ".IGNORE")) for name in missing), missing
    return made.eval().requires_grad_(False)
