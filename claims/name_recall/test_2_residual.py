"""Method 1: patching the residual stream of GPT-2 small, and what holds in all models."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, between, exactly, near, parts

from .common import ALL, FULL_STOP, RESIDUAL, UNRELATED

ROW = "rows of the picture and blocks differ by one, and the document uses both"
TWELVE = (
    "The claim is about the twelve layers of GPT-2 small, and lesions are made of shipped models, "
    "which have two."
)


@claim(
    "name_recall/patch-l6-pos5-rank",
    says="With position 5 patched after block 6, Carroll is on top and Hart far below.",
    source=RESIDUAL,
    tier=1,
    published="Carroll Top3; Hart rank 1920",
    expect={
        "gpt2-small": parts(
            other=at_most(3, because="'Top3' counts from 0 or from 1"),
            right=near(
                1920,
                abs=5,
                because="Folding and centring move all logits alike and keep ranks.  Only "
                "near-ties can change places: at this depth one nat holds about two thousand "
                "tokens, so float32 noise of 1e-3 moves a rank by two.",
            ),
        ),
        "toy": parts(
            other=at_most(3),
            right=at_least(4, because="of 127 words; Hart falls below the bound for Carroll"),
        ),
    },
    control=(
        instead(
            "an unrelated position",
            lambda s: s.residual.ranks_when_patched(position=UNRELATED),
            accepted_if="A model that stores the last name two tokens after it, as some keep "
            "facts at the full stop or later.",
        ),
        instead(
            "the last token",
            lambda s: s.residual.ranks_when_patched(position=11),
            accepted_if="A model that has brought the last name to the last token by then.",
        ),
        instead(
            "after block 10",
            lambda s: s.residual.ranks_when_patched(after=10),
            only="gpt2-small",
            accepted_if="A model that reads the last name in its last block only.",
        ),
    ),
    note="In toys the patch is after block 0, the one before the last.  No independent run has "
    "confirmed the published rank.",
    version=2,
)
def test_a_patched_last_name_is_predicted(subject):
    return subject.residual.ranks_when_patched()


@claim(
    "name_recall/lastname-jump-layer10",
    says="The last name jumps to the last token mostly around layer 10, and also before and after.",
    source=RESIDUAL,
    tier=1,
    published="qualitative",
    expect={
        "gpt2-small": parts(
            largest_at=between(9, 11, because=ROW), layers_above_5_percent=at_least(3)
        )
    },
    control=(
        instead(
            "the first name",
            lambda s: s.residual.jump("first_name"),
            accepted_if="A model that reads both names in its last layers.",
        ),
        instead(
            "an unrelated position",
            lambda s: s.residual.jump(position=UNRELATED),
            accepted_if="A model that hands the last name from token to token.",
        ),
    ),
    no_lesion=TWELVE,
    note="About the twelve layers of GPT-2 small; two-layer models have their own claim.",
    version=2,
)
def test_the_last_name_jumps_late(subject):
    return subject.residual.jump()


@claim(
    "name_recall/firstname-early-move",
    says="The first name is stored at the last name's position from about layer 4.",
    source=RESIDUAL,
    tier=1,
    published="qualitative",
    expect={"gpt2-small": between(4, 6, because=ROW)},
    control=instead(
        "the full stop",
        lambda s: s.residual.first_at(FULL_STOP),
        accepted_if="A model that keeps what it knows of a person at the end of the sentence.",
    ),
    no_lesion=TWELVE,
    note="The first row where no position matters more than position 5.  The last name proposed as "
    "a control is at position 5 in row 0 whatever the model.  Two-layer models have their own "
    "claim.",
    version=2,
)
def test_the_first_name_is_stored_at_the_last_name(subject):
    return subject.residual.first_at(5)


@claim(
    "name_recall/firstname-to-end",
    says="Around layers 5 and 6 the first name moves to the last token.",
    source=RESIDUAL,
    tier=2,
    published="qualitative",
    expect={"gpt2-small": between(5, 7, because=ROW)},
    control=instead(
        "the last name",
        lambda s: s.residual.leaves_last_name("last_name"),
        accepted_if="A model that brings both names to the last token in the same layers.",
    ),
    note="The row where the last token takes over from position 5, counted from the row where "
    "position 5 matters most: before the first name is there, any small effect at the last token "
    "is larger.  In two layers both names arrive in the same row, and the control would be "
    "accepted.",
    version=2,
)
def test_the_first_name_moves_to_the_end_before_the_last_name(subject):
    return subject.residual.leaves_last_name()


@claim(
    "name_recall/firstname-after-l7",
    says="After layer 7 the first name anywhere left of the last token no longer matters.",
    source=RESIDUAL,
    tier=2,
    published="qualitative",
    expect={"gpt2-small": at_most(0.1)},
    control=instead(
        "the last name",
        lambda s: s.residual.left_over("last_name"),
        accepted_if="A model that reads the last name before layer 8 too.",
    ),
    note="The largest effect in row 8 and later, as a share of the whole corruption's effect.",
)
def test_first_names_are_read_before_layer_8(subject):
    return subject.residual.left_over()


@claim(
    "name_recall/firstname-neutral",
    says="With a mismatched first name no last name is preferred; with another one it flips.",
    source=RESIDUAL,
    tier=1,
    published="qualitative",
    expect={
        group: parts(first_name=between(-0.35, 0.35), last_name=at_most(-0.5)) for group in ALL
    },
    control=(
        instead(
            "the first name changed after it has moved",
            lambda s: s.residual.neutral(moved=True),
            accepted_if="A model whose late layers still read the first name where it stands.",
        ),
        instead(
            "the second first name for the last name",
            lambda s: s.residual.neutral(other="second_name"),
            accepted_if="A model that takes a mismatch as a reason for the other last name.",
        ),
    ),
    not_asserted="The document shows a pale colour and no number, and a public run of GPT-2 small "
    "on a shorter prompt is at 4.52 of 12.49, 0.362, just outside the bound of 0.35 that we had "
    "chosen.",
    note="Logit differences of the corrupted prompts, as shares of the clean one.",
    version=2,
)
def test_a_mismatched_first_name_is_neutral(subject):
    return subject.residual.neutral()


@claim(
    "name_recall/smeared-in-large-model",
    says="In GPT-2 small several layers carry the last name to the end, in two layers only one.",
    source=RESIDUAL,
    tier=2,
    published="qualitative",
    expect={"gpt2-small": at_least(3), "gelu-2l": exactly(1), "toy": exactly(1)},
    control=instead(
        "an unrelated position",
        lambda s: s.residual.layers_that_carry(UNRELATED),
        accepted_if="A model that hands the last name from token to token.",
    ),
    note="Counts layers that bring more than a tenth.  The control proposed first, the number of "
    "the other model, would need both models at once.",
    version=2,
)
def test_the_large_model_smears(subject):
    return subject.residual.layers_that_carry()
