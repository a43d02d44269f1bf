"""The lens shows what it says: every site equals the maths, and every edit reaches the logits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from replications.errors import Unsupported
from replications.lens import Lens, lines
from replications.lens.hooks import HookLens
from replications.models import sites
from replications.models.edits import Edit, apply
from replications.models.sites import Place, Site
from tests.toy import (
    EXACT,
    LIVE,
    PLACES,
    SHAPES,
    TOKENS,
    distance,
    key,
    logits,
    opened,
    random,
    truth,
)

EVERY_MODEL = pytest.mark.parametrize("model", SHAPES)
EVERY_PLACE = pytest.mark.parametrize("place", PLACES, ids=repr)


# ----------------------------------------------------------------------------------- meaning
def misread(lens: Lens, model: str, places: list[Place], tolerance: float) -> list[str]:
    """The places whose value through the lens is not the one of the maths."""
    run = lens.run(TOKENS, {repr(place): place for place in places})
    true = truth(model)
    return [repr(p) for p in places if distance(run[repr(p)], true[key(p)]) > tolerance]


@pytest.mark.sampled(2)
@EVERY_MODEL
@EVERY_PLACE
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, EXACT)], ids=["32", "64"]
)
def test_a_site_read_through_the_lens_is_the_one_of_the_maths(
    model: str, place: Place, dtype: torch.dtype, tolerance: float
) -> None:
    assert misread(opened(model, dtype), model, [place], tolerance) == []


@EVERY_MODEL
def test_the_logits_are_those_of_the_maths(model: str) -> None:
    assert distance(opened(model).run(TOKENS).logits, logits(model)) < EXACT
    single = opened(model, torch.float32).run(TOKENS).logits
    assert single.dtype == torch.float32
    assert distance(single, logits(model)) < 1e-5


@pytest.mark.parametrize(
    ("site", "path"),
    [
        (sites.LN1, "blocks.{layer}.ln1.hook_normalized"),
        (sites.LN2, "blocks.{layer}.ln2.hook_normalized"),
        (sites.LN_FINAL, "ln_final.hook_normalized"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_planted_layernorm_read_by_the_name_that_changed_its_meaning_is_found(
    site: Site, path: str
) -> None:
    wrong = Site(site.name, site.axes, path)
    places = [wrong(i) for i in range(2)] if site.layered else [wrong()]
    # 3.0 moved this hook before scale and bias, under the same name and without a warning.
    moved = lines.installed().number >= (3, 0)
    expected = [repr(p) for p in places] if moved else []
    assert misread(opened("padded"), "padded", places, 0.1) == expected


def test_planted_mask_that_is_left_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HookLens, "_mask", lambda self, tokens: None)
    wrong = misread(opened("padded"), "padded", PLACES, EXACT)
    assert "pattern[layer=0]" in wrong
    assert "q[layer=0]" not in wrong


# ---------------------------------------------------------------------------------- liveness
def lost(lens: Lens, model: str, places: list[Place]) -> list[str]:
    """The places where an edit through the lens does not do to the logits what the maths says."""
    found = []
    for place in places:
        shift = random(*truth(model)[key(place)].shape, seed=7)

        def change(value: Tensor, shift: Tensor = shift) -> Tensor:
            return shift - value / 2

        expected = logits(model, {key(place): change})
        assert distance(expected, logits(model)) > 1e-2, f"{place} cannot show anything"
        edited = lens.run(TOKENS, edits=[apply(place, change)])
        if distance(edited.logits, expected) > EXACT:
            found.append(repr(place))
    return found


@EVERY_MODEL
@EVERY_PLACE
def test_an_edit_changes_the_logits_as_the_maths_says(model: str, place: Place) -> None:
    lens = opened(model)
    if place.site in lens.soundness().dead:
        with pytest.raises(Unsupported, match="drops edits there; use --lens hooked"):
            lens.run(TOKENS, edits=[apply(place, torch.zeros_like)])
    else:
        assert lost(lens, model, [place]) == []


def _returns_a_new_tensor(edit: Edit, rows: slice) -> Callable[..., Tensor]:
    def change(value: Tensor, hook: object = None) -> Tensor:
        value = value.clone()
        value[edit.place.index] = edit.change(value[edit.place.index], rows)
        return value

    return change


def _edits_a_copy(edit: Edit, rows: slice) -> Callable[..., None]:
    def change(value: Tensor, hook: object = None) -> None:
        _returns_a_new_tensor(edit, rows)(value)

    return change


def test_planted_edit_that_misses_the_skip_path_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    lens = opened("padded")
    monkeypatch.setattr(type(lens), "_editor", staticmethod(_returns_a_new_tensor))
    bridge = lines.installed().kind == "bridge"  # a HookedTransformer takes a new tensor anywhere
    missed = ["resid_mid[layer=0]", "resid_mid[layer=1]"] if bridge else []
    assert lost(lens, "padded", LIVE) == missed


def test_planted_edit_that_is_dropped_is_found_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    lens = opened("causal")
    monkeypatch.setattr(type(lens), "_editor", staticmethod(_edits_a_copy))
    assert lost(lens, "causal", LIVE) == [repr(place) for place in LIVE]


def test_an_edit_shows_in_reads_of_its_place_and_behind_it() -> None:
    place = sites.RESID_MID(0)
    shift = random(5, 6, 12)
    true = truth("padded", {key(place): lambda x: x + shift})
    reads = {repr(p): p for p in PLACES}
    run = opened("padded").run(TOKENS, reads, [apply(place, lambda x: x + shift)])
    assert [name for p in PLACES if distance(run[name := repr(p)], true[key(p)]) > EXACT] == []
