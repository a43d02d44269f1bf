"""Single patches and maps against hooks, on random weights; ranks; the prompts of a subject."""

from __future__ import annotations

import pytest
import torch

from replications.models import sites
from replications.models.edits import put_rows
from replications.systems.name_recall.data import (
    DOCUMENT,
    END,
    LAST,
)
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.task import rank
from tests.systems.name_recall.conftest import difference, patched


def test_maps_have_the_value_of_every_single_patch(subject: NameRecallSubject) -> None:
    patches = subject.task
    residual = patches.map("residual", "first_name")
    assert residual.shape == (3, 12)
    expected = patched(subject, "first_name", sites.RESID_POST(0).pick(pos=LAST))
    assert residual[1, LAST].item() == pytest.approx(expected)
    heads = patches.map("heads", "last_name")
    assert heads.shape == (2, 8)
    assert heads[1, 3].item() == pytest.approx(
        patched(subject, "last_name", sites.Z(1).pick(head=3))
    )
    cells = patches.map("heads_by_position", "second_name")
    assert cells.shape == (2, 8, 12)
    expected = patched(subject, "second_name", sites.Z(0).pick(head=2, pos=END))
    assert cells[0, 2, END].item() == pytest.approx(expected)
    outputs = patches.map("attn_out", "last_name")
    expected = patched(subject, "last_name", sites.ATTN_OUT(0).pick(pos=LAST))
    assert outputs[0, LAST].item() == pytest.approx(expected)
    assert patches.metric() == pytest.approx(
        difference(subject, subject.lens.run(subject.task.prompts.clean).logits)
    )
    assert heads.std() > 1e-3


def test_another_metric_sees_all_logits(subject: NameRecallSubject) -> None:
    found = subject.task.map_of("residual", "last_name", lambda logits: logits[..., 5])
    place = sites.RESID_POST(0).pick(pos=LAST)
    value = subject.lens.read(subject.task.prompts.last_name, {"v": place})["v"]
    run = subject.lens.run(subject.task.prompts.clean, edits=[put_rows(place, value)])
    assert found[1, LAST].item() == pytest.approx(run.logits[:, -1, 5].mean().item())


def test_effects_are_shares_of_the_whole_corruption(subject: NameRecallSubject) -> None:
    effect = subject.task.residual_share("last_name")
    assert effect[0, LAST].item() == pytest.approx(1)
    assert effect[-1, END].item() == pytest.approx(1)


def test_a_rank_counts_the_other_tokens_with_at_least_this_logit() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 0.0, 5.0]])
    assert rank(logits, torch.tensor([2, 2])).tolist() == [1, 0]
    assert rank(logits, torch.tensor([1, 0])).tolist() == [2, 2]
    assert rank(torch.zeros(1, 3), torch.tensor([0])).tolist() == [2]


def test_originals_are_measured_on_the_documents_prompt(
    subject: NameRecallSubject, originals: dict[str, NameRecallSubject]
) -> None:
    assert [len(m.task.prompts) for m in (subject, *originals.values())] == [50, 1, 1]
    assert list(originals["gpt2-small"].task.names) == [DOCUMENT]
    assert [m.task.stored_after for m in (subject, *originals.values())] == [0, 6, 0]
