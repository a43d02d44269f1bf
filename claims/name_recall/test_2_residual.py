"""Method 1: patching the residual stream of GPT-2 small, and what holds in all models."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, between, exactly, parts

from .common import ALL, RESIDUAL

ROW = "rows of the picture and blocks differ by one, and the document uses both"


@claim(
    "name_recall/patch-l6-pos5-rank",
    says="With position 5 patched after block 6, Carroll is on top and Hart far below.",
    source=RESIDUAL,
    tier=1,
    published="Carroll Top3; Hart rank 1920",
    expect={
        "gpt2-small": parts(
            other=at_most(5, because="'Top3' counts from 0 or from 1, and versions differ"),
            right=between(500, 5000, because="a rank in the tail moves with the preprocessing"),
        ),
        "toy": parts(
            other=at_most(5),
            right=at_least(6, because="of 127 words; Hart falls below the bound for Carroll"),
        ),
    },
    control=(
        instead("an unrelated position", lambda s: s.residual.ranks_when_patched(position=7)),
        instead(
            "after the last block",
            lambda s: s.residual.ranks_when_patched(after=-1),
        ),
    ),
    note="In toys the patch is after block 0, the one before the last.",
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
    control=instead("the second first name", lambda s: s.residual.jump("second_name")),
    note="About the twelve layers of GPT-2 small; two-layer models have their own claim.",
)
def test_the_last_name_jumps_late(subject):
    return subject.residual.jump()


@claim(
    "name_recall/firstname-early-move",
    says="The first name is stored at the last name's position from about layer 4.",
    source=RESIDUAL,
    tier=1,
    published="qualitative",
    expect={"gpt2-small": between(4, 6, because=ROW), "toy": exactly(1)},
    control=instead("the last name", lambda s: s.residual.moves_to_last_name("last_name")),
    note="The first row where position 5 matters more than position 4.",
)
def test_the_first_name_is_stored_at_the_last_name(subject):
    return subject.residual.moves_to_last_name()


@claim(
    "name_recall/firstname-to-end",
    says="Around layers 5 and 6 the first name moves to the last token.",
    source=RESIDUAL,
    tier=2,
    published="qualitative",
    expect={"gpt2-small": between(5, 7, because=ROW)},
    control=instead("the last name", lambda s: s.residual.moves_to_end("last_name")),
    note="The first row where position 11 matters more than position 5.  In two layers both names "
    "arrive in the same row, and the control would be accepted.",
)
def test_the_first_name_moves_to_the_end_before_the_last_name(subject):
    return subject.residual.moves_to_end()


@claim(
    "name_recall/firstname-after-l7",
    says="After layer 7 the first name anywhere left of the last token no longer matters.",
    source=RESIDUAL,
    tier=2,
    published="qualitative",
    expect={"gpt2-small": at_most(0.1)},
    control=instead("the last name", lambda s: s.residual.left_over("last_name")),
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
    control=instead("the last name for the first", lambda s: s.residual.neutral("last_name")),
    note="Logit differences of the corrupted prompts, as shares of the clean one.",
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
    control=instead("the second first name", lambda s: s.residual.layers_that_carry("second_name")),
    note="Counts layers that bring more than a tenth.  The control proposed first, the number of "
    "the other model, would need both models at once; the second first name stands at the end from "
    "the start and is carried by no layer.",
)
def test_the_large_model_smears(subject):
    return subject.residual.layers_that_carry()
