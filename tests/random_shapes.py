"""Architectures for Hypothesis: any of the parts that decoders have today, in any combination."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from replications.models.rotary import Rotary
from replications.models.shape import Shape


@st.composite
def modern(draw: st.DrawFn, plain: Shape) -> Shape:
    """The shape with other positions and norms, and more parts."""
    shape = plain
    if shape.positions == "shortformer":
        shape = replace(shape, positions="standard", normalization="LN")
    norm = draw(st.sampled_from(["LN", "RMS"]))
    parts: dict[str, Any] = {"normalization": norm, "qk_norm": draw(st.booleans())}
    parts["post_norms"] = norm == "RMS" and draw(st.booleans())
    parts["positions"] = draw(st.sampled_from(["standard", "none", "rotary"]))
    if shape.d_head == 1 and parts["positions"] == "rotary":
        parts["positions"] = "none"

    def each(values: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(values) for _ in range(shape.n_layers))

    if parts["positions"] == "rotary":
        parts["rotary"] = each(st.sampled_from([Rotary(2), Rotary(2, base=4.0, factor=3.0)]))
    if shape.attention == "causal" and draw(st.booleans()):
        parts["windows"] = each(st.sampled_from([None, 1, 2, 4]))
    if draw(st.booleans()):
        parts["score_scales"] = each(st.sampled_from([0.2, 1.0]))
    shared = [n for n in range(1, shape.n_heads + 1) if shape.n_heads % n == 0]
    parts["n_key_value_heads"] = draw(st.sampled_from([None, *shared]))
    parts["score_cap"], parts["logit_cap"] = draw(st.tuples(*[st.sampled_from([None, 1.5])] * 2))
    if not shape.attn_only:
        parts["gated"], parts["parallel"] = draw(st.booleans()), draw(st.booleans())
    return replace(shape, **parts)
