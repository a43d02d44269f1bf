"""GPT-2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from replications.errors import BadInput
from replications.models.families.family import Family
from replications.models.families.settings import Settings
from replications.models.families.tensors import Tensors, unembedding
from replications.models.parameters import in_layer
from replications.models.shape import Shape

if TYPE_CHECKING:
    from transformers import GPT2Config


def gpt2_config(content: bytes | str, name: str) -> GPT2Config:
    """The configuration in a Hugging Face `config.json`, called `name` in errors.

    Raises BadInput if the content is not JSON or describes another kind of model.
    """
    from transformers import GPT2Config  # takes seconds to import

    settings = Settings.parse(content, name)
    if settings.family != "gpt2":
        raise BadInput(f"{name} has model_type {settings.family!r}; only 'gpt2' is known here")
    return GPT2Config.from_dict(dict(settings.values))


def gpt2_shape(config: Any) -> Shape:
    """The architecture of a GPT-2 from its configuration. Unsupported for cross-attention."""
    settings = Settings.of(config)
    settings.refuse("add_cross_attention", False, because="cross-attention")
    layers, heads = settings.size("n_layer", 12), settings.size("n_head", 12)
    d_model, vocabulary = settings.size("n_embd", 768), settings.size("vocab_size", 50257)
    return Shape(
        n_layers=layers, n_heads=heads, d_model=d_model, d_head=d_model // heads,
        d_mlp=settings.size("n_inner", 4 * d_model),
        n_ctx=settings.size("n_positions", 1024),
        d_vocab=vocabulary, d_vocab_out=vocabulary,
        act_fn=settings.activation("activation_function", "gelu_new"),
        score_scales=_scales(settings, layers, d_model // heads),
    )  # fmt: skip


def _scales(settings: Settings, layers: int, d_head: int) -> tuple[float, ...]:
    """What scores are multiplied by in each layer, where that is not 1/sqrt(d_head)."""
    scaled = settings.get("scale_attn_weights", True)
    by_layer = settings.get("scale_attn_by_inverse_layer_idx", False)
    if scaled and not by_layer:
        return ()
    first = d_head**-0.5 if scaled else 1.0
    return tuple(first / (layer + 1 if by_layer else 1) for layer in range(layers))


def gpt2_state_dict(weights: Mapping[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """Weights of a transformers GPT-2 under the classic names.

    Raises BadInput for a missing parameter. The unembedding is the embedding unless the state
    dict has its own.
    """
    tensors = Tensors(weights, "transformer.")
    return _parameters(
        tensors, shape, Settings({"tie_word_embeddings": "lm_head.weight" not in tensors})
    )


def _parameters(tensors: Tensors, shape: Shape, settings: Settings) -> dict[str, Tensor]:
    d = shape.d_model
    embedding = tensors.take("wte.weight", shape.d_vocab, d)
    tied = bool(settings.get("tie_word_embeddings", True))
    found = {
        "embed.W_E": embedding,
        "pos_embed.W_pos": tensors.take("wpe.weight", shape.n_ctx, d),
        "unembed.W_U": unembedding(tensors, embedding, tied=tied),
        "ln_final.w": tensors.take("ln_f.weight", d),
        "ln_final.b": tensors.take("ln_f.bias", d),
    }
    for layer in range(shape.n_layers):
        parts = _layer(tensors, f"h.{layer}", shape)
        found |= {in_layer(layer, name): value for name, value in parts.items()}
    return found


def _layer(tensors: Tensors, name: str, shape: Shape) -> dict[str, Tensor]:
    d, heads, d_head, d_mlp = shape.d_model, shape.n_heads, shape.d_head, shape.d_mlp
    # The matrices of a GPT-2 act on rows, as ours do.
    three = tensors.take(f"{name}.attn.c_attn.weight", d, 3 * d)
    matrices = three.view(d, 3, heads, d_head).permute(1, 2, 0, 3)
    biases = tensors.take(f"{name}.attn.c_attn.bias", 3 * d).view(3, heads, d_head)
    found = {f"attn.W_{which}": matrices[i] for i, which in enumerate("QKV")}
    found |= {f"attn.b_{which}": biases[i] for i, which in enumerate("QKV")}
    for ours, theirs in (("ln1", "ln_1"), ("ln2", "ln_2")):
        found[f"{ours}.w"] = tensors.take(f"{name}.{theirs}.weight", d)
        found[f"{ours}.b"] = tensors.take(f"{name}.{theirs}.bias", d)
    return found | {
        "attn.W_O": tensors.take(f"{name}.attn.c_proj.weight", d, d).view(heads, d_head, d),
        "attn.b_O": tensors.take(f"{name}.attn.c_proj.bias", d),
        "mlp.W_in": tensors.take(f"{name}.mlp.c_fc.weight", d, d_mlp),
        "mlp.b_in": tensors.take(f"{name}.mlp.c_fc.bias", d_mlp),
        "mlp.W_out": tensors.take(f"{name}.mlp.c_proj.weight", d_mlp, d),
        "mlp.b_out": tensors.take(f"{name}.mlp.c_proj.bias", d),
    }  # fmt: skip


GPT2 = Family(
    "gpt2", "transformer.", gpt2_shape, _parameters, ("layer_norm_epsilon", 1e-5),
    buffers=r"\.attn\.(masked_)?bias$",
)  # fmt: skip
