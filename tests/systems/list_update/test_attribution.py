"""Direct logit attribution and its paths, on random weights, against plain torch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.systems.list_update import ListUpdateSubject
from replications.systems.list_update.measurements.paths import contrasts
from tests.systems.list_update.random_model import (
    COPYING,
    EXACT,
    PREVIOUS,
    close,
    plain,
    random_weights,
)


def test_the_output_of_head_1_0_is_the_sum_of_two_terms(subject: ListUpdateSubject) -> None:
    weights = random_weights()
    _, patterns, outs = plain(weights, subject.tokens)
    OV = [weights[f"blocks.{i}.attn.W_V"][0] @ weights[f"blocks.{i}.attn.W_O"][0] for i in (0, 1)]
    embedded = weights["embed.W_E"][subject.tokens]
    direct = patterns[1] @ embedded @ OV[1]
    both = patterns[1] @ patterns[0] @ embedded @ OV[0] @ OV[1]
    assert close(direct + both, outs[1])
    assert not close(direct, outs[1])
    assert not close(both, outs[1])
    directions = weights["unembed.W_U"].T[subject.tokens[:, 8:]]
    found = subject.paths.terms
    assert close(found["direct"], (direct[:, 7:10] * directions).sum(-1))
    assert close(found["two_heads"], (both[:, 7:10] * directions).sum(-1))


def test_paths_add_up_to_the_last_head(subject: ListUpdateSubject) -> None:
    paths = subject.paths.terms
    whole = subject.attribution.heads[COPYING]
    assert close((paths["direct"] + paths["two_heads"]).mean(0), whole)
    assert not close(paths["direct"].mean(0), whole)


def test_components_explain_the_stream_and_positions_are_none(subject: ListUpdateSubject) -> None:
    assert subject.attribution.unexplained() < EXACT
    assert subject.attribution.unexplained(with_positions=True) > 0.1
    logits = subject.task.logits.gather(-1, subject.task.answers[..., None])[..., 0]
    assert close(subject.attribution.totals, logits.mean(0))


@pytest.mark.parametrize("factor", [0, 2])
def test_what_is_missing_counts_by_its_size(
    subject: ListUpdateSubject, monkeypatch: pytest.MonkeyPatch, factor: int
) -> None:
    final = subject.task.run["final"].double()
    monkeypatch.setattr(type(subject.attribution), "_written", [factor * final])
    assert subject.attribution.unexplained() == pytest.approx(final.abs().max().item())


def by_hand(subject: ListUpdateSubject, j: int, offset: int = 0) -> tuple[Tensor, Tensor]:
    """Contributions to prediction j in each prompt: of embedding, 0.0, 1.0, and of both paths."""
    weights, tokens = random_weights(), subject.tokens
    _, patterns, outs = plain(weights, tokens)
    embedded = weights["embed.W_E"][tokens]
    V = [weights[f"blocks.{i}.attn.W_V"][0] @ weights[f"blocks.{i}.attn.W_O"][0] for i in (0, 1)]
    paths = patterns[1] @ embedded @ V[1], patterns[1] @ patterns[0] @ embedded @ V[0] @ V[1]
    to = weights["unembed.W_U"].T[(tokens[:, 8 + j] + offset) % 50]
    parts = [(x[:, 7 + j] * to).sum(-1) for x in (embedded, *outs, *paths)]
    return torch.stack(parts[:3]), torch.stack(parts[3:])


@pytest.mark.parametrize("offset", [0, 1])
def test_a_share_is_that_of_the_first_prediction(subject: ListUpdateSubject, offset: int) -> None:
    parts = by_hand(subject, 0, offset)[0].mean(1)
    for row, head in ((1, PREVIOUS), (2, COPYING)):
        expected = {"share": (parts[row] / parts.sum()).item(), "logits": parts[row].item()}
        assert subject.attribution.share(head, offset) == pytest.approx(expected)


def test_shares_of_all_predictions_are_compared(subject: ListUpdateSubject) -> None:
    means = torch.stack([by_hand(subject, j)[0].mean(1) for j in range(3)])  # [j component]
    totals = means.sum(1)
    for row, head in ((1, PREVIOUS), (2, COPYING)):
        found = subject.attribution.all_predictions(head)
        assert found["smallest_share"] == pytest.approx((means[:, row] / totals).min().item())
        assert found["largest_total_ratio"] == pytest.approx((totals.max() / totals.min()).item())
    assert close(subject.attribution.accumulated, means.T.cumsum(0))


def test_the_logit_lens_reads_the_stream_after_each_layer(subject: ListUpdateSubject) -> None:
    weights, tokens = random_weights(), subject.tokens
    _, _, outs = plain(weights, tokens)
    stream = weights["embed.W_E"][tokens][:, 7:10]
    for layers in range(3):
        if layers:
            stream = stream + outs[layers - 1][:, 7:10]
        right = (stream @ weights["unembed.W_U"]).argmax(-1) == tokens[:, 8:]
        found = subject.attribution.lens_accuracy(layers)
        assert found == pytest.approx(right.double().mean().item())
    assert subject.attribution.lens_accuracy(2) == pytest.approx(subject.behaviour.accuracy)


def test_the_contrast_is_that_of_a_diagonal_entry_with_the_rest_of_its_row() -> None:
    shares = torch.tensor([[0.9, 0.3, 0.5], [0.1, 0.6, 0.3], [0.2, 0.2, 0.5]])
    assert contrasts(shares).tolist() == pytest.approx([0.5, 0.4, 0.3])
    assert contrasts(shares.T).tolist() != pytest.approx([0.5, 0.4, 0.3])


def test_shares_of_paths_are_those_of_prompts_with_one_index(subject: ListUpdateSubject) -> None:
    index = subject.tokens[:, 5]
    shares, others = torch.empty(3, 3).double(), torch.empty(3, 3).double()
    for j in range(3):
        paths = by_hand(subject, j)[1]
        for i in range(3):
            for table, chosen in ((shares, index == i), (others, index.roll(1) == i)):
                direct, both = paths[:, chosen].mean(1)
                table[i, j] = direct / (direct + both)
    found = subject.paths
    assert close(found.direct_shares, shares)
    total = torch.stack([by_hand(subject, j)[1].sum(0) for j in range(3)]).mean().item()
    smallest = torch.minimum(shares, 1 - shares).min().item()
    assert found.everywhere() == pytest.approx({"smallest_share": smallest, "logits": total})

    for measured, table in (
        (found.updated_less_kept(), shares),
        (found.updated_less_kept(shuffled=True), others),
        (found.updated_less_kept(shift=1), shares[:, [1, 2, 0]]),
    ):
        difference = contrasts(table).mean().item()
        assert measured == pytest.approx({"difference": difference, "logits": total})


def test_the_first_prediction_has_two_paths(subject: ListUpdateSubject) -> None:
    for offset in (0, 1):
        direct, both = by_hand(subject, 0, offset)[1].mean(1).tolist()
        total = direct + both
        expected = {"direct": direct / total, "two_heads": both / total, "logits": total}
        assert subject.paths.first_prediction(offset) == pytest.approx(expected)


def test_wrong_hypotheses_about_the_paths(subject: ListUpdateSubject) -> None:
    weights, tokens = random_weights(), subject.tokens
    _, A, _ = plain(weights, tokens)
    embedded, to = weights["embed.W_E"][tokens], weights["unembed.W_U"].T[tokens[:, 8]]
    V = [weights[f"blocks.{i}.attn.W_V"][0] @ weights[f"blocks.{i}.attn.W_O"][0] for i in (0, 1)]

    def logits(written: Tensor) -> float:
        return (written[:, 7] * to).sum(-1).mean().item()

    direct, both = (
        logits(x) for x in (A[1] @ embedded @ V[1], A[1] @ A[0] @ embedded @ V[0] @ V[1])
    )
    looks, reverse = logits(A[0] @ embedded @ V[1]), logits(A[0] @ A[1] @ embedded @ V[1] @ V[0])
    found = subject.paths.first_prediction(look=PREVIOUS)
    assert found["direct"] == pytest.approx(looks / (looks + both))
    found = subject.paths.first_prediction(reverse=True)
    assert found["two_heads"] == pytest.approx(reverse / (direct + reverse))
    assert subject.paths.everywhere(reverse=True) != subject.paths.everywhere()
    assert subject.paths.everywhere(look=PREVIOUS) != subject.paths.everywhere()
