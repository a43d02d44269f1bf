"""The text models of Gemma 3: norms of queries and keys, other rotations where there is a window.

A Gemma 3 that also sees pictures is another kind of model ("gemma3"), which is not read.
"""

from __future__ import annotations

from replications.models.families import decoder, gemma2
from replications.models.families.family import Family
from replications.models.families.rope import from_parameters
from replications.models.families.settings import Settings
from replications.models.rotary import Rotary
from replications.models.shape import Shape


def _rotary(settings: Settings, kind: str, d_head: int) -> Rotary:
    found = dict((settings.get("rope_parameters") or {}).get(kind) or {})
    if kind == "full_attention":
        theta = settings.get("rope_theta", 1_000_000.0)
        found |= settings.get("rope_scaling") or {}
    else:
        theta = settings.get("rope_local_base_freq", 10_000.0)
    return from_parameters({"rope_theta": theta} | found, d_head)


def _shape(settings: Settings) -> Shape:
    layers, d_head = settings.size("num_hidden_layers"), settings.size("head_dim", 256)
    every = settings.get("sliding_window_pattern", settings.get("_sliding_window_pattern", 6))
    kinds = ["sliding_attention" if (i + 1) % every else "full_attention" for i in range(layers)]
    named = settings.get("layer_types") or kinds
    return decoder.shape(
        settings, act=gemma2.ACTIVATION, n_ctx=131_072, d_head=d_head,
        key_value_heads=4,
        windows=decoder.windows(settings, settings.get("sliding_window", 4096), kinds),
        rotary=tuple(_rotary(settings, kind, d_head) for kind in named),
        score_scales=gemma2.scales(settings), post_norms=True, qk_norm=True,
        # The attention of Gemma 3 in transformers never reads attn_logit_softcapping.
        logit_cap=settings.cap("final_logit_softcapping"),
    )  # fmt: skip


GEMMA3 = Family("gemma3_text", "model.", _shape, gemma2.parameters, ("rms_norm_eps", 1e-6))
