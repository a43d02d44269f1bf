"""What a lens can do: picks, edits, batches, early stops, other weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Read
from replications.models import sites
from replications.models.edits import Edit, apply, put, put_rows
from replications.models.sites import Place
from tests import oracle
from tests.toy import (
    EXACT,
    PLACES,
    TOKENS,
    distance,
    key,
    logits,
    opened,
    random,
    truth,
    weights,
)

EVERY_PLACE = pytest.mark.parametrize("place", PLACES, ids=repr)


# ------------------------------------------------------------------------------ picks, edits
@pytest.mark.parametrize(
    ("place", "index"),
    [
        (sites.Z(1).pick(head=2), (slice(None), slice(None), 2)),
        (sites.Z(0).pick(head=0, pos=1), (slice(None), 1, 0)),
        (sites.Z(0).pick(head=slice(1, 3), d_head=4), (slice(None), slice(None), slice(1, 3), 4)),
        (sites.PATTERN(0).pick(head=1, key=3), (slice(None), 1, slice(None), 3)),
        (sites.PATTERN(1).pick(query=slice(0, 2)), (slice(None), slice(None), slice(0, 2))),
        (sites.MLP_POST(1).pick(neuron=-1), (slice(None), slice(None), -1)),
        (sites.LN_FINAL().pick(pos=0), (slice(None), 0)),
        (sites.EMBED().pick(pos=2, d_model=slice(3, 7)), (slice(None), 2, slice(3, 7))),
    ],
    ids=repr,
)
def test_a_pick_narrows_reads_and_edits(place: Place, index: tuple[Any, ...]) -> None:
    def change(value: Tensor) -> Tensor:
        value = value.clone()
        value[index] = 3 - value[index]
        return value

    lens = opened("padded")
    part = lens.run(TOKENS, {"part": place})["part"]
    assert distance(part, truth("padded")[key(place)][index]) < EXACT
    if place.site in lens.soundness().dead:
        return
    edited = lens.run(TOKENS, edits=[apply(place, lambda part: 3 - part)]).logits
    expected = logits("padded", {key(place): change})
    assert distance(edited, expected) < EXACT
    assert distance(edited, logits("padded")) > 1e-3


def test_put_sets_one_value_for_every_example() -> None:
    place = sites.Z(1).pick(head=1)
    for value in (random(5), random(6, 5), torch.tensor(0.5)):
        run = opened("padded").run(TOKENS, {"z": place}, [put(place, value)])
        assert run["z"].equal(value.double().expand(5, 6, 5))


def test_put_rows_sets_a_value_for_each_example_of_the_whole_batch() -> None:
    place, values = sites.RESID_PRE(1).pick(pos=0), random(5, 12)
    for batch in (2, 3, 5):
        run = opened("padded").run(TOKENS, {"x": place}, [put_rows(place, values)], batch=batch)
        assert run["x"].equal(values)


@pytest.mark.parametrize("rows", [1, 4])
def test_put_rows_with_too_few_rows_is_refused(rows: int) -> None:
    edit = put_rows(sites.RESID_PRE(1).pick(pos=0), random(rows, 12))
    with pytest.raises(BadInput, match=rf"resid_pre\[layer=1, pos=0\] has {rows} rows"):
        opened("padded").run(TOKENS, edits=[edit], batch=4)


@pytest.mark.parametrize("place", [sites.RESID_PRE(1), sites.LN1(1)], ids=repr)
def test_edits_of_one_place_are_made_in_order(place: Place) -> None:
    edits = [apply(place, lambda x: x + 1), apply(place, lambda x: 2 * x)]
    run = opened("padded").run(TOKENS, {"x": place}, edits)
    assert distance(run["x"], 2 * (truth("padded")[key(place)] + 1)) < EXACT


def test_with_edits_holds_for_every_run_and_comes_first() -> None:
    lens, place = opened("padded"), sites.MLP_OUT(0)
    doubled = lens.with_edits([apply(place, lambda x: 2 * x)])
    again = doubled.with_edits([apply(place, lambda x: x + 1)])
    true = truth("padded")[key(place)]
    for other, expected in ((lens, true), (doubled, 2 * true), (again, 2 * true + 1)):
        assert distance(other.run(TOKENS, {"x": place})["x"], expected) < EXACT
        assert distance(other.read(TOKENS, {"x": place})["x"], expected) < EXACT
    last = again.run(TOKENS, {"x": place}, [apply(place, lambda x: -x)])
    assert distance(last["x"], -2 * true - 1) < EXACT


# ------------------------------------------------------------------------------ reads, batches
def test_the_batch_size_does_not_matter() -> None:
    reads = {repr(place): place for place in PLACES}
    edit = put_rows(sites.RESID_MID(0).pick(pos=1), random(5, 12))
    whole = opened("padded").run(TOKENS, reads, [edit])
    parts = opened("padded").run(TOKENS, reads, [edit], batch=3)
    assert whole.logits.shape == (5, 6, 4)
    assert distance(whole.logits, parts.logits) < EXACT
    assert [name for name in reads if distance(whole[name], parts[name]) > EXACT] == []


@EVERY_PLACE
def test_read_stops_early_and_gives_what_run_gives(place: Place) -> None:
    lens, edits = opened("padded"), [apply(sites.RESID_PRE(0), lambda x: -x)]
    whole = lens.run(TOKENS, {"x": place}, edits)["x"]
    assert lens.read(TOKENS, {"x": place}, edits)["x"].equal(whole)


def test_read_runs_no_layer_behind_the_last_one_it_needs() -> None:
    reached: list[str] = []

    def witness(place: Place) -> Edit:
        return apply(place, lambda x: reached.append(repr(place)) or x)  # type: ignore[func-returns-value]

    edits = [witness(sites.Z(0)), witness(sites.Z(1)), witness(sites.LN_FINAL())]
    opened("padded").read(TOKENS, {"x": sites.MLP_OUT(0)}, edits)
    assert reached == ["z[layer=0]"]


def test_reading_nothing_gives_nothing() -> None:
    assert opened("padded").read(TOKENS, {}) == {}


def test_reduce_is_made_of_the_picked_part() -> None:
    read = Read(sites.Z(0).pick(head=1), lambda part: part.norm(dim=-1))
    expected = truth("padded")["z", 0][:, :, 1].norm(dim=-1)
    assert distance(opened("padded").run(TOKENS, {"n": read}, batch=2)["n"], expected) < EXACT


def test_a_reduced_view_is_not_changed_by_a_later_edit() -> None:
    # The output of a block and the input of the next one are the same tensor.
    reads = {"view": Read(sites.RESID_POST(0), lambda part: part[..., :3])}
    run = opened("padded").run(TOKENS, reads, [apply(sites.RESID_PRE(1), torch.zeros_like)])
    assert distance(run["view"], truth("padded")["resid_post", 0][..., :3]) < EXACT


def test_without_the_mask_pads_are_seen() -> None:
    unmasked = opened("padded").run(TOKENS, masked=False).logits
    assert distance(unmasked, truth("padded", masked=False)["logits", None]) < EXACT
    changed = (unmasked - logits("padded")).abs().amax(dim=(1, 2))
    has_pads = (TOKENS == 1).any(1)
    assert changed[has_pads].min() > 1e-2
    assert changed[~has_pads].max() < EXACT


@pytest.mark.parametrize("place", [sites.Z(2), sites.LN1(2), sites.RESID_PRE(-1)], ids=repr)
def test_a_layer_the_model_lacks_is_refused(place: Place) -> None:
    lens = opened("padded")
    with pytest.raises(BadInput, match=r"layer=-?\d\]: the model has 2 layers"):
        lens.run(TOKENS, {"x": place})
    with pytest.raises(BadInput, match="the model has 2 layers"):
        lens.read(TOKENS, {"x": place})
    with pytest.raises(BadInput, match="the model has 2 layers"):
        lens.run(TOKENS, edits=[apply(place, torch.zeros_like)])


# ------------------------------------------------------------------------------------- models
def test_reopen_gives_other_weights_in_the_same_shape_and_dtype() -> None:
    lens = opened("padded").with_edits([apply(sites.Z(0), torch.zeros_like)])
    other = lens.reopen(weights(seed=1))
    expected = oracle.forward(weights(seed=1), TOKENS, causal=False, pad=1)["logits", None]
    assert other.run(TOKENS).logits.dtype == torch.float64
    assert distance(other.run(TOKENS).logits, expected) < EXACT, "edits belong to the old model"
    assert distance(lens.reopen(lens.state_dict).run(TOKENS).logits, logits("padded")) < EXACT


def test_lenses_of_one_architecture_keep_their_own_weights() -> None:
    """On bridges they share one model, which must hold the weights of the lens that is run."""
    lens, seeds = opened("padded"), (1, 2)
    others = [lens.reopen(weights(seed=seed)) for seed in seeds]
    names = ("embed.W_E", "unembed.b_U")
    for _ in range(2):
        for other, seed in zip(others, seeds, strict=True):
            expected = oracle.forward(weights(seed=seed), TOKENS, causal=False, pad=1)
            assert distance(other.run(TOKENS).logits, expected["logits", None]) < EXACT
            model = other.model  # type: ignore[attr-defined]
            assert model.W_E.equal(weights(seed=seed)[names[0]])
            assert model.b_U.equal(weights(seed=seed)[names[1]])
        assert distance(lens.run(TOKENS).logits, logits("padded")) < EXACT


def test_a_large_model_has_a_bridge_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = pytest.importorskip("replications.lens.bridge")
    lens = opened("padded")
    if not isinstance(lens, bridge.BridgeLens):
        pytest.skip("the installed line opens no bridges")
    shared, again = lens.reopen(weights(seed=1)), lens.reopen(weights(seed=2))
    assert shared.model is again.model
    monkeypatch.setattr(bridge, "MOST_SHARED", 0)
    alone = lens.reopen(weights(seed=1))
    assert alone.model is not shared.model
    assert distance(alone.run(TOKENS).logits, shared.run(TOKENS).logits) == 0


def test_the_weights_are_those_it_was_opened_with() -> None:
    w, found = weights(), opened("padded").weights
    for name in ("W_Q", "W_K", "W_V", "W_O", "b_O"):
        expected = torch.stack([w[f"blocks.{i}.attn.{name}"] for i in range(2)])
        assert getattr(found, name).equal(expected), name
    for name in ("W_in", "b_in", "W_out", "b_out"):
        expected = torch.stack([w[f"blocks.{i}.mlp.{name}"] for i in range(2)])
        assert getattr(found, name).equal(expected), name
    for name in ("embed.W_E", "pos_embed.W_pos", "unembed.W_U", "unembed.b_U"):
        assert getattr(found, name.split(".")[1]).equal(w[name]), name
    product = w["blocks.1.attn.W_V"][2] @ w["blocks.1.attn.W_O"][2]
    assert found.OV(1, 2).equal(product)
