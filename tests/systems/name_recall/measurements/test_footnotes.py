"""Other metrics and closing brackets against plain runs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.models import sites
from replications.models.edits import put_rows
from replications.systems.name_recall.data import (
    LAST,
    OPEN_AND_CLOSED,
)
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.measurements import footnotes


def test_maps_of_two_corruptions_are_joined_in_the_order_given(
    subject: NameRecallSubject,
) -> None:
    document = footnotes.differences(subject.task, footnotes.BOTH)
    assert document.shape == (2 * 3 * 12,)
    assert [document.min().item(), document.max().item()] == [0, 1]
    other = footnotes.differences(subject.task, ("first_name", "last_name"))
    assert other.equal(torch.cat([document[36:], document[:36]]))
    assert not other.equal(document)


def test_a_metric_is_the_right_name_on_a_scale_of_all_logits(subject: NameRecallSubject) -> None:
    place = sites.RESID_POST(0).pick(pos=LAST)
    value = subject.lens.read(subject.task.prompts.last_name, {"v": place})["v"]
    run = subject.lens.run(subject.task.prompts.clean, edits=[put_rows(place, value)])
    chances = run.logits[:, -1].softmax(-1)
    right = chances.gather(1, subject.task.prompts.correct[:, None])[:, 0]

    def metric(logits: Tensor) -> Tensor:
        return footnotes.right_name(footnotes.probability(logits), subject.task.prompts.correct)

    found = subject.task.map_of("residual", "last_name", metric)
    assert found[1, LAST].item() == pytest.approx(right.mean().item())


def test_a_mark_is_likelier_by_its_log_probability(
    originals: dict[str, NameRecallSubject],
) -> None:
    large = originals["gpt2-small"]
    tokens = torch.tensor([large.task.tokenizer.encode("The old bridge", bos=True)])
    mark = large.task.tokenizer.token(")")
    expected = large.lens.run(tokens).logits[0, -1].log_softmax(-1)[mark]
    assert large.task.next_token("The old bridge")[mark].item() == pytest.approx(expected.item())
    changes = [
        large.task.next_token(a)[mark] - large.task.next_token(b)[mark] for a, b in OPEN_AND_CLOSED
    ]
    found = large.footnotes.likelier_in_bracket(")")
    assert found == pytest.approx(sum(map(float, changes)) / len(changes))
