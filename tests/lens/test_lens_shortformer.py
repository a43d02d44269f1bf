"""Attention-only models through the lens: every site is the one of the maths, every edit is live.

The maths is plain torch in float64, one head at a time, and shares no code with the lens.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from replications.errors import BadInput, Unsupported
from replications.lens import Lens, lines, open_lens
from replications.models import sites
from replications.models.edits import apply
from replications.models.shape import Shape
from replications.models.sites import Place
from tests.oracle import Change, Key, layer_norm
from tests.toy import EXACT, TOKENS, distance, key, random

# No two sizes are equal, and the heads together are wider than the model.
SHORT = Shape(
    n_layers=2, n_heads=3, d_model=12, d_head=5, d_mlp=0, n_ctx=9, d_vocab=7, d_vocab_out=4,
    attn_only=True, normalization=None, positions="shortformer",
)  # fmt: skip
SHAPES = {
    "shortformer": SHORT,
    "padded": replace(SHORT, attention="bidirectional", pad_token=1),
    "normalised": replace(SHORT, normalization="LN"),
    "standard": replace(SHORT, positions="standard"),
}
LAYERED = (
    sites.RESID_PRE, sites.RESID_MID, sites.RESID_POST, sites.Q, sites.K, sites.V, sites.Z,
    sites.PATTERN, sites.ATTN_OUT,
)  # fmt: skip
PLACES = [sites.EMBED(), sites.POS_EMBED(), *(site(i) for site in LAYERED for i in range(2))]
EVERY_MODEL = pytest.mark.parametrize("model", SHAPES)
EVERY_PLACE = pytest.mark.parametrize("place", PLACES, ids=repr)


@cache
def weights(model: str) -> Mapping[str, Tensor]:
    """Random weights; no bias is zero, so a lens that drops one is found."""
    d, heads, d_head = SHORT.d_model, SHORT.n_heads, SHORT.d_head
    sizes: dict[str, tuple[int, ...]] = {
        "embed.W_E": (SHORT.d_vocab, d),
        "pos_embed.W_pos": (SHORT.n_ctx, d),
    }
    for layer in range(SHORT.n_layers):
        block: dict[str, tuple[int, ...]] = {f"attn.W_{n}": (heads, d, d_head) for n in "QKV"}
        block |= {f"attn.b_{name}": (heads, d_head) for name in "QKV"}
        block |= {"attn.W_O": (heads, d_head, d), "attn.b_O": (d,)}
        if SHAPES[model].normalization:
            block |= {"ln1.w": (d,), "ln1.b": (d,)}
        sizes |= {f"blocks.{layer}.{name}": size for name, size in block.items()}
    if SHAPES[model].normalization:
        sizes |= {"ln_final.w": (d,), "ln_final.b": (d,)}
    sizes |= {"unembed.W_U": (d, SHORT.d_vocab_out), "unembed.b_U": (SHORT.d_vocab_out,)}
    return {n: 0.3 * random(*size, seed=i) for i, (n, size) in enumerate(sizes.items())}


@cache
def opened(model: str, dtype: torch.dtype = torch.float64) -> Lens:
    return open_lens(SHAPES[model], weights(model), dtype=dtype)


def truth(
    model: str, edits: Mapping[Key, Change] | None = None, masked: bool = True
) -> dict[Key, Tensor]:
    """Every site on TOKENS, and ("logits", None), with `edits` made before anything sees them."""
    shape, w = SHAPES[model], weights(model)
    seen: dict[Key, Tensor] = {}

    def at(name: str, layer: int | None, value: Tensor) -> Tensor:
        change = (edits or {}).get((name, layer))
        seen[name, layer] = value if change is None else change(value)
        return seen[name, layer]

    allowed = torch.ones(len(TOKENS), TOKENS.shape[1], TOKENS.shape[1], dtype=torch.bool)
    if shape.attention == "causal":
        allowed = allowed.tril()
    if shape.pad_token is not None and masked:
        allowed = allowed & TOKENS.ne(shape.pad_token)[:, None]
    x = at("embed", None, w["embed.W_E"][TOKENS])
    rows = w["pos_embed.W_pos"][: TOKENS.shape[1]].repeat(len(TOKENS), 1, 1)
    positions = at("pos_embed", None, rows)
    if shape.positions == "standard":
        x, positions = x + positions, torch.zeros_like(positions)
    for layer in range(shape.n_layers):
        prefix = f"blocks.{layer}."
        block = {n.removeprefix(prefix): v for n, v in w.items() if n.startswith(prefix)}
        x = at("resid_pre", layer, x)
        x = at("resid_mid", layer, x + attention(block, layer, x, positions, allowed, at))
        x = at("resid_post", layer, x)
    if shape.normalization:
        x = layer_norm(x, w["ln_final.w"], w["ln_final.b"])
    at("logits", None, x @ w["unembed.W_U"] + w["unembed.b_U"])
    return seen


def attention(
    w: Mapping[str, Tensor],
    layer: int,
    x: Tensor,
    positions: Tensor,
    allowed: Tensor,
    at: Callable[[str, int | None, Tensor], Tensor],
) -> Tensor:
    """What a layer adds to the stream: positions go to queries and keys only."""
    if "ln1.w" in w:
        x = layer_norm(x, w["ln1.w"], w["ln1.b"])
    heads, _, d_head = w["attn.W_Q"].shape
    sees = {"Q": x + positions, "K": x + positions, "V": x}
    q, k, v = (
        at(
            n.lower(),
            layer,
            torch.stack(
                [sees[n] @ w[f"attn.W_{n}"][h] + w[f"attn.b_{n}"][h] for h in range(heads)], dim=2
            ),
        )
        for n in "QKV"
    )
    scores = torch.stack([q[:, :, h] @ k[:, :, h].mT for h in range(heads)], dim=1)
    scores = (scores / math.sqrt(d_head)).masked_fill(~allowed[:, None], -math.inf)
    pattern = at("pattern", layer, scores.softmax(-1))
    z = at("z", layer, torch.stack([pattern[:, h] @ v[:, :, h] for h in range(heads)], dim=2))
    parts = [z[:, :, h] @ w["attn.W_O"][h] for h in range(heads)]
    return at("attn_out", layer, sum(parts, w["attn.b_O"].expand_as(x)))


# ----------------------------------------------------------------------------------- meaning
def misread(model: str, places: list[Place], dtype: torch.dtype, tolerance: float) -> list[str]:
    """The places, and "logits", whose value through the lens is not the one of the maths."""
    run = opened(model, dtype).run(TOKENS, {repr(place): place for place in places})
    true = truth(model)
    found = [repr(p) for p in places if distance(run[repr(p)], true[key(p)]) > tolerance]
    wrong = distance(run.logits, true["logits", None]) > tolerance
    return found + (["logits"] if wrong else [])


@EVERY_MODEL
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, EXACT)], ids=["32", "64"]
)
def test_logits_and_every_site_are_those_of_the_maths(
    model: str, dtype: torch.dtype, tolerance: float
) -> None:
    assert misread(model, PLACES, dtype, tolerance) == []


def test_positions_are_readable_and_no_part_of_the_stream() -> None:
    run = opened("shortformer").run(TOKENS, {"pos": sites.POS_EMBED(), "x": sites.RESID_PRE(0)})
    w = weights("shortformer")
    assert run["pos"].equal(w["pos_embed.W_pos"][:6].repeat(5, 1, 1))
    assert run["x"].equal(w["embed.W_E"][TOKENS])


def test_an_unmasked_run_sees_pads() -> None:
    logits = opened("padded").run(TOKENS, masked=False).logits
    assert distance(logits, truth("padded", masked=False)["logits", None]) < EXACT
    assert distance(logits, truth("padded")["logits", None]) > 1e-2


@pytest.mark.skipif(
    lines.installed().kind == "hooked", reason="a HookedTransformer has shortformer of its own"
)
def test_planted_value_that_sees_positions_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from replications.lens import shortformer

    forward = shortformer.ShortformerAttention.forward

    def wrong(self, hidden_states, positions=None, **kwargs):  # type: ignore[no-untyped-def]
        return forward(
            self, hidden_states + positions, positions=torch.zeros_like(positions), **kwargs
        )

    monkeypatch.setattr(shortformer.ShortformerAttention, "forward", wrong)
    found = misread("shortformer", PLACES, torch.float64, EXACT)
    assert "v[layer=0]" in found
    assert "logits" in found
    assert not {"q[layer=0]", "k[layer=0]", "pattern[layer=0]"} & set(found)


# ---------------------------------------------------------------------------------- liveness
@pytest.mark.sampled(2)
@EVERY_MODEL
@EVERY_PLACE
def test_an_edit_changes_the_logits_as_the_maths_says(model: str, place: Place) -> None:
    if place.site in opened(model).soundness().dead:
        with pytest.raises(Unsupported, match="drops edits there"):
            opened(model).run(TOKENS, edits=[apply(place, torch.zeros_like)])
        return
    before = truth(model)
    shift = random(*before[key(place)].shape, seed=7)

    def change(value: Tensor) -> Tensor:
        return shift - value / 2

    expected = truth(model, {key(place): change})["logits", None]
    assert distance(expected, before["logits", None]) > 1e-2, "this edit cannot show anything"
    edited = opened(model).run(TOKENS, edits=[apply(place, change)])
    assert distance(edited.logits, expected) < EXACT


@pytest.mark.parametrize("site", [sites.RESID_MID, sites.RESID_POST], ids=lambda s: s.name)
def test_the_stream_after_attention_has_two_names(site: sites.Site) -> None:
    lens, edit = opened("shortformer"), apply(site(0), torch.zeros_like)
    reads = {"mid": sites.RESID_MID(0), "post": sites.RESID_POST(0), "pre": sites.RESID_PRE(1)}
    run = lens.run(TOKENS, reads, [edit])
    assert not any(run[name].any() for name in reads)


def test_one_position_of_one_head_is_patched_and_the_rest_stays() -> None:
    place = sites.K(1).pick(pos=2, head=1)
    reads = {"k": sites.K(1), "z": sites.Z(1)}
    lens = opened("shortformer")
    before, after = lens.run(TOKENS, reads), lens.run(TOKENS, reads, [apply(place, lambda k: -k)])
    changed = (before["k"] != after["k"]).any(-1).any(0)
    assert changed.nonzero().tolist() == [[2, 1]]
    assert not distance(before["z"][:, :2], after["z"][:, :2])  # earlier queries do not see it


def test_an_early_stop_reads_the_same() -> None:
    reads = {"z": sites.Z(0), "post": sites.RESID_POST(0)}
    early, whole = (
        opened("shortformer").read(TOKENS, reads),
        opened("shortformer").run(TOKENS, reads),
    )
    assert all(early[name].equal(whole[name]) for name in reads)


# ------------------------------------------------------------------------------ what is not there
@EVERY_MODEL
@pytest.mark.parametrize("site", [sites.MLP_POST, sites.MLP_OUT, sites.LN2], ids=lambda s: s.name)
def test_sites_of_an_mlp_are_refused(model: str, site: sites.Site) -> None:
    with pytest.raises(BadInput, match=f"{site.name}.layer=1.: the model has attention only"):
        opened(model).run(TOKENS, {"x": site(1)})
    with pytest.raises(BadInput, match="attention only"):
        opened(model).read(TOKENS, {"x": sites.Z(0)}, [apply(site(0), torch.zeros_like)])


@pytest.mark.parametrize("place", [sites.LN1(0), sites.LN_FINAL()], ids=repr)
def test_sites_of_a_layernorm_are_refused(place: Place) -> None:
    with pytest.raises(BadInput, match="the model has no LayerNorm"):
        opened("shortformer").run(TOKENS, {"x": place})
    opened("normalised").run(TOKENS, {"x": place})


@pytest.mark.parametrize(
    "wrong",
    [
        {"d_mlp": 8},
        {"attn_only": False},
        {"attn_only": False, "d_mlp": 8},
    ],
)
def test_shapes_that_the_lens_cannot_make_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        replace(SHORT, **wrong)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------ weights
def test_weights_have_their_axes_and_no_neurons() -> None:
    found, w = opened("shortformer").weights, weights("shortformer")
    for name in "QKVO":
        stacked = torch.stack([w[f"blocks.{layer}.attn.W_{name}"] for layer in range(2)])
        assert getattr(found, f"W_{name}").equal(stacked)
    assert found.W_pos.equal(w["pos_embed.W_pos"])
    assert found.b_U.equal(w["unembed.b_U"])
    assert (found.W_in.shape, found.b_in.shape) == ((2, 12, 0), (2, 0))
    assert found.W_out.shape == (2, 0, 12)
    assert not found.b_out.any()


def test_the_two_circuits_of_a_head() -> None:
    found, w = opened("shortformer").weights, weights("shortformer")
    q, k, v, o = (w[f"blocks.1.attn.W_{name}"][2] for name in "QKVO")
    torch.testing.assert_close(found.QK(1, 2), q @ k.T)
    torch.testing.assert_close(found.OV(1, 2), v @ o)


# -------------------------------------------------------------------------------- side effects
def test_opening_draws_nothing_and_warns_of_nothing() -> None:
    state = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        lens = open_lens(SHORT, weights("shortformer"), dtype=torch.float64)
    assert torch.get_rng_state().equal(state)
    again = lens.reopen(dict(weights("shortformer")))
    assert again.run(TOKENS).logits.equal(lens.run(TOKENS).logits)
