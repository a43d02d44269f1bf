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
from replications.patching.paths import Head, HeadInputs, MLPs, Softmax


def path_logits(
    lens: Lens,
    receiver: Tensor,
    donor: Tensor,
    sender: Sequence[Head],
    into: HeadInputs | None = None,
    *,
    mlps: MLPs = "recomputed",
    softmax: Softmax = "exact",
) -> Tensor:
    """Logits [batch pos d_vocab_out] with one sender patched along its path.

    `receiver` and `donor` are tokens [batch pos]. Without `into` the path ends in the logits. See
    `replications.patching.paths.path_patch` for what the options mean.
    """
    frozen = _frozen(lens, receiver, donor, sender, mlps)
    if into is None:
        return lens.run(receiver, edits=frozen).logits
    layers = sorted({layer for layer, _ in into.heads})
    found = lens.run(receiver, {str(layer): into.site(layer) for layer in layers}, frozen)
    mask = into.mask(receiver).to(receiver.device)
    edits = [
        _overwrite(into, layer, head, mask, found[str(layer)][:, :, head])
        for layer, head in into.heads
    ]
    if softmax != "exact":
        for layer in layers:
            heads = [head for at, head in into.heads if at == layer]
            edits += _patterns(lens, receiver, edits, layer, heads, softmax)
    return lens.run(receiver, edits=edits).logits


def _frozen(
    lens: Lens, receiver: Tensor, donor: Tensor, sender: Sequence[Head], mlps: MLPs
) -> list[Edit]:
    """Every head as in the receiver run, but the sender's as in the donor run."""
    layers = range(lens.shape.n_layers)
    reads = {str(layer): sites.Z(layer) for layer in layers}
    z, theirs = lens.run(receiver, reads), lens.run(donor, reads)
    edits = []
    for layer in layers:
        value = z[str(layer)].clone()
        for head in (h for at, h in sender if at == layer):
            value[:, :, head] = theirs[str(layer)][:, :, head]
        edits.append(put_rows(sites.Z(layer), value))
    if mlps == "frozen" and not lens.shape.attn_only:
        outs = lens.run(receiver, {str(layer): sites.MLP_OUT(layer) for layer in layers})
        edits += [put_rows(sites.MLP_OUT(layer), outs[str(layer)]) for layer in layers]
    return edits


def _overwrite(into: HeadInputs, layer: int, head: int, mask: Tensor, value: Tensor) -> Edit:
    """A head's input [batch pos d_head] set to `value`, at the positions of `mask` [batch pos]."""

    def change(current: Tensor, rows: slice) -> Tensor:
        return torch.where(mask[rows, :, None], value[rows], current)

    return Edit(into.site(layer).pick(head=head), change)


def _patterns(
    lens: Lens,
    receiver: Tensor,
    edits: Sequence[Edit],
    layer: int,
    heads: Sequence[int],
    softmax: Softmax,
) -> list[Edit]:
    """The patterns of some heads as in the receiver run, plus their first-order change."""
    reads = {"q": sites.Q(layer), "k": sites.K(layer), "pattern": sites.PATTERN(layer)}
    before, after = lens.run(receiver, reads), lens.run(receiver, reads, edits)
    old, new = (
        torch.einsum("bqhd,bkhd->bhqk", run["q"], run["k"]) / math.sqrt(lens.shape.d_head)
        for run in (before, after)
    )
    pattern = before["pattern"]
    change = new - old if softmax == "linear" else torch.zeros_like(old)
    # The derivative of a softmax: p_k (ds_k - sum of p ds).
    mean = (pattern * change).sum(-1, keepdim=True)
    values = pattern * (1 + change - mean)
    return [put_rows(sites.PATTERN(layer).pick(head=head), values[:, head]) for head in heads]
