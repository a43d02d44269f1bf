"""GPT-NeoX and Pythia: attention and MLP side by side; part of a head is turned."""

from __future__ import annotations

from torch import Tensor

from replications.models.families.family import Family
from replications.models.families.rope import rotary
from replications.models.families.settings import Settings
from replications.models.families.tensors import Tensors, unembedding
from replications.models.parameters import in_layer
from replications.models.shape import Shape


def _shape(settings: Settings) -> Shape:
    layers, n_heads = settings.size("num_hidden_layers"), settings.size("num_attention_heads")
    d_model, vocabulary = settings.size("hidden_size"), settings.size("vocab_size")
    d_head = d_model // n_heads
    turned = rotary(
        settings, d_head, base="rotary_emb_base", share="rotary_pct", default_share=0.25
    )
    return Shape(
        n_layers=layers, n_heads=n_heads, d_model=d_model, d_head=d_head,
        d_mlp=settings.size("intermediate_size"),
        n_ctx=settings.size("max_position_embeddings", 2048),
        d_vocab=vocabulary, d_vocab_out=vocabulary,
        act_fn=settings.activation("hidden_act", "gelu"),
        parallel=bool(settings.get("use_parallel_residual", True)),
        positions="rotary", rotary=(turned,) * layers,
    )  # fmt: skip


def _parameters(tensors: Tensors, shape: Shape, settings: Settings) -> dict[str, Tensor]:
    d, bias = shape.d_model, bool(settings.get("attention_bias", True))
    embedding = tensors.take("embed_in.weight", shape.d_vocab, d)
    # Files call the head embed_out; transformers 5 calls it lm_head in memory.
    head = "embed_out.weight" if "embed_out.weight" in tensors else "lm_head.weight"
    tied = bool(settings.get("tie_word_embeddings", False))
    found = {
        "embed.W_E": embedding,
        "unembed.W_U": unembedding(tensors, embedding, tied=tied, name=head),
        "ln_final.w": tensors.take("final_layer_norm.weight", d),
        "ln_final.b": tensors.take("final_layer_norm.bias", d),
    }
    for layer in range(shape.n_layers):
        parts = _layer(tensors, f"layers.{layer}", shape, bias=bias)
        found |= {in_layer(layer, name): value for name, value in parts.items()}
    return found


def _layer(tensors: Tensors, name: str, shape: Shape, *, bias: bool) -> dict[str, Tensor]:
    d, n_heads, d_head = shape.d_model, shape.n_heads, shape.d_head
    found = {}
    for ours, theirs in (("ln1", "input_layernorm"), ("ln2", "post_attention_layernorm")):
        found[f"{ours}.w"] = tensors.take(f"{name}.{theirs}.weight", d)
        found[f"{ours}.b"] = tensors.take(f"{name}.{theirs}.bias", d)
    # Each head has its queries, keys and values side by side.
    both = tensors.linear(f"{name}.attention.query_key_value", 3 * d, d, bias=bias)
    matrices = both["weight"].reshape(d, n_heads, 3, d_head).permute(2, 1, 0, 3)
    for i, which in enumerate("QKV"):
        found[f"attn.W_{which}"] = matrices[i]
        if bias:
            found[f"attn.b_{which}"] = both["bias"].view(n_heads, 3, d_head)[:, i]
    out = tensors.linear(f"{name}.attention.dense", d, d, bias=bias)
    found["attn.W_O"] = out["weight"].reshape(n_heads, d_head, d)
    if bias:
        found["attn.b_O"] = out["bias"]
    up = tensors.linear(f"{name}.mlp.dense_h_to_4h", shape.d_mlp, d, bias=True)
    down = tensors.linear(f"{name}.mlp.dense_4h_to_h", d, shape.d_mlp, bias=True)
    return found | {
        "mlp.W_in": up["weight"], "mlp.b_in": up["bias"],
        "mlp.W_out": down["weight"], "mlp.b_out": down["bias"],
    }  # fmt: skip


GPT_NEOX = Family(
    "gpt_neox", "gpt_neox.", _shape, _parameters, ("layer_norm_eps", 1e-5),
    buffers=r"(rotary_emb\.inv_freq|attention\.(masked_)?bias)$",
)  # fmt: skip
