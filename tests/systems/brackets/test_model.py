"""What counts as weights of the bracket classifier, and what is refused."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from replications import lens
from replications.errors import BadInput
from replications.models.parameters import classic
from replications.models.shape import Shape
from replications.systems.brackets import data, model
from replications.systems.brackets.classifier import Classifier
from replications.systems.brackets.layout import export_state_dict
from tests.systems.brackets.plain import random_weights

Weights = dict[str, Tensor]
TOKENS = data.tokenize(["()", "(((", ")", "(())()", ")(" * 20])


def as_pt(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


# ------------------------------------------------------------------------------- architecture
def test_the_architecture_is_the_published_one() -> None:
    assert Shape(
        n_layers=3, n_heads=2, d_model=56, d_head=28, d_mlp=56, n_ctx=42, d_vocab=5, d_vocab_out=2,
        act_fn="relu", attention="bidirectional", pad_token=1,
    ) == model.SHAPE  # fmt: skip
    shapes = classic(model.SHAPE)
    assert len(shapes) == 2 + 3 * 16 + 4
    assert sum(math.prod(shape) for shape in shapes.values()) == 60_986


@torch.no_grad()
def test_the_lens_computes_what_the_training_model_does() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trained = Classifier().eval()
        for parameter in trained.parameters():  # biases and LayerNorms must matter
            parameter.data += 0.2 * torch.randn(parameter.shape)
    state_dict = export_state_dict(trained)
    logits = model.open_model(state_dict).run(TOKENS).logits[:, 0]
    assert torch.allclose(logits, trained(TOKENS), atol=1e-4)
    swapped = state_dict | {"blocks.1.attn.W_V": state_dict["blocks.1.attn.W_V"].flip(0)}
    other = model.open_model(swapped).run(TOKENS).logits[:, 0]
    assert (other - logits).abs().max() > 0.01


def test_a_causal_model_is_another_model() -> None:
    weights = random_weights()
    causal = lens.open_lens(replace(model.SHAPE, attention="causal"), weights).run(TOKENS).logits
    assert (causal - model.open_model(weights).run(TOKENS).logits)[:, 0].abs().max() > 0.1


def test_positions_are_sines_and_cosines() -> None:
    table = model.sinusoid()
    assert table.shape == (42, 56)
    for pos, i in ((0, 0), (1, 3), (7, 10), (41, 27)):
        angle = pos / 10_000 ** (2 * i / 56)
        assert table[pos, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
        assert table[pos, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


# -------------------------------------------------------------------------- untrained weights
def test_untrained_weights_fit_and_follow_their_seed() -> None:
    one, again, other = (model.untrained_state_dict(seed) for seed in (0, 0, 1))
    assert {name: tuple(t.shape) for name, t in one.items()} == classic(model.SHAPE)
    assert all(one[name].equal(again[name]) for name in one)
    assert not one["embed.W_E"].equal(other["embed.W_E"])
    assert (one["ln_final.w"] == 1).all()
    assert (one["blocks.0.attn.b_Q"] == 0).all()
    assert one["pos_embed.W_pos"].std().item() == pytest.approx(1, abs=0.05)
    assert one["blocks.1.mlp.W_in"].std().item() == pytest.approx(56**-0.5, rel=0.05)


def test_untrained_weights_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    model.untrained_state_dict()
    assert torch.get_rng_state().equal(before)


# ----------------------------------------------------------------------------- state dicts
def without(name: str) -> Callable[[Weights], Weights]:
    return lambda w: {n: t for n, t in w.items() if n != name}


def wide_mlp(weights: Weights) -> Weights:
    wide = {"mlp.W_in": (56, 224), "mlp.b_in": (224,), "mlp.W_out": (224, 56)}
    return weights | {f"blocks.{i}.{n}": torch.zeros(s) for i in range(3) for n, s in wide.items()}


BAD = {
    "missing": (without("blocks.1.attn.W_O"), r"blocks\.1\.attn\.W_O is missing"),
    "extra": (
        lambda w: w | {"blocks.3.ln1.w": torch.ones(56)},
        r"blocks\.3\.ln1\.w is not a parameter",
    ),
    "misshapen": (
        lambda w: w | {"embed.W_E": torch.ones(6, 56)},
        r"embed\.W_E has shape \(6, 56\), not \(5, 56\)",
    ),
    "transposed": (
        lambda w: w | {"unembed.W_U": w["unembed.W_U"].T},
        r"unembed\.W_U has shape \(2, 56\), not \(56, 2\)",
    ),
    "NaN": (
        lambda w: w | {"ln_final.b": torch.full((56,), math.nan)},
        r"ln_final\.b is not finite",
    ),
    "infinite": (
        lambda w: w | {"unembed.b_U": torch.tensor([math.inf, 0])},
        r"unembed\.b_U is not finite",
    ),
    "MLP of the usual width": (wide_mlp, r"blocks\.0\.mlp\.W_in .*224.*and 8 more problems"),
    "nothing": (lambda w: {}, r"embed\.W_E is missing \(and 53 more problems\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_other_weights_are_refused_by_name(case: str) -> None:
    change, message = BAD[case]
    with pytest.raises(BadInput, match=message):
        model.open_model(change(random_weights()))


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_files_of_other_weights_are_refused_too(case: str, ending: str) -> None:
    change, message = BAD[case]
    weights = {name: t.contiguous() for name, t in change(random_weights()).items()}
    content = save(weights) if ending == ".safetensors" else as_pt(weights)
    with pytest.raises(BadInput, match=message):
        model.read_state_dict(content, "brackets/other" + ending)


def test_buffers_of_the_published_file_are_dropped() -> None:
    weights = random_weights()
    buffers = {"blocks.0.attn.mask": torch.ones(42, 42), "blocks.0.attn.IGNORE": torch.tensor(-1e5)}
    assert model.check_state_dict(weights | buffers).keys() == weights.keys()


@pytest.mark.parametrize("dtype", ["int32", "float31", "complex64"])
def test_an_unknown_dtype_is_refused(dtype: str) -> None:
    with pytest.raises(BadInput, match=dtype):
        model.open_model(random_weights(), dtype=dtype)


# ------------------------------------------------------------------------------------- files
@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_weights_come_back_from_bytes(ending: str) -> None:
    weights = random_weights()
    content = save(weights) if ending == ".safetensors" else as_pt(weights)
    read = model.read_state_dict(content, "brackets/some" + ending)
    assert list(read) == list(classic(model.SHAPE))
    assert all(read[name].equal(weights[name]) for name in weights)


@pytest.mark.parametrize("name", ["brackets/some.pt", "brackets/some.safetensors"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not weights at all, only text",
        bytes(range(256)) * 40,
        as_pt(random_weights())[:5000],
        save(random_weights())[:5000],
        pickle.dumps({"embed.W_E": [1, 2]}, protocol=2),
    ],
    ids=["empty", "text", "noise", "half a .pt", "half a .safetensors", "bare pickle"],
)
def test_garbage_is_refused_with_the_name_of_the_file(name: str, content: bytes) -> None:
    with pytest.raises(BadInput, match=name.replace(".", r"\.")):
        model.read_state_dict(content, name)


@pytest.mark.parametrize(
    "content", [[torch.ones(3)], {"embed.W_E": "text"}, torch.ones(3), {3: torch.ones(3)}, None]
)
def test_a_pickle_of_something_else_is_refused(content: object) -> None:
    with pytest.raises(BadInput, match="weights"):
        model.read_state_dict(as_pt(content), "brackets/some.pt")


class Malicious:
    """Its pickle creates a file when it is loaded without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.path), "w")


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "it-ran"
    content = as_pt(random_weights() | {"embed.W_E": Malicious(trace)})
    with pytest.raises(BadInput, match=r"some\.pt cannot be read as weights"):
        model.read_state_dict(content, "brackets/some.pt")
    assert not trace.exists()
    torch.load(io.BytesIO(content), weights_only=False)["embed.W_E"].close()
    assert trace.exists()  # the trap is real
