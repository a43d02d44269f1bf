"""The samples that models are measured on: tokens, slots, answers and exchanged names."""

from __future__ import annotations

import pytest
import torch

from replications.errors import BadInput
from replications.systems.ioi import Task
from replications.systems.ioi.data import ABC, Document, Sample, document, draw, toy_tokenizer
from replications.systems.ioi.measure import IoiSubject
from replications.systems.ioi.measurements import Printed
from tests.systems.ioi.test_prompts import byte_pairs

SAMPLES = {"document": Document(), "own": draw(12)}


@pytest.fixture(params=SAMPLES, scope="module")
def sample(request: pytest.FixtureRequest) -> Sample:
    return SAMPLES[request.param]


@pytest.mark.parametrize("bos", [False, True])
def test_slots_and_ends_are_where_the_words_stand(sample: Sample, bos: bool) -> None:
    tokenizer = byte_pairs()
    batch = sample.encode(tokenizer, bos=bos)
    io_and_s = sample.io_and_s(tokenizer)
    rows = torch.arange(len(sample))
    for row, text in enumerate(sample.texts()):
        tokens = tokenizer.encode(text, bos=bos)
        assert batch.tokens[row, : len(tokens)].tolist() == tokens
        assert batch.end[row] == len(tokens) - 1
    at_slots = batch.tokens.gather(1, batch.slots)
    assert at_slots[rows, sample.io_slot].equal(io_and_s[:, 0])
    assert at_slots[rows, 1 - sample.io_slot].equal(io_and_s[:, 1])
    assert at_slots[:, 2].equal(io_and_s[:, 1])


def test_prompts_of_one_template_are_aligned(sample: Sample) -> None:
    batch = sample.encode(byte_pairs(), bos=False)
    for template in batch.template.unique():
        same = batch.template == template
        assert len(batch.end[same].unique()) == 1
        assert len(batch.slots[same].unique(dim=0)) == 1


def test_flipped_prompts_keep_their_answers_and_layout(sample: Sample) -> None:
    tokenizer = byte_pairs()
    before, after = sample.encode(tokenizer, bos=False), sample.flipped(ABC)
    encoded = after.encode(tokenizer, bos=False)
    assert encoded.end.equal(before.end)
    assert encoded.slots.equal(before.slots)
    assert encoded.template.equal(before.template)
    assert not encoded.tokens.equal(before.tokens)


def test_names_can_be_drawn_again(sample: Sample) -> None:
    assert sample.flipped(ABC).texts() == sample.flipped(ABC).texts()
    assert sample.flipped(ABC).texts() != sample.flipped(ABC, again=1).texts()


def test_a_tokenizer_that_lacks_the_words_is_refused() -> None:
    with pytest.raises(BadInput, match="'Victoria' is not in the vocabulary"):
        Document().encode(toy_tokenizer(), bos=False)


def test_the_document_is_the_25_prompts_with_their_partners() -> None:
    sample = Document()
    assert sample.texts() == [s.prompt for s in document.sentences()]
    partners = document.flipped(document.sentences())
    assert sample.flipped(ABC).texts() == [s.prompt for s in partners]


# ---------------------------------------------------------------------- numbers that are printed
def test_single_prompts_are_the_first_and_their_partners(subject: IoiSubject) -> None:
    task = subject.task
    clean, abc = task.difference().tolist(), task.difference(tokens=task.abc.tokens).tolist()
    assert subject.printed.single == [*clean[:5], *abc[:5]]
    assert subject.printed.next_five == [*clean[5:10], *abc[5:10]]


def test_zero_ablation_changes_the_last_number_only(subject: IoiSubject) -> None:
    printed: Printed = subject.printed
    task, numbers = subject.task, printed.numbers
    zero = task.difference(task.ablate_to_zero(subject.roles.name_mover)).mean().item()
    assert printed.zero_ablated == numbers | {"ablated": zero}
    assert zero != pytest.approx(numbers["ablated"])
    assert numbers["clean"] - numbers["attribution"] == pytest.approx(numbers["naive"])


def test_other_names_give_another_number(subject: IoiSubject) -> None:
    task: Task = subject.task
    other = task.sample.flipped(ABC, again=1).encode(task.tokenizer, bos=True)
    expected = task.difference(tokens=other.tokens).mean().item()
    assert subject.printed.on_other_names == expected
    assert expected != subject.name_movers.on_abc
