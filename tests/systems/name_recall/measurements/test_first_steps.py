"""Steps 1 and 2 against plain runs, on random weights."""

from __future__ import annotations

import pytest
import torch

from replications.errors import BadInput
from replications.lens.networks import as_network
from replications.systems.name_recall import data
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.measurements.first_steps import FirstSteps
from tests.systems.name_recall.conftest import EXACT


def test_the_prompt_test_lists_the_likeliest_tokens(subject: NameRecallSubject) -> None:
    top = subject.first_steps.likeliest
    logits = subject.lens.run(subject.task.prompts.clean[:1]).logits[0, -1]
    assert [line[0] for line in top] == list(range(10))
    assert top[0][1] == subject.task.tokenizer.strings([int(logits.argmax())])[0]
    assert top[0][2] == pytest.approx(logits.max().item())
    assert top[0][3] == pytest.approx(logits.softmax(-1).max().item())
    assert sum(line[3] for line in top) < 1


def test_other_names_before_the_right_one_are_counted(subject: NameRecallSubject) -> None:
    logits = subject.lens.run(subject.task.prompts.clean).logits[:, -1]
    names = [subject.task.tokenizer.token(n) for n in (*data.FIRST_NAMES, *data.LAST_NAMES)]
    right = subject.task.prompts.correct
    before = [sum(row[n] > row[r] for n in names) for row, r in zip(logits, right, strict=True)]
    expected = torch.tensor(before).double().mean().item()
    assert subject.first_steps.recall()["names_before"] == pytest.approx(expected)
    assert subject.first_steps.recall()["rank"] >= expected


def test_the_bias_has_that_of_the_layernorm_in_it(subject: NameRecallSubject) -> None:
    network = as_network(subject.lens)
    silent = subject.lens.reopen(
        dict(subject.lens.state_dict) | {"ln_final.w": torch.zeros(64).double()}
    )
    # A final LayerNorm without scale leaves its bias alone.
    logits = silent.run(subject.task.prompts.clean[:1]).logits[0, -1]
    assert (logits - subject.first_steps.bias).abs().max() < EXACT
    assert network.ln_final_b is not None


def test_a_sample_is_needed_for_counts(given: NameRecallSubject) -> None:
    with pytest.raises(BadInput, match="came without a sample"):
        _ = given.first_steps.sample


def test_biases_that_follow_frequency_correlate_with_it(
    subject: NameRecallSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Token t comes t times: the commonest have the largest biases, and all twelve are on top.
    text = torch.arange(127).repeat_interleave(torch.arange(127))
    found = FirstSteps(subject.task, lambda: text)
    monkeypatch.setattr(FirstSteps, "bias", torch.arange(127.0))
    assert found.bias_and_frequency() == {"correlation": 1, "common_above_median": 1}
    permuted = found.bias_and_frequency(permuted=True)
    assert abs(permuted["correlation"]) < 0.3
    assert permuted["common_above_median"] < 0.8
    monkeypatch.setattr(FirstSteps, "bias", -torch.arange(127.0))
    assert found.bias_and_frequency() == {"correlation": -1, "common_above_median": 0}


def test_words_are_cut_with_and_without_a_space_before(
    originals: dict[str, NameRecallSubject],
) -> None:
    steps = originals["gpt2-small"].first_steps
    # The stand-in's tokenizer has learnt these words with a space before, and no others.
    assert steps.words_as_tokens(word="business") == {"split": [8], "single": 1}
    bare = steps.words_as_tokens(space=False)
    assert isinstance(bare["single"], float)
    assert isinstance(bare["split"], list)
    assert bare["single"] < 0.5
    assert sum(bare["split"]) == len("ethernet")


def test_a_text_is_completed_with_the_likeliest_token(
    originals: dict[str, NameRecallSubject], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = originals["gpt2-small"].task
    scores = torch.zeros(task.lens.shape.d_vocab_out)
    scores[task.tokenizer.token(" Hart")] = 1
    monkeypatch.setattr(task, "next_token", lambda text: scores)
    assert originals["gpt2-small"].first_steps.completion("Her name was Alex") == " Hart"
