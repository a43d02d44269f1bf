"""The table of sites: names, axes, and what is refused."""

from __future__ import annotations

import doctest

import pytest

from replications.errors import BadInput
from replications.models import sites
from replications.models.sites import (
    LN1,
    LN_FINAL,
    MLP_POST,
    PATTERN,
    RESID_PRE,
    SITES,
    Site,
    Z,
)

EVERY = pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)


def test_the_examples_in_the_documentation_run() -> None:
    results = doctest.testmod(sites)
    assert results.attempted > 0
    assert results.failed == 0


def test_the_table_lists_every_site_once() -> None:
    assert set(SITES) == {s for s in vars(sites).values() if isinstance(s, Site)}
    assert len({site.name for site in SITES}) == len(SITES)
    assert len({site.path for site in SITES}) == len(SITES)


@EVERY
def test_a_site_is_called_like_its_constant(site: Site) -> None:
    assert getattr(sites, site.name.upper()) is site


@EVERY
def test_axes_start_with_the_batch_and_differ(site: Site) -> None:
    assert site.axes[0] == "batch"
    assert len(set(site.axes)) == len(site.axes)


@EVERY
def test_a_place_without_picks_is_the_whole_activation(site: Site) -> None:
    place = site(0) if site.layered else site()
    assert place.index == (slice(None),) * len(site.axes)


def test_a_place_is_written_with_its_axes_in_the_order_of_the_site() -> None:
    assert repr(Z(2).pick(head=0, pos=1)) == "z[layer=2, pos=1, head=0]"
    assert repr(RESID_PRE(0)) == "resid_pre[layer=0]"
    assert repr(LN_FINAL()) == "ln_final[]"
    assert repr(LN_FINAL().pick(pos=0)) == "ln_final[pos=0]"


def test_picks_become_one_index_for_each_axis() -> None:
    place = PATTERN(1).pick(key=slice(2, 4), head=1)
    assert place.index == (slice(None), 1, slice(None), slice(2, 4))


def test_picks_add_up_and_leave_the_first_place_alone() -> None:
    head = Z(0).pick(head=1)
    assert head.pick(pos=3).index == (slice(None), 3, 1, slice(None))
    assert head.index == (slice(None), slice(None), 1, slice(None))


def test_places_are_equal_by_content() -> None:
    assert Z(0).pick(head=1) == Z(0).pick(head=1)
    assert Z(0) != Z(1)
    assert len({Z(0).pick(head=1), Z(0).pick(head=1), Z(0)}) == 2


def test_layers_of_two_digits_are_written_whole() -> None:
    assert Z(10).path == "blocks.10.attn.hook_z"
    assert LN1(11).path == "blocks.11.ln1"
    assert repr(Z(10)) == "z[layer=10]"


@pytest.mark.parametrize("axis", ["head", "batch", "layer", "position"])
def test_an_axis_the_site_lacks_is_refused_with_those_it_has(axis: str) -> None:
    with pytest.raises(BadInput, match=f"'mlp_post' has no axis '{axis}'.* batch pos neuron"):
        MLP_POST(0).pick(**{axis: 0})


@EVERY
def test_a_layer_is_given_exactly_where_there_are_layers(site: Site) -> None:
    if site.layered:
        with pytest.raises(BadInput, match=f"'{site.name}' needs a layer"):
            site()
    else:
        with pytest.raises(BadInput, match=f"'{site.name}' exists once and takes no layer"):
            site(0)
