"""What GPT-2 small says to the prompts of public notebooks, with a token before them or not."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_most, exactly, near, parts

from .published import (
    AGREES,
    EXPLORATORY,
    LOGITS,
    MAIN,
    NNSIGHT_ESTIMATES,
    NNSIGHT_EXACT,
    NO_ATTENTION_TO_BOS,
    TESTS,
    expected,
    without_bos,
)

THREE_DECIMALS = "printed with three decimals, and runs of a notebook agree to 5e-4"
TOP_TEN = [
    " Mary", " the", " John", " them", " his", " her", " a", " their", " Jesus", " him",
]  # fmt: skip


@claim(
    "ioi/published-mean-difference",
    says="On eight prompts the right name is ahead by 3.5519 in the mean.",
    source=EXPLORATORY,
    tier=2,
    published=3.55187,
    expect=expected(near(3.55187, abs=5e-4, because=AGREES)),
    control=without_bos(lambda s: s.published.mean_difference(bos=False)),
    note="The corrupted prompts give -3.55187, which follows: they are the same eight prompts with "
    "the answers exchanged.",
)
def test_mean_difference(subject):
    return subject.published.mean_difference()


@claim(
    "ioi/published-differences",
    says="On each of eight prompts the right name is ahead by what was printed.",
    source=EXPLORATORY,
    tier=2,
    published=[3.3367, 3.2016, 2.7094, 3.7974, 1.7204, 5.2812, 2.6008, 5.7674],
    expect=expected(LOGITS),
    control=without_bos(lambda s: s.published.logit_differences(bos=False)),
)
def test_differences(subject):
    return subject.published.logit_differences()


@claim(
    "ioi/published-mean-difference-without-bos",
    says="Without a token before them, the mean over the eight prompts is 2.8138.",
    source=NNSIGHT_ESTIMATES,
    tier=2,
    published=2.8138,
    expect=expected(near(2.8138, abs=5e-4, because=AGREES)),
    control=instead(
        "a token before the prompts",
        lambda s: s.published.mean_difference(),
        accepted_if=NO_ATTENTION_TO_BOS,
    ),
    note="Measured by others on the weights as published, without TransformerLens.",
)
def test_mean_difference_without_bos(subject):
    return subject.published.mean_difference(bos=False)


@claim(
    "ioi/published-main",
    says="On the pair of the main notebook, John is ahead by 4.276, and behind by 2.738.",
    source=MAIN,
    tier=2,
    published=[4.276, -2.738],
    expect=expected(
        parts(
            clean=near(4.276, abs=1e-3, because=THREE_DECIMALS),
            corrupted=near(-2.738, abs=1e-3, because=THREE_DECIMALS),
        )
    ),
    control=instead(
        "no token before the prompts",
        lambda s: s.published.main_differences(bos=False),
        accepted_if=NO_ATTENTION_TO_BOS,
    ),
    note="The notebook printed 4.276 and -2.738 with the models of TransformerLens before 3.9, and "
    "4.278 and -2.736 since 2025-10 with its bridge. The tolerance tells them apart: a bridge that "
    "fails here shows that drift.",
)
def test_main_pair(subject):
    return subject.published.main_differences()


@claim(
    "ioi/published-main-without-bos",
    says="Without a token before them, the main pair has 4.124 and -2.272.",
    source=NNSIGHT_EXACT,
    tier=2,
    published=[4.124, -2.272],
    expect=expected(
        parts(
            clean=near(4.124, abs=1e-3, because=THREE_DECIMALS),
            corrupted=near(-2.272, abs=1e-3, because=THREE_DECIMALS),
        )
    ),
    control=instead(
        "a token before the prompts",
        lambda s: s.published.main_differences(),
        accepted_if=NO_ATTENTION_TO_BOS,
    ),
)
def test_main_pair_without_bos(subject):
    return subject.published.main_differences(bos=False)


@claim(
    "ioi/published-next-tokens",
    says="After '… John gave a bottle of milk to', Mary follows with 70.07 %.",
    source=MAIN,
    tier=2,
    published="70.07 %; ten logits, 18.09 to 12.97",
    expect=expected(
        parts(
            tokens=exactly(TOP_TEN),
            logits=at_most(5.5e-3, because="printed with two decimals, and 5e-4 between runs"),
            probability=near(
                0.7007, abs=2e-4, because="printed to 1e-4; 5e-4 of a logit is 1.05e-4"
            ),
        )
    ),
    control=(
        without_bos(lambda s: s.published.next_tokens(bos=False)),
        instead(
            "the prompt in which Mary gives",
            lambda s: s.published.next_tokens(mary_gives=True),
            accepted_if="A model that does not notice who gives.",
        ),
    ),
    note="Logits are those of a centred unembedding.",
)
def test_next_tokens(subject):
    return subject.published.next_tokens()


@claim(
    "ioi/published-loss",
    says="The loss on 'Hello world!' is 5.33186.",
    source=TESTS,
    tier=2,
    published=5.331855773925781,
    expect=expected(near(5.331855773925781, abs=4e-5, because="the tolerance of the test itself")),
    control=without_bos(lambda s: s.published.behaviour.loss(bos=False)),
    note="The test bounds its difference from one side only; this claim from both.",
)
def test_loss(subject):
    return subject.published.behaviour.loss()
