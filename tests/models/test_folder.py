"""Model folders: what is read as transformers reads it, and what is refused, by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from replications.errors import BadInput, ReplicationError, Unsupported
from replications.models.folder import open_folder, open_model
from tests import model_folders as folders
from tests.model_folders import Change, config, extra, file, made, settings, spoilt, weights

TEXT = " Mary gave the bag to the shops and John went to Paris"
SHORT = " Mary gave the book to"


def theirs(folder: Path, tokens: Tensor) -> Tensor:
    """The logits of transformers."""
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(
        folder, attn_implementation="eager", torch_dtype=torch.float32
    )
    with torch.no_grad():
        logits: Tensor = model.eval()(tokens).logits
    return logits


# ---- what is the model of transformers ----------------------------------------------------------

SOUND: dict[str, tuple[Change, ...]] = {
    "plain": (),
    "sharded": (folders.sharded,),
    "prefix": (weights(folders.with_prefix),),
    "buffers": (extra("h.0.attn.masked_bias", "h.1.attn.masked_bias"),),
    "half": (weights(lambda w: {name: t.half() for name, t in w.items()}),),
    "bf16": (weights(lambda w: {name: t.bfloat16() for name, t in w.items()}),),
    "not scaled": (config(scale_attn_weights=False),),
    "scaled by layer": (config(scale_attn_by_inverse_layer_idx=True),),
    "reorder": (config(reorder_and_upcast_attn=True),),
    "untied": (
        config(tie_word_embeddings=False),
        weights(lambda w: w.update({"lm_head.weight": w["wte.weight"].flip(0)})),
    ),
    "tied and saved twice": (
        weights(lambda w: w.update({"lm_head.weight": w["wte.weight"].clone()})),
    ),
    "narrow": (
        config(n_inner=7),
        weights(
            lambda w: {
                n: t[:, :7]
                if n.endswith("c_fc.weight")
                else t[:7]
                if n.endswith(("mlp.c_proj.weight", "c_fc.bias"))
                else t
                for n, t in w.items()
            }
        ),
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_the_logits_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    folder = made(tmp_path / "model", *SOUND[name])
    model = open_model(folder)
    tokens = model.prompting(bos=False).tokens(SHORT)
    torch.testing.assert_close(
        model.network.forward(tokens), theirs(folder, tokens), rtol=0, atol=2e-5
    )
    assert model.network.dtype == torch.float32


def test_a_prompt_of_all_positions_is_right_and_one_more_is_refused(tmp_path: Path) -> None:
    folder = made(tmp_path / "model")
    network, _ = open_folder(folder)
    full = torch.arange(network.shape.n_ctx)[None] + 5
    torch.testing.assert_close(network.forward(full), theirs(folder, full), rtol=0, atol=2e-5)
    with pytest.raises(BadInput, match="21 tokens, but the context is 20"):
        network.forward(torch.cat([full, full[:, :1]], 1))


def padded(rows: int) -> Change:
    """A vocabulary with more rows than the tokenizer has tokens."""
    return weights(
        lambda w: w.update(
            {"wte.weight": torch.cat([w["wte.weight"], torch.ones(rows, w["wte.weight"].shape[1])])}
        )
    )


def test_a_padded_vocabulary_is_fine(tmp_path: Path) -> None:
    folder = made(tmp_path / "model", padded(9))
    size = len(open_folder_tokens(folder)) + 9
    config(vocab_size=size)(folder)
    network, tokenizer = open_folder(folder)
    tokens = torch.tensor([tokenizer.encode(SHORT)])
    torch.testing.assert_close(network.forward(tokens), theirs(folder, tokens), rtol=0, atol=2e-5)


def open_folder_tokens(folder: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((folder / folders.TOKENIZER).read_text())["model"]["vocab"]
    return found


# ---- what is refused ----------------------------------------------------------------------------

UNTIED = config(tie_word_embeddings=False)
LORA = ("h.0.attn.c_attn.lora_A.default.weight", "h.0.attn.c_attn.lora_B.default.weight")
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n"

REFUSED: dict[str, tuple[tuple[Change, ...], str]] = {
    # 4, 6: a head or a weight that is not there or makes no sense
    "untied, no head": ((UNTIED,), "tie_word_embeddings is false.*lack lm_head.weight"),
    "tied, another head": (
        (weights(lambda w: w.update({"lm_head.weight": -w["wte.weight"]})),),
        "unembedding is the embedding .*lm_head.weight differs",
    ),
    "nan": ((spoilt("h.1.mlp.c_fc.weight", float("nan")),), "h.1.mlp.c_fc.weight is not finite"),
    "infinity": ((spoilt("ln_f.bias", -float("inf")),), "ln_f.bias is not finite: 1 of its 12"),
    "nan in a position that is not read": (
        (spoilt("wpe.weight", float("nan")),),
        "wpe.weight is not finite",
    ),
    # 5: tensors that the model has no place for
    "lora": ((extra(*LORA),), "2 tensors of the file: h.0.*lora_A.*merge the adapter"),
    "classifier": ((extra("score.weight"),), "1 tensors of the file: score.weight"),
    "value head": ((extra("v_head.summary.weight"),), "v_head.summary.weight"),
    "wrong layers": ((config(n_layer=1),), r"h.1.attn.c_attn.bias, .* and 8 more"),
    "too many layers": ((config(n_layer=3),), r"lack h\.2\."),
    "twice": (
        (weights(lambda w: w.update({"transformer.wte.weight": w["wte.weight"] + 1})),),
        "wte.weight twice",
    ),
    "adapter beside the model": (
        (file("adapter_config.json", b"{}"),),
        "nothing here uses the adapter adapter_config.json",
    ),
    "adapter alone": (
        (file("adapter_model.safetensors", b"x"), file(folders.WEIGHTS, None)),
        "an adapter alone: merge",
    ),
    # 14, 26: other files
    "pickle": ((folders.pickled,), "pytorch_model.bin is not opened.*M.from_pretrained"),
    "shard missing": (
        (folders.sharded, file("model-00002-of-00002.safetensors", None)),
        "lacks model-00002-of-00002.safetensors, which model.safetensors.index.json names",
    ),
    "index outside": (
        (folders.sharded, file(folders.INDEX, b'{"weight_map": {"a": "../a.safetensors"}}')),
        "weight_map must name files beside it",
    ),
    "index of another tensor": (
        (
            folders.sharded,
            file(folders.INDEX, b'{"weight_map": {"a": "model-00001-of-00002.safetensors"}}'),
        ),
        "lacks a, which model.safetensors.index.json says is there",
    ),
    "pointer": ((file(folders.WEIGHTS, POINTER),), "git-lfs pointer.*git lfs pull"),
    "pointer to a tokenizer": ((file(folders.TOKENIZER, POINTER),), "json is a git-lfs pointer"),
    "pointer to a config": ((file(folders.CONFIG, POINTER),), "json is a git-lfs pointer"),
    "empty tokenizer": ((file(folders.TOKENIZER, b""),), "tokenizer.json is empty"),
    "empty weights": ((file(folders.WEIGHTS, b""),), "model.safetensors is empty"),
    "half a slow tokenizer": (
        (folders.slow_tokenizer, file("merges.txt", None)),
        "lacks merges.txt; needed are",
    ),
    "config that is a list": ((file(folders.CONFIG, b"[]"),), "as JSON: it holds no object"),
    # settings of another kind or size
    "heads that do not divide": ((config(n_head=5),), "config.json does not fit the weights"),
    "no epsilon": ((config(layer_norm_epsilon=None),), "config.json does not fit the weights"),
    "a list of families": ((config(model_type=["gpt2"]),), "config.json does not fit"),
    "fewer positions": ((config(n_positions=10),), r"wpe.weight has shape \(20, 12\)"),
    "another width": ((config(n_embd=13),), r"by its config.json it has \(292, 13\)"),
    "a broken tokenizer config": (
        (file("tokenizer_config.json", b"{"),),
        "tokenizer_config.json as JSON",
    ),
    "added tokens without numbers": (
        (folders.slow_tokenizer, file("added_tokens.json", b'{"<new>": "x"}')),
        "the added tokens have no numbers",
    ),
    "vocabulary without numbers": (
        (folders.slow_tokenizer, file("vocab.json", b'{"a": "b"}')),
        "vocab.json and merges.txt do not fit",
    ),
    "merges of another vocabulary": (
        (folders.slow_tokenizer, file("merges.txt", b"#version\nzz qq\n")),
        "vocab.json and merges.txt do not fit",
    ),
    "merges of three": (
        (folders.slow_tokenizer, file("merges.txt", b"a b c\n")),
        "merges.txt has a line that is not two",
    ),
    # other options
    "quantised": ((config(quantization_config={"bits": 4}),), "quantised"),
    "whole numbers": (
        (weights(lambda w: w.update({"wte.weight": w["wte.weight"].to(torch.int8)})),),
        "wte.weight has numbers of type torch.int8",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_named(name: str, tmp_path: Path) -> None:
    changes, said = REFUSED[name]
    folder = made(tmp_path / "model", *changes)
    with pytest.raises(ReplicationError, match=f"(?s){said}"):
        open_model(folder)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist; a model of a hub must be downloaded"):
        open_model(tmp_path / "gpt2")
    folder = made(tmp_path / "model")
    with pytest.raises(BadInput, match="is a file; give the folder"):
        open_model(folder / folders.WEIGHTS)
    made(tmp_path / "models--gpt2" / "snapshots" / "0")
    with pytest.raises(BadInput, match="Hugging Face's cache; give one of those in"):
        open_model(tmp_path / "models--gpt2")


@pytest.mark.parametrize(
    "changes",
    [(extra("score.weight", *LORA),), (file("adapter_config.json", b"{}"),)],
    ids=["tensors", "adapter"],
)
def test_unused_tensors_can_be_allowed(changes: tuple[Change, ...], tmp_path: Path) -> None:
    folder = made(tmp_path / "model", *changes)
    found = open_model(folder, allow_unused=True).network
    sound = open_model(made(tmp_path / "sound")).network
    assert found.W_E.equal(sound.W_E)


# ---- tokenizers ---------------------------------------------------------------------------------


def cut(inner: object, **_: object) -> None:
    inner.enable_truncation(6)  # type: ignore[attr-defined]


def pad_to_24(inner: object) -> None:
    inner.enable_padding(length=24, pad_token=folders.BOS)  # type: ignore[attr-defined]


def pad_left(inner: object) -> None:
    inner.enable_padding(direction="left", pad_to_multiple_of=8)  # type: ignore[attr-defined]


def drop_merges(inner: object) -> None:
    inner.model.dropout = 0.5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (cut, ("truncation to 6 tokens",)),
        (pad_to_24, ("padding to 24 tokens",)),
        (pad_left, ("padding to the longest text",)),
        (drop_merges, ("merges left out at random (0.5)",)),
    ],
)
def test_saved_truncation_and_padding_never_reach_the_model(
    edit: object, said: tuple[str, ...], tmp_path: Path
) -> None:
    sound = open_model(made(tmp_path / "sound")).tokenizer
    saved = open_model(made(tmp_path / "saved", folders.tokenizer(edit))).tokenizer  # type: ignore[arg-type]
    assert saved.encode(TEXT) == sound.encode(TEXT)
    assert len(saved.encode(TEXT)) > 6
    assert (sound.saved, saved.saved) == ((), said)


def test_vocab_and_merges_cut_as_the_fast_tokenizer_does(tmp_path: Path) -> None:
    sound = open_model(made(tmp_path / "sound")).tokenizer
    slow = open_model(made(tmp_path / "slow", folders.slow_tokenizer)).tokenizer
    for text in (TEXT, "", "Ünïcode 😀\n\n  x", f"a{folders.BOS}b", "don't"):
        assert slow.encode(text) == sound.encode(text)
    assert slow.bos == sound.bos == 0


def test_added_tokens_of_a_slow_tokenizer_keep_their_numbers(tmp_path: Path) -> None:
    size = len(open_model(made(tmp_path / "sound")).tokenizer)
    added = file("added_tokens.json", json.dumps({"<new>": size, "<other>": size + 1}).encode())
    words = open_model(made(tmp_path / "slow", folders.slow_tokenizer, added)).tokenizer
    assert words.encode("<other><new>") == [size + 1, size]
    wrong = file("added_tokens.json", json.dumps({"<new>": size + 7}).encode())
    with pytest.raises(BadInput, match=f"'<new>' is {size + 7}, not {size}"):
        open_model(made(tmp_path / "wrong", folders.slow_tokenizer, wrong))


def test_a_slow_tokenizer_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = settings(tokenizer_class="Qwen2Tokenizer")
    with pytest.raises(Unsupported, match="known for GPT-2 only, not for a Qwen2Tokenizer"):
        open_model(made(tmp_path / "slow", folders.slow_tokenizer, other))


# ---- BOS ----------------------------------------------------------------------------------------

BY_TEMPLATE = folders.tokenizer(folders.opened_by_post_processor)


@pytest.mark.parametrize(
    ("changes", "by_default"),
    [
        ((), False),
        ((settings(add_bos_token=True),), True),
        ((BY_TEMPLATE,), True),
        ((BY_TEMPLATE, settings(add_bos_token=False)), False),
        ((settings(bos_token={"content": folders.BOS}),), False),
    ],
    ids=["plain", "configured", "template", "template and no", "named"],
)
@pytest.mark.parametrize("bos", [None, True, False])
def test_bos_is_as_the_folder_says_or_as_asked(
    changes: tuple[Change, ...], by_default: bool, bos: bool | None, tmp_path: Path
) -> None:
    words = open_model(made(tmp_path / "model", *changes)).prompting(bos)
    bare = words.tokenizer.encode(SHORT)
    opens = by_default if bos is None else bos
    assert words.tokens(SHORT)[0].tolist() == [0] * opens + bare
    # BOS that is typed is never doubled.
    assert words.tokens(f"{folders.BOS}{SHORT}")[0].tolist() == [0, *bare]


def test_the_configured_token_opens(tmp_path: Path) -> None:
    named = open_model(made(tmp_path / "a", settings(bos_token="Ġthe", add_bos_token=True)))
    assert named.tokenizer.bos == named.tokenizer.id("Ġthe")
    numbered = open_model(made(tmp_path / "b", config(bos_token_id=17)))
    assert numbered.tokenizer.bos == 17


def test_without_a_token_that_opens_bos_is_refused(tmp_path: Path) -> None:
    words = {"[PAD]": 0, "Mary": 1}
    inner = {"version": "1.0", "added_tokens": [], "model": {"type": "WordLevel", "vocab": words,
             "unk_token": "[PAD]"}, "pre_tokenizer": {"type": "Whitespace"}}  # fmt: skip
    folder = made(
        tmp_path / "model", file(folders.TOKENIZER, json.dumps(inner).encode()),
        config(bos_token_id=None),
    )  # fmt: skip
    model = open_model(folder)
    assert model.prompting().tokens("Mary").tolist() == [[1]]
    with pytest.raises(BadInput, match="names no token that opens a text"):
        model.prompting(bos=True)
