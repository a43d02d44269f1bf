"""Path patching by hooks: one or two whole runs for each sender, nothing clever.

The definition that `replications.patching.paths` computes fast, and the oracle of its tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from replications.lens import Lens
from replications.models import sites
from replications.models.edits import Edit, put_rows
from replications.models.network import Network
from replications.models.shape import Head
from replications.patching.paths import HeadInputs, MLPs, Receiver
from replications.patching.reference import HookedNetwork, hooked


def path_logits_by_hooks(
    model: Lens | Network,
    base: Tensor,
    source: Tensor,
    sender: Sequence[Head],
    receiver: Receiver = "logits",
    *,
    mlps: MLPs = "recomputed",
) -> Tensor:
    """Logits [batch pos d_vocab_out] with one sender patched along the path to `receiver`.

    `base` and `source` are tokens [batch pos]. The options mean what they mean for
    `replications.patching.paths.path_patch`.
    """
    runs = hooked(model)
    frozen = _frozen(runs, base, source, sender, mlps)
    if isinstance(receiver, str):
        return runs.run(base, edits=frozen).logits
    layers = sorted({layer for layer, _ in receiver.heads})
    found = runs.run(base, {str(layer): receiver.site(layer) for layer in layers}, frozen)
    mask = receiver.mask(base).to(base.device)
    edits = [
        _overwrite(receiver, layer, head, mask, found[str(layer)][:, :, head])
        for layer, head in receiver.heads
    ]
    if receiver.softmax != "exact":
        for layer in layers:
            edits += _patterns(runs, base, edits, layer, receiver)
    return runs.run(base, edits=edits).logits


def _frozen(
    runs: Lens | HookedNetwork, base: Tensor, source: Tensor, sender: Sequence[Head], mlps: MLPs
) -> list[Edit]:
    """Every head held as in the base run, but the sender's heads as in the source run."""
    layers = range(runs.shape.n_layers)
    reads = {str(layer): sites.Z(layer) for layer in layers}
    ours, theirs = runs.run(base, reads), runs.run(source, reads)
    edits = []
    for layer in layers:
        value = ours[str(layer)].clone()
        for head in (h for at, h in sender if at == layer):
            value[:, :, head] = theirs[str(layer)][:, :, head]
        edits.append(put_rows(sites.Z(layer), value))
    if mlps == "frozen" and not runs.shape.attn_only:
        outs = runs.run(base, {str(layer): sites.MLP_OUT(layer) for layer in layers})
        edits += [put_rows(sites.MLP_OUT(layer), outs[str(layer)]) for layer in layers]
    return edits


def _overwrite(receiver: HeadInputs, layer: int, head: int, mask: Tensor, value: Tensor) -> Edit:
    """A head's input [batch pos d_head] set to `value`, at the positions of `mask` [batch pos]."""

    def change(current: Tensor, rows: slice) -> Tensor:
        return torch.where(mask[rows, :, None], value[rows], current)

    return Edit(receiver.site(layer).pick(head=head), change)


def _patterns(
    runs: Lens | HookedNetwork,
    base: Tensor,
    edits: Sequence[Edit],
    layer: int,
    receiver: HeadInputs,
) -> list[Edit]:
    """Patterns of the receiver in one layer: those of the base run plus a first-order change."""
    reads = {"q": sites.Q(layer), "k": sites.K(layer), "pattern": sites.PATTERN(layer)}
    before, after = runs.run(base, reads), runs.run(base, reads, edits)
    old, new = (_scores(runs, layer, run["q"], run["k"]) for run in (before, after))
    pattern = before["pattern"]
    change = new - old if receiver.softmax == "linear" else torch.zeros_like(old)
    # The derivative of a softmax: dp_k = p_k (ds_k - sum of p ds).
    mean = (pattern * change).sum(-1, keepdim=True)
    values = pattern * (1 + change - mean)
    heads = [head for at, head in receiver.heads if at == layer]
    return [put_rows(sites.PATTERN(layer).pick(head=head), values[:, head]) for head in heads]


def _scores(runs: Lens | HookedNetwork, layer: int, q: Tensor, k: Tensor) -> Tensor:
    """Scores [batch head query key] of q and k [batch pos head d_head]."""
    if isinstance(runs, HookedNetwork):
        return runs.scores(layer, q, k)
    return torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(runs.shape.d_head)
