"""Direct logit attribution: complete, and each share what a slower computation says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from replications.analysis.logit_attribution import logit_attribution
from replications.errors import BadInput
from replications.lens import Lens, open_lens
from replications.models import sites
from replications.models.edits import Edit, put, put_rows
from replications.models.shape import Shape
from replications.training import transformer as gpt
from tests.toy import opened

TOKENS = torch.tensor([[0, 3, 4, 2, 5], [0, 5, 6, 3, 1], [1, 2, 6, 0, 4]])
AT = torch.tensor([4, 2, 3])
ANSWERS = torch.tensor([[0, 1], [3, 2], [2, 0]])
ROWS = torch.arange(3)


def attention_only() -> Lens:
    shape = Shape(
        n_layers=2, n_heads=2, d_model=8, d_head=4, d_mlp=0, n_ctx=6, d_vocab=7, d_vocab_out=7,
        attn_only=True,
    )  # fmt: skip
    start = gpt.untrained_state_dict(shape, seed=1)
    return open_lens(shape, start, dtype=torch.float64)


def logit_difference(lens: Lens, edits: list[Edit]) -> Tensor:
    logits = lens.run(TOKENS, edits=edits).logits[ROWS, AT].gather(1, ANSWERS)
    return logits[:, 0] - logits[:, 1]


@pytest.mark.parametrize("edited", [False, True])
def test_the_shares_add_up_to_the_logit_difference(edited: bool) -> None:
    edits = [put(sites.Z(0).pick(head=1), torch.zeros(1))] if edited else []
    for lens in (opened("causal"), attention_only()):
        found = logit_attribution(lens, TOKENS, AT, ANSWERS, edits)
        assert (found.logit_difference - logit_difference(lens, edits)).abs().max() < 1e-12
        assert found.residual < 1e-12
        assert found.heads.abs().max() > 1e-3


def test_a_share_of_the_last_layer_is_lost_when_the_scale_is_held() -> None:
    """Without its output, and with the old scale, the difference falls by a head's share."""
    lens = opened("causal")
    clean = logit_attribution(lens, TOKENS, AT, ANSWERS)
    mlp = lens.run(TOKENS, {"out": sites.MLP_OUT(1)})["out"]
    edits = [
        put(sites.Z(1).pick(head=2), torch.zeros(1)),
        put_rows(sites.MLP_OUT(1), mlp),
    ]
    held = logit_attribution(lens, TOKENS, AT, ANSWERS, edits, scale=clean.scale)
    assert (clean.total - held.total - clean.heads[1, 2]).abs().max() < 1e-12


def test_the_scale_is_the_final_layer_norm_s() -> None:
    lens = opened("causal")
    run = lens.run(TOKENS, {"x": sites.RESID_POST(1), "y": sites.LN_FINAL()})
    scale = logit_attribution(lens, TOKENS, AT, ANSWERS).scale
    x, y = run["x"][ROWS, AT], run["y"][ROWS, AT]
    w, b = (lens.state_dict[f"ln_final.{name}"] for name in "wb")
    assert ((x - x.mean(-1, keepdim=True)) / scale[:, None] * w + b - y).abs().max() < 1e-10


def test_a_layer_norm_that_is_folded_away_gives_the_same_shares() -> None:
    lens = opened("causal")
    weights = dict(lens.state_dict)
    w, b = weights["ln_final.w"], weights["ln_final.b"]
    weights["unembed.b_U"] = weights["unembed.b_U"] + b @ weights["unembed.W_U"]
    weights["unembed.W_U"] = w[:, None] * weights["unembed.W_U"]
    weights |= {"ln_final.w": torch.ones_like(w), "ln_final.b": torch.zeros_like(b)}
    folded = lens.reopen(weights)
    folded.state_dict = {k: v for k, v in weights.items() if not k.startswith("ln_final")}
    ours, theirs = (logit_attribution(x, TOKENS, AT, ANSWERS) for x in (lens, folded))
    assert (ours.heads - theirs.heads).abs().max() < 1e-10
    assert theirs.residual < 1e-10


def test_what_cannot_be_attributed_is_refused() -> None:
    with pytest.raises(BadInput, match="need positions"):
        logit_attribution(opened("causal"), TOKENS, AT[:2], ANSWERS)
    plain = replace(opened("causal").shape, attn_only=True, d_mlp=0, normalization=None)
    lens = attention_only()
    lens.shape = plain
    with pytest.raises(BadInput, match="final LayerNorm"):
        logit_attribution(lens, TOKENS, AT, ANSWERS)
