"""What the document says of first unique letters, without letters: does it hold again?

Which letters belong to which head is a matter of one training run. Each claim here says what is
left of a published sentence when heads are found by what they do and letters are counted.
"""

from __future__ import annotations

from replications.judging import at_least, at_most, claim, instead, parts

from .common import UNIQUE, also_retrained, untrained

OV = UNIQUE / "OV circuits"
WITHOUT_LETTERS = "the published sentence without its letters, which belong to one training run"


@claim(
    "algorithmic/unique-every-letter-has-copies",
    says="One head of layer 0 looks back at copies of nearly all letters, others at the rest.",
    source=UNIQUE / "Attention patterns",
    tier=1,
    published="0.1 for all but a; 0.2 for a, b and g",
    derived=WITHOUT_LETTERS,
    expect=also_retrained("unique", parts(weakest=at_least(0.25), letters=at_least(8))),
    control=(
        instead(
            "heads of layer 1",
            lambda s: s.by_letter.looking_back(1),
            accepted_if="a model that looks for copies in layer 1",
        ),
        instead(
            "uniform attention",
            lambda s: s.by_letter.looking_back(uniform=True),
            accepted_if="sequences that consist of copies",
        ),
        untrained,
    ),
    note="`weakest`: weight on all earlier copies in the head that looks at them most, for the "
    "letter where it is smallest; uniform attention gives 0.13. `letters`: how many one head looks "
    "back at with at least 0.25.",
)
def test_every_letter_has_a_head_that_looks_back(subject):
    return subject.by_letter.looking_back()


@claim(
    "algorithmic/unique-letters-shared-out",
    says="The heads of layer 1 divide the letters among themselves.",
    source=UNIQUE / "Attention patterns",
    tier=1,
    published="two, four and four letters",
    derived=WITHOUT_LETTERS,
    expect=also_retrained("unique", parts(factor=at_least(2.0), largest=at_most(5))),
    control=(
        instead(
            "first occurrences",
            lambda s: s.by_letter.shared_out(first=True),
            accepted_if="heads that attend to their letters whether repeated or not",
        ),
        instead(
            "layer 0",
            lambda s: s.by_letter.shared_out(0),
            accepted_if="a model that divides the letters in layer 0 already",
        ),
        untrained,
    ),
    note="By attention to repeated occurrences. `factor`: that of a letter's own head over that of "
    "another, at least. `largest`: how many letters one head owns, at most.",
)
def test_letters_are_shared_out(subject):
    return subject.by_letter.shared_out()


@claim(
    "algorithmic/unique-letters-lost",
    says="Without a head of layer 1 the model fails where the answer is one of its letters.",
    source=UNIQUE / "Attention patterns",
    tier=1,
    expect=also_retrained("unique", parts(agree=at_least(9), factor=at_least(2.0))),
    costly=True,
    control=(
        instead(
            "heads of layer 0",
            lambda s: s.by_letter.causal(0),
            accepted_if="a model that divides the letters in layer 0 already, and in the same way",
        ),
        untrained,
    ),
    note="Beyond the document: unique-domain-ablation without letters. `agree`: how many letters "
    "have the same head by what is lost as by attention. `factor`: the smallest rise in loss at a "
    "head's own letter over its largest at another.",
)
def test_letters_are_lost_with_their_head(subject):
    return subject.by_letter.causal()


@claim(
    "algorithmic/unique-copies-suppress",
    says="Copies of a letter suppress it through its own head of layer 1; so does that head alone.",
    source=OV,
    tier=1,
    published="from copies ten letters of ten, directly nine",
    derived=WITHOUT_LETTERS,
    expect=also_retrained("unique", parts(copies=at_least(9), direct=at_least(8))),
    costly=True,
    control=(
        instead(
            "letters of other heads",
            lambda s: s.by_letter.suppressed(outside=True),
            accepted_if="heads of layer 1 that do the same to all letters",
        ),
        instead(
            "from the head that looks least at copies",
            lambda s: s.by_letter.suppressed(least=True),
            accepted_if="a model that suppresses letters, whether repeated or not",
        ),
        untrained,
    ),
    note="Letters with a path of -25 or less, from the head of layer 0 that looks most at copies "
    "of the letter, and from the letter itself.",
)
def test_copies_suppress_letters(subject):
    return subject.by_letter.suppressed()


@claim(
    "algorithmic/unique-others-boost",
    says="Each letter has a strong path from a head of layer 0 that does not look at its copies.",
    source=OV,
    tier=1,
    published="ten letters of ten",
    derived=WITHOUT_LETTERS,
    expect=also_retrained("unique", at_least(9)),
    control=(
        instead(
            "from the head that looks at copies",
            lambda s: s.by_letter.boosted(by_copies=True),
            accepted_if="a model that boosts repeated letters",
        ),
        untrained,
    ),
    note="Letters with such a path of 75 or more, through their own head of layer 1.",
)
def test_other_heads_boost_letters(subject):
    return subject.by_letter.boosted()


@claim(
    "algorithmic/unique-two-heads-copy",
    says="The two heads of layer 0 that do not look for copies copy every letter.",
    source=OV,
    tier=2,
    published="all ten letters in both",
    derived="the signs of the printed figures",
    expect=also_retrained("unique", at_least(18)),
    control=(
        instead(
            "the head that looks for copies",
            lambda s: s.by_letter.copied(s.roles.duplicates),
            accepted_if="a model whose head for duplicates copies letters",
        ),
        instead(
            "the direct path",
            lambda s: s.by_letter.copied(direct=True),
            accepted_if="a model whose letters predict themselves",
        ),
        untrained,
    ),
    note="Of twenty: ten letters in two heads.",
)
def test_two_heads_copy_nearly_all_letters(subject):
    return subject.by_letter.copied()


@claim(
    "algorithmic/unique-first-letter-looks-at-itself",
    says="At the first letter these two heads look at themselves; the other avoids its own place.",
    source=UNIQUE / "QK circuits",
    tier=2,
    published="scores of 2.67 and 2.55 against 0.10",
    derived="the published sentence without the printed digits",
    expect=also_retrained("unique", parts(pattern=at_least(0.75), avoids=at_least(0.0))),
    control=(
        instead(
            "the head that looks for copies in place of both",
            lambda s: s.by_letter.first_letter(s.roles.duplicates),
            accepted_if="a model in which all heads of layer 0 look at the first letter",
        ),
        untrained,
    ),
    note="`pattern`: attention of position 1 to itself, the smaller of both. `avoids`: by how much "
    "the third avoids its own position more than twice as strongly as these do.",
)
def test_the_first_letter_is_seen_by_two_heads(subject):
    return subject.by_letter.first_letter()
