"""The document's 25 prompts, against the sums and sentences that are published."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest

from replications.errors import BadInput
from replications.systems.ioi.data import document
from replications.systems.ioi.data.document import Sentence

FIRST = (
    "When Victoria and Jane got a snack at the store, Jane decided to give it to Victoria",
    "When Sullivan and Rose got a necklace at the garden, Sullivan decided to give it to Rose",
    "When Alan and Alex got a drink at the store, Alex decided to give it to Alan",
    "Then, Jessica and Crystal had a long argument, and afterwards Jessica said to Crystal",
    "Then, Jonathan and Kevin were working at the school. Kevin decided to give a necklace to "
    "Jonathan",
)
PARTNERS = (
    "When Alan and Sullivan got a snack at the store, Adam",
    "When Marcus and Max got a necklace at the garden, Jeremy",
    "When Jay and Jason got a drink at the store, Jacob",
    "Then, Joshua and Jack had a long argument, and afterwards Grant",
    "Then, Alice and Mark were working at the school. Carter",
)


def digest(sentences: Sequence[Sentence]) -> str:
    return hashlib.sha256("\n".join(s.text for s in sentences).encode()).hexdigest()


def test_the_sums_of_the_prompts_and_of_their_partners_are_the_published_ones() -> None:
    prompts = document.sentences()
    partners = document.flipped(prompts)
    assert digest(prompts) == "95d4d8fa571a110ea429e29fdfb0b47aceaddc28a9c0a2c22ed190f15a77feab"
    assert digest(partners) == "dca6f103334b2a3829b5ffabab72ae397e2dd06ed2779d5ee7335fa80b666e05"


def test_the_first_five_read_as_printed() -> None:
    prompts = document.sentences()
    assert tuple(s.text for s in prompts[:5]) == FIRST
    partners = document.flipped(prompts)[:5]
    assert [p.text.startswith(text) for p, text in zip(partners, PARTNERS, strict=True)] == [
        True
    ] * 5


def test_patterns_and_templates_are_as_many_as_published() -> None:
    prompts = document.sentences()
    assert [s.pattern for s in prompts].count("ABB") == 13
    assert len({s.template for s in prompts}) == 12
    assert prompts[0].prompt == FIRST[0].removesuffix(" Victoria")
    assert (prompts[0].io, prompts[0].s, prompts[0].slots) == ("Victoria", "Jane", (1, 3, 10))


def test_two_new_letters_may_get_one_name_and_the_answer_stays() -> None:
    prompts = document.sentences()
    ninth = document.flipped(prompts)[9]
    assert ninth.text == (
        "Then, Lisa and Lisa had a long argument, and afterwards Collins said to Kevin"
    )
    assert (ninth.io, ninth.s) == ("Lisa", "Collins")  # no leading name occurs once: the second
    scored = document.answers_of([ninth], [prompts[9]])[0]
    assert (scored.io, scored.s) == (prompts[9].io, prompts[9].s)


def test_the_spelling_of_a_rule_is_part_of_its_seed() -> None:
    prompts = document.sentences()
    without_space = document.flipped(prompts, "ABB->XYZ,BAB->XYZ")
    assert digest(without_space) != digest(document.flipped(prompts))
    exchanged = document.flipped(prompts, "ABB->BAA, BAB->ABA")
    assert exchanged[0].text.startswith("When Jane and Victoria got a snack at the store, Victoria")
    assert (exchanged[0].io, exchanged[0].s) == ("Jane", "Victoria")


def test_another_form_of_rule_is_refused() -> None:
    with pytest.raises(BadInput, match="not of the form"):
        document.flipped(document.sentences(), "XYZ")


def test_prompts_of_one_template_are_those_of_the_public_files() -> None:
    """The first and the 43rd of two of the files that another suite ships, with their partners."""
    for index, pattern, first, partner, later in (
        (0, "ABB", "Then, Scott and Jeremy went to the hospital. Jeremy gave a snack to",
         "Then, Michael and Anderson went to the hospital. Rachel gave a snack to",
         "Then, Marco and Jay went to the store. Jay gave a ring to"),
        (7, "BAB", "When Jeremy and Scott got a snack at the hospital, Jeremy decided to give the "
         "snack to", "When Michael and Anderson got a snack at the hospital, Rachel decided to "
         "give the snack to", "When Marco and Jay got a ring at the store, Jay decided to give "
         "the ring to"),
    ):  # fmt: skip
        prompts = document.of_template(index, pattern, 50)
        partners = document.flipped(prompts, seed=0)
        assert prompts[0].prompt == first
        assert partners[0].prompt == partner
        assert partners[42].prompt == later
        assert {s.pattern for s in prompts} == {pattern}
