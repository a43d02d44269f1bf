"""Footnotes 7 and 10: other metrics; and what another document states about language models."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, parts

from .common import ALL, BRACKETS, FOOTNOTES


@claim(
    "name_recall/alternative-metrics",
    says="Other metrics, exchanged names and whole attention outputs give the same picture.",
    source=FOOTNOTES / "7 and 10",
    tier=2,
    published="advice",
    expect={
        group: parts(
            probability=at_least(0.8),
            log_probability=at_least(0.8),
            names_exchanged=at_least(0.8),
            attn_out=at_least(0.8),
        )
        for group in ALL
    },
    control=(
        instead(
            "the other corruption",
            lambda s: s.footnotes.agreement(("first_name", "last_name")),
            accepted_if="A model that stores both names at one position and reads them at once.",
        ),
        instead(
            "positions shifted by one",
            lambda s: s.footnotes.agreement(shift=1),
            accepted_if="A model in which neighbouring positions matter alike.",
        ),
    ),
    not_asserted="The document advises this and says nothing of what comes out.",
    note="Rank correlations of maps, rounded to hundredths of their range, for both corruptions of "
    "the first sentence; attention outputs are compared with the sum of their heads' effects.  We "
    "decided on the rounding and the controls after looking at a toy: without rounding, the order "
    "of places without an effect counts; and an unrelated word, the control proposed first, agrees "
    "with 0.76, since all logits move where any does.",
    version=2,
)
def test_other_metrics_agree(subject):
    return subject.footnotes.agreement()


@claim(
    "name_recall/lm-close-paren",
    says="GPT-2 small finds ')' likelier when a bracket is open.",
    source=BRACKETS / "1 Bracket classifier",
    tier=2,
    published="an argument",
    expect={"gpt2-small": at_least(1.0)},
    control=(
        instead(
            "']'",
            lambda s: s.footnotes.likelier_in_bracket("]"),
            accepted_if="A model that confuses kinds of brackets.",
        ),
        instead(
            "','",
            lambda s: s.footnotes.likelier_in_bracket(","),
            accepted_if="A model that expects any punctuation after a bracket.",
        ),
    ),
    not_asserted="The document on brackets argues this and measures no language model.",
    note="The document on brackets states this, and it needs a language model.  The mean log ratio "
    "over ten beginnings of sentences, each with an open bracket and without.",
)
def test_a_language_model_closes_brackets(subject):
    return subject.footnotes.likelier_in_bracket(")")
