"""The figures of a public notebook on a shorter prompt, on random stand-ins of the originals."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from claims.name_recall import test_8_published
from replications.errors import BadInput
from replications.judging.claim import Claim
from replications.judging.verdict import judge
from replications.lens import as_network
from replications.models import sites
from replications.patching.reference import patch_by_hooks
from replications.systems.name_recall import SUBJECTS
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.published import Published, count, figures, measured
from tests.systems.name_recall.test_claims import CLAIMS

HERE = [claim for claim in CLAIMS if claim.id in {
    found.claim.id for found in vars(test_8_published).values() if hasattr(found, "claim")
}]  # fmt: skip
MAPS: tuple[measured.Corruption, ...] = ("last_name", "first_name", "second_name")


@pytest.fixture
def large(originals: dict[str, NameRecallSubject]) -> Published:
    return originals["gpt2-small"].published


def test_all_printed_numbers_are_compared() -> None:
    assert count() == 3 * 13 * 9 + 2 * 5


@pytest.mark.sampled(3)
@pytest.mark.parametrize("claim", HERE, ids=lambda claim: claim.id)
def test_on_random_weights_a_claim_fails_cleanly(
    claim: Claim, originals: dict[str, NameRecallSubject]
) -> None:
    (group,) = claim.expect
    info = next(info for info in SUBJECTS if info.name == group)
    row = judge(claim, info, originals[group])
    assert row.status == "fail"
    assert not row.control_accepted


@pytest.mark.parametrize("name", MAPS)
def test_on_its_own_map_a_claim_holds_and_its_controls_measure_something_else(
    name: measured.Corruption, large: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {n: replace(figures()[n], values=large.map(n)) for n in MAPS}
    monkeypatch.setattr(measured, "figures", lambda: own)
    claim = next(claim for claim in HERE if claim.id.endswith(name.replace("_", "-")))

    class Stand:
        published = large

    expected = claim.expect["gpt2-small"]
    assert expected.judge(claim.measure(Stand())).holds
    controls = [control.measure(Stand(), claim.measure) for control in claim.controls]
    assert min(controls) > 1e-4  # the random model's heads move too little for the claim's 0.01


@pytest.mark.parametrize("name", MAPS)
def test_a_map_is_one_forward_pass_a_place(name: measured.Corruption, large: Published) -> None:
    network = as_network(large._lens)
    tokens = [large._tokenizer.token(word) for word in measured.ANSWERS]
    corrupted = large.tokens(measured.CORRUPTED[name])

    def metric(logits: Tensor) -> Tensor:
        return logits[:, -1, tokens] @ torch.tensor([1.0, -1.0]).double()

    found = large.map(name)
    assert found.shape == (13, 9)
    for state, pos in ((0, 4), (0, 5), (3, 8), (7, 5), (12, 8)):
        site = sites.RESID_POST(state - 1) if state else sites.RESID_PRE(0)
        expected = patch_by_hooks(network, large.tokens(), corrupted, metric, site.pick(pos=pos))
        assert found[state, pos].item() == pytest.approx(expected.item())


def test_a_prompt_that_is_cut_otherwise_is_named(large: Published) -> None:
    with pytest.raises(BadInput, match="is 10 tokens"):
        large.tokens(("Alex", "Hart Hart", "Alex"))
