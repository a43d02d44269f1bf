"""Activation patching of list-update models: both ends, every place, and what is patched."""

from __future__ import annotations

import pytest
import torch

from replications.errors import BadInput
from replications.models import sites
from replications.patching.reference import patch_by_hooks
from replications.systems.list_update import model
from replications.systems.list_update.data import generate_mixed, pairs, printed_pair
from replications.systems.list_update.measurements.patching import (
    SITES,
    Patching,
    corrupt_element,
    described,
    position_of,
)
from replications.systems.list_update.roles import PUBLISHED, find_roles
from replications.systems.list_update.task import Task

EXACT = 1e-9


@pytest.fixture(scope="module")
def task() -> Task:
    """Random weights, larger than before training, so that attention is far from uniform."""
    weights = {n: 2.5 * w.double() for n, w in model.untrained_state_dict(0).items()}
    return Task(model.open_model(weights, dtype="float64"), tokens=generate_mixed(6, 5))


@pytest.fixture(scope="module")
def found(task: Task) -> Patching:
    """Six generated pairs."""
    return Patching(task.lens, pairs(6, 3), find_roles(task))


# ---------------------------------------------------------------------------------- both ends
def test_the_metric_is_1_on_clean_and_0_on_corrupted_logits(task: Task, found: Patching) -> None:
    ends = (found._source, 1.0), (found._base, 0.0)
    for tokens, value in ends:
        logits = task.lens.run(tokens).logits
        assert found.metric(logits).mean().item() == pytest.approx(value)


def test_the_ends_are_logit_differences_where_the_update_is_predicted(task: Task) -> None:
    printed = Patching(task.lens, printed_pair(), PUBLISHED)
    for name, tokens in zip(
        ("clean", "corrupted"), (printed.prompts.clean, printed.prompts.corrupted), strict=True
    ):
        logits = task.lens.run(tokens).logits
        assert printed.ends()[name] == pytest.approx((logits[0, 8, 26] - logits[0, 8, 23]).item())


def test_exchanged_prompts_exchange_the_ends_and_the_direction(found: Patching) -> None:
    ends, exchanged = found.ends(), found.exchanged.ends()
    assert exchanged == {"clean": ends["corrupted"], "corrupted": ends["clean"]}
    share = found.exchanged.swept(sites.RESID_PRE)[0, 5]
    assert share.tolist() == pytest.approx([1.0] * 6)  # the corrupted index is what is put in


# ---------------------------------------------------------------------------------- places
@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_a_sweep_has_the_value_of_a_single_patch(
    task: Task, found: Patching, site: sites.Site
) -> None:
    swept = found.swept(site)
    assert swept.shape == (2, 11, 6)
    axis = "query" if site is sites.PATTERN else "pos"
    place = site(1).pick(**{axis: 7})
    prompts = found.prompts
    one = patch_by_hooks(task.lens, prompts.corrupted, prompts.clean, found.metric, place)
    assert (swept[1, 7] - one).abs().max() < EXACT
    mean = swept[..., prompts.index == 1].mean(-1)
    assert found.mean_share(site, 1).equal(mean)


def test_before_layer_0_the_index_alone_differs(found: Patching) -> None:
    before = found.swept(sites.RESID_PRE)[0]
    assert before[5].tolist() == pytest.approx([1.0] * 6)
    assert before[[*range(5), *range(6, 11)]].abs().max() < EXACT
    assert found.swept(sites.RESID_PRE)[:, 9:].abs().max() < EXACT


def test_findings_are_the_cells_they_name(found: Patching) -> None:
    predicted = found.prompts.position
    rows = torch.arange(6)
    key = found.swept(sites.K)[1, 6].mean().item()
    assert found.layer_1()["recovered"] == pytest.approx(key)
    assert found.at_element(sites.K) == pytest.approx(key)
    query = found.swept(sites.Q)[1][predicted, rows].mean().item()
    other = found.layer_1(site=sites.Q, position="prediction")["recovered"]
    assert other == pytest.approx(query)
    assert found.layer_0() == pytest.approx(
        {
            "output_at_element": found.swept(sites.Z)[0, 6].mean().item(),
            "value_at_index": found.swept(sites.V)[0, 5].mean().item(),
        }
    )
    for position, at in (("element", 6), ("index", 5), ("newline", 7)):
        stream = found.swept(sites.RESID_PRE)[1, at].mean().item()
        assert found.stream(position=position)["recovered"] == pytest.approx(stream)
    for layer in (0, 1):
        expected = {
            "pattern": found.swept(sites.PATTERN)[layer][predicted, rows].mean().item(),
            "output": found.swept(sites.Z)[layer][predicted, rows].mean().item(),
        }
        assert found.at_prediction(head=(layer, 0)) == pytest.approx(expected)
    assert found.at_prediction() == found.at_prediction(head=(1, 0))


