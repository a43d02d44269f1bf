"""Opening subjects: by name, from weights of one's own, and what is refused."""

from __future__ import annotations

import pytest

from replications import fixtures
from replications.errors import BadInput, FixtureMissing
from replications.systems import ioi
from replications.systems.ioi import IoiSubject, infos, model
from replications.systems.ioi.infos import TOYS, Toy
from replications.systems.ioi.measurements import Arithmetic
from replications.training import transformer as gpt


def test_only_what_the_document_speaks_of_gates() -> None:
    assert [info.name for info in ioi.SUBJECTS if info.gates] == [
        "gpt2-small",
        "gpt2-small/own",
        "text",
    ]
    assert len({info.name for info in ioi.SUBJECTS}) == len(ioi.SUBJECTS)


SHIPPED = [toy for toy in TOYS if toy.weights in fixtures.manifest()]


@pytest.mark.sampled(9)
@pytest.mark.parametrize("toy", SHIPPED, ids=lambda toy: toy.name)
def test_every_toy_does_the_task_and_one_of_one_sentence_has_another_regime_beside_it(
    toy: Toy,
) -> None:
    found = ioi.subject(toy.name)
    assert isinstance(found, IoiSubject)
    assert found.task.accuracy == 1.0
    if toy.regime != "circuit":
        assert found.other.name.split("/")[0] != toy.regime


@pytest.mark.slow
def test_one_toy_repairs_itself_and_the_other_does_not() -> None:
    repairing, plain = (ioi.subject(name) for name in ("repairing/seed0", "plain/seed0"))
    assert isinstance(repairing, IoiSubject)
    assert isinstance(plain, IoiSubject)
    by_heads = [s.name_movers.ablation.repaired["heads"] for s in (repairing, plain)]
    assert by_heads[0] > 0.5
    assert by_heads[1] < 0.1


def test_a_run_that_is_not_shipped_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {f"ioi/{name}.safetensors": None for name in ("repairing-seed0", "plain-seed0")}
    monkeypatch.setattr(fixtures, "manifest", lambda: listed)
    with pytest.raises(FixtureMissing, match=r"kept-seed1\.safetensors is not among"):
        ioi.subject("kept/seed1")


@pytest.mark.parametrize(
    ("shipped", "toy", "expected"),
    [
        (("kept-seed1", "kept-seed0"), ("repairing", 1), "kept/seed1"),
        (("kept-seed0",), ("repairing", 1), "kept/seed0"),
        (("plain-seed0",), ("repairing", 1), "plain/seed0"),
        (("repairing-seed1", "kept-seed1"), ("narrow", 1), "repairing/seed1"),
        (("repairing-seed1", "kept-seed1"), ("zeroed", 1), "kept/seed1"),
    ],
)
def test_models_are_compared_with_those_of_the_same_seed(
    shipped: tuple[str, ...],
    toy: tuple[str, int],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = dict.fromkeys(f"ioi/{name}.safetensors" for name in shipped)
    monkeypatch.setattr(fixtures, "manifest", lambda: listed)
    other = infos.other(infos.Toy(*toy))
    assert other is not None
    assert other.name == expected


def test_models_of_long_texts_are_compared_with_none() -> None:
    assert infos.other(infos.Toy("circuit", 0)) is None


def test_gpt2_is_missing_where_it_was_never_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATIONS_CACHE", "/nowhere")
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    with pytest.raises(FixtureMissing, match="gpt2-small"):
        ioi.subject("gpt2-small")


def test_the_texts_and_arguments_need_no_model() -> None:
    found = ioi.subject("text")
    assert isinstance(found, Arithmetic)
    assert found.signals_realised() == 1.0
    assert found.printed_example == 0.0
    assert found.softmax()["both_heads"] == 0.5
    linear = found.softmax(linear=True)
    start = linear["one_head"] - (linear["both_heads"] - linear["one_head"])
    assert start == pytest.approx(3.3535e-4, abs=1e-7)


def test_weights_of_ones_own_are_measured() -> None:
    shape = model.shape(2, 2, 16, 0)
    found = ioi.subject(state_dict=gpt.untrained_state_dict(shape), shape=shape)
    assert isinstance(found, IoiSubject)
    assert found.lens.shape == shape


def test_names_and_weights_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadInput, match=r"unknown subject 'seed9'.*repairing/seed0"):
        ioi.subject("seed9")
    with pytest.raises(BadInput, match="either the name"):
        ioi.subject()
    shape = model.shape(2, 2, 16, 0)
    with pytest.raises(BadInput, match=r"embed\.W_E is missing"):
        ioi.subject(state_dict={}, shape=shape)
