"""Opening subjects: by name, from weights of one's own, and what is refused."""

from __future__ import annotations

import pytest
import torch

from replications.errors import BadInput
from replications.systems import list_update
from replications.systems.list_update import ListUpdateSubject, model
from replications.systems.list_update.data import Format, generate_mixed
from replications.systems.list_update.measurements.dataset import (
    Generator,
    counted_from_1,
    without_bos,
)
from replications.systems.list_update.subjects import read_curve

CURVE = b"step,loss\n0,3.9\n1,3.5\n"


def test_subjects_are_five_gating_seeds_and_others_that_do_not_gate() -> None:
    gating = [info.name for info in list_update.SUBJECTS if info.gates]
    assert gating == ["generator", *(f"seed{i}" for i in range(5))]
    assert len({info.name for info in list_update.SUBJECTS}) == len(list_update.SUBJECTS)
    assert {info.group for info in list_update.SUBJECTS} == {
        *("generator", "seeds", "one-layer", "scaling")
    }


@pytest.mark.parametrize("name", [i.name for i in list_update.SUBJECTS if i.name != "generator"])
def test_every_model_opens(name: str) -> None:
    found = list_update.subject(name)
    assert isinstance(found, ListUpdateSubject)
    assert found.lens.shape.n_layers == (1 if name.startswith("one-layer") else 2)
    format = found.task.format
    size = f"length{format.length}-numbers{format.numbers}"
    assert name == f"scaling/{size}" or format == Format()


def test_a_seed_knows_its_curve_and_the_models_with_one_layer() -> None:
    found = list_update.subject("seed1")
    assert isinstance(found, ListUpdateSubject)
    assert len(found.loss_curve) == 1000
    assert [small.lens.shape.n_layers for small in found.one_layer_models] == [1, 1]
    assert found.untrained.lens.weights.W_E.equal(model.untrained_state_dict(1)["embed.W_E"])


def test_the_generator_is_checked_row_by_row() -> None:
    found = list_update.subject("generator")
    assert isinstance(found, Generator)
    assert found.batches() == {
        "right_rows": 1.0,
        "batches_with_one_pair": 1.0,
        "indices": [0, 1, 2],
        "markers": [(0, 50), (4, 51), (7, 51)],
    }
    assert found.batches(mixed=True)["batches_with_one_pair"] == 0


def test_wrong_prompts_are_told_apart() -> None:
    found = list_update.subject("generator")
    assert isinstance(found, Generator)
    one_earlier = found.batches(change=without_bos)
    assert one_earlier["right_rows"] == 0
    assert one_earlier["markers"] != found.batches()["markers"]
    counted = found.batches(change=counted_from_1)
    assert counted["indices"] == [1, 2, 3]
    # Right by chance only, where the elements at both indices are equal.
    assert counted["right_rows"] == pytest.approx(0, abs=0.01)
    wrong = found.batches(change=lambda tokens: tokens.index_fill(1, torch.tensor([9]), 50))
    assert wrong["right_rows"] == 0  # BOS is no number


def test_a_seed_is_compared_with_the_next_one() -> None:
    for seed, other in ((0, 1), (4, 0)):
        found = list_update.subject(f"seed{seed}")
        assert isinstance(found, ListUpdateSubject)
        assert found.other_seed.name == f"seed{other}"
        info = next(info for info in list_update.SUBJECTS if info.name == f"seed{seed}")
        assert f"list_update/seed{other}.safetensors" in info.fixtures


# ---------------------------------------------------------------------------------- refused
def test_names_and_weights_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadInput, match=r"unknown list-update subject 'seed9'.*seed0"):
        list_update.subject("seed9")
    with pytest.raises(BadInput, match="either the name"):
        list_update.subject()
    with pytest.raises(BadInput, match="either the name"):
        list_update.subject("seed0", state_dict=model.untrained_state_dict())
    wrong = model.untrained_state_dict() | {"embed.W_E": torch.zeros(3, 128)}
    with pytest.raises(BadInput, match=r"embed.W_E has shape \(3, 128\)"):
        list_update.subject(state_dict=wrong)
    with pytest.raises(BadInput, match="not the weights of a list-update model"):
        list_update.subject(state_dict=model.untrained_state_dict(layers=1))
    with pytest.raises(BadInput, match="not the weights of a list-update model"):
        list_update.subject(state_dict=model.untrained_state_dict(), format=Format(4, 50))


def test_weights_of_ones_own_have_no_curve_and_no_smaller_model() -> None:
    found = list_update.subject(state_dict=model.untrained_state_dict(3))
    assert isinstance(found, ListUpdateSubject)
    with pytest.raises(BadInput, match="loss curve"):
        _ = found.loss_curve
    with pytest.raises(BadInput, match="one layer"):
        _ = found.one_layer
    with pytest.raises(BadInput, match="another seed"):
        _ = found.other_seed


def test_prompts_of_ones_own_are_checked() -> None:
    lens = model.open_model(model.untrained_state_dict())
    tokens = generate_mixed(4, 0)
    tokens[2, 9] = (tokens[2, 9] + 1) % 50
    with pytest.raises(BadInput, match="row 2"):
        ListUpdateSubject("own", lens, tokens=tokens)


def test_curves_are_read_and_checked() -> None:
    assert read_curve(CURVE, "a.csv") == [3.9, 3.5]
    for wrong in (b"", b"step,loss\n", b"a,b\n0,1\n", b"step,loss\n1,3\n", b"step,loss\n0,x\n"):
        with pytest.raises(BadInput, match=r"a\.csv"):
            read_curve(wrong, "a.csv")
