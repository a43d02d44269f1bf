"""How letters are copied and suppressed, which heads share them, and what overloads a head."""

from __future__ import annotations

from replications.judging import at_least, at_most, claim, each, exactly, instead, near, parts

from . import published
from .common import UNIQUE, figure, figures, named, untrained

LAYER_0 = [(0, 0), (0, 1), (0, 2)]
DOMAINS = ["ac", "defj", "bghi"]


@claim(
    "algorithmic/unique-ov-layer0",
    says="Heads 0.0 and 0.2 copy every letter, weakly.",
    source=UNIQUE / "OV circuits",
    tier=2,
    published="0.0: 23.98 … 17.08; 0.2: 12.33 … 17.76",
    expect={"unique": named(figures(published.COPYING, abs=0.01, rel=1e-3))},
    control=(
        instead(
            "head 0.1",
            lambda s: s.circuits.copying(s.roles.duplicates),
            accepted_if="a model whose 0.1 copies letters",
        ),
        untrained,
    ),
)
def test_two_heads_copy_letters(subject):
    return subject.circuits.copying()


@claim(
    "algorithmic/unique-negative-paths",
    says="Paths from 0.1 suppress a letter through its own head of layer 1, and so does 1.h alone.",
    source=UNIQUE / "OV circuits",
    tier=1,
    published="0.1: 34.0 -71.1 …; 0.2: -152.1 -78.2 -124.7; direct: -51.2 -120.4 …",
    expect={"unique": named(figures(published.NEGATIVE, abs=0.06, rel=1e-3))},
    control=(
        instead(
            "letters of other domains",
            lambda s: s.circuits.negative(outside=True),
            accepted_if="heads of layer 1 that do the same to all letters",
        ),
        instead(
            "from head 0.0",
            lambda s: s.circuits.negative((0, 0)),
            accepted_if="a model whose 0.0 finds duplicates",
        ),
    ),
    note="In the figure a is the exception of 0.1, and i that of the direct paths. Its axes carry "
    "each other's names: the input axis is called Dest.",
)
def test_paths_from_0_1_suppress_letters(subject):
    return subject.circuits.negative()


@claim(
    "algorithmic/unique-positive-paths",
    says="Paths from 0.0 and 0.2 boost letters: each letter has at least one strong one.",
    source=UNIQUE / "OV circuits",
    tier=1,
    published="0.0: 244.6 214.5 …; 0.2: 93.8 17.8 …",
    expect={
        "unique": named(
            figures(published.POSITIVE, abs=0.06, rel=1e-3),
            strongest=at_least(75),
        )
    },
    control=(
        instead(
            "head 0.1",
            lambda s: s.circuits.positive(s.roles.duplicates),
            accepted_if="a model whose 0.1 boosts letters",
        ),
        untrained,
    ),
)
def test_every_letter_has_a_strong_path(subject):
    return subject.circuits.positive()


@claim(
    "algorithmic/unique-positive-paths-exceptions",
    says="Only a, b and g through 0.2 are exceptions: all other such paths boost their letter.",
    source=UNIQUE / "OV circuits",
    tier=2,
    published="b and g through 0.2 to 1.2, besides a",
    expect={"unique": exactly(["0.2 a", "0.2 b", "0.2 g"])},
    control=instead(
        "head 0.1",
        lambda s: s.circuits.negative_cells(s.roles.duplicates),
        accepted_if="a model whose 0.1 suppresses a, b and g alone",
    ),
    not_asserted="the document's own figure has four more negative cells through 0.0: e (-1.0), f "
    "(-23.3), j (-70.4) and h (-22.2)",
)
def test_only_three_paths_are_exceptions(subject):
    return subject.circuits.negative_cells()


@claim(
    "algorithmic/unique-domains",
    says="The heads of layer 1 divide the letters among themselves: a c, d e f j, b g h i.",
    source=UNIQUE / "Attention patterns",
    tier=1,
    published="1.0: a c; 1.1: d e f j; 1.2: b g h i",
    expect={"unique": parts(domains=exactly(DOMAINS), factor=at_least(3.0))},
    control=(
        instead(
            "first occurrences",
            lambda s: s.attention.domains(first=True),
            accepted_if="heads that attend to their letters whether repeated or not",
        ),
        instead(
            "layer 0",
            lambda s: s.attention.domains(LAYER_0),
            accepted_if="a model that divides the letters in layer 0 already",
        ),
    ),
    note="By the mean weight of later queries on a repeated occurrence. In one place the summary "
    "leaves g out of 1.2's letters; the later sections have it.",
)
def test_layer_1_divides_the_letters(subject):
    return subject.attention.domains()


@claim(
    "algorithmic/unique-domain-ablation",
    says="Without a head of layer 1 the model fails where the answer is one of its letters.",
    source=UNIQUE / "Attention patterns",
    tier=1,
    expect={"unique": parts(domains=exactly(DOMAINS), factor=at_least(5.0))},
    control=instead(
        "heads of layer 0",
        lambda s: s.behaviour.domains(LAYER_0),
        accepted_if="a model that divides the letters in layer 0 already",
    ),
    note="Beyond the document: the division is causal. `factor`: the smallest rise in loss inside "
    "a domain over the largest outside.",
)
def test_the_division_is_causal(subject):
    return subject.behaviour.domains()


