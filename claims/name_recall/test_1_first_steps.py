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
    control=instead(
        "a pianist",
        lambda s: s.first_steps.completion("Famous pianist Alan"),
        accepted_if="A model that thinks of Turing at the name alone.",
    ),
    not_asserted="The document runs this line and does not print its output.",
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
        "gpt2-small": parts(
            correlation=at_least(0.2),
            common_above_median=at_least(
                0.65, because="half, and three standard errors of a share of a hundred tokens"
            ),
        ),
        "toy": parts(
            correlation=at_least(0.2),
            common_above_median=at_least(0.8, because="ten of twelve tokens come by chance in 2 %"),
        ),
    },
    control=instead(
        "biases permuted",
        lambda s: s.first_steps.bias_and_frequency(permuted=True),
        accepted_if="In a small vocabulary a random order may happen to put common tokens first.",
    ),
    not_asserted="The document sets this as an exercise and prints no answer.",
    note="Rank correlation with the counts of tokens in a sample: the texts of Python's help for "
    "GPT-2, fresh training texts for toys.  LayerNorm's bias is folded in.  Common tokens are the "
    "hundred commonest, but at most a tenth of the vocabulary: of the 127 words of a toy a hundred "
    "cannot all be above the median.",
    version=2,
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
        "gpt2-small": parts(split=exactly([5, 3]), single=at_least(0.95)),
    },
    control=(
        instead(
            "no space before",
            lambda s: s.first_steps.words_as_tokens(space=False),
            accepted_if="A tokenizer of whole words knows them with and without a space.",
        ),
        instead(
            "a simple word of eight letters",
            lambda s: s.first_steps.words_as_tokens(word="business"),
            accepted_if="A tokenizer with few merges cuts 'business' after five letters too.",
        ),
    ),
    note="The letters in each token of 'ethernet'.  A hundred common nouns stand in for the "
    "thousand commonest words, since we ship no list of those.",
    version=2,
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
        )
        for group in ALL
    },
    control=instead(
        "nothing opens the text",
        lambda s: s.first_steps.token_positions(bos=False),
        accepted_if="A tokenizer that opens every text by itself gives the same twelve tokens.",
    ),
    note="Exact in each tokenizer, since all later claims name these positions.  That both last "
    "names are one token follows: otherwise a corrupted prompt would be longer.",
    version=2,
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
    control=(
        instead(
            "'Sarah' the second time",
            lambda s: s.first_steps.recall("second_name"),
            accepted_if="A model that repeats the last name it read, whoever is asked for, also "
            "says ' Hart' after 'Sarah'.",
        ),
        instead(
            "'Carroll' for 'Hart'",
            lambda s: s.first_steps.recall("last_name"),
            accepted_if="A model that has learnt a name by heart says ' Hart' without reading it.",
        ),
    ),
    note="Rank 0 is the likeliest token.  Other names are those of our list that are one token.",
)
def test_the_last_name_is_recalled(subject):
    return subject.first_steps.recall()
