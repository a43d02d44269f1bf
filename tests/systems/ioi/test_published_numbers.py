"""Numbers of the published figures that are no sweep, against a plain forward pass.

The model is random, in GPT-2's file formats and in float64.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from replications.analysis.published import Figure
from replications.lens import as_network
from replications.models import Head, Network, Place, put, sites
from replications.systems.ioi.published import Published, figure, prompts
from replications.systems.ioi.published import measured as measuring
from tests.systems.ioi.gpt2_files import published_tokenizer, random_gpt2

PROMPT = "When John and Mary went to the shops, John gave the bag to"
MARY_GIVES = "After John and Mary went to the store, Mary gave a bottle of milk to"
JOHN_GIVES = "After John and Mary went to the store, John gave a bottle of milk to"


@cache
def network() -> Network:
    return as_network(random_gpt2(torch.float64))


@pytest.fixture(scope="module")
def model() -> Published:
    return Published(random_gpt2(torch.float64), published_tokenizer())


def token(word: str) -> int:
    return published_tokenizer().token(word)


def tokens(text: str, *, bos: bool = True) -> Tensor:
    return torch.tensor([published_tokenizer().encode(text, bos=bos)])


def logits(text: str, *, bos: bool = True) -> Tensor:
    """Logits at the end of a text."""
    return network().forward(tokens(text, bos=bos))[0, -1]


def cached(text: str) -> dict[Place, Tensor]:
    return network().cache(tokens(text))


def share(written: Tensor, text: str, right: str, wrong: str) -> float:
    """The share of what is written at the end of a text in a logit difference."""
    final = cached(text)[sites.RESID_POST(11)][0, -1]
    scale = (final.var(correction=0) + network().eps).sqrt()
    W_U = network().W_U
    direction = W_U[:, token(f" {right}")] - W_U[:, token(f" {wrong}")]
    return ((written - written.mean()) @ direction / scale).item()


def of_head(head: Head, text: str, right: str, wrong: str) -> float:
    layer, number = head
    z = cached(text)[sites.Z(layer)][0, -1, number]
    return share(z @ network().W_O[layer, number], text, right, wrong)


def own(monkeypatch: pytest.MonkeyPatch, key: str, values: object) -> None:
    """Put `values` in the place of a published figure's."""
    made = replace(figure(key), values=torch.as_tensor(values, dtype=torch.float64))

    def found(asked: str) -> Figure:
        return made if asked == key else figure(asked)

    monkeypatch.setattr(measuring, "figure", found)


