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
    control=instead("a pianist", lambda s: s.language.completion_of_pianist),
    observe="the document runs this line and does not print what came out",
)
def test_a_famous_name_is_completed(subject):
    return subject.language.completion


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
    control=instead("biases permuted", lambda s: s.language.bias_permuted),
    note="Rank correlation with the counts of tokens in a sample: the texts of Python's help for "
    "GPT-2, fresh training texts for toys.  LayerNorm's bias is folded in.  Permuted "
    "are the biases and not the column norms, as was proposed: those are no biases at all.",
)
def test_common_tokens_have_larger_biases(subject):
    return subject.language.bias


@claim(
    "name_recall/tokenizer-footnote",
    says="' ethernet' is two tokens, and most simple words are one, with a space before.",
    source=FOOTNOTES / "1",
    tier=2,
    published="' ether' + 'net'",
    expect={
        "gpt2-small": parts(split=exactly([" ether", "net"]), single=at_least(0.95)),
    },
    control=instead("no space before", lambda s: s.language.tokens_without_space),
    note="Exact: the split.  A hundred common nouns stand in for the thousand commonest words, of "
    "which no list is shipped here.",
)
def test_simple_words_are_one_token(subject):
    return subject.language.tokens


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
    control=instead("nothing opens the text", lambda s: s.behaviour.token_positions_without_bos),
    note="Exact in each tokenizer: everything that follows names these positions.",
)
def test_names_stand_where_the_document_says(subject):
    return subject.behaviour.token_positions


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
    control=instead("'Sarah' the second time", lambda s: s.behaviour.recall_mismatched),
    note="Rank 0 is the likeliest token.  Other names: those of our list that are one token.",
)
def test_the_last_name_is_recalled(subject):
    return subject.behaviour.recall
