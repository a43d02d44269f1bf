"""Ablations against forward passes in which the head is replaced by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.models import Head, put_rows, sites
from replications.systems.algorithmic import ablation
from replications.systems.algorithmic.measure import PalindromeSubject

HEADS = [(0, 0), (0, 1), (1, 0), (1, 1)]


def logits_with(s: PalindromeSubject, place: sites.Place, values: Tensor) -> Tensor:
    return s.task.network.forward(s.tokens, [put_rows(place, values)])[:, [21]]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("by_position", [True, False])
def test_mean_ablation(palindromes: PalindromeSubject, head: Head, by_position: bool) -> None:
    layer, number = head
    z = palindromes.task.network.cache(palindromes.tokens)[sites.Z(layer)][:, :, number]
    mean = z.mean((0, 1)) if not by_position else z.mean(0)
    expected = logits_with(
        palindromes, sites.Z(layer).pick(head=number), mean.expand_as(z).contiguous()
    )
    edit = ablation.mean(palindromes.task, head, by_position=by_position)
    found = palindromes.task.logits([edit])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    assert (found - palindromes.task.logits()).abs().max() > 1e-4


def test_spared_positions_keep_their_values(palindromes: PalindromeSubject) -> None:
    v = palindromes.task.network.cache(palindromes.tokens)[sites.V(1)][:, :, 1]
    mixed = v.mean(0).expand_as(v).clone()
    mixed[:, [3, 20]] = v[:, [3, 20]]
    expected = logits_with(palindromes, sites.V(1).pick(head=1), mixed)
    edit = ablation.mean(palindromes.task, (1, 1), of="v", spare=(3, 20))
    torch.testing.assert_close(palindromes.task.logits([edit]), expected, rtol=0, atol=1e-9)


def test_with_all_positions_spared_nothing_happens(palindromes: PalindromeSubject) -> None:
    edit = ablation.mean(palindromes.task, (0, 1), spare=range(22))
    found = palindromes.task.logits([edit])
    torch.testing.assert_close(found, palindromes.task.logits(), rtol=0, atol=1e-9)


def test_zero_ablation_depends_on_where_value_biases_are(palindromes: PalindromeSubject) -> None:
    z = torch.zeros(len(palindromes.tokens), 22, 14, dtype=torch.float64)
    expected = logits_with(palindromes, sites.Z(0).pick(head=1), z)
    found = palindromes.task.logits([ablation.zero(palindromes.task, (0, 1))])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    kept = palindromes.value_biases_kept.task
    left = kept.logits([ablation.zero(kept, (0, 1))])
    assert (left - found).abs().max() > 1e-3


def test_mean_ablation_does_not(palindromes: PalindromeSubject) -> None:
    for head in HEADS:
        one, two = (
            s.task.logits([ablation.mean(s.task, head)])
            for s in (palindromes, palindromes.value_biases_kept)
        )
        torch.testing.assert_close(one, two, rtol=0, atol=1e-9)
