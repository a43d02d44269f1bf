"""Other metrics and closing brackets against plain runs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.models import sites
from replications.models.edits import put_rows
from replications.systems.name_recall.data import (
    LAST,
    OPEN_AND_CLOSED,
)
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.measurements import footnotes


def test_a_map_agrees_with_itself_and_not_with_another_order_or_place(
    subject: NameRecallSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With the document's metric in the place of the log probability, both maps are the same.
    task = subject.task
    monkeypatch.setattr(task, "map_of", lambda kind, c, metric: task.map(kind, c))
    assert subject.footnotes.agreement()["log_probability"] == pytest.approx(1)
    other = subject.footnotes.agreement(("first_name", "last_name"))
    assert other["log_probability"] < 0.99
    shifted = subject.footnotes.agreement(shift=1)
    maps = [task.map("residual", c) for c in footnotes.BOTH]
    rolled = [torch.cat([m[:, -1:], m[:, :-1]], 1) for m in maps]
    expected = stats.spearman(rescaled(maps), rescaled(rolled))
    assert shifted["log_probability"] == pytest.approx(expected)


def rescaled(maps: list[Tensor]) -> Tensor:
    joined = torch.stack(maps).flatten()
    return ((joined - joined.min()) / (joined.max() - joined.min()) * 100).round()


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


@pytest.mark.slow
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


def test_an_open_bracket_makes_its_mark_likelier_by_what_the_model_adds(
    originals: dict[str, NameRecallSubject], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = originals["gpt2-small"].task
    mark = task.tokenizer.token(")")

    def closes_brackets(text: str) -> Tensor:
        scores = torch.zeros(task.lens.shape.d_vocab_out)
        scores[mark] = 2.5 * (text.count("(") - text.count(")"))
        return scores

    monkeypatch.setattr(task, "next_token", closes_brackets)
    found = originals["gpt2-small"].footnotes
    assert found.likelier_in_bracket(")") == pytest.approx(2.5)
    assert found.likelier_in_bracket(",") == 0
