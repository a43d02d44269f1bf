"""Head scores on heads whose attention is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.analysis.head_scores import (
    attention_back,
    repeated_tokens,
    scores,
    unrepeated_tokens,
)
from replications.errors import BadInput
from replications.models.edits import Edit
from replications.models.sites import PATTERN
from tests.toy import opened

IDS = torch.tensor([2, 3, 4, 5, 6])


def looking_back(steps: int, head: int) -> Edit:
    """Head `head` of layer 1 puts 0.75 of its attention `steps` back, all else on itself."""

    def change(pattern: Tensor, rows: slice) -> Tensor:
        made = 0.75 * torch.eye(pattern.shape[-1]).roll(-steps, 1).tril().to(pattern)
        return made.expand_as(pattern) + 0.0

    return Edit(PATTERN(1).pick(head=head), change)


def test_the_second_copy_repeats_the_first() -> None:
    tokens = repeated_tokens(IDS, 4, 6, seed=0, bos=0)
    assert tokens.shape == (6, 9)
    assert (tokens[:, 0] == 0).all()
    assert tokens[:, 1:5].equal(tokens[:, 5:])
    assert all(len(set(row.tolist())) == 4 for row in tokens[:, 1:5])
    assert tokens.equal(repeated_tokens(IDS, 4, 6, seed=0, bos=0))
    assert not tokens.equal(repeated_tokens(IDS, 4, 6, seed=1, bos=0))


def test_without_a_second_copy_no_token_occurs_twice() -> None:
    tokens = unrepeated_tokens(torch.arange(1, 20), 4, 6, seed=0)
    assert tokens.shape == (6, 8)
    assert all(len(set(row.tolist())) == 8 for row in tokens)


@pytest.mark.parametrize("bos", [None, 0])
@pytest.mark.parametrize(("steps", "name"), [(3, "induction"), (4, "duplicate"), (1, "previous")])
def test_each_score_is_the_attention_of_its_kind_of_head(
    steps: int, name: str, bos: int | None
) -> None:
    lens = opened("causal").with_edits([looking_back(steps, head=2)])
    found = scores(lens, repeated_tokens(IDS, 4, 3, seed=0, bos=bos), 4)
    for kind in ("induction", "duplicate", "previous"):
        values = getattr(found, kind)
        assert values.shape == (2, 3, 3)
        assert values[1, 2].tolist() == [0.75 if kind == name else 0.0] * 3


def test_attention_back_is_the_mean_of_a_diagonal() -> None:
    lens = opened("causal")
    tokens = repeated_tokens(IDS, 4, 3, seed=0)
    pattern = lens.run(tokens, {"p": PATTERN(0)})["p"]
    by_hand = torch.stack([pattern[:, :, q, q - 2] for q in range(3, 8)]).mean(0).T
    assert (attention_back(lens, tokens, 2, first=3)[0] - by_hand).abs().max() < 1e-12


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(BadInput, match="cannot be drawn"):
        repeated_tokens(IDS, 6, 1, seed=0)
    with pytest.raises(BadInput, match="at least"):
        repeated_tokens(IDS, 0, 1, seed=0)
    with pytest.raises(BadInput, match="do not fit"):
        scores(opened("causal"), repeated_tokens(IDS, 2, 1, seed=0), 3)
    with pytest.raises(BadInput, match="no key 3"):
        attention_back(opened("causal"), repeated_tokens(IDS, 2, 1, seed=0), 3, first=2)
