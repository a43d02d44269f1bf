"""Files of published models that are altered, missing or not what they should be; tokenizers."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from replications.errors import BadInput, FixtureCorrupt, FixtureMissing, Unsupported
from replications.lens import open_pretrained
from replications.models.tokenizers import open_tokenizer
from tests import stand_in

pytestmark = pytest.mark.usefixtures("folder")
MODELS = tuple(stand_in.WEIGHTS)


# ------------------------------------------------------------------------------- bad files
def test_an_altered_file_is_never_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATIONS_FIXTURES", str(folder / "altered"))
    for model in MODELS:
        with pytest.raises(FixtureCorrupt, match=r"expected .*sha256 .*; got .* Remedy"):
            open_pretrained(model)


def test_a_model_that_cannot_be_reached_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = Path(__file__).parents[2] / "fixtures" / "manifest.toml"
    monkeypatch.setenv("REPLICATIONS_MANIFEST", str(manifest))
    monkeypatch.delenv("REPLICATIONS_FIXTURES")
    monkeypatch.setattr("replications.fixtures.finding._shipped", lambda: Path("/nowhere"))
    monkeypatch.setenv("REPLICATIONS_CACHE", "/nowhere")
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    with pytest.raises(FixtureMissing, match=r"gpt2-small/config\.json.*downloads are off.*fetch"):
        open_pretrained("gpt2-small")
    with pytest.raises(FixtureMissing, match=r"no sha256 of gelu-2l.*was published.*--sha256"):
        open_pretrained("gelu-2l")
    with pytest.raises(FixtureMissing, match=r"tokenizer\.json"):
        open_tokenizer("gpt2-small")


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown model 'gpt3'; there are: gpt2-small, gelu-2l"):
        open_pretrained("gpt3")


@pytest.mark.parametrize("drop", ["h.1.mlp.c_fc.bias", "wte.weight"])
def test_weights_that_do_not_fit_the_configuration_are_refused(drop: str) -> None:
    from replications.lens.pretrained import open_gpt2

    files = stand_in.files("gpt2-small")
    weights = safetensors.torch.load(files["model.safetensors"])
    del weights[drop]
    for content in (safetensors.torch.save(weights), b"nothing of the kind"):
        with pytest.raises(BadInput, match="not the weights of the configured GPT-2"):
            open_gpt2(files["config.json"], content)


def test_a_gpt2_that_scales_scores_by_layer_has_no_lens() -> None:
    from replications.lens.pretrained import open_gpt2

    files = stand_in.files("gpt2-small")
    config = json.loads(files["config.json"]) | {"scale_attn_by_inverse_layer_idx": True}
    with pytest.raises(Unsupported, match="scales attention scores in another way"):
        open_gpt2(json.dumps(config).encode(), files["model.safetensors"])


@pytest.mark.parametrize("drop", ["blocks.1.ln1.w", "pos_embed.W_pos", "blocks.0.mlp.W_in"])
def test_a_state_dict_that_lacks_something_is_refused(drop: str) -> None:
    from replications.lens.pretrained import open_classic

    weights = stand_in.classic_weights(30)
    del weights[drop]
    content = io.BytesIO()
    torch.save(weights, content)
    for wrong in (content.getvalue(), b"nothing of the kind"):
        with pytest.raises(BadInput, match="not a TransformerLens state dict"):
            open_classic(wrong, "gelu")


def test_a_missing_unembedding_bias_is_zero() -> None:
    from replications.lens.pretrained import open_classic

    weights = stand_in.classic_weights(30)
    contents = []
    for bias in (torch.zeros(30), None):
        weights.pop("unembed.b_U")
        saved = weights if bias is None else weights | {"unembed.b_U": bias}
        weights["unembed.b_U"] = torch.zeros(30)
        content = io.BytesIO()
        torch.save(dict(saved), content)
        contents.append(content.getvalue())
    tokens = torch.tensor([[1, 2, 3]])
    with_bias, without = (open_classic(c, "gelu").run(tokens).logits for c in contents)
    assert with_bias.equal(without)


# ------------------------------------------------------------------------------ tokenizers
@pytest.mark.parametrize(
    ("model", "bos"), [("gpt2-small", "<|endoftext|>"), ("gelu-2l", "<|BOS|>")]
)
def test_the_tokenizer_of_a_model_fits_its_vocabulary(model: str, bos: str) -> None:
    tokens, lens = open_tokenizer(model), open_pretrained(model)
    encoded = tokens.encode(" Mary went", bos=True)
    assert tokens.strings(encoded)[:2] == [bos, " Mary"]
    assert len(tokens) == lens.shape.d_vocab
    assert lens.run(torch.tensor([encoded])).logits.isfinite().all()


def test_a_tokenizer_of_no_model_is_refused() -> None:
    with pytest.raises(BadInput, match=r"unknown fixture 'gpt3/tokenizer.json'"):
        open_tokenizer("gpt3")
