"""Scores that need weights and no prompt: OV circuits, a bias, and the names that heads copy."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import exactly, near, parts

from .common import ARENA
from .published import BY_HEAD, MAIN, WEIGHTS, expected

COPIED = ARENA / "Copying scores"
NAMES = "one name of 109 is 0.0092; printed with two decimals of a percentage"
SPACED = "A model in which a name means the same with a space before it."
UNMIXED = "A model whose first MLP leaves embeddings as they are."
NEIGHBOURS = "A model in which the heads beside these copy names as they do."


@claim(
    "ioi/published-ov-copying",
    says="Every head's OV circuit has the printed eigenvalue score.",
    source=MAIN / "cell 108",
    tier=2,
    published=BY_HEAD,
    expect=expected(WEIGHTS),
    control=(
        instead(
            "with embedding and unembedding",
            lambda s: s.published.eigenvalues("main/ov_copying", "full OV"),
            accepted_if="A model whose unembedding is the inverse of its embedding.",
        ),
        instead(
            "the QK circuit",
            lambda s: s.published.eigenvalues("main/ov_copying", "QK"),
            accepted_if="A model whose heads look for what they copy.",
        ),
    ),
    note="Σ λ / Σ |λ|, from the folded weights alone: no prompt and no tokenizer. The same "
    "notebook of 2025-11 printed scores below 0.09, from weights that were not processed.",
)
def test_ov_copying(subject):
    return subject.published.eigenvalues("main/ov_copying", "OV")


@claim(
    "ioi/published-full-ov-copying",
    says="Every head's full OV circuit has the printed eigenvalue score.",
    source=MAIN / "cell 114",
    tier=2,
    published=BY_HEAD,
    expect=expected(WEIGHTS),
    control=instead(
        "without embedding and unembedding",
        lambda s: s.published.eigenvalues("main/full_ov_copying", "OV"),
        accepted_if="A model whose unembedding is the inverse of its embedding.",
    ),
    note="Σ λ / Σ |λ| of W_E W_V W_O W_U, with LayerNorm folded into the weights.",
)
def test_full_ov_copying(subject):
    return subject.published.eigenvalues("main/full_ov_copying", "full OV")


@claim(
    "ioi/published-unembedding-bias",
    says="Folding the final LayerNorm makes John 3.655 times as likely as Mary, whatever is read.",
    source=MAIN,
    tier=2,
    published=[2.8995, 1.6034, 3.6550],
    expect=expected(
        parts(
            John=near(2.8995, abs=6e-5, because="half of the last printed digit, and 1e-6"),
            Mary=near(1.6034, abs=6e-5, because="half of the last printed digit, and 1e-6"),
            ratio=near(3.6550, abs=6e-5, because="half of the last printed digit, and 1e-6"),
        )
    ),
    control=instead(
        "the names without a space",
        lambda s: s.published.biases(space=""),
        accepted_if="A model in which a name is as likely with a space before it as without.",
    ),
    note="GPT-2's unembedding has no bias of its own: this checks the folding alone.",
)
def test_unembedding_bias(subject):
    return subject.published.biases()


@claim(
    "ioi/published-copied-names",
    says="Head 9.9 copies every name, 10.0 and 9.6 copy 94.5 %, and the mean head 10.11 %.",
    source=COPIED,
    tier=2,
    published=[1.0, 0.945, 0.945, 0.1011],
    expect=expected(
        parts(
            head_9_9=exactly(1),
            head_10_0=near(0.945, abs=5e-4, because=NAMES),
            head_9_6=near(0.945, abs=5e-4, because=NAMES),
            mean=near(0.1011, abs=1e-4, because=NAMES),
        )
    ),
    control=(
        instead(
            "names with a space before them",
            lambda s: s.published.name_movers_copy(spaced=True),
            accepted_if=SPACED,
        ),
        instead(
            "without the first MLP",
            lambda s: s.published.name_movers_copy(mlp=False),
            accepted_if=UNMIXED,
        ),
        instead(
            "the neighbouring heads",
            lambda s: s.published.name_movers_copy(shift=1),
            accepted_if=NEIGHBOURS,
        ),
    ),
    note="The share of 109 names that are among the five largest logits when their embeddings go "
    "through the first MLP and the head. The notebook's mean counts the first layer as zero.",
)
def test_name_movers_copy(subject):
    return subject.published.name_movers_copy()


@claim(
    "ioi/published-suppressed-names",
    says="Heads 10.7 and 11.10 write the opposite of every name, and the mean head of 1.93 %.",
    source=COPIED,
    tier=2,
    published=[1.0, 1.0, 0.0193],
    expect=expected(
        parts(
            head_10_7=exactly(1),
            head_11_10=exactly(1),
            mean=near(0.0193, abs=1e-4, because=NAMES),
        )
    ),
    control=(
        instead(
            "without the first MLP",
            lambda s: s.published.negative_heads_copy(mlp=False),
            accepted_if=UNMIXED,
        ),
        instead(
            "the neighbouring heads",
            lambda s: s.published.negative_heads_copy(shift=1),
            accepted_if=NEIGHBOURS,
        ),
    ),
    note="As `ioi/published-copied-names`, with the sign of the circuit reversed.",
)
def test_negative_heads_copy(subject):
    return subject.published.negative_heads_copy()
