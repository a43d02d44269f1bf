"""The plain network equals TransformerLens, and an independent forward pass, at every site."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from replications.errors import BadInput, Unsupported
from replications.lens.networks import as_network
from replications.models import sites
from replications.models.edits import put
from replications.models.network import Network
from replications.models.sites import SITES, Place
from tests import oracle
from tests.random_models import SHAPES, lens, network, state_dict, tokens

EXACT = 1e-10


def places(name: str) -> list[Place]:
    """Every place of a model that its architecture has."""
    shape = SHAPES[name]
    absent = {s.name for s in (sites.LN2, sites.MLP_POST, sites.MLP_OUT) if shape.attn_only}
    if shape.normalization is None:
        absent |= {"ln1", "ln2", "ln_final"}
    layered = [s(i) for s in SITES if s.layered for i in range(shape.n_layers)]
    return [p for p in [*layered, sites.LN_FINAL()] if p.site.name not in absent]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", SHAPES)
def test_every_activation_is_that_of_the_lens(name: str) -> None:
    model, text = lens(name), tokens(name)
    read = {repr(place): place for place in places(name)}
    run, seen = model.run(text, read), network(name).cache(text)
    assert (network(name).forward(text) - run.logits).abs().max() < EXACT
    for label, place in read.items():
        assert (seen[place] - run[label]).abs().max() < EXACT, label


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", SHAPES)
def test_an_edit_does_what_it_does_in_the_lens(name: str) -> None:
    text = tokens(name)
    for place in places(name):
        axis = place.site.axes[2] if place.site is sites.PATTERN else "pos"
        edit = put(place.pick(**{axis: 3}), torch.tensor(0.7))
        expected = lens(name).run(text, edits=[edit]).logits
        assert (network(name).forward(text, [edit]) - expected).abs().max() < EXACT, place


@pytest.mark.parametrize("name", ["gpt", "padded"])
def test_the_forward_pass_is_the_one_of_the_maths(name: str) -> None:
    shape, text = SHAPES[name], tokens(name)
    causal = shape.attention == "causal"
    truth = oracle.forward(
        state_dict(shape), text, causal=causal, pad=shape.pad_token, act=shape.act_fn
    )
    assert (network(name).forward(text) - truth["logits", None]).abs().max() < EXACT


def test_folding_a_layernorm_leaves_the_normalisation() -> None:
    shape, text = SHAPES["gpt"], tokens("gpt")
    weights = state_dict(shape)
    identity = {n: (v * 0 + n.endswith(".w") if ".ln" in n or n[:2] == "ln" else v)
                for n, v in weights.items()}  # fmt: skip
    folded = network("gpt", folded=True)
    assert folded.ln1_w is None
    expected = Network.from_state_dict(shape, identity).forward(text)
    assert (folded.forward(text) - expected).abs().max() < EXACT


def test_absent_biases_are_zero() -> None:
    shape, text = SHAPES["gpt"], tokens("gpt")
    weights = state_dict(shape, biases=False)
    short = {n: v for n, v in weights.items() if ".b_" not in n}
    assert len(short) < len(weights)
    expected = Network.from_state_dict(shape, weights).forward(text)
    assert Network.from_state_dict(shape, short).forward(text).equal(expected)


@pytest.mark.parametrize("activation", ["gelu_new", "relu"])
def test_gpt2_of_transformers_gives_the_same_logits(activation: str) -> None:
    config = GPT2Config(
        n_layer=2, n_head=3, n_embd=12, n_positions=9, vocab_size=11, n_inner=20,
        activation_function=activation, layer_norm_epsilon=1e-3,
    )  # fmt: skip
    torch.manual_seed(0)
    model = GPT2LMHeadModel(config).double().train(False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    text = torch.randint(11, (2, 6))
    with torch.no_grad():
        expected = model(text).logits
    made = Network.from_hf_gpt2(model)
    assert (made.forward(text) - expected).abs().max() < EXACT
    assert Network.from_hf_gpt2(model.state_dict(), config).forward(text).equal(made.forward(text))
    with pytest.raises(BadInput, match=r"the weights lack wte\.weight"):
        Network.from_hf_gpt2({"lm_head.weight": text}, config)
    config.add_cross_attention = True
    with pytest.raises(Unsupported, match="cross-attention"):
        Network.from_hf_gpt2(model)


def test_one_lens_gives_one_network_in_its_dtype() -> None:
    made = as_network(lens("gpt", torch.float32))
    assert made is as_network(lens("gpt", torch.float32))
    assert as_network(made) is made
    assert made.dtype == torch.float32
    assert made.to(dtype=torch.float32) is made
    assert made.to(dtype=torch.float64).W_Q.dtype == torch.float64


def test_the_network_of_a_lens_is_where_the_lens_computes() -> None:
    elsewhere = copy.copy(lens("gpt"))
    elsewhere.device = torch.device("meta")  # stands for a GPU, which not every machine has
    assert as_network(elsewhere).device == torch.device("meta")


def test_a_lens_with_standing_edits_is_refused() -> None:
    edited = lens("gpt").with_edits([put(sites.Z(0), torch.tensor(0.0))])
    with pytest.raises(Unsupported, match="without them"):
        as_network(edited)


def test_weights_that_do_not_fit_are_refused() -> None:
    shape, weights = SHAPES["gpt"], state_dict(SHAPES["gpt"])
    with pytest.raises(BadInput, match=r"lacks blocks\.1\.attn\.W_Q"):
        Network.from_state_dict(shape, {n: v for n, v in weights.items() if n[7:] != "1.attn.W_Q"})
    with pytest.raises(BadInput, match=r"embed\.W_E has shape \(2, 12\); expected \(7, 12\)"):
        Network.from_state_dict(shape, weights | {"embed.W_E": weights["embed.W_E"][:2]})


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (torch.zeros(1, 10, dtype=torch.long), "context is 9"),
        (torch.full((1, 3), 7), "outside the vocabulary of 7"),
        (torch.zeros(3, dtype=torch.long), r"\[batch pos\]"),
        (torch.zeros(2, 3), "whole numbers"),
    ],
)
def test_tokens_a_model_cannot_take_are_refused(text: torch.Tensor, match: str) -> None:
    with pytest.raises(BadInput, match=match):
        network("gpt").forward(text)


def test_mlps_have_standard_positions() -> None:
    with pytest.raises(BadInput, match="must have standard positions"):
        replace(SHAPES["shortformer"], attn_only=False, d_mlp=4)