def test_anywhere_is_where_the_mean_share_is_largest_in_size(found: Patching) -> None:
    for site in (sites.Q, sites.K, sites.PATTERN):
        means = found.swept(site)[0].mean(-1)
        largest = max(means.tolist(), key=abs)
        expected = {"output_at_element": largest, "value_at_index": largest}
        assert found.layer_0(anywhere=site) == pytest.approx(expected)
    means = found.swept(sites.V)[1].mean(-1)
    anywhere = found.layer_1(site=sites.V, position="anywhere")["recovered"]
    assert anywhere == pytest.approx(max(means.tolist(), key=abs))


IMPORTANT: dict[sites.Site, list[tuple[int, int | str]]] = {
    sites.RESID_PRE: [(1, 6)],
    sites.Z: [(0, 6), (1, "prediction")],
    sites.V: [(0, 5)],
    sites.K: [(1, 6)],
    sites.PATTERN: [(1, "prediction")],
    sites.Q: [],
}


def test_the_largest_other_place_leaves_out_the_important_ones(found: Patching) -> None:
    largest = {}
    for site, places in IMPORTANT.items():
        swept = found.swept(site).clone()
        if site == sites.RESID_PRE:
            swept[0] = 0
        for pair, position in enumerate(found.prompts.position.tolist()):
            swept[:, position + 1 :, pair] = 0
            for layer, at in places:
                swept[layer, at if isinstance(at, int) else position, pair] = 0
        largest[site] = swept.mean(-1).abs().max().item()
    assert found.largest_other == pytest.approx(max(largest.values()))
    assert all(value > 0 for value in largest.values())


# ---------------------------------------------------------------------------------- positions
def test_positions_are_found_by_name() -> None:
    made = pairs(6, 3)
    assert position_of("index", made).tolist() == [5] * 6
    assert position_of("element", made).tolist() == [6] * 6
    assert position_of("prediction", made).equal(7 + made.index)


def test_an_unknown_position_is_an_error(found: Patching) -> None:
    with pytest.raises(BadInput, match=r"'before'; there are: .*newline, prediction, anywhere"):
        found.layer_1(position="before")


# ---------------------------------------------------------------------------------- prompts
def test_only_the_element_differs_where_it_is_corrupted() -> None:
    made = pairs(50, 3)
    tokens = corrupt_element(made)
    differs = (tokens != made.clean).sum(0) > 0
    assert differs.nonzero().flatten().tolist() == [6, 8, 9]
    new = tokens[:, 6]
    assert not ((new == made.correct) | (new == made.incorrect)).any()
    assert tokens.gather(1, 8 + made.index[:, None])[:, 0].equal(new)


def test_with_a_corrupted_element_its_place_recovers_everything(found: Patching) -> None:
    swept = found.element_corrupted.swept(sites.RESID_PRE)
    assert swept[0, 6].tolist() == pytest.approx([1.0] * 6)
    assert swept[0, 5].tolist() == pytest.approx([0.0] * 6)


# ---------------------------------------------------------------------------------- intervals
def test_an_interval_has_the_mean_and_both_ends() -> None:
    values = torch.linspace(0, 1, 50, dtype=torch.float64) ** 2
    assert described({"x": values}) == {"x": pytest.approx(values.mean().item())}
    found = described({"x": values}, interval=True)
    assert list(found) == ["x_mean", "x_low", "x_high"]
    assert found["x_mean"] == pytest.approx(values.mean().item())
    # The 95 % interval of a mean is about two standard errors on either side.
    error = 2 * values.std().item() / 50**0.5
    assert found["x_high"] - found["x_mean"] == pytest.approx(error, rel=0.2)
    assert found["x_mean"] - found["x_low"] == pytest.approx(error, rel=0.2)
