"""Every family against transformers, in memory and from folders; what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from replications.errors import BadInput, Unsupported
from replications.models import huggingface, sites
from replications.models.edits import put
from replications.models.families import FAMILIES
from replications.models.families.settings import Settings
from replications.models.network import Network
from tests import hf_models

EXACT = 1e-9


def network(name: str) -> Network:
    return huggingface.from_pretrained(hf_models.model(name))


def folder(path: Path, name: str, **options: Any) -> Path:
    hf_models.model(name).save_pretrained(path, **options)
    return path


def edited(path: Path, **changes: Any) -> Path:
    """The folder with some settings of its config.json changed; None leaves one out."""
    file = path / "config.json"
    config = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({k: v for k, v in config.items() if v is not ...}))
    return path


def weights(path: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(path / "model.safetensors")


def rewritten(path: Path, changed: dict[str, torch.Tensor]) -> Path:
    safetensors.torch.save_file(changed, path / "model.safetensors")
    return path


# ---------------------------------------------------------------------------------- exactness
@pytest.mark.parametrize("name", hf_models.MODELS)
def test_the_logits_are_those_of_transformers(name: str) -> None:
    text = hf_models.tokens()
    expected = hf_models.logits(name, text)
    made, unused = huggingface.read(
        hf_models.model(name).config.to_dict(), hf_models.model(name).state_dict
    )
    assert unused == ()
    assert made.dtype == torch.float64
    assert (made.forward(text) - expected).abs().max() < EXACT
    # As transformers computes them, with float32 in norms and softmax.
    plain = hf_models.model(name)(text).logits
    assert (made.forward(text) - plain).abs().max() < 1e-4
    assert expected.std() > 0.5


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", hf_models.MODELS)
def test_a_saved_folder_is_read_as_it_is_in_memory(name: str, tmp_path: Path) -> None:
    text = hf_models.tokens()
    found = huggingface.open_folder(folder(tmp_path, name), dtype=torch.float64)
    assert found.unused == ()
    assert found.family == found.config["model_type"] == name.partition(",")[0]
    assert found.shape is found.network.shape
    assert found.network.forward(text).equal(network(name).forward(text))
    assert huggingface.open_folder(tmp_path).network.dtype == torch.float32


@pytest.mark.parametrize("name", ["llama", "gpt_neox"])
def test_a_folder_in_shards(name: str, tmp_path: Path) -> None:
    folder(tmp_path, name, max_shard_size="20KB")
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 2
    text = hf_models.tokens()
    found = huggingface.open_folder(tmp_path, dtype=torch.float64)
    assert found.network.forward(text).equal(network(name).forward(text))
    shards[1].unlink()
    with pytest.raises(BadInput, match=rf"lacks {shards[1].name}, which model.safetensors.index"):
        huggingface.open_folder(tmp_path)


def test_a_base_model_has_no_prefix_and_a_tied_head(tmp_path: Path) -> None:
    hf_models.model("gemma2").model.save_pretrained(tmp_path)
    assert "embed_tokens.weight" in weights(tmp_path)
    found = huggingface.open_folder(tmp_path, dtype=torch.float64).network
    text = hf_models.tokens()
    assert found.forward(text).equal(network("gemma2").forward(text))


@pytest.mark.parametrize("name", ["gpt_neox", "llama", "qwen2", "gemma3_text", "phi", "mistral"])
def test_a_configuration_of_transformers_4(name: str, tmp_path: Path) -> None:
    """Rotations were settings of their own, and windows had no list of layers."""
    found = folder(tmp_path, name)
    config = json.loads((found / "config.json").read_text())
    rope = config.pop("rope_parameters")
    old: dict[str, Any] = {"rope_parameters": ..., "layer_types": ..., "rope_scaling": None}
    if name == "gpt_neox":
        old |= {"rotary_pct": 0.5, "rotary_emb_base": 10000}
    elif name == "gemma3_text":
        old |= {"rope_theta": 1e6, "rope_local_base_freq": 1e4, "sliding_window_pattern": 2}
        old["_sliding_window_pattern"] = ...
    else:
        old |= {"rope_theta": rope["rope_theta"]}
    made = huggingface.open_folder(edited(found, **old), dtype=torch.float64).network
    assert made.shape == network(name).shape
    assert made.forward(hf_models.tokens()).equal(network(name).forward(hf_models.tokens()))


# ---------------------------------------------------------------------------------- activations
@pytest.mark.parametrize("name", hf_models.FAMILIES)
def test_the_parts_that_are_added_make_the_stream(name: str) -> None:
    made = network(name)
    seen = made.cache(hf_models.tokens())
    for layer in range(made.shape.n_layers):
        parts = sum(seen[site(layer)] for site in (sites.RESID_PRE, sites.ATTN_OUT, sites.MLP_OUT))
        assert (parts - seen[sites.RESID_POST(layer)]).abs().max() < EXACT
        assert (sites.RESID_MID(layer) in seen) != made.shape.parallel


@pytest.mark.parametrize("name", hf_models.FAMILIES)
def test_hidden_states_and_patterns_are_those_of_transformers(name: str) -> None:
    made, text = network(name), hf_models.tokens()
    theirs = hf_models.model(name)(text, output_hidden_states=True, output_attentions=True)
    seen = made.cache(text)
    for layer in range(made.shape.n_layers):
        assert (seen[sites.RESID_PRE(layer)] - theirs.hidden_states[layer]).abs().max() < 1e-4
        assert (seen[sites.PATTERN(layer)] - theirs.attentions[layer]).abs().max() < 1e-5


def test_heads_that_share_keys_see_equal_ones() -> None:
    made = network("llama")
    seen = made.cache(hf_models.tokens())
    assert made.W_K.shape[1] == 2
    for site in (sites.K, sites.V):
        keys = seen[site(1)]
        assert keys.shape[2] == 4
        assert keys[:, :, 0].equal(keys[:, :, 1])
        assert not keys[:, :, 1].equal(keys[:, :, 2])


def test_an_edit_of_what_a_model_lacks_is_refused() -> None:
    edit = put(sites.RESID_MID(0), torch.tensor(0.0))
    with pytest.raises(BadInput, match=r"resid_mid.* has no such activation"):
        network("phi").forward(hf_models.tokens(), [edit])


# ---------------------------------------------------------------------------------- what is refused
def test_another_kind_of_model_is_refused_by_name(tmp_path: Path) -> None:
    edited(folder(tmp_path, "llama"), model_type="mixtral")
    with pytest.raises(Unsupported, match="'mixtral' are not known here; known are gpt2, gpt_neox"):
        huggingface.open_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("llama", {"hidden_act": "relu6"}, "hidden_act 'relu6'"),
        ("llama", {"rope_parameters": {"rope_type": "yarn"}}, "type 'yarn'"),
        ("llama", {"quantization_config": {"bits": 4}}, "quantised weights"),
        ("gemma3_text", {"use_bidirectional_attention": True}, "use_bidirectional_attention=True"),
        ("qwen3", {"layer_types": ["linear_attention"] * 3}, "type 'linear_attention'"),
        ("mistral", {"layer_types": ["full_attention"] * 3}, "layer_types="),
        ("gpt2", {"add_cross_attention": True}, "cross-attention"),
    ],
)
def test_options_that_are_not_known_are_refused(
    name: str, change: dict[str, Any], match: str, tmp_path: Path
) -> None:
    with pytest.raises(Unsupported, match=match):
        huggingface.open_folder(edited(folder(tmp_path, name), **change))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"num_hidden_layers": 4}, r"lack layers\.3\."),
        ({"hidden_size": 10}, r"embed_tokens\.weight has shape \(11, 12\); .* it has \(11, 10\)"),
        ({"num_attention_heads": "four"}, "num_attention_heads is 'four'"),
        ({"attention_bias": True}, r"lack layers\.0\.self_attn\.q_proj\.bias"),
        ({"tie_word_embeddings": True}, r"lm_head\.weight differs"),
    ],
)
def test_a_configuration_that_contradicts_the_file(
    change: dict[str, Any], match: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=match):
        huggingface.open_folder(edited(folder(tmp_path, "llama"), **change))


def test_a_missing_head_is_refused_and_a_tied_copy_is_not(tmp_path: Path) -> None:
    found = weights(folder(tmp_path, "llama"))
    del found["lm_head.weight"]
    with pytest.raises(BadInput, match=r"tie_word_embeddings is false.*lack lm_head\.weight"):
        huggingface.open_folder(rewritten(tmp_path, found))
    copied = found | {"lm_head.weight": found["model.embed_tokens.weight"].clone()}
    edited(rewritten(tmp_path, copied), tie_word_embeddings=True)
    assert huggingface.open_folder(tmp_path).unused == ()


def test_tensors_that_nothing_uses_are_named_but_buffers_are_not(tmp_path: Path) -> None:
    found = weights(folder(tmp_path, "llama"))
    more = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(3),
        "model.layers.0.self_attn.q_proj.lora_A.default.weight": torch.ones(2, 12),
        "model.layers.3.mlp.up_proj.weight": torch.ones(20, 12),
    }
    unused = huggingface.open_folder(rewritten(tmp_path, found | more)).unused
    assert set(unused) == set(list(more)[1:])


def test_folders_without_weights_or_with_broken_ones(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read .*config\.json"):
        huggingface.open_folder(tmp_path)
    folder(tmp_path, "qwen2")
    (tmp_path / "model.safetensors").write_bytes(b"version https://git-lfs")
    with pytest.raises(BadInput, match="not a whole safetensors file"):
        huggingface.open_folder(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(BadInput, match=r"neither model\.safetensors nor"):
        huggingface.open_folder(tmp_path)
    for text in ("[]", "{}", '{"weight_map": {"a": "../b"}}', '{"weight_map": {"a": 1}}'):
        (tmp_path / "model.safetensors.index.json").write_text(text)
        with pytest.raises(BadInput, match="no index of safetensors"):
            huggingface.open_folder(tmp_path)


def test_weights_of_whole_numbers_are_refused(tmp_path: Path) -> None:
    found = weights(folder(tmp_path, "llama"))
    found["model.norm.weight"] = torch.ones(12, dtype=torch.int8)
    with pytest.raises(BadInput, match=r"norm\.weight has numbers of type torch\.int8"):
        huggingface.open_folder(rewritten(tmp_path, found))


def test_the_sizes_of_published_models_are_read_without_their_weights() -> None:
    """Configurations as their authors publish them, shortened to what is read."""
    llama = FAMILIES["llama"].shape(Settings({
        "model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "head_dim": 64,
        "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
        "max_position_embeddings": 131072, "vocab_size": 128256, "rope_theta": 500000.0,
        "rope_scaling": {
            "factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192, "rope_type": "llama3",
        },
    }))  # fmt: skip
    assert (llama.key_value_heads, llama.rotary[15].base) == (8, 500000.0)
    pythia = FAMILIES["gpt_neox"].shape(Settings({
        "model_type": "gpt_neox", "hidden_size": 768, "intermediate_size": 3072,
        "num_hidden_layers": 12, "num_attention_heads": 12, "rotary_emb_base": 10000,
        "rotary_pct": 0.25, "use_parallel_residual": True, "vocab_size": 50304,
    }))  # fmt: skip
    assert pythia.parallel
    assert pythia.rotary[0].width == 16


@pytest.mark.parametrize("name", hf_models.FAMILIES)
def test_half_precision_is_read_as_float32(name: str, tmp_path: Path) -> None:
    """What a file has in bfloat16 is computed in float32, its embeddings and norms too."""
    found = weights(folder(tmp_path, name))
    half = {key: value.bfloat16() for key, value in found.items()}
    wide = {key: value.float() for key, value in half.items()}
    text = hf_models.tokens()
    made = huggingface.open_folder(rewritten(tmp_path, half)).network
    expected = huggingface.open_folder(rewritten(tmp_path, wide)).network
    assert {part.dtype for part in vars(made).values() if isinstance(part, torch.Tensor)} == {
        torch.float32
    }
    assert made.forward(text).equal(expected.forward(text))
