"""Phi 1 to 2: attention and MLP read one LayerNorm side by side; part of a head is turned."""

from __future__ import annotations

from torch import Tensor

from replications.models.families.family import Family
from replications.models.families.rope import rotary
from replications.models.families.settings import Settings
from replications.models.families.tensors import Tensors, heads, unembedding
from replications.models.parameters import in_layer
from replications.models.shape import Shape


def _shape(settings: Settings) -> Shape:
    layers, n_heads = settings.size("num_hidden_layers"), settings.size("num_attention_heads")
    d_model, vocabulary = settings.size("hidden_size"), settings.size("vocab_size")
    d_head = d_model // n_heads
    return Shape(
        n_layers=layers, n_heads=n_heads, d_model=d_model, d_head=d_head,
        d_mlp=settings.size("intermediate_size", 8192),
        n_ctx=settings.size("max_position_embeddings", 2048),
        d_vocab=vocabulary, d_vocab_out=vocabulary,
        act_fn=settings.activation("hidden_act", "gelu_new"), parallel=True,
        positions="rotary", rotary=(rotary(settings, d_head, default_share=0.5),) * layers,
        n_key_value_heads=settings.size("num_key_value_heads", n_heads),
        qk_norm=bool(settings.get("qk_layernorm", False)),
    )  # fmt: skip


def _parameters(tensors: Tensors, shape: Shape, settings: Settings) -> dict[str, Tensor]:
    embedding = tensors.take("embed_tokens.weight", shape.d_vocab, shape.d_model)
    tied = bool(settings.get("tie_word_embeddings", False))
    found = {
        "embed.W_E": embedding,
        "unembed.W_U": unembedding(tensors, embedding, tied=tied),
        "unembed.b_U": tensors.take("lm_head.bias", shape.d_vocab),
        "ln_final.w": tensors.take("final_layernorm.weight", shape.d_model),
        "ln_final.b": tensors.take("final_layernorm.bias", shape.d_model),
    }
    for layer in range(shape.n_layers):
        parts = _layer(tensors, f"layers.{layer}", shape)
        found |= {in_layer(layer, name): value for name, value in parts.items()}
    return found


def _layer(tensors: Tensors, name: str, shape: Shape) -> dict[str, Tensor]:
    d, d_head = shape.d_model, shape.d_head
    found: dict[str, Tensor] = {}
    for kind, ours in (("weight", "w"), ("bias", "b")):
        norm = tensors.take(f"{name}.input_layernorm.{kind}", d)
        found |= {f"ln1.{ours}": norm, f"ln2.{ours}": norm}
        if shape.qk_norm:
            for which in "qk":
                theirs = f"{name}.self_attn.{which}_layernorm.{kind}"
                found[f"attn.{which}_norm.{ours}"] = tensors.take(theirs, d_head)
    for which in "QKV":
        n_heads = shape.n_heads if which == "Q" else shape.key_value_heads
        theirs = f"{name}.self_attn.{which.lower()}_proj"
        linear = tensors.linear(theirs, n_heads * d_head, d, bias=True)
        found |= heads(linear, which, n_heads, (d, d_head))
    out = tensors.linear(f"{name}.self_attn.dense", d, shape.n_heads * d_head, bias=True)
    up = tensors.linear(f"{name}.mlp.fc1", shape.d_mlp, d, bias=True)
    down = tensors.linear(f"{name}.mlp.fc2", d, shape.d_mlp, bias=True)
    return found | {
        "attn.W_O": out["weight"].reshape(shape.n_heads, d_head, d), "attn.b_O": out["bias"],
        "mlp.W_in": up["weight"], "mlp.b_in": up["bias"],
        "mlp.W_out": down["weight"], "mlp.b_out": down["bias"],
    }  # fmt: skip


PHI = Family("phi", "model.", _shape, _parameters, ("layer_norm_eps", 1e-5))
