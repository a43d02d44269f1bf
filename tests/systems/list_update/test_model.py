"""The list-update model: architecture, state dicts, and an opened model against plain torch."""

from __future__ import annotations

import math

import pytest
import safetensors.torch
import torch

from replications import lens as lenses
from replications.errors import BadInput
from replications.models import sites
from replications.models.parameters import classic
from replications.systems.list_update import data, model
from replications.systems.list_update.data import Task

LONG = Task(4, 100)


def test_the_shapes_are_those_the_document_prints() -> None:
    shapes = classic(model.shape())
    block: dict[str, tuple[int, ...]] = {f"attn.W_{n}": (1, 128, 128) for n in "QKVO"}
    block |= {f"attn.b_{n}": (1, 128) for n in "QKV"} | {"attn.b_O": (128,)}
    expected: dict[str, tuple[int, ...]] = {"embed.W_E": (52, 128), "pos_embed.W_pos": (11, 128)}
    expected |= {f"blocks.{i}.{name}": size for i in range(2) for name, size in block.items()}
    assert shapes == expected | {"unembed.W_U": (128, 50), "unembed.b_U": (50,)}


def test_other_tasks_change_the_embeddings_alone() -> None:
    usual, longer = classic(model.shape()), classic(model.shape(task=LONG))
    changed = {name: size for name, size in longer.items() if size != usual[name]}
    assert changed == {
        "embed.W_E": (102, 128),
        "pos_embed.W_pos": (13, 128),
        "unembed.W_U": (128, 100),
        "unembed.b_U": (100,),
    }
    assert len(classic(model.shape(layers=1))) == len(usual) - 8
    with pytest.raises(BadInput, match="at least one layer"):
        model.shape(0)


# -------------------------------------------------------------------------------- state dicts
def test_the_untrained_weights_are_normal_of_the_usual_size_with_biases_at_zero() -> None:
    weights = model.untrained_state_dict(1)
    assert {name: tuple(w.shape) for name, w in weights.items()} == classic(model.shape())
    for name, weight in weights.items():
        if model.is_bias(name):
            assert not weight.any()
        else:
            within = 5 / math.sqrt(2 * weight.numel())
            assert weight.std().item() * math.sqrt(128) / 0.8 == pytest.approx(1, abs=within)
    assert weights["embed.W_E"].equal(model.untrained_state_dict(1)["embed.W_E"])
    assert not weights["embed.W_E"].equal(model.untrained_state_dict(2)["embed.W_E"])
    with pytest.raises(BadInput, match="seed must be at least 0"):
        model.untrained_state_dict(-1)


def test_a_state_dict_is_checked() -> None:
    good = model.untrained_state_dict()
    mask = {"blocks.0.attn.mask": torch.ones(11, 11)}
    assert list(model.check_state_dict(good | mask)) == list(classic(model.shape()))
    lacking = {name: w for name, w in good.items() if name != "unembed.W_U"}
    nan = torch.full((11, 128), math.nan)
    for bad, message in (
        (lacking, "unembed.W_U is missing"),
        (good | {"blocks.0.mlp.W_in": torch.ones(1)}, "blocks.0.mlp.W_in is not a parameter"),
        (good | {"embed.W_E": torch.ones(50, 128)}, r"embed.W_E has shape \(50, 128\), not \(52"),
        (good | {"pos_embed.W_pos": nan}, "pos_embed.W_pos is not finite"),
        (good | {"blocks.1.attn.b_O": torch.ones(128)}, "blocks.1.attn.b_O is not zero"),
        (model.untrained_state_dict(layers=1), r"blocks.1.attn.W_Q is missing \(and 7 more"),
        (model.untrained_state_dict(task=LONG), r"lists of 3 of 50 numbers: embed.W_E has shape"),
    ):
        with pytest.raises(BadInput, match=message):
            model.check_state_dict(bad)


def test_weights_are_read_from_bytes() -> None:
    good = model.untrained_state_dict(task=LONG)
    content = safetensors.torch.save(good)
    read = model.read_state_dict(content, "x.safetensors", task=LONG)
    assert all(read[name].equal(good[name]) for name in good)
    with pytest.raises(BadInput, match=r"x\.safetensors cannot be read as weights"):
        model.read_state_dict(b"not weights", "x.safetensors")
    with pytest.raises(BadInput, match="not the weights of a list-update model"):
        model.read_state_dict(content, "x.safetensors")


def test_the_four_matrices_of_a_layer() -> None:
    weights = model.untrained_state_dict()
    found = model.attention(weights, 1)
    assert list(found) == ["W_Q", "W_K", "W_V", "W_O"]
    assert found["W_O"].equal(weights["blocks.1.attn.W_O"][0])


# ------------------------------------------------------------------------------------- opened
@pytest.mark.parametrize(("layers", "task"), [(2, data.DOCUMENT), (1, data.DOCUMENT), (2, LONG)])
def test_an_opened_model_computes_in_the_dtype_asked_for(layers: int, task: Task) -> None:
    weights = model.untrained_state_dict(0, layers, task)
    tokens = data.generate_mixed(5, 0, task)
    opened = model.open_model(weights, layers, task)
    exact = model.open_model(weights, layers, task, dtype="float64")
    logits = opened.run(tokens).logits
    assert logits.shape == (5, task.context, task.numbers)
    assert exact.run(tokens).logits.dtype == torch.float64
    torch.testing.assert_close(logits.double(), exact.run(tokens).logits, rtol=0, atol=1e-5)
    stream = opened.run(tokens, {"x": sites.RESID_PRE(0)})["x"]
    assert stream.equal(weights["embed.W_E"][tokens])  # no positions in it


def test_a_prompt_longer_than_the_context_is_refused_by_the_model() -> None:
    opened = model.open_model(model.untrained_state_dict())
    with pytest.raises((ValueError, IndexError)):
        opened.run(torch.zeros(1, 12, dtype=torch.long))


def test_wrong_weights_do_not_open() -> None:
    with pytest.raises(BadInput):
        model.open_model(model.untrained_state_dict(layers=1))
    assert isinstance(model.open_model(model.untrained_state_dict()), lenses.Lens)
