"""Published models through the lens, on tiny stand-ins in the same formats.

What a site means is recomputed from the processed weights; what processing means, from the
published ones.  TransformerLens processes in float32, so the second is only that exact.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from replications.errors import Unsupported
from replications.lens import Lens, lines, open_pretrained
from replications.models import sites
from replications.models.edits import Edit, apply, put_rows
from replications.models.sites import Place
from tests import oracle, stand_in
from tests.toy import EXACT, PLACES, distance, key, random

pytestmark = pytest.mark.usefixtures("folder")
MODELS = tuple(stand_in.WEIGHTS)
EVERY_MODEL = pytest.mark.parametrize("model", MODELS)
EVERY_PLACE = pytest.mark.parametrize("place", PLACES, ids=repr)
TOKENS = torch.tensor([[0, 270, 31, 5, 99, 7], [1, 4, 4, 250, 11, 12], [2, 3, 250, 4, 5, 31]])
PROCESSED = 2e-6  # float32, on logits and weights of a few units
ACTIVATION = {"gpt2-small": "gelu_new", "gelu-2l": "gelu"}


OPENED: dict[str, Lens] = {}


def opened(model: str) -> Lens:
    """In float64; opened once."""
    if model not in OPENED:
        OPENED[model] = open_pretrained(model, dtype=torch.float64)
    return OPENED[model]


def with_layernorms(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Folded weights as the oracle reads them: every LayerNorm with scale one and bias zero."""
    names = ["ln_final", *(f"blocks.{i}.ln{j}" for i in range(stand_in.LAYERS) for j in (1, 2))]
    one, zero = torch.ones(stand_in.WIDTH), torch.zeros(stand_in.WIDTH)
    return dict(state_dict) | {f"{n}.w": one for n in names} | {f"{n}.b": zero for n in names}


def truth(
    model: str, edits: Mapping[oracle.Key, oracle.Change] | None = None
) -> dict[oracle.Key, Tensor]:
    weights = with_layernorms(opened(model).state_dict)
    return oracle.forward(weights, TOKENS, causal=True, act=ACTIVATION[model], edits=edits)


def published(model: str) -> dict[str, Tensor]:
    """The weights as published, in the classic layout and float64."""
    content = stand_in.files(model)[stand_in.WEIGHTS[model]]
    if model == "gpt2-small":
        return {n: v.double() for n, v in classic(safetensors.torch.load(content)).items()}
    loaded = torch.load(io.BytesIO(content), weights_only=True)
    return {n: v.double() for n, v in loaded.items() if not n.endswith(("mask", "IGNORE"))}


