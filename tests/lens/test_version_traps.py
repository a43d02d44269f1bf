"""What changed its meaning between versions of TransformerLens under an unchanged name.

`make matrix` runs these on every line: each says what the installed one does, and that the suite's
own numbers do not depend on it.  docs/upgrading.md lists them.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from replications.lens import Lens, lines
from replications.models import sites
from tests.toy import EXACT, TOKENS, opened

HERE = lines.installed()
BEFORE_THE_LAST_LAYER = 1
"""The logit lens is read at the input of this layer."""


def model_of(lens: Lens) -> Any:
    return lens.model  # type: ignore[attr-defined]


def distance(one: Tensor, other: Tensor) -> float:
    return (one - other).abs().max().item()


def final_layernorm(stream: Tensor, of: Tensor) -> Tensor:
    """The final LayerNorm of the causal toy on a stream, with the statistics `of` a stream."""
    weights = opened("causal").state_dict
    scale = (of.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    return (stream - stream.mean(-1, keepdim=True)) / scale * weights["ln_final.w"] + weights[
        "ln_final.b"
    ]


def test_the_logit_lens_of_the_library_took_other_statistics_from_2_18() -> None:
    """`accumulated_resid(apply_ln=True)`: the scale of the last stream until 2.17, then its own."""
    lens = opened("causal")
    reads = {"early": sites.RESID_PRE(BEFORE_THE_LAST_LAYER), "last": sites.RESID_POST(1)}
    run = lens.run(TOKENS, reads)
    _, cache = model_of(lens).run_with_cache(TOKENS)
    # One stream before each layer, then the last.
    found = cache.accumulated_resid(layer=-1, apply_ln=True)[BEFORE_THE_LAST_LAYER]
    own = final_layernorm(run["early"], run["early"])
    frozen = final_layernorm(run["early"], run["last"])
    assert distance(own, frozen) > 0.01
    own_is_nearer = distance(found, own) < distance(found, frozen)
    assert own_is_nearer == (HERE.number >= (2, 18))


@pytest.mark.parametrize("what", ["run", "read", "edits"])
def test_a_run_leaves_hooks_of_the_caller_in_place(what: str) -> None:
    """Some versions of the bridge take away hooks that they did not add."""
    lens = opened("causal")
    model, seen = model_of(lens), []

    def watch(value: Tensor, hook: object = None) -> None:
        seen.append(value.shape)

    model.add_hook("blocks.0.attn.hook_z", watch)
    try:
        if what == "run":
            lens.run(TOKENS, {"z": sites.Z(0)})
        elif what == "read":
            lens.read(TOKENS, {"z": sites.Z(0)})
        else:
            lens.with_edits([]).run(TOKENS)
        before = len(seen)
        model(TOKENS)
        assert len(seen) == before + 1
    finally:
        model.reset_hooks()


def test_per_head_results_are_computed_where_the_library_shows_none() -> None:
    """`hook_result` of a bridge is listed and never fires; the suite computes z · W_O instead."""
    lens = opened("causal")
    assert not any(site.name == "result" for site in sites.SITES)
    run = lens.run(TOKENS, {"z": sites.Z(1), "out": sites.ATTN_OUT(1)})
    heads = torch.einsum("bphd,hdm->bphm", run["z"], lens.weights.W_O[1])
    assert distance(heads.sum(2) + lens.weights.b_O[1], run["out"]) < EXACT
