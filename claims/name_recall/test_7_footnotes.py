"""Footnotes 7 and 10: other metrics; and a statement of another document about language models."""

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
    control=instead("the other corruption", lambda s: s.metrics.agreement_of_other_corruption),
    note="Rank correlations of maps in hundredths of their range, both corruptions of the first "
    "sentence; attention outputs against the sum of their heads' effects.  Both were settled after "
    "a look at a toy: unrounded, the order of places without effect counts; and an unrelated word, "
    "the proposed control, agrees with 0.76, since every logit moves where anything does.  "
    "`attn_out` alone tells nothing apart on the toys (0.90 on the control too); the others do.",
)
def test_other_metrics_agree(subject):
    return subject.metrics.agreement


@claim(
    "name_recall/lm-close-paren",
    says="GPT-2 small finds ')' likelier when a bracket is open.",
    source=BRACKETS / "1 Bracket classifier",
    tier=2,
    published="an argument",
    expect={"gpt2-small": at_least(1.0)},
    control=(
        instead("']'", lambda s: s.language.close_square_bracket),
        instead("','", lambda s: s.language.comma),
    ),
    note="A statement of the document on brackets; it needs a language model. "
    "Ten beginnings of sentences, each with a bracket open and without: mean log ratio.",
)
def test_a_language_model_closes_brackets(subject):
    return subject.language.close_bracket