def classic(gpt2: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """GPT-2's parameters by TransformerLens's names: heads apart, unembedding written out."""
    heads, width = stand_in.HEADS, stand_in.WIDTH
    found = {"embed.W_E": gpt2["wte.weight"], "pos_embed.W_pos": gpt2["wpe.weight"]}
    found |= {
        "unembed.W_U": gpt2["wte.weight"].T,
        "unembed.b_U": torch.zeros(len(gpt2["wte.weight"])),
    }
    found |= {"ln_final.w": gpt2["ln_f.weight"], "ln_final.b": gpt2["ln_f.bias"]}
    for layer in range(stand_in.LAYERS):
        old, new = f"h.{layer}.", f"blocks.{layer}."
        matrices = gpt2[f"{old}attn.c_attn.weight"].reshape(width, 3, heads, -1).permute(1, 2, 0, 3)
        biases = gpt2[f"{old}attn.c_attn.bias"].reshape(3, heads, -1)
        for name, matrix, bias in zip("QKV", matrices, biases, strict=True):
            found |= {f"{new}attn.W_{name}": matrix, f"{new}attn.b_{name}": bias}
        found[f"{new}attn.W_O"] = gpt2[f"{old}attn.c_proj.weight"].reshape(heads, -1, width)
        found[f"{new}attn.b_O"] = gpt2[f"{old}attn.c_proj.bias"]
        for name, source in (("in", "c_fc"), ("out", "c_proj")):
            found[f"{new}mlp.W_{name}"] = gpt2[f"{old}mlp.{source}.weight"]
            found[f"{new}mlp.b_{name}"] = gpt2[f"{old}mlp.{source}.bias"]
        for name, source in (("ln1", "ln_1"), ("ln2", "ln_2")):
            found[f"{new}{name}.w"] = gpt2[f"{old}{source}.weight"]
            found[f"{new}{name}.b"] = gpt2[f"{old}{source}.bias"]
    return found


def processed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Folding and centring from their definition: reads scaled, writes and unembedding centred."""
    w = dict(weights)

    def fold(layernorm: str, matrix: str, bias: str) -> None:
        w[bias] = w[bias] + w[f"{layernorm}.b"] @ w[matrix]
        w[matrix] = w[matrix] * w[f"{layernorm}.w"][:, None]
        # LayerNorm's output has mean zero, so a constant along its axis is never read.
        w[matrix] = w[matrix] - w[matrix].mean(-2, keepdim=True)

    def centre(name: str) -> None:
        w[name] = w[name] - w[name].mean(-1, keepdim=True)

    for layer in range(stand_in.LAYERS):
        block = f"blocks.{layer}."
        for name in "QKV":
            fold(f"{block}ln1", f"{block}attn.W_{name}", f"{block}attn.b_{name}")
        fold(f"{block}ln2", f"{block}mlp.W_in", f"{block}mlp.b_in")
        carried = torch.einsum("hd,hdm->m", w[f"{block}attn.b_V"], w[f"{block}attn.W_O"])
        w[f"{block}attn.b_O"] = w[f"{block}attn.b_O"] + carried
        w[f"{block}attn.b_V"] = torch.zeros_like(w[f"{block}attn.b_V"])
        for name in ("attn.W_O", "attn.b_O", "mlp.W_out", "mlp.b_out"):
            centre(block + name)
    fold("ln_final", "unembed.W_U", "unembed.b_U")
    for name in ("embed.W_E", "pos_embed.W_pos", "unembed.W_U", "unembed.b_U"):
        centre(name)
    return {name: value for name, value in w.items() if ".ln" not in f".{name}"}


def centred(logits: Tensor) -> Tensor:
    return logits - logits.mean(-1, keepdim=True)


# ------------------------------------------------------------------------------- processing
@EVERY_MODEL
def test_the_weights_are_those_of_folding_and_centring_by_definition(model: str) -> None:
    found, expected = opened(model).state_dict, processed(published(model))
    assert set(found) == set(expected)
    wrong = {n: distance(found[n], expected[n]) for n in found}
    assert {n: d for n, d in wrong.items() if d > PROCESSED} == {}


@EVERY_MODEL
def test_the_logits_are_the_published_ones_but_for_a_constant_at_each_position(model: str) -> None:
    raw = oracle.forward(published(model), TOKENS, causal=True, act=ACTIVATION[model])
    raw_logits = raw["logits", None]
    found = opened(model).run(TOKENS).logits
    assert distance(found, centred(raw_logits)) < 10 * PROCESSED
    assert distance(found, raw_logits) > 1e-2


def test_the_logits_are_those_of_transformers_own_model(folder: Path) -> None:
    module = GPT2LMHeadModel(GPT2Config.from_json_file(folder / "right/gpt2-small/config.json"))
    loaded = safetensors.torch.load_file(folder / "right/gpt2-small/model.safetensors")
    module.transformer.load_state_dict(loaded, strict=False)
    module.tie_weights()
    with torch.no_grad():
        expected = centred(module.double().train(False)(TOKENS).logits)
    assert distance(opened("gpt2-small").run(TOKENS).logits, expected) < 10 * PROCESSED


@EVERY_MODEL
def test_weights_are_the_state_dict_stacked(model: str) -> None:
    lens = opened(model)
    assert lens.weights.W_O[1].equal(lens.state_dict["blocks.1.attn.W_O"])
    assert lens.weights.W_U.equal(lens.state_dict["unembed.W_U"])
    assert lens.weights.OV(0, 2).shape == (stand_in.WIDTH, stand_in.WIDTH)


# -------------------------------------------------------------------------- meaning, liveness
@EVERY_MODEL
def test_every_site_is_the_one_of_the_maths(model: str) -> None:
    run, true = opened(model).run(TOKENS, {repr(place): place for place in PLACES}), truth(model)
    assert distance(run.logits, true["logits", None]) < EXACT
    assert [repr(p) for p in PLACES if distance(run[repr(p)], true[key(p)]) > EXACT] == []


def live(model: str) -> list[Place]:
    return [place for place in PLACES if place.site not in opened(model).soundness().dead]


def lost(model: str, places: list[Place]) -> list[str]:
    """The places where an edit does not do to the logits what the maths says."""
    found, true = [], truth(model)
    for place in places:
        shift = random(*true[key(place)].shape, seed=7)

        def change(value: Tensor, shift: Tensor = shift) -> Tensor:
            return shift - value / 2

        expected = truth(model, {key(place): change})["logits", None]
        assert distance(expected, true["logits", None]) > 1e-2, f"{place} cannot show anything"
        edited = opened(model).run(TOKENS, edits=[apply(place, change)]).logits
        if distance(edited, expected) > EXACT:
            found.append(repr(place))
    return found


@pytest.mark.sampled(2)
@EVERY_MODEL
@EVERY_PLACE
def test_an_edit_changes_the_logits_as_the_maths_says(model: str, place: Place) -> None:
    lens = opened(model)
    if place.site in lens.soundness().dead:
        with pytest.raises(Unsupported, match="drops edits there"):
            lens.run(TOKENS, edits=[apply(place, torch.zeros_like)])
    else:
        assert lost(model, [place]) == []


@EVERY_MODEL
def test_planted_edit_that_misses_the_skip_path_is_found(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def returns_a_new_tensor(edit: Edit, rows: slice) -> object:
        return lambda value, hook=None: edit.change(value, rows)

    places = live(model)  # asked first: the planted editor must not be what is examined
    monkeypatch.setattr(type(opened(model)), "_editor", staticmethod(returns_a_new_tensor))
    bridge = lines.installed().kind == "bridge"  # a HookedTransformer takes a new tensor anywhere
    missed = ["resid_mid[layer=0]", "resid_mid[layer=1]"] if bridge else []
    assert lost(model, places) == missed


@EVERY_MODEL
def test_picks_batches_early_stops_and_lasting_edits_work(model: str) -> None:
    lens, place = opened(model), sites.Z(0).pick(head=1, pos=3)
    values = random(3, lens.shape.d_head)

    def change(value: Tensor) -> Tensor:
        value = value.clone()
        value[:, 3, 1] = values
        return value

    true = truth(model, {("z", 0): change})
    edit = put_rows(place, values)
    for batch in (1, 2, 3):
        run = lens.run(TOKENS, {"z": place}, [edit], batch=batch)
        assert run["z"].equal(values)
        assert distance(run.logits, true["logits", None]) < EXACT
    lasting = lens.with_edits([edit])
    assert distance(lasting.run(TOKENS).logits, true["logits", None]) < EXACT
    stopped = lasting.read(TOKENS, {"x": sites.RESID_POST(0)})["x"]
    assert distance(stopped, true["resid_post", 0]) < EXACT
    assert lens.edits == ()


@pytest.mark.sampled(2)
@EVERY_MODEL
def test_reopening_gives_the_same_architecture_with_other_weights(model: str) -> None:
    lens = opened(model)
    same = lens.reopen(lens.state_dict)
    assert distance(same.run(TOKENS).logits, lens.run(TOKENS).logits) < EXACT
    assert same.shape == lens.shape
    halved = dict(lens.state_dict) | {"unembed.W_U": lens.state_dict["unembed.W_U"] / 2}
    bias = lens.state_dict["unembed.b_U"]
    expected = (lens.run(TOKENS).logits + bias) / 2
    assert distance(lens.reopen(halved).run(TOKENS).logits, expected) < EXACT


# --------------------------------------------------------------------------------- effects
@EVERY_MODEL
def test_runs_leave_the_model_as_it_was_also_when_they_fail(model: str) -> None:
    lens = opened(model)

    def fail(value: Tensor) -> Tensor:
        raise RuntimeError("planted")

    def state() -> list[object]:
        modules = list(lens.model.modules())  # type: ignore[attr-defined]
        hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules]
        points = [len(getattr(m, "fwd_hooks", ())) for m in modules]
        return [hooks, points, [m.training for m in modules], lens.run(TOKENS).logits.tolist()]

    lens.run(TOKENS)  # the first run of a model may add hooks once
    before = state()
    zero = [apply(place, torch.zeros_like) for place in live(model)]
    lens.run(TOKENS, {repr(place): place for place in PLACES}, zero)
    with pytest.raises(RuntimeError, match="planted"):
        lens.run(TOKENS, edits=[*zero, apply(sites.LN2(1), fail)])
    assert state() == before


@pytest.mark.sampled(2)
@EVERY_MODEL
@pytest.mark.filterwarnings("error")
def test_opening_is_in_float32_processes_once_and_draws_nothing(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    kind, name = type(opened(model).model), "enable_compatibility_mode"  # type: ignore[attr-defined]
    if lines.installed().kind == "hooked":
        name = "process_weights_"
    process = getattr(kind, name)

    def noted(self: object, **options: object) -> object:
        calls.append(options)
        return process(self, **options)

    monkeypatch.setattr(kind, name, noted)
    before = torch.get_rng_state()
    lens = open_pretrained(model)
    assert torch.get_rng_state().equal(before)
    assert len(calls) == 1
    logits = lens.run(TOKENS).logits
    assert logits.dtype == torch.float32
    assert distance(logits, truth(model)["logits", None]) < 1e-5
