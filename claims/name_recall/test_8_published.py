"""What a public notebook printed of GPT-2 small on a shorter prompt, and a loss of gelu-2l.

The prompt is "Her name was Alex Hart. When Alex". Each map has 13 states of the stream by 9
positions, and is compared as a whole: the largest distance names its place.
"""

from __future__ import annotations

from replications.judging.claim import Source, claim, instead
from replications.judging.expectation import at_most, exactly, near, parts

NOTEBOOK = Source(
    "ai-interpretability, TransformerMechanistic.ipynb @ 47b8ac67",
    "https://github.com/willclarktech/ai-interpretability",
)
TESTS = Source(
    "TransformerLens, tests/acceptance/test_hooked_transformer.py",
    "https://github.com/TransformerLensOrg/TransformerLens",
)
MAP = "13 × 9 values"
MAPPED = {
    "gpt2-small": at_most(
        0.01, because="one run on a machine not stated; half a thousandth of the gap of 21.5"
    )
}
AT = "The largest distance from the printed logit differences. Patches go into the clean prompt."
EITHER_WAY = "A model that computes logit(Hart) - logit(Carroll) from the last token alone."
IDLE = "A model in which no layer moves anything."
"""Between attention and MLP the stream is no control: the MLP reads the same position alone."""


@claim(
    "name_recall/published-last-name",
    says="Patching the stream with another last name gives the printed logit differences.",
    source=NOTEBOOK,
    tier=2,
    published=MAP,
    expect=MAPPED,
    control=(
        instead(
            "into the corrupted prompt",
            lambda s: s.published.patched("last_name", exchanged=True),
            accepted_if=EITHER_WAY,
        ),
        instead(
            "the stream before each layer, not after",
            lambda s: s.published.patched("last_name", before=True),
            accepted_if=IDLE,
        ),
    ),
    note=AT,
)
def test_last_name(subject):
    return subject.published.patched("last_name")


@claim(
    "name_recall/published-first-name",
    says="Patching the stream with another first name gives the printed logit differences.",
    source=NOTEBOOK,
    tier=2,
    published=MAP,
    expect=MAPPED,
    control=(
        instead(
            "into the corrupted prompt",
            lambda s: s.published.patched("first_name", exchanged=True),
            accepted_if=EITHER_WAY,
        ),
        instead(
            "the stream before each layer, not after",
            lambda s: s.published.patched("first_name", before=True),
            accepted_if=IDLE,
        ),
    ),
    note=AT,
)
def test_first_name(subject):
    return subject.published.patched("first_name")


@claim(
    "name_recall/published-second-name",
    says="Patching the stream with another first name in the end gives the printed values.",
    source=NOTEBOOK,
    tier=2,
    published=MAP,
    expect=MAPPED,
    control=(
        instead(
            "into the corrupted prompt",
            lambda s: s.published.patched("second_name", exchanged=True),
            accepted_if=EITHER_WAY,
        ),
        instead(
            "another last name",
            lambda s: s.published.patched("second_name", corruption="last_name"),
            accepted_if="A model in which both names are read at the last position.",
        ),
    ),
    note=f"{AT} Only the last token differs, so it makes no difference which state is patched: "
    "another site would be no control.",
)
def test_second_name(subject):
    return subject.published.patched("second_name")


@claim(
    "name_recall/published-next-tokens",
    says="After the shorter prompt 'was' follows with 27 %, and 'Hart' is second.",
    source=NOTEBOOK,
    tier=2,
    published="five logits, 16.23 to 14.02, and their percentages",
    expect={
        "gpt2-small": parts(
            tokens=exactly([" was", " Hart", " died", " came", "'s"]),
            logits=at_most(
                5.5e-3, because="printed with two decimals, and 5e-4 between runs of a notebook"
            ),
            percent=at_most(
                0.016, because="printed with two decimals; 5e-4 of a logit is 0.01 percent points"
            ),
        )
    },
    control=(
        instead(
            "no token before the prompt",
            lambda s: s.published.next_tokens(bos=False),
            accepted_if="A model that does not attend to the token before a text.",
        ),
        instead(
            "another last name",
            lambda s: s.published.next_tokens(("Alex", "Carroll", "Alex")),
            accepted_if="A model that does not read the last name.",
        ),
    ),
    note="Logits are those of a centred unembedding. The notebook's list after patching is left "
    "out: it is the same as before, so its hook did nothing.",
)
def test_next_tokens(subject):
    return subject.published.next_tokens()


@claim(
    "name_recall/published-gelu-2l-loss",
    says="The loss of gelu-2l on 'Hello world!' is 6.5018.",
    source=TESTS,
    tier=2,
    published=6.501802444458008,
    expect={
        "gelu-2l": near(
            6.501802444458008, abs=1e-4, because="what a stated file is recognised by: see the note"
        )
    },
    control=instead(
        "no token before the text",
        lambda s: s.published.loss(bos=False),
        accepted_if="A model that does not attend to the token before a text.",
    ),
    note="Unchanged in TransformerLens's tests since 2023-03. No checksum of gelu-2l was ever "
    "published, so this number is how its file can be known.",
)
def test_gelu_2l_loss(subject):
    return subject.published.loss()
