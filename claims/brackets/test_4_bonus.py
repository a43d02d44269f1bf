"""Section 4: negative suffixes, adversarial strings, early closes."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import (
    at_least,
    at_most,
    between,
    exactly,
    listed,
    near,
    parts,
)

from .common import BONUS, MODELS, PRINTED, untrained


@claim(
    "brackets/tally-at-every-position",
    says="Every position with '(' stores the tally of its own suffix (lowest correlation).",
    source=BONUS / "Detecting anywhere-negative failures",
    tier=2,
    published="qualitative",
    expect={group: at_least(0.9) for group in MODELS},
    control=instead(
        "tally of the prefix", lambda s: s.elevation_head.lowest_tally_correlation(prefix=True)
    ),
)
def test_every_position_stores_its_tally(subject):
    return subject.elevation_head.lowest_tally_correlation()


@claim(
    "brackets/ov-same-everywhere",
    says="At every position 0.0 adds '(' and ')' in opposite directions (highest cosine).",
    source=BONUS / "Detecting anywhere-negative failures",
    tier=2,
    published="argument",
    expect={group: at_most(-0.95) for group in MODELS},
    control=(
        instead("head 0.1", lambda s: s.elevation_head.sibling.highest_write_cosine),
        untrained,
    ),
)
def test_brackets_are_written_oppositely_everywhere(subject):
    return subject.elevation_head.highest_write_cosine


@claim(
    "brackets/h21-detects-negative",
    says="Head 2.1 writes towards unbalanced whenever some suffix goes negative.",
    source=BONUS / "Detecting anywhere-negative failures",
    tier=2,
    published="qualitative",
    expect={group: parts(auroc=at_least(0.99), fifth_percentile=at_least(5.0)) for group in MODELS},
    control=(instead("head 2.0", lambda s: s.total_head.negative_auroc), untrained),
    note="The document's wording reverses the sign; its formula and its answer have it right.",
)
def test_the_negative_head_answers_negative_suffixes(subject):
    return subject.negative_head.negative_auroc


@claim(
    "brackets/h21-attends-negative-positions",
    says="From position 0, head 2.1 attends most to the positions whose suffix is negative.",
    source=BONUS / "Detecting anywhere-negative failures",
    tier=1,
    published="question",
    expect={
        group: parts(mass_over_share=at_least(2.0), argmax_negative=at_least(0.85))
        for group in MODELS
    },
    control=(
        instead("head 2.0", lambda s: s.total_head.attention_to_negative_positions),
        untrained,
    ),
)
def test_the_negative_head_attends_to_negative_positions(subject):
    return subject.negative_head.attention_to_negative_positions


@claim(
    "brackets/h21-value-sign",
    says="The vector that 2.1 moves from negative positions points towards unbalanced.",
    source=BONUS / "Detecting anywhere-negative failures",
    tier=1,
    published="question",
    expect={group: at_least(5.0) for group in MODELS},
    control=(instead("head 2.0", lambda s: s.total_head.value_sign), untrained),
)
def test_negative_positions_carry_the_verdict(subject):
    return subject.negative_head.value_sign


@claim(
    "brackets/h21-inputs-mlps",
    says="The MLPs are the important inputs to 2.1.",
    source=BONUS / "Detecting anywhere-negative failures",
    tier=1,
    published="qualitative",
    expect={
        group: parts(gap=at_least(1.0), times_the_largest_other=at_least(3.0)) for group in MODELS
    },
    control=(
        instead("heads in place of MLPs", lambda s: s.negative_head.input_dominance(of_mlps=False)),
        untrained,
    ),
)
def test_the_mlps_feed_the_negative_head(subject):
    return subject.negative_head.input_dominance()


@claim(
    "brackets/error-rate-1e-4",
    says="About one string in ten thousand of the whole data set is misclassified.",
    source=BONUS / "Adversarial attacks",
    tier=1,
    published=10,
    expect={"arena": between(3, 20, because="'around 1 in ten thousand' of 100,000 strings")},
    control=instead(
        "shuffled labels", lambda s: s.behaviour.errors_in_full_data(shuffled_labels=True)
    ),
)
def test_one_in_ten_thousand_is_wrong(subject):
    return subject.behaviour.errors_in_full_data()


@claim(
    "brackets/advex-30",
    says="A)(B with A of 15 and B of 4 nested pairs is called balanced (confidence, per cent).",
    source=BONUS / "Adversarial attacks",
    tier=1,
    published=99.9856,
    expect={
        "arena": near(99.9856, abs=5e-5, because=PRINTED),
        "retrained": at_least(50.0, because="fooled at all"),
    },
    control=(
        instead("the hand-written rule", lambda s: s.adversarial.rule_confidence),
        instead("A and B flat", lambda s: s.adversarial.published_attack(flat_halves=True)),
        untrained,
    ),
)
def test_the_published_attack_works(subject):
    return subject.adversarial.published_attack()


@claim(
    "brackets/advex-set",
    says="The attacks with A of length 24 to 32 are all called balanced with over 98 %.",
    source=BONUS / "Adversarial attacks",
    tier=1,
    published="> 98 % each",
    expect={"arena": at_least(0.98)},
    control=(
        instead(
            "A of length 12, 14, 18, 34, 36",
            lambda s: s.adversarial.confidence_at((12, 14, 18, 34, 36), extreme=max),
        ),
        untrained,
    ),
    note="Lengths 2, 4 and 6 are above 98 % too, which the document does not say.",
)
def test_the_published_set_of_attacks_works(subject):
    return subject.adversarial.confidence_at((24, 26, 28, 30, 32))


@claim(
    "brackets/advex-best-i",
    says="The best attack of the published family has A of length 30.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    published=30,
    expect={"arena": exactly(30)},
    control=untrained,
)
def test_length_30_is_the_best_attack(subject):
    return subject.adversarial.best_length


@claim(
    "brackets/advex-family",
    says="Of all 171 nested A)(B up to 40 brackets 24 are called balanced, 15 and 4 pairs first.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    expect={
        "arena": parts(
            strings=exactly(171),
            called_balanced=exactly(24),
            best_a=exactly(30),
            best_b=exactly(8),
        )
    },
    control=untrained,
    note="Beyond the document, which searches |A| + |B| = 38 only. The expected values are our "
    "own first measurement.",
)
def test_the_published_attack_is_the_best_of_the_whole_family(subject):
    return subject.adversarial.family_profile


@claim(
    "brackets/advex-printed-controls",
    says="The strings printed beside the attack keep their confidences (per cent).",
    source=BONUS / "Adversarial attacks",
    tier=2,
    published=[99.9987, 99.9989, 0.0121],
    expect={
        "arena": listed(*(near(x, abs=5e-5, because=PRINTED) for x in (99.9987, 99.9989, 0.0121)))
    },
    control=untrained,
)
def test_the_strings_beside_the_attack_are_judged_right(subject):
    return subject.adversarial.printed_controls


@claim(
    "brackets/advex-single-negative",
    says="In A)(B exactly one position has a negative suffix, and only by one.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    published="argument",
    expect={"arena": parts(most=exactly(1), fewest=exactly(1), lowest_elevation=exactly(-1))},
    control=instead("A))((B", lambda s: s.adversarial.negative_positions(doubled=True)),
)
def test_attacks_are_negative_at_one_place_only(subject):
    return subject.adversarial.negative_positions()


@claim(
    "brackets/advex-tall-needed",
    says="A and B must be tall: flat ones lose half or more of the confidence.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    published="argument",
    expect={"arena": at_least(0.5)},
    control=instead(
        "tall against flat, reversed", lambda s: s.adversarial.gain_from_height(swapped=True)
    ),
)
def test_attacks_must_be_tall(subject):
    return subject.adversarial.gain_from_height()


@claim(
    "brackets/advex-mechanism",
    says="At queries 28 and 30 the '(' before B sees too few '(' after it, and misses the fault.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    published="hint",
    expect={"arena": at_most(-0.05)},
    control=instead("A of length 12", lambda s: s.adversarial.undercounts(12)),
    note="A has length 26 or 28, which puts that '(' among the uneven queries 27 to 31.",
)
def test_attacks_work_by_undercounting(subject):
    return subject.adversarial.undercounts(26, 28)


@claim(
    "brackets/advex-mechanism-everywhere",
    says="The same undercount explains all five of the strongest attacks.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    published="hint",
    expect={"arena": at_most(0.0)},
    control=instead("A of length 12", lambda s: s.adversarial.undercounts(12)),
    not_asserted="does not hold for A of length 32, where the weighted share of '(' is above the true "
    "one and the model is fooled all the same (99.6 %)",
)
def test_the_mechanism_explains_every_strong_attack(subject):
    return subject.adversarial.undercounts(24, 26, 28, 30, 32)


@claim(
    "brackets/early-close-component",
    says="Head 2.0 answers every string that opens with ')', even if the total is right.",
    source=BONUS / "Dealing with early closing parens",
    tier=1,
    published="2.0",
    expect={
        group: parts(smallest=at_least(5.0), smallest_total_right=at_least(5.0)) for group in MODELS
    },
    control=(
        instead("head 2.1", lambda s: s.negative_head.lowest_answers(first=")")),
        instead(
            "N strings that open with '('",
            lambda s: s.total_head.lowest_answers(first="(", quantile=0.05),
        ),
        untrained,
    ),
)
def test_the_total_head_catches_early_closes(subject):
    return subject.total_head.lowest_answers(first=")")


@claim(
    "brackets/early-close-causal",
    says="The first ')' reaches 2.0 through its value and its key at position 1 (change of LDu).",
    source=BONUS / "Dealing with early closing parens",
    tier=2,
    published="question",
    expect={group: parts(v=at_least(5.0), k=at_least(2.0)) for group in MODELS},
    control=instead("head 2.1", lambda s: s.circuit.early_close(s.roles.negative)),
)
def test_early_closes_travel_through_value_and_key(subject):
    return subject.circuit.early_close(subject.roles.total)
