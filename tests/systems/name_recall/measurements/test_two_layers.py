"""Whether two layers recall, and preferences between two people, against plain runs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import sites
from replications.models.edits import put_rows
from replications.systems.name_recall import data
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.measurements.two_layers import one_person, preference


def test_the_task_is_tried_on_the_document_and_on_the_pairs(subject: NameRecallSubject) -> None:
    prompts = data.document_prompts(subject.task.tokenizer)
    last = subject.lens.run(prompts.clean).logits[0, -1]
    expected = last[prompts.correct[0]] - last[prompts.incorrect[0]]
    found = subject.two_layers.solves()
    assert found["difference"] == pytest.approx(expected.item())
    made = subject.task.prompts  # the fifty pairs
    logits = subject.lens.run(made.clean).logits[:, -1]
    positive = [row[a] > row[b] for row, a, b in zip(logits, *made.answers.T, strict=True)]
    assert found["share_of_pairs"] == pytest.approx(sum(map(bool, positive)) / 50)
    assert 0 < found["share_of_pairs"] < 1


def test_without_the_introduction_nobody_is_named(subject: NameRecallSubject) -> None:
    made = data.document_prompts(subject.task.tokenizer)
    words = subject.task.tokenizer.encode("Tomorrow at lunch time Alex", bos=True)
    last = subject.lens.run(torch.tensor([words])).logits[0, -1]
    expected = last[made.correct[0]] - last[made.incorrect[0]]
    found = subject.two_layers.solves(introduced=False)
    assert found["difference"] == pytest.approx(expected.item())


def test_a_model_that_copies_any_last_name_prefers_neither_person(
    subject: NameRecallSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copies(tokens: Tensor) -> Tensor:
        # The last name further right is preferred, whoever is asked for.
        return torch.zeros(len(tokens), 127).scatter_(1, tokens[:, [11]], 3.0)

    monkeypatch.setattr(subject.task, "run", copies)
    assert preference(subject.task) == 0
    monkeypatch.setattr(subject.task, "run", lambda tokens: copies(tokens) * (tokens[:, -1:] % 2))
    assert preference(subject.task) != 0


def test_a_preference_is_the_mean_difference_between_two_people(subject: NameRecallSubject) -> None:
    made = data.two_people(subject.task.tokenizer, subject.task.names)
    logits = subject.lens.run(made.tokens).logits[:, -1]
    rows = torch.arange(100)
    expected = logits[rows, made.answers[:, 0]] - logits[rows, made.answers[:, 1]]
    assert preference(subject.task) == pytest.approx(expected.mean().item())


def test_models_of_one_layer_are_compared_on_two_people(subject: NameRecallSubject) -> None:
    small = subject.one_layer_models[0]
    own, other = preference(subject.task), preference(small.task)
    compare = subject.two_layers.against_one_layer
    assert compare() == pytest.approx({"two_layers": own, "share_with_one": abs(other) / own})
    found = compare(of=one_person)
    assert found["two_layers"] == pytest.approx(subject.task.metric())
    assert found["share_with_one"] == pytest.approx(
        abs(small.task.metric()) / subject.task.metric()
    )
    with pytest.raises(BadInput, match="came without one-layer models"):
        _ = small.one_layer_models


def test_a_layer_whose_heads_write_nothing_is_silent(subject: NameRecallSubject) -> None:
    made = data.two_people(subject.task.tokenizer, subject.task.names)
    silent = [put_rows(sites.Z(1), torch.zeros(100, made.tokens.shape[1], 8, 16).double())]
    logits = subject.lens.run(made.tokens, edits=silent).logits[:, -1]
    rows = torch.arange(100)
    expected = (logits[rows, made.answers[:, 0]] - logits[rows, made.answers[:, 1]]).mean().item()
    found = subject.two_layers.against_one_layer(silenced=1)
    assert found["two_layers"] == pytest.approx(expected)
    assert found["share_with_one"] == subject.two_layers.against_one_layer()["share_with_one"]
    assert expected != pytest.approx(preference(subject.task))
