"""Opening subjects: by name, from weights of one's own, from stand-ins, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from replications import fixtures
from replications.errors import BadInput, FixtureCorrupt, FixtureMissing
from replications.systems import name_recall
from replications.systems.name_recall import model
from replications.systems.name_recall.data import DOCUMENT
from replications.systems.name_recall.roles import PUBLISHED
from tests import stand_in

TOYS = [info.name for info in name_recall.SUBJECTS if info.kind == "toy"]


def test_originals_gate_and_toys_do_not() -> None:
    gating = [info.name for info in name_recall.SUBJECTS if info.gates]
    assert gating == ["gpt2-small", "gelu-2l"]
    assert TOYS == ["toy/seed0", "toy/seed1", "toy/seed2", "one-layer/seed0"]


def test_every_file_of_a_subject_is_in_the_manifest() -> None:
    for info in name_recall.SUBJECTS:
        for name in info.fixtures:
            assert f"name_recall/{info.name}" in fixtures.entry(name).subjects


@pytest.mark.parametrize("name", TOYS)
def test_every_toy_opens(name: str) -> None:
    found = name_recall.subject(name)
    assert found.task.layers == (1 if name.startswith("one-layer") else 2)
    assert len(found.first_steps.sample) == 500 * 31
    if found.task.layers == 2:
        assert [small.task.layers for small in found.one_layer_models] == [1]


def test_originals_that_cannot_be_reached_are_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("REPLICATIONS_CACHE", "HF_HUB_CACHE", "HF_HOME", "REPLICATIONS_FIXTURES"):
        monkeypatch.setenv(variable, str(tmp_path))
    for name in ("gpt2-small", "gelu-2l"):
        with pytest.raises(FixtureMissing):
            name_recall.subject(name)


def test_an_original_opens_from_files_of_the_published_form(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in.write(tmp_path)
    monkeypatch.setenv("REPLICATIONS_MANIFEST", str(tmp_path / "manifest.toml"))
    monkeypatch.setenv("REPLICATIONS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPLICATIONS_FIXTURES", str(tmp_path / "right"))
    found = name_recall.subject("gpt2-small")
    assert (found.task.names, found.task.stored_after) == ((DOCUMENT,), 6)
    words = found.task.tokenizer
    assert words.strings([words.bos or 0]) == ["<|endoftext|>"]
    monkeypatch.setenv("REPLICATIONS_FIXTURES", str(tmp_path / "altered"))
    with pytest.raises(FixtureCorrupt):
        name_recall.subject("gpt2-small")


def test_names_and_weights_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadInput, match=r"unknown name-recall subject 'seed9'.*toy/seed0"):
        name_recall.subject("seed9")
    with pytest.raises(BadInput, match="either the name"):
        name_recall.subject()
    wrong = model.untrained_state_dict() | {"embed.W_E": torch.zeros(3, 64)}
    with pytest.raises(BadInput, match=r"embed.W_E has shape \(3, 64\)"):
        name_recall.subject(state_dict=wrong)


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_weights_of_ones_own_are_measured_by_role(seed: int) -> None:
    found = name_recall.subject(state_dict=model.untrained_state_dict(seed))
    # An untrained model has no circuit, and something comes nearest to each role.
    assert not found.roles.taken
    assert found.roles.best("previous")[0] == 0
    assert found.roles.best("copying")[0] == 1
    with pytest.raises(BadInput, match="without one-layer models"):
        _ = found.one_layer_models


def test_the_published_heads_are_the_documents() -> None:
    assert (PUBLISHED.previous, PUBLISHED.duplicate) == (((0, 2),), ((0, 1),))
    assert (PUBLISHED.copying, PUBLISHED.second) == (((1, 6),), ((1, 1),))
