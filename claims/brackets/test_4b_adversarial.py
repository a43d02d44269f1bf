"""Section 4: adversarial strings."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import (
    at_least,
    at_most,
    between,
    each,
    exactly,
    listed,
    near,
    parts,
)

from .common import BONUS, PRINTED, untrained


@claim(
    "brackets/error-rate-1e-4",
    says="About one string in ten thousand of the whole data set is misclassified.",
    source=BONUS / "Adversarial attacks",
    tier=1,
    published=10,
    derived="100,000 strings × 'around 1 in ten thousand'",
    expect={"arena": between(3, 20, because="'around 1 in ten thousand' of 100,000 strings")},
    control=(
        instead(
            "shuffled labels",
            lambda s: s.behaviour.errors_in_full_data(shuffled_labels=True),
            accepted_if="Strings that are nearly all of one class.",
        ),
        untrained,
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
        instead(
            "A and B flat",
            lambda s: s.adversarial.published_attack(flat_halves=True),
            accepted_if="A model that cannot tell tall halves from flat ones.",
        ),
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
            accepted_if="A model that is fooled at every length of A.",
        ),
        untrained,
    ),
    note="Lengths 2, 4 and 6 are above 98 % too, which the document does not say: see "
    "brackets/advex-set-strongest and brackets/advex-overcounting.",
)
def test_the_published_set_of_attacks_works(subject):
    return subject.adversarial.confidence_at((24, 26, 28, 30, 32))


@claim(
    "brackets/advex-set-strongest",
    says="The attacks with A of length 24 to 32 are the five strongest of the published family.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    published="the best adversarial strings",
    expect={"arena": at_most(5)},
    control=(
        instead(
            "A of length 12, 14, 18, 34, 36",
            lambda s: s.adversarial.lowest_rank((12, 14, 18, 34, 36)),
            accepted_if="A model that is fooled most at these lengths.",
        ),
        untrained,
    ),
    not_asserted="does not hold: length 26 is the eighth of eighteen, behind 4, 6 and 2",
    note="The place of the weakest of the five.",
)
def test_the_published_attacks_are_the_strongest(subject):
    return subject.adversarial.lowest_rank((24, 26, 28, 30, 32))


@claim(
    "brackets/advex-best-i",
    says="The best attack of the published family has A of length 30.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    published=30,
    expect={"arena": exactly(30)},
    control=(
        instead(
            "A and B flat",
            lambda s: s.adversarial.best_length(flat_halves=True),
            accepted_if="A model whose best length of A does not depend on its height.",
        ),
        untrained,
    ),
)
def test_length_30_is_the_best_attack(subject):
    return subject.adversarial.best_length()


@claim(
    "brackets/advex-family",
    says="Of all 171 nested A)(B up to 40 brackets 24 are called balanced, 15 and 4 pairs first.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    expect={
        "arena": parts(called_balanced=exactly(24), best_a=exactly(30), best_b=exactly(8)),
    },
    control=(
        instead(
            "A and B flat",
            lambda s: s.adversarial.family_profile(flat_halves=True),
            accepted_if="A model that judges A)(B by the lengths of A and B alone.",
        ),
        untrained,
    ),
    note="Beyond the document, which searches |A| + |B| = 38 only. The expected values are our "
    "own first measurement.",
    version=2,
)
def test_the_published_attack_is_the_best_of_the_whole_family(subject):
    return subject.adversarial.family_profile()


@claim(
    "brackets/advex-printed-controls",
    says="The strings printed beside the attack keep their confidences (per cent).",
    source=BONUS / "Adversarial attacks",
    tier=2,
    published=[99.9987, 99.9989, 0.0121],
    expect={
        "arena": listed(*(near(x, abs=5e-5, because=PRINTED) for x in (99.9987, 99.9989, 0.0121)))
    },
    control=(
        instead(
            "ids of the brackets exchanged",
            lambda s: s.adversarial.printed_controls(exchanged=True),
            accepted_if="A model that reads the mirror image of a string as it reads the string.",
        ),
        instead(
            "no padding mask",
            lambda s: s.adversarial.printed_controls(masked=False),
            accepted_if="A model that has learned by itself to ignore [pad].",
        ),
        untrained,
    ),
)
def test_the_strings_beside_the_attack_are_judged_right(subject):
    return subject.adversarial.printed_controls()


@claim(
    "brackets/advex-single-negative",
    says="In A)(B exactly one position has a negative suffix, and only by one.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    published="argument",
    expect={"arena": parts(in_each_string=each(exactly(1)), lowest_elevation=exactly(-1))},
    control=instead(
        "strings of the data with a negative suffix only",
        lambda s: s.adversarial.negative_positions(s.task.data.subset(s.task.N).strings),
        accepted_if="A data set whose negative strings are all A)(B with A and B balanced.",
    ),
    version=2,
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
    control=(
        instead(
            "A of length 12, where the attack fails",
            lambda s: s.adversarial.gain_from_height(12),
            accepted_if="A model that tall halves of every length fool.",
        ),
        untrained,
    ),
)
def test_attacks_must_be_tall(subject):
    return subject.adversarial.gain_from_height()


@claim(
    "brackets/advex-mechanism",
    says="In the best attack the '(' before B sees too few '(' after it, and misses the fault.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    published="hint",
    expect={"arena": at_most(0.0)},
    control=(
        instead(
            "A of length 12",
            lambda s: s.adversarial.undercounts(12),
            accepted_if="A model whose 0.0 undercounts at every query.",
        ),
        instead(
            "weighted by head 0.1",
            lambda s: s.adversarial.undercounts(30, head=s.elevation_head.sibling.head),
            accepted_if="A model whose 0.1 undercounts in the same way.",
        ),
        untrained,
    ),
    note="A has length 30.  Version 1 looked at 26 and 28 only, with a limit of -0.05.",
    version=2,
)
def test_the_best_attack_works_by_undercounting(subject):
    return subject.adversarial.undercounts(30)


@claim(
    "brackets/advex-mechanism-everywhere",
    says="The same undercount explains all five published attacks.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    published="hint",
    expect={"arena": at_most(0.0)},
    control=(
        instead(
            "A of length 12",
            lambda s: s.adversarial.undercounts(12),
            accepted_if="A model whose 0.0 undercounts at every query.",
        ),
        instead(
            "weighted by head 0.1",
            lambda s: s.adversarial.undercounts(
                24, 26, 28, 30, 32, head=s.elevation_head.sibling.head
            ),
            accepted_if="A model whose 0.1 undercounts in the same way.",
        ),
    ),
    not_asserted="does not hold for A of length 32, where the weighted share of '(' is above the "
    "true one and the model is fooled all the same (99.6 %)",
)
def test_the_mechanism_explains_every_strong_attack(subject):
    return subject.adversarial.undercounts(24, 26, 28, 30, 32)


@claim(
    "brackets/advex-overcounting",
    says="A of length 2, 4 or 6 fools the model too, though there the '(' before B overcounts.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    expect={
        "arena": parts(lowest_confidence=at_least(0.98), smallest_overcount=at_least(0.0)),
    },
    control=(
        instead(
            "A of length 24, 28 and 30",
            lambda s: s.adversarial.overcounting_attacks(24, 28, 30),
            accepted_if="A model whose 0.0 overcounts at the late queries too.",
        ),
        instead(
            "A of length 12, 14 and 18",
            lambda s: s.adversarial.overcounting_attacks(12, 14, 18),
            accepted_if="A model that is fooled at every length of A.",
        ),
    ),
    note="Beyond the document: the undercount of brackets/advex-mechanism is not what makes an "
    "attack work in general.  Measured first, then expected.",
)
def test_some_attacks_work_although_the_head_overcounts(subject):
    return subject.adversarial.overcounting_attacks(2, 4, 6)
