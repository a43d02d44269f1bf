"""Attribution patching against small steps through hooks, and its agreement with exact sweeps."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from replications.errors import BadInput, Unsupported
from replications.models import sites
from replications.models.edits import put, put_rows
from replications.models.sites import Place
from replications.patching.activation import Sweep, sweep
from replications.patching.attribution import (
    Agreement,
    AttributionPatching,
    MisjudgedPlace,
    agreement,
    attribute,
)
from replications.patching.grid import SWEPT_SITES, Grid
from replications.patching.reference import HookedNetwork
from tests.random_models import EVERY, MODERN, lens, network, tokens

ANSWERS = torch.tensor([[0, 1], [3, 2], [4, 5]])
AT = torch.tensor([5, 3, 4])
STEP = 1e-5


def pair(name: str) -> tuple[Tensor, Tensor]:
    """Base and source tokens, equal at the first two positions."""
    base, source = tokens(name, seed=1), tokens(name, seed=2)
    source[:, :2] = base[:, :2]
    return base, source


def slope(name: str, place: Place, at: int | Tensor) -> Tensor:
    """How fast the metric changes as the place goes from base to source, [batch]."""
    model, (base, source) = HookedNetwork(network(name)), pair(name)
    ours, theirs = (model.run(text, {"a": place})["a"] for text in (base, source))
    rows, found = torch.arange(3), []
    for step in (STEP, -STEP):
        edit = put_rows(place, ours + step * (theirs - ours))
        logits = model.run(base, edits=[edit]).logits[rows, at].gather(1, ANSWERS)
        found.append(logits[:, 0] - logits[:, 1])
    return (found[0] - found[1]) / (2 * STEP)


def axes(site: sites.Site) -> str:
    return "head layer pos" if "head" in site.axes else "layer pos"


@pytest.mark.sampled(12)
@pytest.mark.parametrize("site", SWEPT_SITES, ids=lambda site: site.name)
@pytest.mark.parametrize("name", ["gpt", "padded", "attention_only", "shortformer", *MODERN])
def test_an_estimate_is_the_slope_of_the_patch(name: str, site: sites.Site) -> None:
    shape = EVERY[name]
    if (shape.attn_only and site is sites.MLP_OUT) or (shape.parallel and site is sites.RESID_MID):
        return
    at: Any = 0 if shape.attention == "bidirectional" else AT
    model = network(name)
    grid = Grid(site, axes(site), layers=[0, 2], positions=[0, 3])
    found = attribute(model, *pair(name), grid, ANSWERS, at=at)
    effects = (found.values - found.base).flatten(0, -2)
    for effect, place in zip(effects, grid.places(model, 6), strict=True):
        assert (effect - slope(name, place, at)).abs().max() < 1e-6, place


def test_a_grid_of_fewer_axes_patches_the_others_at_once() -> None:
    model, runs = network("gpt"), pair("gpt")
    whole = attribute(model, *runs, Grid(sites.Z, "layer head pos"), ANSWERS, at=AT)
    heads = attribute(model, *runs, Grid(sites.Z, "layer head"), ANSWERS, at=AT)
    assert heads.values.shape == (3, 3, 3)
    summed = (whole.values - whole.base).sum(2)
    assert (heads.values - heads.base - summed).abs().max() < 1e-10
    listed = [sites.Z(2).pick(head=1), sites.RESID_PRE(1).pick(pos=4)]
    found = attribute(model, *runs, listed, ANSWERS, at=AT)
    assert found.labels == {"place": tuple(listed)}
    assert found.values[0].allclose(heads.values[2, 1])


def test_where_all_that_follows_is_linear_the_estimate_is_exact() -> None:
    model, runs = network("shortformer"), pair("shortformer")
    grid = Grid(sites.Z, "layer head pos", layers=[2])
    estimate = attribute(model, *runs, grid, ANSWERS, at=AT)
    exact = sweep(model, *runs, grid, ANSWERS, at=AT)
    assert (estimate.values - exact.values).abs().max() < 1e-10
    assert (estimate.values - estimate.base).std() > 0.01
    assert agreement(estimate, exact, k=5).spearman == pytest.approx(1)


def test_the_baselines_are_those_of_the_sweep() -> None:
    runs, grid = pair("gpt"), Grid(sites.RESID_PRE, "layer pos")
    estimate, exact = (f(lens("gpt"), *runs, grid, ANSWERS, at=AT) for f in (attribute, sweep))
    assert (estimate.base - exact.base).abs().max() < 1e-10
    assert (estimate.source - exact.source).abs().max() < 1e-10
    # All of the stream before layer 0 at once would be the source run, one position is not.
    assert estimate.recovery().shape == exact.recovery().shape == (3, 6, 3)
    assert estimate.mean().shape == (3, 6)
    assert (estimate.axes, dict(estimate.labels)) == (exact.axes, dict(exact.labels))


# ---------------------------------------------------------------------------------- agreement
def results(guess: list[float], truth: list[float]) -> tuple[AttributionPatching, Sweep]:
    """Two heads by three positions, one example, with these effects on a metric of 5."""
    base, labels = torch.tensor([5.0]), {"head": (4, 7), "pos": (0, 1, 2)}
    values = [torch.tensor(e).view(2, 3, 1) + base for e in (guess, truth)]
    common: dict[str, Any] = {"axes": ("head", "pos"), "labels": labels}
    common |= {"base": base, "source": base + 1}
    exact = Sweep(values=values[1], backend="mkl", flops=0, exact=True, **common)
    return AttributionPatching(values=values[0], **common), exact


def test_agreement_ranks_finds_and_names_the_worst_miss() -> None:
    truth = [0.0, 1.0, -4.0, 2.0, 0.5, 3.0]
    found = agreement(*results([0.0, 1.0, -4.0, 2.0, 0.5, 3.0], truth), k=2)
    assert found == Agreement(1.0, 1.0, MisjudgedPlace("head 4, pos 0", 0.0, 0.0))
    # The large negative effect is missed, and its place is the second of the largest in truth.
    found = agreement(*results([0.0, 1.0, -0.25, 2.0, 0.5, 3.0], truth), k=2)
    assert found.recall == 0.5
    assert found.worst == MisjudgedPlace("head 4, pos 2", -0.25, -4.0)
    assert found.spearman == pytest.approx(1)
    reverse = agreement(*results([-effect for effect in truth], truth), k=1)
    assert reverse.spearman == pytest.approx(-1)
    assert reverse.worst.label == "head 4, pos 2"


def test_effects_that_are_all_equal_have_no_order() -> None:
    assert math.isnan(agreement(*results([0.0] * 6, [1.0, 2, 3, 4, 5, 6]), k=6).spearman)


def test_agreement_needs_the_same_places_and_a_sensible_k() -> None:
    estimate, exact = results([0.0] * 6, [0.0] * 6)
    with pytest.raises(BadInput, match="other places"):
        agreement(estimate, replace(exact, labels={"head": (4, 8), "pos": (0, 1, 2)}))
    with pytest.raises(BadInput, match="same two answers"):
        agreement(estimate, replace(exact, values=exact.values.expand(2, 3, 2)))
    for k in (0, 7):
        with pytest.raises(BadInput, match="number of places, 6"):
            agreement(estimate, exact, k=k)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"source": tokens("gpt", length=5)}, "source"),
        ({"answers": ANSWERS[:, :1]}, "two for each of 3"),
        ({"answers": ANSWERS + 1}, "output vocabulary of 6"),
        ({"at": 6}, "position 6 is outside"),
        ({"places": [sites.Z(3)]}, "3 layers"),
        ({"places": [sites.Z(1).pick(head=3)]}, "head"),
        ({"places": []}, "no places"),
    ],
)
def test_questions_that_make_no_sense_are_refused(change: dict[str, Any], match: str) -> None:
    base, source = pair("gpt")
    usual: dict[str, Any] = {"source": source, "answers": ANSWERS, "places": [sites.Z(0)]}
    with pytest.raises(BadInput, match=match):
        attribute(network("gpt"), base, **(usual | change))


def test_a_lens_with_standing_edits_is_refused() -> None:
    edited = lens("gpt").with_edits([put(sites.Z(0), torch.tensor(0.0))])
    with pytest.raises(Unsupported, match="without them"):
        attribute(edited, *pair("gpt"), [sites.Z(0)], ANSWERS)