@claim(
    "algorithmic/unique-path-attribution",
    says="c is boosted through 0.0, 0.2 to 1.0 and suppressed through 0.1 and directly to 1.0.",
    source=UNIQUE / "Direct Logit Attribution",
    tier=2,
    published="c at 1: 136.7 142.7 -81.5 -46.4; g: 22.1 29.1",
    expect={
        "unique": parts(
            c_at_1=figure(published.C_AT_1, abs=0.1),
            boosts=figure(published.C_BOOSTS, abs=0.1),
            suppresses=figure(published.C_SUPPRESSES, abs=0.1),
            g=figure(published.G, abs=0.1),
            g_after=each(at_most(0.0)),
            signs=exactly(published.SIGNS),
        )
    },
    control=(
        instead(
            "divided by the scale that layer 1 uses",
            lambda s: s.attribution.printed(divisor=1),
            accepted_if="a document that divides by the scale with which paths add up",
        ),
        instead(
            "through heads that do not own the letters",
            lambda s: s.attribution.printed(c_head=(1, 1), g_head=(1, 1)),
            accepted_if="heads of layer 1 that do the same to all letters",
        ),
    ),
    note="Row 0, ?chgegfaeadieaebcffh. The figure is met only if the paths of layer 1 are divided "
    "by the scale of the first LayerNorm, as on the page; they add up to the logits only with that "
    "of the second (c at 1: 43.0, 45.2, -24.0, -9.8). The signs are the same.",
)
def test_paths_boost_and_suppress_c(subject):
    return subject.attribution.printed()


@claim(
    "algorithmic/unique-path-attribution-at-once",
    says="The suppression of c outweighs its boost as soon as c repeats, at position 16.",
    source=UNIQUE / "Direct Logit Attribution",
    tier=2,
    published="as soon as c repeats",
    expect={"unique": exactly(0)},
    control=instead(
        "through head 1.1",
        lambda s: s.attribution.steps_until_suppressed((1, 1)),
        accepted_if="a model whose 1.1 suppresses c",
    ),
    not_asserted="in the published figure the boost is the larger at position 16 (37.5 against "
    "33.0): suppression wins one position later",
    note="How many positions later it does.",
)
def test_suppression_wins_at_once(subject):
    return subject.attribution.steps_until_suppressed()


@claim(
    "algorithmic/unique-adversarial-string",
    says="On ?ggbbiihaggbigbigbig the answer is h from 7 on; the model says h twice, then a.",
    source=UNIQUE / "Adversarial examples",
    tier=1,
    published="p(h) 0.691 at 7, 0.544 at 8, at most 0.059 after; p(a) 0.456 at 8",
    expect={
        "unique": parts(
            h_at_7=near(0.691, abs=1e-3),
            h_at_8=near(0.544, abs=1e-3),
            h_after=near(0.059, abs=1e-3),
            a_at_8=near(0.456, abs=1e-3),
            answers=exactly("hhaaaaaaaaaaa"),
        )
    },
    control=(
        instead(
            "letters of 1.1 repeated",
            lambda s: s.adversarial.other_letters(),
            accepted_if="a model whose 1.1 is overloaded, or whose 1.2 is busy with other letters",
        ),
        instead(
            "h and a exchanged",
            lambda s: s.adversarial.exchanged(),
            accepted_if="a model in which a belongs to 1.2",
        ),
    ),
)
def test_a_string_fools_the_model(subject):
    return subject.adversarial.answers()


@claim(
    "algorithmic/unique-overload",
    says="On that string 1.2 is busy with the repeated g, b and i, and hardly looks at h.",
    source=UNIQUE / "Adversarial examples",
    tier=2,
    published="qualitative",
    expect={"unique": at_least(5.0)},
    control=(
        instead(
            "head 1.0",
            lambda s: s.adversarial.on_repeats((1, 0)),
            accepted_if="a model in which g, b and i belong to 1.0",
        ),
        instead(
            "head 1.1",
            lambda s: s.adversarial.on_repeats((1, 1)),
            accepted_if="a model in which g, b and i belong to 1.1",
        ),
    ),
    note="Mean weight from positions 9 to 19 on the second g, b and i, over that on h.",
)
def test_head_1_2_is_busy(subject):
    return subject.adversarial.on_repeats((1, 2))


@claim(
    "algorithmic/unique-overload-of-every-letter",
    says="Any letter of 1.2 is missed where the other three of its letters are repeated.",
    source=UNIQUE / "Adversarial examples",
    tier=2,
    published="the cause given for h",
    expect={"unique": named({letter: at_least(0.25) for letter in "bghi"})},
    control=instead(
        "letters of 1.1 repeated",
        lambda s: s.adversarial.overload_by_others(),
        accepted_if="a model whose 1.2 is busy with letters of other heads",
    ),
    not_asserted="only h is missed often (0.49), i sometimes (0.08), b and g never: overload of "
    "1.2 is not the whole cause",
    note="Share of wrong answers from position 9 on, over all orders of the repeated letters and "
    "both letters of 1.0 after the single one.",
)
def test_overload_makes_every_letter_fail(subject):
    return subject.adversarial.overload()
