"""The patching sweep against edits made by hand, on two shapes of model."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import sites
from replications.models.edits import put_rows
from replications.patching.metrics import RecoveryMetric, logit_difference
from replications.patching.reference import sweep_by_hooks
from tests.toy import TOKENS, opened

CLEAN, CORRUPTED = TOKENS[:2], TOKENS[[3, 1]]


def metric(logits: Tensor) -> Tensor:
    return logits[:, -1, 0] - logits[:, -1, 1]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("site", [sites.RESID_PRE, sites.Q, sites.V, sites.Z, sites.PATTERN])
def test_every_cell_is_one_edit(site: sites.Site) -> None:
    lens = opened("causal")
    found = sweep_by_hooks(lens, CORRUPTED, CLEAN, metric, site)
    assert found.shape == (2, 6, 2)
    axis = "query" if site is sites.PATTERN else "pos"
    for layer in range(2):
        for pos in range(6):
            place = site(layer).pick(**{axis: pos})
            value = lens.run(CLEAN, {"v": place})["v"]
            expected = metric(lens.run(CORRUPTED, edits=[put_rows(place, value)]).logits)
            assert found[layer, pos].equal(expected)
    assert found.std() > 0


def test_patching_a_run_into_itself_changes_nothing() -> None:
    lens = opened("causal")
    found = sweep_by_hooks(lens, CLEAN, CLEAN, metric, sites.Z)
    assert (found - metric(lens.run(CLEAN).logits)).abs().max() < 1e-9


def test_sites_and_tokens_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadInput, match="no layers or no positions"):
        sweep_by_hooks(opened("causal"), CLEAN, CORRUPTED, metric, sites.EMBED)
    with pytest.raises(BadInput, match=r"base tokens \[2, 6\], source \[5, 6\]"):
        sweep_by_hooks(opened("causal"), CLEAN, TOKENS, metric, sites.Z)


def test_recovery_is_the_share_of_the_way_back() -> None:
    lens = opened("causal")
    position, correct = torch.tensor([4, 5]), torch.tensor([0, 2])
    incorrect = torch.tensor([3, 1])
    made = RecoveryMetric.between(lens, (CLEAN, CORRUPTED), position, correct, incorrect)
    clean, corrupted = lens.run(CLEAN).logits, lens.run(CORRUPTED).logits
    assert made(clean)[0] == 1
    assert made(corrupted)[0] == 0
    halfway = made((clean + corrupted) / 2)[0].item()
    assert halfway == pytest.approx(0.5)
    expected = clean[1, 5, 2] - clean[1, 5, 1]
    assert logit_difference(clean, position, correct, incorrect)[1] == expected
