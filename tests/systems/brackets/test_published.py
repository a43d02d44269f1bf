"""The identities that are about the published files. Skipped where these cannot be reached."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from replications import lens
from replications.analysis import statistics as stats
from replications.errors import BadInput, FixtureCorrupt
from replications.models import parameters
from replications.systems.brackets import BracketData, BracketSubject, model, subject
from replications.systems.brackets.data import (
    failures,
    is_balanced,
    is_balanced_loop,
    prefix_counts,
)
from replications.systems.brackets.infos import ARENA_DATA, ARENA_WEIGHTS


@pytest.fixture(scope="module")
def every_string(published: dict[str, bytes]) -> BracketData:
    return BracketData.from_json_bytes(published[ARENA_DATA])


@pytest.fixture(scope="module")
def arena(published: dict[str, bytes]) -> BracketSubject:
    """The published model on the first 1,000 strings."""
    data = BracketData.from_json_bytes(published[ARENA_DATA], limit=1000)
    found = subject("arena", data=data)
    assert isinstance(found, BracketSubject)
    return found


@pytest.fixture(scope="module")
def weights(published: dict[str, bytes]) -> dict[str, Tensor]:
    return model.read_state_dict(published[ARENA_WEIGHTS], ARENA_WEIGHTS)


# ------------------------------------------------------------------------------- architecture
def test_the_published_weights_are_this_architecture(
    published: dict[str, bytes], weights: dict[str, Tensor]
) -> None:
    raw = torch.load(io.BytesIO(published[ARENA_WEIGHTS]), map_location="cpu", weights_only=True)
    left_over = {name for name in raw if name not in weights}
    assert left_over == {f"blocks.{i}.attn.{b}" for i in range(3) for b in ("mask", "IGNORE")}
    assert {name: tuple(t.shape) for name, t in weights.items()} == parameters.classic(model.SHAPE)


def test_an_mlp_of_the_usual_width_cannot_hold_them(weights: dict[str, Tensor]) -> None:
    with pytest.raises((BadInput, RuntimeError), match=r"has shape|size mismatch"):
        lens.open_lens(replace(model.SHAPE, d_mlp=224), weights)


def test_causal_attention_loads_and_gives_wrong_verdicts(
    arena: BracketSubject, weights: dict[str, Tensor]
) -> None:
    assert arena.behaviour.correct() == 5000
    causal = lens.open_lens(replace(model.SHAPE, attention="causal"), weights)
    assert arena.variant("causal", causal).behaviour.correct() < 3000


# ------------------------------------------------------------------------------------ strings
def test_the_two_rules_by_hand_are_the_labels(every_string: BracketData) -> None:
    assert len(every_string) == 100_000
    by_loop = torch.tensor([is_balanced_loop(string) for string in every_string.strings])
    assert by_loop.equal(every_string.labels)
    assert is_balanced(every_string.tokens).equal(every_string.labels)
    opens, closes = prefix_counts(every_string.tokens)
    height = opens + closes  # the wrong sign for ')'
    assert not ((height[:, -1] == 0) & (height >= 0).all(-1)).equal(every_string.labels)


def test_the_failure_classes_of_the_first_5000(every_string: BracketData) -> None:
    found = failures(every_string.tokens)
    assert (found.total | found.negative).equal(~every_string.labels)
    data = every_string.subset(slice(5000))
    masks = (data.both, data.only_negative, data.only_total, data.balanced)
    assert [int(mask.sum()) for mask in masks] == [1723, 512, 481, 2284]
    opens, closes = prefix_counts(data.tokens)
    total_alone = opens[:, -1] == closes[:, -1]
    assert int((total_alone != data.labels).sum()) == 512
    from_left = ((opens - closes) < 0).any(-1)
    assert int((from_left != data.negative_failure).sum()) == 936


# --------------------------------------------------------------------------------- directions
def test_the_direction_before_the_final_layernorm_tells_the_classes_apart(
    arena: BracketSubject,
) -> None:
    residual, W_U = (
        arena.task.recording.run["resid_final"].double(),
        arena.task.weights.W_U.double(),
    )

    def auroc(direction: Tensor) -> float:
        along = residual @ direction
        return stats.auroc(along[~arena.task.B], along[arena.task.B])

    assert auroc(arena.task.unbalanced_before_final) >= 0.999
    summed = auroc(arena.task.final_fit.pull_back(W_U.sum(1)))
    random = auroc(torch.randn(56, generator=torch.Generator().manual_seed(0)).double())
    assert max(summed, random) < 0.999


def test_the_direction_before_head_20_predicts_what_it_writes(arena: BracketSubject) -> None:
    open_ = arena.task.data.starts_open
    at_1 = arena.task.recording.run["resid_pre2"][open_].double()
    written = arena.task.contribution((2, 0))[open_]
    assert arena.task.input_fit(2).r_squared >= 0.98
    assert arena.task.layernorm_fit(2).r_squared < 0.98
    assert stats.correlation(at_1 @ arena.task.direction_before((2, 0)), written) >= 0.9
    assert stats.correlation(at_1 @ arena.task.direction_before((2, 1)), written) < 0.9


# -------------------------------------------------------------------------------------- files
def test_one_flipped_byte_of_the_published_weights_is_found(
    published: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytearray(published[ARENA_WEIGHTS])
    content[100_000] ^= 1
    (tmp_path / "brackets").mkdir()
    (tmp_path / ARENA_WEIGHTS).write_bytes(content)
    monkeypatch.setenv("REPLICATIONS_FIXTURES", str(tmp_path))
    monkeypatch.setattr("torch.load", pytest.fail)
    with pytest.raises(FixtureCorrupt, match="brackets_model_state_dict"):
        subject("arena")
