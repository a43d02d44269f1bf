"""The claims on published figures, on a random model in GPT-2's file formats.

GPT-2's weights cannot be had everywhere. What is shown without them: every claim runs and fails
cleanly; figures made from the random model itself are accepted, and every control rejected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from claims.ioi import (
    test_7_published_attribution,
    test_7_published_behaviour,
    test_7_published_circuit,
    test_7_published_estimates,
    test_7_published_exploration,
    test_7_published_pairs,
    test_7_published_sweeps,
    test_7_published_weights,
)
from replications.analysis.published import Distance, Figure
from replications.errors import BadInput
from replications.judging.claim import Claim
from replications.judging.verdict import judge
from replications.systems.ioi.infos import GPT2, SUBJECTS
from replications.systems.ioi.published import Published, count, figure, figures
from replications.systems.ioi.published import measured as measuring
from replications.systems.ioi.published.patching import RECIPES, agreement
from tests.systems.ioi.gpt2_files import published_tokenizer, random_gpt2

INFO = next(info for info in SUBJECTS if info.name == GPT2)
FILES: tuple[ModuleType, ...] = (
    test_7_published_attribution,
    test_7_published_behaviour,
    test_7_published_circuit,
    test_7_published_estimates,
    test_7_published_exploration,
    test_7_published_pairs,
    test_7_published_sweeps,
    test_7_published_weights,
)


def claims() -> Iterator[Claim]:
    for file in FILES:
        for value in vars(file).values():
            if isinstance(found := getattr(value, "claim", None), Claim):
                yield found


CLAIMS = list(claims())
ON_FIGURES = [claim for claim in CLAIMS if claim.expect[GPT2].edges[0] is None and not claim.parts]
"""The claims whose value is a distance from a figure."""
COSTLY = ("ioi/published-circuit",)
COSTLY_FIGURES = {"auto_circuit/circuit_percent"}
NEED_HEADS = ("previous-token", "duplicate-token", "induction")
"""Scores of attention: on a model whose heads do nothing, controls score alike."""


@pytest.fixture(scope="module")
def model() -> Published:
    return Published(random_gpt2(), published_tokenizer())


class Stand:
    """A subject that has nothing but the published figures."""

    def __init__(self, published: Published) -> None:
        self.published = published


# ------------------------------------------------------------------------------------- the arrays
def test_there_are_27_000_numbers() -> None:
    assert count() == sum(len(found) for found in figures().values())
    print(f"{count()} published numbers in {len(figures())} figures")
    assert count() > 27_000


def test_a_figure_that_there_is_not() -> None:
    with pytest.raises(BadInput, match="no published figure 'main/resid'"):
        figure("main/resid")


def test_independent_runs_of_one_sweep_agree_four_times_better_than_is_asked_for() -> None:
    for key, recipe in RECIPES.items():
        if key.startswith("exploratory/"):
            other = figure(key.replace("exploratory", "activation_patching"))
            assert recipe == RECIPES[key.replace("exploratory", "activation_patching")]
            assert figure(key).distance(other.values) < 2.5e-6


@pytest.mark.parametrize("kind", ["pearson", "spearman", "largest_error"])
def test_the_printed_agreement_is_that_of_the_arrays(kind: str) -> None:
    printed = figure(f"attribution_patching/{kind}")
    found = []
    for name in printed.labels["sweep"]:
        guess, truth = (
            figure(f"{of}_patching/{name}").values.flatten() for of in ("attribution", "activation")
        )
        found.append(agreement(guess, truth, kind))
    assert printed.distance(torch.tensor(found)) < 6e-4


def test_the_nnsight_figures_are_one_estimate_summed_in_two_ways() -> None:
    by_head = figure("nnsight_attribution/head_z_at_the_end").values
    by_position = figure("nnsight_attribution/z").values
    assert torch.allclose(by_head.sum(-1), by_position[:, -1], atol=1e-6)


def test_attribution_by_part_adds_up_to_the_end_of_the_logit_lens() -> None:
    parts, stream = (
        figure(f"exploratory/{name}").values for name in ("attribution_by_part", "logit_lens")
    )
    assert parts.sum() == pytest.approx(stream[-1].item(), abs=1e-5)


# ------------------------------------------------------------------------------------- the claims
def test_ids_are_unique() -> None:
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)


def of(claims: Iterable[Claim], every: int = 1) -> Any:
    """A case for each claim.

    All but every n-th are slow, and the costly ones: 60 faithfulness values, and for each control
    again.
    """
    slow = [i % every > 0 or claim.id in COSTLY for i, claim in enumerate(claims)]
    marks = [[pytest.mark.slow] * each for each in slow]
    return [pytest.param(c, marks=m, id=c.id) for c, m in zip(claims, marks, strict=True)]


@pytest.mark.parametrize("claim", of(CLAIMS, every=12))
def test_on_random_weights_a_claim_fails_cleanly(claim: Claim, model: Published) -> None:
    row = judge(claim, INFO, Stand(model))
    assert row.status == "fail"
    assert not row.control_accepted
    assert claim not in ON_FIGURES or ", published " in row.reason  # the worst place is named


def compared(model: Published, claims: Iterable[Claim]) -> dict[str, Figure]:
    """The figures of some claims, with the values of the random model in the place of theirs."""
    found: dict[str, Figure] = {}

    def kept(key: str) -> Figure:
        class Kept(Figure):
            def distance(self, measured: Tensor) -> Distance:
                found[key] = replace(figure(key), values=measured.double())
                return super().distance(measured)

        return Kept(**vars(figure(key)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "figure", kept)
        for claim in claims:
            claim.measure(Stand(model))
    return found


@pytest.fixture(scope="module")
def own(model: Published) -> Mapping[str, Figure]:
    """Every figure but those of costly claims."""
    return compared(model, [claim for claim in CLAIMS if claim.id not in COSTLY])


@pytest.fixture(scope="module")
def whole(model: Published, own: Mapping[str, Figure]) -> Mapping[str, Figure]:
    """Every figure."""
    return {**own, **compared(model, [claim for claim in CLAIMS if claim.id in COSTLY])}


@pytest.mark.slow
def test_every_figure_but_the_costly_ones_is_compared_by_a_claim(
    own: Mapping[str, Figure],
) -> None:
    assert set(figures()) - set(own) == COSTLY_FIGURES


@pytest.mark.slow
def test_every_figure_is_compared_by_a_claim(whole: Mapping[str, Figure]) -> None:
    assert set(whole) == set(figures())


@pytest.mark.parametrize("claim", of(ON_FIGURES, every=6))
def test_on_its_own_figures_a_claim_holds_and_every_control_is_rejected(
    claim: Claim,
    model: Published,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = request.getfixturevalue("whole" if claim.id in COSTLY else "own")
    monkeypatch.setattr(measuring, "figure", found.__getitem__)
    row = judge(claim, INFO, Stand(model))
    assert row.holds
    accepted = [control.name for control in row.controls or () if control.accepted]
    assert not accepted or any(word in claim.id for word in NEED_HEADS)
