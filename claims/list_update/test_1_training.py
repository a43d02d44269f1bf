"""The model, its prompts, its training, and its accuracy."""

from __future__ import annotations

from replications.judging.claim import claim, instead, on
from replications.judging.expectation import at_least, at_most, exactly, near, parts

from .common import BOTH, SETUP, TRAINING, one_layer, untrained


@claim(
    "list_update/architecture",
    says="Two layers of one head, attention only, positions outside the stream, biases kept at 0.",
    source=SETUP,
    tier=2,
    published="20 parameters, 9 of them frozen biases",
    expect={
        "seeds": parts(
            parameters=exactly(20),
            sizes=exactly(
                "L2 H1 d_model 128 d_head 128 d_mlp 0 context 11 tokens 52 numbers 50 no LayerNorm"
            ),
            left_alone=exactly(9),
            left_alone_are_biases=exactly(1.0),
            largest_bias=exactly(0),
            positions_in_the_stream=at_most(1e-6),
        )
    },
    control=(
        on("standard positions", lambda s: s.standard_positions),
        on("one bias trained", lambda s: s.one_bias_trained),
        one_layer,
    ),
    note="`left_alone` counts the parameters that training did not change.",
)
def test_the_architecture_is_the_printed_one(subject):
    return subject.architecture.describe()


@claim(
    "list_update/smallest-model",
    says="A model of two layers learns the task, and none of one layer does.",
    source=SETUP,
    tier=1,
    published="the smallest model found",
    expect={"seeds": parts(accuracy=at_least(0.99), compared_with=at_most(0.9))},
    control=instead(
        "two layers in the place of one", lambda s: s.behaviour.compared([s.behaviour])
    ),
    note="Compared with the better of two seeds with one layer, trained with the same recipe.",
)
def test_both_layers_are_needed(subject):
    return subject.behaviour.compared(model.behaviour for model in subject.one_layer_models)


@claim(
    "list_update/data-format",
    says="A prompt is BOS, three numbers, NL, index, element, NL, answer; a batch has one index.",
    source=TRAINING / "Task dataset",
    tier=2,
    published="a printed batch of four; BOS 50, NL 51",
    expect={
        "generator": parts(
            right_rows=exactly(1.0),
            batches_with_one_pair=exactly(1.0),
            indices=exactly([0, 1, 2]),
            markers=exactly([[0, 50], [4, 51], [7, 51]]),
        )
    },
    control=instead("an index for each prompt", lambda s: s.batches(mixed=True)),
)
def test_a_batch_has_one_index_and_one_element(subject):
    return subject.batches()


@claim(
    "list_update/initial-loss",
    says="Before training the loss is that of guessing uniformly, ln 50 = 3.912.",
    source=TRAINING / "Loss Fn",
    tier=2,
    published=3.9169,
    expect={
        "seeds": parts(
            on_our_prompts=near(3.912023, abs=0.05), in_training=near(3.912023, abs=0.05)
        )
    },
    control=instead("after training", lambda s: s.behaviour.losses(step=-1)),
)
def test_training_starts_from_uniform_guessing(subject):
    return subject.untrained.behaviour.losses(step=0)


@claim(
    "list_update/train-curve",
    says="The training loss falls from 3.9 to below 0.01 within 900 steps.",
    source=TRAINING / "Training Loop",
    tier=2,
    published=[3.9151, 0.1881, 0.00018],
    expect={
        "seeds": parts(step_0=near(3.912, abs=0.05), step_300=at_most(1.0), step_900=at_most(0.01))
    },
    control=one_layer,
    note="The published values are those of steps 0, 300 and 900 of one run.",
    not_asserted="seed 0 is slow: its loss is 1.5 at step 300 and below 0.01 at step 900",
)
def test_the_loss_falls(subject):
    return subject.behaviour.curve


@claim(
    "list_update/test-accuracy",
    says="The trained model is right on fresh prompts.",
    source=TRAINING / "Sanity Check",
    tier=1,
    published=1.0,
    expect={
        group: at_least(0.999, because="the document's own 768 answers cannot tell it from 1")
        for group in BOTH
    },
    control=instead("untrained weights", lambda s: s.untrained.behaviour.accuracy),
    note="10,000 prompts with an index and an element each: 30,000 answers for lists of three.",
    not_asserted="after a thousand steps seed 0 is right on 99.4 % and seed 1 on 99.89 % of "
    "60,000 held-out answers, so chance in the prompts decides on which side of the edge seed 1 is",
)
def test_the_model_is_right(subject):
    return subject.behaviour.fresh_accuracy


@claim(
    "list_update/one-batch-accuracy",
    says="On a batch as large as the document's, the trained model makes at most eight mistakes.",
    source=TRAINING / "Sanity Check",
    tier=2,
    published=1.0,
    expect={
        "seeds": at_least(
            0.99, because="8 of 768 answers; whether there is none at all depends on the batch"
        )
    },
    control=(one_layer, untrained),
)
def test_a_batch_is_right(subject):
    return subject.behaviour.batch_accuracy
