"""Which letter is the first that occurs exactly once so far? Duplicates, domains, overload."""

from __future__ import annotations

from replications.judging import at_least, at_most, claim, exactly, instead, near, parts

from . import published
from .common import UNIQUE, also_retrained, figures, named, printed, untrained


def _another_rule(rule: str):
    return instead(
        f"by another rule: {rule}",
        lambda s: s.behaviour.headline(rule),
        accepted_if=f"a model that learned this rule: {rule}",
    )


@claim(
    "algorithmic/unique-headline",
    says="The right letter gets almost all the probability, with rare failures.",
    source=UNIQUE / "Solutions",
    tier=1,
    published="loss 0.017; mean 0.988; smallest 0.001",
    expect=also_retrained(
        "unique",
        parts(loss=printed(0.017), mean=printed(0.988), smallest=printed(0.001)),
        parts(
            loss=at_most(0.05, because="three times the published loss"),
            mean=at_least(0.96),
            smallest=at_most(0.5, because="some answer is not the right one"),
        ),
    ),
    costly=True,
    control=(
        _another_rule("last unique"),
        _another_rule("first letter"),
        _another_rule("next position"),
        untrained,
        instead(
            "the first six positions",
            lambda s: s.behaviour.headline(positions=6),
            accepted_if="a model that fails after few letters, too",
        ),
    ),
    note="1,000 sequences of 20 tokens, seed 42; all positions.",
)
def test_the_right_letter_is_nearly_certain(subject):
    return subject.behaviour.headline()


@claim(
    "algorithmic/unique-duplicate-heads",
    says="Head 0.1 looks back at copies of a letter, for all letters but a; 0.2 for a, b and g.",
    source=UNIQUE / "Attention patterns",
    tier=1,
    published="qualitative",
    expect={
        "unique": parts(
            every=at_least(0.45),
            a=at_most(0.05),
            letters=exactly("abg"),
            above=at_least(0.0),
            rest=at_most(0.0),
        )
    },
    control=(
        instead(
            "head 0.0",
            lambda s: s.attention.duplicates((0, 0), (0, 0)),
            accepted_if="a model in which 0.0 looks for copies",
        ),
        instead(
            "heads 1.0 and 0.1",
            lambda s: s.attention.duplicates((1, 0), s.roles.duplicates),
            accepted_if="a model whose heads share out letters in another way",
        ),
        instead(
            "uniform attention",
            lambda s: s.attention.duplicates(uniform=True),
            accepted_if="sequences that consist of copies",
        ),
    ),
    note="Weight on all earlier copies together, mean by letter. `every`: the smallest of 0.1 for "
    "b to j. `letters`: the three highest of 0.2; `above` and `rest`: how far these and the others "
    "are above uniform attention.",
)
def test_two_heads_look_for_duplicates(subject):
    return subject.attention.duplicates()


@claim(
    "algorithmic/unique-qk-letters",
    says="The scores of letters for themselves divide the letters between 0.1 and 0.2 in this way.",
    source=UNIQUE / "QK circuits",
    tier=2,
    published="0.1: -2.40 4.38 …; 0.2: 1.97 1.06 …; 0.0: -2.51 -2.22 …",
    expect={"unique": named(figures(published.LETTER_SCORES, abs=6e-3))},
    control=(
        instead(
            "without the LayerNorm's divisor",
            lambda s: s.circuits.letter_diagonals(scaled=False),
            accepted_if="a model whose embeddings have the length of normalised ones",
        ),
        instead(
            "scores for other letters",
            lambda s: s.circuits.letter_diagonals(off_diagonal=True),
            accepted_if="heads that do not tell letters apart",
        ),
    ),
)
def test_letters_score_for_themselves(subject):
    return subject.circuits.letter_diagonals()


@claim(
    "algorithmic/unique-early-gradient",
    says="Letters as queries prefer early positions in heads 0.0 and 0.2.",
    source=UNIQUE / "QK circuits",
    tier=2,
    published="qualitative",
    expect={"unique": named({"0.0": at_most(-0.7), "0.2": at_most(-0.7)})},
    control=(
        instead(
            "head 1.0",
            lambda s: s.circuits.gradients((1, 0)),
            accepted_if="a model whose heads of layer 1 prefer early positions too",
        ),
        untrained,
    ),
    note="Correlation of the score with the position of the key, the largest of ten letters. Head "
    "0.1 has the gradient too: see unique-early-gradient-role.",
)
def test_letters_prefer_early_positions(subject):
    return subject.circuits.gradients()


@claim(
    "algorithmic/unique-early-gradient-role",
    says="The preference for early positions marks 0.0 and 0.2: head 0.1 does not have it.",
    source=UNIQUE / "QK circuits",
    tier=2,
    published="a mark of 0.0 and 0.2",
    expect={"unique": at_least(-0.7)},
    control=instead(
        "head 0.0",
        lambda s: s.circuits.gradient((0, 0)),
        accepted_if="a model whose 0.0 does not prefer early positions",
    ),
    not_asserted="head 0.1 prefers early positions more than 0.0 and 0.2 do (-0.82 against -0.74), "
    "so the gradient is common to layer 0 and says nothing of the role of a head",
)
def test_head_0_1_does_not_prefer_early_positions(subject):
    return subject.circuits.gradient(subject.roles.duplicates)


@claim(
    "algorithmic/unique-first-letter-self",
    says="0.0 and 0.2 look at themselves at the first letter; 0.1 avoids its own position.",
    source=UNIQUE / "QK circuits",
    tier=2,
    published="2.67, 2.55, 0.10",
    expect={
        "unique": named(
            {
                "0.0": near(2.67, abs=6e-3),
                "0.2": near(2.55, abs=6e-3),
                "0.1": near(0.10, abs=6e-3),
            },
            pattern=at_least(0.85),
            avoids=at_least(0.0),
        )
    },
    control=(
        instead(
            "head 0.1 in place of both",
            lambda s: s.circuits.first_to_itself(s.roles.duplicates),
            accepted_if="a model in which all heads of layer 0 look at the first letter",
        ),
        instead(
            "position 2",
            lambda s: s.circuits.first_to_itself(position=2),
            accepted_if="a model that gives the second letter the rank of the first",
        ),
    ),
    note="Scores of position 1 for itself. `avoids`: by how much 0.1 avoids its own position more "
    "than twice as strongly as 0.0 and 0.2 do.",
)
def test_the_first_letter_looks_at_itself(subject):
    return subject.circuits.first_to_itself()
