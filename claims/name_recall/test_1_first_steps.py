"""Steps 1 and 2: completions, tokens, the prompt and its recall."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, exactly, parts

from .common import ALL, FOOTNOTES, STEP_1, STEP_2


@claim(
    "name_recall/alan-completion",
    says="GPT-2 small completes 'Famous computer scientist Alan' with ' Turing'.",
    source=STEP_1,
    tier=2,
    published=None,
    expect={"gpt2-small": exactly(" Turing")},
    control=instead("a pianist", lambda s: s.first_steps.completion("Famous pianist Alan")),
    not_asserted="the document runs this line and does not print its output",
)
def test_a_famous_name_is_completed(subject):
    return subject.first_steps.completion("Famous computer scientist Alan")


@claim(
    "name_recall/unembed-bias-frequency",
    says="The unembedding bias is larger for common tokens.",
    source=STEP_1 / "Exercise",
    tier=2,
    published="an exercise; no answer is printed",
    expect={
        group: parts(correlation=at_least(0.2), common_above_median=at_least(0.5))
        for group in ("gpt2-small", "toy")
    },
    control=instead("biases permuted", lambda s: s.first_steps.bias_and_frequency(permuted=True)),
    note="Rank correlation with the counts of tokens in a sample: the texts of Python's help for "
    "GPT-2, fresh training texts for toys.  LayerNorm's bias is folded in.  The control permutes "
    "the biases; column norms, which were proposed first, are not biases at all.",
)
def test_common_tokens_have_larger_biases(subject):
    return subject.first_steps.bias_and_frequency()


@claim(
    "name_recall/tokenizer-footnote",
    says="' ethernet' is two tokens, and most simple words are one, with a space before.",
    source=FOOTNOTES / "1",
    tier=2,
    published="' ether' + 'net'",
    expect={
        "gpt2-small": parts(split=exactly([" ether", "net"]), single=at_least(0.95)),
    },
    control=instead("no space before", lambda s: s.first_steps.words_as_tokens(space=False)),
    note="The split is exact.  A hundred common nouns stand in for the thousand commonest words, "
    "since we ship no list of those.",
)
def test_simple_words_are_one_token(subject):
    return subject.first_steps.words_as_tokens()


@claim(
    "name_recall/token-positions",
    says="The prompt is 12 tokens with Alex at 4 and 11 and Hart at 5, and so are its corruptions.",
    source=STEP_2,
    tier=2,
    published="positions 4, 5, 11 in the code; 5, 6, 11 once in the text",
    expect={
        group: parts(
            tokens=exactly(12),
            first_name=exactly([4, 11]),
            last_name=exactly([5]),
            corrupted=exactly([12, 12, 12]),
            answers=exactly([1, 1]),
        )
        for group in ALL
    },
    control=instead("nothing opens the text", lambda s: s.first_steps.token_positions(bos=False)),
    note="Exact in each tokenizer, since all later claims name these positions.",
)
def test_names_stand_where_the_document_says(subject):
    return subject.first_steps.token_positions()


@claim(
    "name_recall/hart-top4",
    says="' Hart' is among the first predictions, before any other name.",
    source=STEP_2,
    tier=1,
    published="Top4",
    expect={
        group: parts(
            rank=at_most(4, because="'Top4' counts from 0 or from 1"),
            names_before=at_most(0),
        )
        for group in ("gpt2-small", "toy")
    },
    control=instead("'Sarah' the second time", lambda s: s.first_steps.recall("second_name")),
    note="Rank 0 is the likeliest token.  Other names are those of our list that are one token.",
)
def test_the_last_name_is_recalled(subject):
    return subject.first_steps.recall()
