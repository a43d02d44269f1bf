"""Attribution of one prompt: it adds up in every family, and each share is what it should be."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
import torch

from replications.analysis.logit_attribution import logit_attribution
from replications.analysis.prompt_attribution import attribute_logits
from replications.errors import BadInput
from replications.lens.networks import as_network
from replications.models import huggingface, sites
from replications.models.network import Network
from replications.plotting import charts
from tests import hf_models
from tests.toy import opened

TOKENS = torch.tensor([[1, 5, 6, 3, 9, 2, 4]])


def network(name: str) -> Network:
    return huggingface.from_pretrained(hf_models.model(name), torch.float64)


@pytest.mark.parametrize("name", hf_models.MODELS)
@pytest.mark.parametrize("against", [3, None])
def test_the_shares_add_up_in_every_family(name: str, against: int | None) -> None:
    model = network(name)
    found = attribute_logits(model, TOKENS, 2, against, at=4)
    assert abs(found.gap) < 1e-11 * max(1, *(abs(c.value) for c in found.components))
    if model.shape.logit_cap is None:
        logits = model.forward(TOKENS)[0, 4]
        other = logits.mean() if against is None else logits[against]
        assert found.logit_difference == pytest.approx((logits[2] - other).item(), abs=1e-12)
    assert found.heads.shape == (model.shape.n_layers, model.shape.n_heads)
    assert found.heads.abs().min() > 0


@pytest.mark.parametrize("name", ["llama", "gemma2", "phi", "gpt2"])
def test_heads_and_bias_of_a_layer_are_what_attention_writes(name: str) -> None:
    model = network(name)
    found = attribute_logits(model, TOKENS, 2, 3)
    cache = model.cache(TOKENS)
    last = cache[sites.RESID_POST(model.shape.n_layers - 1)][0, -1]
    for layer in range(model.shape.n_layers):
        out = cache[sites.ATTN_OUT(layer)][0, -1]
        # Of the final stream with and without this part, at the scale of the whole.
        whole, without = (_logits(model, last, x) for x in (last, last - out))
        expected = (whole[2] - whole[3]) - (without[2] - without[3])
        attention, _ = found.layers()[layer]
        assert attention == pytest.approx(expected.item(), abs=1e-10)


def _logits(model: Network, whole: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The logits of x, with the scale that the last norm has for `whole`, before a cap."""
    if model.shape.normalization == "RMS":
        y = x / (whole.square().mean() + model.eps).sqrt()
    else:
        y = (x - x.mean()) / (whole.var(correction=0) + model.eps).sqrt()
    y = y if model.ln_final_w is None else y * model.ln_final_w
    y = y if model.ln_final_b is None else y + model.ln_final_b
    return y @ model.W_U + model.b_U


def test_the_heads_are_those_of_logit_attribution() -> None:
    lens = opened("causal")
    tokens = torch.tensor([[0, 3, 4, 2, 5]])
    mine = attribute_logits(as_network(lens), tokens, 1, 3)
    theirs = logit_attribution(lens, tokens, torch.tensor([4]), torch.tensor([[1, 3]]))
    assert (mine.heads - theirs.heads[..., 0]).abs().max() < 1e-12
    assert (mine.mlps - theirs.mlps[..., 0]).abs().max() < 1e-12
    assert mine.embedding + mine.position == pytest.approx(theirs.embedding.item(), abs=1e-12)
    assert mine.logit_difference == pytest.approx(theirs.logit_difference.item(), abs=1e-12)


def test_a_share_that_is_wrong_makes_a_gap() -> None:
    found = attribute_logits(network("llama"), TOKENS, 2, 3)
    wrong = replace(found, heads=found.heads + 0.01)
    assert wrong.gap == pytest.approx(0.01 * found.heads.numel(), abs=1e-9)


def test_the_table_and_the_picture_have_every_component() -> None:
    found = attribute_logits(network("gpt2"), TOKENS, 2, 3)
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    assert len(rows) == 2 + 3 * (3 + 2) + 1
    total = sum(float(row["value"]) for row in rows)
    assert total == pytest.approx(found.logit_difference, abs=1e-6)
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1, abs=1e-6)
    assert sum(found.kinds().values()) == pytest.approx(found.total, abs=1e-12)
    assert [abs(c.value) for c in found.strongest_heads(3)] == sorted(
        found.heads.abs().flatten().tolist(), reverse=True
    )[:3]
    with charts.style():
        image = found.figure().axes[0].images[0].get_array()
    assert image is not None
    assert image.shape == (3, 4)


@pytest.mark.parametrize(("answer", "against"), [(11, 3), (2, 11), (-1, None)])
def test_outputs_that_are_none_are_refused(answer: int, against: int | None) -> None:
    with pytest.raises(BadInput, match="outside the 11 of the model"):
        attribute_logits(network("gpt2"), TOKENS, answer, against)
