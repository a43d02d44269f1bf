"""Weights: what fits, what the published start is, and what processing leaves as it is."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.systems import algorithmic
from replications.systems.algorithmic.model import (
    CUMSUM,
    MODELS,
    PALINDROME,
    SORTED,
    SUM,
    UNIQUE,
    Model,
    model_of,
)
from replications.systems.algorithmic.processing import processed
from replications.systems.algorithmic.subjects import Subject

from .conftest import random_weights


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (PALINDROME, 8_262),
        (UNIQUE, 16_475),
        (SUM, 30_300),
        (SORTED, 49_684),
        (CUMSUM, 2_447),
    ],
)
def test_the_number_of_parameters(model: Model, parameters: int) -> None:
    assert sum(w.numel() for w in model.untrained(0).values()) == parameters


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_files_of_early_versions_open_without_their_masks(model: Model) -> None:
    weights = random_weights(model)
    buffers = {
        f"blocks.{layer}.attn.{name}": value
        for layer in range(2)
        for name, value in {"mask": torch.ones(4, 4).bool(), "IGNORE": torch.tensor(-1e5)}.items()
    }
    file = io.BytesIO()
    torch.save(weights | buffers, file)
    found = model.read(file.getvalue(), "weights.pt")
    assert list(found) == list(weights)
    assert all(found[name].equal(weights[name]) for name in weights)


def test_weights_of_another_model_are_refused_in_one_line() -> None:
    file = io.BytesIO()
    torch.save(random_weights(UNIQUE), file)
    with pytest.raises(BadInput, match="not the weights of the palindrome classifier") as raised:
        PALINDROME.read(file.getvalue(), "palindrome_classifier.pt")
    assert "\n" not in str(raised.value)
    with pytest.raises(BadInput, match="not the weights of the first-unique-letter model"):
        UNIQUE.open(random_weights(PALINDROME))
    with pytest.raises(BadInput, match="unknown problem 'primes'; there are: palindrome, unique"):
        model_of("primes")


def test_the_published_start_is_the_global_generators_draw() -> None:
    state = torch.get_rng_state()
    torch.manual_seed(42)
    drawn = {
        name: torch.nn.init.normal_(torch.empty_like(w), std=0.8 / math.sqrt(28))
        for name, w in PALINDROME.untrained(0).items()
        if ".W_" in name
    }
    torch.set_rng_state(state)
    start = PALINDROME.untrained(42)
    for name, value in drawn.items():
        torch.testing.assert_close(start[name], value, rtol=0, atol=1e-6)


Weights = Mapping[str, Tensor]


def correlation(one: Weights, other: Weights) -> float:
    """Of the entries of all matrices."""
    pairs = [(one[n].flatten(), other[n].flatten()) for n in one if ".W_" in n]
    a, b = (torch.cat(values) for values in zip(*pairs, strict=True))
    return torch.corrcoef(torch.stack([a, b]))[0, 1].item()


def test_the_published_weights_still_resemble_that_start(published: Subject) -> None:
    def resembles(seed: int) -> float:
        return correlation(published.model.untrained(seed), published.lens.state_dict)

    # Of random weights the correlation has a standard deviation of 1 / sqrt(number). Decay, which
    # the last three recipes have, wipes out more of the start.
    number = sum(w.numel() for name, w in published.lens.state_dict.items() if ".W_" in name)
    decayed = published.model in (SUM, SORTED, CUMSUM)
    assert resembles(42) > (5 / math.sqrt(number) if decayed else 0.3)
    assert abs(resembles(1)) < 4 / math.sqrt(number)


def test_a_model_from_the_published_start_resembles_the_published_one(published: Subject) -> None:
    """More than that start does. fixtures/algorithmic/README.md has the correlations."""
    problem, weights = published.model.problem, published.lens.state_dict
    found = {
        info.name: correlation(algorithmic.subject(info.name).lens.state_dict, weights)
        for info in algorithmic.SUBJECTS
        if info.kind == "retrained" and info.name.startswith(f"{problem}-retrained/")
    }
    start = correlation(published.model.untrained(42), weights)
    assert found.pop(f"{problem}-retrained/seed42") > start
    assert max(map(abs, found.values()), default=0.0) < 0.1


# ------------------------------------------------------------------------------------ processing
WITH_LAYERNORMS = [model for model in MODELS.values() if model.shape.normalization]


@pytest.mark.parametrize("model", WITH_LAYERNORMS, ids=lambda model: model.problem)
def test_processed_weights_are_centred_and_without_layernorms(model: Model) -> None:
    weights = processed(random_weights(model), model.shape)
    assert not any("ln" in name for name in weights)
    for name, value in weights.items():
        if name.endswith((".W_E", ".W_pos", ".W_O", ".b_O", ".W_U", ".b_U")):
            assert value.mean(-1).abs().max() < 1e-6, name
        if name.endswith((".W_Q", ".W_K", ".W_V", ".W_U")):
            assert value.mean(-2).abs().max() < 1e-6, name
        if name.endswith(".b_V"):
            assert not value.any()
    kept = processed(random_weights(model), model.shape, fold_value_biases=False)
    assert kept["blocks.0.attn.b_V"].any()


def test_without_layernorms_only_what_writes_and_the_unembedding_are_centred() -> None:
    given = random_weights(CUMSUM)
    weights = processed(given, CUMSUM.shape)
    for name, value in weights.items():
        if name.endswith((".W_E", ".W_pos", ".W_O", ".b_O", ".W_out", ".b_out", ".W_U", ".b_U")):
            assert value.mean(-1).abs().max() < 1e-6, name
        elif not name.endswith(".b_V"):
            assert value.equal(given[name].double()), name
    assert not weights["blocks.0.attn.b_V"].any()


@pytest.mark.parametrize("subject", ["palindromes", "letters", "sums", "lists"])
def test_processing_leaves_probabilities_as_they_are(
    subject: str, request: pytest.FixtureRequest
) -> None:
    found: Subject = request.getfixturevalue(subject)
    whole = found.task.logits().log_softmax(-1)
    for other in (found.raw, found.value_biases_kept):
        torch.testing.assert_close(other.task.logits().log_softmax(-1), whole, rtol=0, atol=1e-9)
    raw, mine = found.raw.task.logits(), found.task.logits()
    assert (raw - mine).abs().max() > 1e-3  # the comparison can fail: logits themselves move


def test_losses_do_not_depend_on_processing(published: Subject) -> None:
    if published.model is CUMSUM:
        return  # see test_cumsum.py
    assert published.raw.task.loss() == pytest.approx(published.task.loss(), abs=1e-5)