def test_heads_of_the_first_prompt(model: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    heads = [(9, 9), (9, 6), (10, 7), (11, 1), (11, 10), (10, 0), (10, 10), (8, 10)]
    values = [of_head(head, PROMPT, "Mary", "John") for head in heads]
    own(monkeypatch, "direct_logit_attribution/heads", values)
    assert model.first_prompt() < 1e-9
    assert model.first_prompt(mean=True) > 1e-3


def test_heads_in_the_mean_over_eight_prompts(model: Published) -> None:
    texts = zip(prompts.EIGHT.clean, prompts.EIGHT.answers, strict=True)
    found = [of_head((10, 7), text, *answers) for text, answers in texts]
    assert model.direct().by_head[10, 7].item() == pytest.approx(sum(found) / 8)


def test_the_eight_prompts_are_those_of_the_notebook() -> None:
    assert prompts.EIGHT.clean[0] == PROMPT
    assert prompts.EIGHT.clean[7] == "After Martin and Amy went to the park, Martin gave a drink to"
    assert prompts.EIGHT.answers[0] == ("Mary", "John")
    assert prompts.EIGHT.answers[7] == ("Amy", "Martin")
    assert prompts.EIGHT.corrupted[6] == prompts.EIGHT.clean[7]


def spread(stream: Tensor) -> float:
    """What LayerNorm divides one position of the stream by."""
    return (stream.var(correction=0) + network().eps).sqrt().item()


def test_the_logit_lens_on_the_last_scale_and_on_its_own(model: Published) -> None:
    on_last, on_own = [], []
    for text, answers in zip(prompts.EIGHT.clean, prompts.EIGHT.answers, strict=True):
        final, there = (cached(text)[s][0, -1] for s in (sites.RESID_POST(11), sites.RESID_MID(4)))
        on_last.append(share(there, text, *answers))
        on_own.append(on_last[-1] * spread(final) / spread(there))
    assert model.direct().logit_lens()[9].item() == pytest.approx(sum(on_last) / 8)
    assert model.direct().logit_lens(own_scale=True)[9].item() == pytest.approx(sum(on_own) / 8)


@pytest.mark.parametrize("everywhere", [False, True])
def test_the_scales_are_those_of_the_last_stream(model: Published, everywhere: bool) -> None:
    place = sites.Z(9).pick(head=9) if everywhere else sites.Z(9).pick(head=9, pos=14)
    silent = put(place, torch.zeros(()))
    whole, without = (
        [
            spread(network().cache(tokens(text), edits)[sites.RESID_POST(11)][0, -1])
            for text in prompts.EIGHT.clean
        ]
        for edits in ([], [silent])
    )
    scales = model.direct().scales(everywhere=everywhere)
    assert scales.tolist() == [pytest.approx(whole), pytest.approx(without)]
    ratio = sum(a / b for a, b in zip(whole, without, strict=True)) / 8
    assert model.direct().scale_ratio(everywhere=everywhere) == pytest.approx(ratio)


def test_logit_differences_of_the_main_pair(model: Published) -> None:
    for bos in (True, False):
        found = model.main_differences(bos=bos)
        for name, text in (("clean", MARY_GIVES), ("corrupted", JOHN_GIVES)):
            said = logits(text, bos=bos)
            difference = (said[token(" John")] - said[token(" Mary")]).item()
            assert found[name] == pytest.approx(difference)


def test_the_mean_over_the_eight_prompts(model: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    both = zip(prompts.EIGHT.clean, prompts.EIGHT.answers, strict=True)
    found = []
    for text, (right, wrong) in both:
        said = logits(text)
        found.append((said[token(f" {right}")] - said[token(f" {wrong}")]).item())
    assert model.mean_difference() == pytest.approx(sum(found) / 8)
    own(monkeypatch, "exploratory/logit_differences", found)
    assert model.logit_differences() < 1e-9


def test_next_tokens(model: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    words = figure("main/next_token_logits").labels["token"]
    said = logits(JOHN_GIVES)
    own(monkeypatch, "main/next_token_logits", [said[token(word)] for word in words])
    found = model.next_tokens()
    assert found["logits"] < 1e-9
    assert found["tokens"] == published_tokenizer().strings(said.topk(10).indices.tolist())
    assert found["probability"] == pytest.approx(said.softmax(-1)[token(" Mary")].item())
    assert model.next_tokens(mary_gives=True)["logits"] > 1e-3
    assert model.next_tokens(bos=False)["logits"] > 1e-3


def test_biases_are_those_of_the_names(model: Published) -> None:
    b_U = network().b_U
    found = model.biases()
    assert found["John"] == pytest.approx(b_U[token(" John")].item())
    assert found["Mary"] == pytest.approx(b_U[token(" Mary")].item())
    assert found["ratio"] == pytest.approx((b_U[token(" John")] - b_U[token(" Mary")]).exp().item())
    assert model.biases(space="")["John"] == pytest.approx(b_U[token("John")].item())


def test_named_heads_keep_their_names_when_others_take_their_places(model: Published) -> None:
    whole = model.copying._shares(False, True)
    found = model.name_movers_copy(shift=1)
    assert list(found) == ["head_9_9", "head_10_0", "head_9_6", "mean"]
    assert found["head_9_9"] == whole[0, 9, 10].item()
    assert found["head_10_0"] == whole[0, 10, 1].item()
    assert found["mean"] == whole[0].sum().item() / 144
    assert model.negative_heads_copy()["head_11_10"] == whole[1, 11, 10].item()
    assert whole[:, 0].abs().max() == 0
    assert model.copying._shares(False, False) is not whole
