"""Balanced brackets: the findings of ARENA's chapter, in the order of its sections.

Measured on the published weights (`arena`), on models we trained ourselves (`retrained`), and,
where the document argues without weights, on small constructions.  T are strings whose only fault
is the total elevation, N those whose only fault is a negative suffix, both opening with '('.
"""

from __future__ import annotations

from replications.claim import Source, claim, instead, on
from replications.expect import at_least, at_most, between, each, exactly, listed, near, parts

ARENA = Source(
    "ARENA 3.0, chapter 1.5.1: Balanced Bracket Classifier",
    "https://github.com/callummcdougall/ARENA_3.0",
)
SETUP = ARENA / "1 Bracket classifier"
BACKWARDS = ARENA / "2 Moving backwards"
CIRCUIT = ARENA / "3 Understanding the total elevation circuit"
BONUS = ARENA / "4 Bonus"

untrained = on("untrained weights", lambda s: s.untrained)
PRINTED = "half a unit of the last digit printed"
EXAMPLES = (99.9986, 99.9989, 0.0005, 99.9987, 99.9987, 0.0006, 99.9982)


# ------------------------------------------------------------------ 1 Bracket classifier
@claim(
    "brackets/pos-emb-sinusoidal",
    says="The positional embeddings are fixed sinusoids, not learned.",
    source=SETUP / "Other details",
    tier=2,
    published="qualitative",
    expect={"arena": at_most(1e-5, because="float32 rounding of sines and cosines")},
    control=untrained,
)
def test_positions_are_sinusoidal(subject):
    return subject.behaviour.distance_from_sinusoid


@claim(
    "brackets/pad-mask-invariance",
    says="With padding keys masked, the amount of padding does not change the logits.",
    source=SETUP / "Masking padding tokens",
    tier=2,
    published="qualitative",
    expect={
        group: parts(logit_shift=at_most(1e-4), attention_to_pads=at_most(1e-6))
        for group in ("arena", "retrained")
    },
    control=instead("no padding mask", lambda s: s.behaviour.padding_effect_without_mask),
)
def test_padding_does_not_change_the_verdict(subject):
    return subject.behaviour.padding_effect


@claim(
    "brackets/bidirectional-needed",
    says="Made causal, the model does no better than naming the larger class.",
    source=SETUP / "Causal vs bidirectional attention",
    tier=2,
    published="qualitative",
    expect={"arena": at_most(0.02), "retrained": at_most(0.02)},
    control=instead("attention left bidirectional", lambda s: s.behaviour.excess),
)
def test_causal_attention_destroys_the_classifier(subject):
    return subject.behaviour.causal_excess


@claim(
    "brackets/tokenizer-table",
    says="Token ids are [start] 0, [pad] 1, [end] 2, '(' 3 and ')' 4, and decoding drops the pads.",
    source=SETUP / "Tokenizer",
    tier=2,
    published="[0,3,4,2]; [[0,3,4,2,1,1],[0,3,4,3,4,2]]; '()'",
    expect={
        "arena": parts(
            ids_and_decoding=exactly(["0 3 4 2", "0 3 4 2 1 1", "0 3 4 3 4 2", "()"]),
            examples_right=exactly(7),
        )
    },
    control=instead("ids of the brackets exchanged", lambda s: s.behaviour.token_table_swapped),
)
def test_tokens_are_the_ones_the_model_was_trained_on(subject):
    return subject.behaviour.token_table


@claim(
    "brackets/dataset-size-balance",
    says="The data set holds 100,000 strings of up to 40 brackets, about half of them balanced.",
    source=SETUP / "Dataset",
    tier=2,
    published=[100_000, 0.5, 40],
    expect={
        "arena": parts(
            strings=exactly(100_000),
            balanced_share=near(0.5, abs=0.06, because="the document says half; it is 46 %"),
            longest=exactly(40),
        )
    },
    control=instead("uniformly random strings", lambda s: s.behaviour.uniform_data_profile),
)
def test_data_set_is_large_and_balanced(subject):
    return subject.behaviour.data_profile


@claim(
    "brackets/even-length",
    says="Every string of the data set has even length, so parity carries no label.",
    source=SETUP / "Data visualisation",
    tier=1,
    published=0,
    expect={"arena": exactly(0)},
    control=instead(
        "strings of random length", lambda s: s.behaviour.odd_lengths_of_random_strings
    ),
)
def test_all_lengths_are_even(subject):
    return subject.behaviour.odd_lengths


@claim(
    "brackets/parity-head-by-hand",
    says="One head built by hand tells odd from even length.",
    source=SETUP / "Data visualisation (bonus)",
    tier=2,
    published="construction",
    expect={"construction": exactly(1.0)},
    control=instead(
        "parity taken out of the positions", lambda s: s.parity_head_accuracy_without_parity
    ),
)
def test_one_head_can_tell_parity(subject):
    return subject.parity_head_accuracy


@claim(
    "brackets/example-confidences",
    says="The seven printed examples get the printed confidence of being balanced (per cent).",
    source=SETUP / "Running the model",
    tier=1,
    published=list(EXAMPLES),
    expect={
        "arena": listed(*(near(x, abs=5e-5, because=PRINTED) for x in EXAMPLES)),
        "retrained": listed(*(at_least(99.9) if x > 50 else at_most(0.1) for x in EXAMPLES)),
    },
    control=untrained,
)
def test_printed_confidences_are_reproduced(subject):
    return subject.behaviour.example_confidences


@claim(
    "brackets/accuracy-5000",
    says="The model classifies all of 5,000 strings correctly.",
    source=SETUP / "Running the model",
    tier=1,
    published=5000,
    expect={
        "arena": exactly(5000),
        "retrained": at_least(4995, because="trained to 99.9 %; strings not trained on"),
    },
    control=(
        untrained,
        instead("shuffled labels", lambda s: s.behaviour.correct_shuffled),
    ),
)
def test_all_strings_are_classified_correctly(subject):
    return subject.behaviour.correct


@claim(
    "brackets/suffix-rule-valid",
    says="A string is unbalanced exactly if its total is not zero or some suffix is negative.",
    source=SETUP / "The Model's Solution",
    tier=2,
    published="equivalence",
    expect={"arena": exactly(0)},
    control=(
        instead("the total alone", lambda s: s.behaviour.total_rule_disagreements),
        instead("negative suffixes alone", lambda s: s.behaviour.negative_rule_disagreements),
    ),
)
def test_right_to_left_rule_gives_every_label(subject):
    return subject.behaviour.suffix_rule_disagreements


@claim(
    "brackets/model-uses-suffix",
    says="The tally written at a position is that of the suffix from there on, not of the prefix.",
    source=SETUP / "The Model's Solution",
    tier=1,
    published="qualitative",
    expect={
        group: parts(lowest_with_suffix=at_least(0.9), highest_with_prefix=at_most(0.3))
        for group in ("arena", "retrained")
    },
    control=(
        instead("the other head of layer 0", lambda s: s.elevation_head.sibling.suffix_and_prefix),
        untrained,
    ),
    note="Suffixes of at least five brackets: in shorter ones the attended [start] and [end] "
    "outweigh the brackets (without this the lowest correlation is 0.80).",
)
def test_the_tally_is_of_the_suffix(subject):
    return subject.elevation_head.suffix_and_prefix


# ------------------------------------------------------------------ 2 Moving backwards
@claim(
    "brackets/ln-final-fit-r2",
    says="A linear map fits the final LayerNorm at position 0 (R²).",
    source=BACKWARDS / "Stage 3: LayerNorm",
    tier=1,
    published=0.9820,
    expect={
        "arena": near(0.9820, abs=5e-5, because=PRINTED),
        "retrained": at_least(0.9),
    },
    control=instead(
        "outputs of other strings", lambda s: s.components.shuffled_final_layernorm_r_squared
    ),
    note="No evidence of learned structure: random weights give 0.999.",
)
def test_final_layernorm_is_nearly_linear(subject):
    return subject.components.final_layernorm_r_squared


@claim(
    "brackets/ln1-layer1-fit-r2",
    says="A linear map fits layer 1's first LayerNorm over all positions (R²).",
    source=BACKWARDS / "Stage 3: LayerNorm",
    tier=1,
    published=0.9753,
    expect={
        "arena": near(0.9753, abs=5e-5, because=PRINTED),
        "retrained": at_least(0.9),
    },
    control=(instead("shuffled rows", lambda s: s.components.shuffled_layer1_layernorm_r_squared),),
    note="Pads are included, as in the document; without them it is 0.9751.",
)
def test_layer_1_layernorm_is_nearly_linear(subject):
    return subject.components.layer1_layernorm_r_squared


@claim(
    "brackets/ln-linear-enough",
    says="The direction read through the linear fit reproduces the real logit difference.",
    source=BACKWARDS / "Stage 3: LayerNorm",
    tier=2,
    published="qualitative",
    expect={
        group: parts(correlation=at_least(0.98), gap_ratio=near(1.0, abs=0.05))
        for group in ("arena", "retrained")
    },
    control=(
        instead("a random direction", lambda s: s.components.random_direction),
        instead(
            "fit without scale and bias", lambda s: s.components.direction_before_scale_and_bias
        ),
    ),
    note="The second control is what reading the hook `hook_normalized` by name gives from "
    "TransformerLens 3 on.",
)
def test_one_direction_carries_the_logit_difference(subject):
    return subject.components.linear_direction


@claim(
    "brackets/ln-fit-limit",
    says="A linear fit of a LayerNorm fails when one huge feature switches on and off.",
    source=BACKWARDS / "An aside on layernorm",
    tier=2,
    published="qualitative",
    expect={"construction": at_most(0.8)},
    control=instead("no feature stands out", lambda s: s.ordinary_fit),
)
def test_a_clearing_feature_breaks_the_linear_fit(subject):
    return subject.clearing_fit


@claim(
    "brackets/emb-zero-pos0",
    says="The embeddings contribute nothing at position 0, where every input is [start].",
    source=BACKWARDS / "Which components matter?",
    tier=2,
    published=0,
    expect={group: at_most(1e-4) for group in ("arena", "retrained")},
    control=instead("the weakest other component", lambda s: s.components.smallest_other_effect),
)
def test_embeddings_contribute_nothing_at_position_0(subject):
    return subject.components.largest_embedding_effect


@claim(
    "brackets/heads-2x-dominate",
    says="The two heads of layer 2 push unbalanced strings furthest towards unbalanced.",
    source=BACKWARDS / "Which components matter?",
    tier=1,
    published="qualitative",
    expect={
        group: parts(
            smaller_gap=at_least(1.0), times_the_next=at_least(2.0), lower_auroc=at_least(0.98)
        )
        for group in ("arena", "retrained")
    },
    control=(
        untrained,
        instead("shuffled labels", lambda s: s.components.last_heads_dominance_shuffled),
        instead("the heads of layer 1", lambda s: s.components.layer1_heads_dominance),
    ),
)
def test_the_last_heads_dominate(subject):
    return subject.components.last_heads_dominance


@claim(
    "brackets/bimodal-means-important",
    says="The classes separate in the histograms of the last heads, and overlap elsewhere.",
    source=BACKWARDS / "Which components matter?",
    tier=2,
    published="qualitative",
    expect={
        "arena": parts(
            last_heads_larger=at_most(0.1),
            helper_and_last_mlp_smaller=at_least(
                0.3,
                because="three times the limit above; the overlap depends on the bins: 0.47 with "
                "bins of one half on the document's axis, 0.31 with 50 over the data",
            ),
        ),
        "retrained": parts(
            last_heads_larger=at_most(0.1), helper_and_last_mlp_smaller=at_least(0.3)
        ),
    },
    control=(
        instead("shuffled labels", lambda s: s.components.class_overlap_shuffled),
        untrained,
    ),
)
def test_important_components_are_bimodal(subject):
    return subject.components.class_overlap


@claim(
    "brackets/roles-by-rule",
    says="Found by what they do, the heads of the four roles are the published 0.0, 1.1, 2.0, 2.1.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    expect={"arena": exactly(["0.0", "1.1", "2.0", "2.1"])},
    control=untrained,
    note="Beyond the document: shows that the rule by which the retrained models' heads are named "
    "finds the published ones.",
)
def test_roles_are_found_where_they_were_published(subject):
    return subject.roles_by_rule


@claim(
    "brackets/h20-total-elevation",
    says="Head 2.0 is the one that catches a wrong total of brackets.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=1,
    published="qualitative",
    expect={
        group: parts(
            auroc=at_least(0.99),
            times_the_other_head=at_least(1.5),
            fifth_percentile=at_least(5.0),
        )
        for group in ("arena", "retrained")
    },
    control=(
        instead("head 2.1", lambda s: s.negative_head.on_total_failures),
        untrained,
    ),
    note="Strings with only a wrong total always have more ')' than '('.",
)
def test_the_total_head_catches_wrong_totals(subject):
    return subject.total_head.on_total_failures


@claim(
    "brackets/h21-never-negative",
    says="Head 2.1 is the one that catches an elevation that goes negative.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=1,
    published="qualitative",
    expect={
        group: parts(
            auroc=at_least(0.99),
            times_the_other_head=at_least(2.0),
            accuracy_when_silenced=at_most(0.1),
        )
        for group in ("arena", "retrained")
    },
    control=(
        instead("head 2.0", lambda s: s.total_head.on_negative_failures),
        untrained,
    ),
)
def test_the_negative_head_catches_negative_suffixes(subject):
    return subject.negative_head.on_negative_failures


@claim(
    "brackets/heads-overlap",
    says="Each of the two heads also answers the failures that are not its own.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={
        group: parts(lower_auroc=at_least(0.85), lower_mean=at_least(2.0))
        for group in ("arena", "retrained")
    },
    control=(
        instead("the heads of layer 1", lambda s: s.components.layer1_heads_overlap),
        untrained,
    ),
)
def test_both_heads_answer_both_failures(subject):
    return subject.components.last_heads_overlap


@claim(
    "brackets/overlap-lowers-loss",
    says="The loss is slightly lower because both heads answer, not only the responsible one.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={
        group: parts(
            rise_on_T=at_least(1e-5, because="ten times the loss of a sure verdict's rounding"),
            rise_on_N=at_least(1e-5),
            change_of_accuracy=exactly(0.0),
        )
        for group in ("arena", "retrained")
    },
    control=instead("on balanced strings", lambda s: s.circuit.silencing_on_balanced),
)
def test_agreement_lowers_the_loss(subject):
    return subject.circuit.agreement_lowers_loss


@claim(
    "brackets/layer1-heads-help-overlap",
    says="A head in layer 1 makes 2.0 answer negative suffixes, and hardly touches its own job.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={
        group: parts(lost_on_N=at_least(0.7), change_on_T=at_most(0.2))
        for group in ("arena", "retrained")
    },
    control=instead("the other head of layer 1", lambda s: s.circuit.other_layer1_head),
)
def test_a_layer_1_head_carries_the_overlap(subject):
    return subject.circuit.helper


@claim(
    "brackets/h20-vs-open-proportion",
    says="Head 2.0 says unbalanced when the share of '(' is not one half, and much less at it.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={
        group: parts(
            below_half=at_least(5.0), negative_at_half=at_most(6.0), above_half=at_least(5.0)
        )
        for group in ("arena", "retrained")
    },
    control=(instead("head 2.1", lambda s: s.negative_head.by_open_share), untrained),
    note="Strings with a share above one half always have a negative suffix too.",
)
def test_the_total_head_follows_the_open_proportion(subject):
    return subject.total_head.by_open_share


@claim(
    "brackets/h21-vs-open-proportion",
    says="Head 2.1 separates the classes at a share of '(' of exactly one half.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={group: at_least(10.0) for group in ("arena", "retrained")},
    control=instead("head 2.0", lambda s: s.total_head.gap_at_half),
)
def test_the_negative_head_separates_at_one_half(subject):
    return subject.negative_head.gap_at_half


@claim(
    "brackets/starts-closed-differs",
    says="Strings that open with ')' are handled otherwise, and always called unbalanced.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={
        group: parts(
            accuracy=exactly(1.0),
            attention_open_first=at_least(0.45),
            attention_closed_first=at_most(0.30),
        )
        for group in ("arena", "retrained")
    },
    control=untrained,
)
def test_strings_that_open_with_a_close_are_handled_otherwise(subject):
    return subject.total_head.closed_starts


# ------------------------------------------------------------------ 3 The total elevation circuit
@claim(
    "brackets/attn20-pos1",
    says="From position 0, head 2.0 attends about half to position 1 and little to anything else.",
    source=CIRCUIT / "Attention pattern of the responsible head",
    tier=1,
    published="about 0.5; others about 0",
    expect={
        "arena": parts(position_1=between(0.45, 0.65), largest_other=at_most(0.10)),
        "retrained": parts(position_1=at_least(0.45), largest_other=at_most(0.10)),
    },
    control=(
        instead("head 2.1", lambda s: s.negative_head.attention_to_position_1),
        instead("strings opening with ')'", lambda s: s.total_head.attention_to_position_1_closed),
        untrained,
    ),
)
def test_the_total_head_reads_position_1(subject):
    return subject.total_head.attention_to_position_1


@claim(
    "brackets/attn20-not-constant",
    says="The attention of 2.0 to position 1 is itself the verdict: high when balanced, low on T.",
    source=CIRCUIT / "Attention pattern of the responsible head",
    tier=2,
    expect={
        "arena": parts(balanced=at_least(0.6), wrong_total=at_most(0.3)),
        "retrained": parts(balanced=at_least(0.6), wrong_total=at_most(0.3)),
    },
    control=(instead("head 2.1", lambda s: s.negative_head.attention_by_class), untrained),
    note="Beyond the document, which pretends that this weight is constant.  So the contribution "
    "of 2.0 on T is largely a 'balanced' vector that is not moved.",
)
def test_the_attention_of_the_total_head_is_not_constant(subject):
    return subject.total_head.attention_by_class


@claim(
    "brackets/info-already-at-pos1",
    says="What 2.0 needs is at position 1 before layer 2, and 2.0 moves it through its values.",
    source=CIRCUIT / "Attention pattern of the responsible head",
    tier=1,
    published="qualitative",
    expect={
        group: parts(ldu_moved_by_v=at_least(5.0), auroc_of_inputs=at_least(0.99))
        for group in ("arena", "retrained")
    },
    control=(
        instead("v of head 2.1", lambda s: s.circuit.information_through_other_head),
        instead("v at position 2", lambda s: s.circuit.information_at_2),
    ),
)
def test_the_information_is_at_position_1(subject):
    return subject.circuit.information_at_1


@claim(
    "brackets/pre20-emb-zero",
    says="Before 2.0, the embeddings at position 1 contribute nothing.",
    source=CIRCUIT / "Identifying meaningful direction before this head",
    tier=2,
    published=0,
    expect={group: at_most(1e-3) for group in ("arena", "retrained")},
    control=instead("strings opening with ')'", lambda s: s.circuit.embedding_input_closed),
    note="Only because all these strings open with '('; the document gives [start] as the reason.",
)
def test_embeddings_contribute_nothing_at_position_1(subject):
    return subject.circuit.embedding_input_open


@claim(
    "brackets/pre20-mlps",
    says="Of what 2.0 reads at position 1, mlp1 matters most by far and mlp0 is next in rank.",
    source=CIRCUIT / "Identifying meaningful direction before this head",
    tier=1,
    published="qualitative",
    expect={
        group: parts(mlp1=at_least(1.0), times_the_next=at_least(3.0), rank_of_mlp0=at_most(3))
        for group in ("arena", "retrained")
    },
    control=untrained,
)
def test_the_mlps_feed_the_total_head(subject):
    return subject.circuit.mlp_inputs


@claim(
    "brackets/pre20-h11",
    says="Head 1.1 also feeds 2.0, with a fraction of mlp1's weight.",
    source=CIRCUIT / "Identifying meaningful direction before this head",
    tier=2,
    published="qualitative",
    expect={
        group: parts(auroc=at_least(0.9), over_mlp1=between(0.1, 0.5))
        for group in ("arena", "retrained")
    },
    control=instead("head 1.0", lambda s: s.circuit.other_layer1_input),
)
def test_the_helper_head_feeds_the_total_head(subject):
    return subject.circuit.helper_input


@claim(
    "brackets/h11-carries-negative",
    says="Head 1.1 brings news of negative suffixes into the total-elevation branch.",
    source=CIRCUIT / "Identifying meaningful direction before this head",
    tier=1,
    published="qualitative",
    expect={
        group: parts(N_over_T=at_least(2.0), lost_on_N=at_least(0.7))
        for group in ("arena", "retrained")
    },
    control=instead("head 1.0", lambda s: s.circuit.other_layer1_head_carries_negative),
)
def test_the_helper_head_carries_negative_suffixes(subject):
    return subject.circuit.helper_carries_negative


@claim(
    "brackets/mlps-vs-open-proportion",
    says="mlp1 is low where the share of '(' is one half and high on both sides; mlp0 on one.",
    source=CIRCUIT / "Identifying meaningful direction before this head",
    tier=1,
    published="qualitative",
    expect={
        group: parts(
            first_weaker_side=at_least(4.0),
            first_at_half=at_most(0.6),
            second_stronger_side=at_least(2.0),
        )
        for group in ("arena", "retrained")
    },
    control=(
        instead("heads 0.0 and 0.1", lambda s: s.circuit.heads_by_open_share),
        untrained,
    ),
)
def test_the_mlps_answer_the_open_proportion(subject):
    return subject.circuit.mlps_by_open_share


@claim(
    "brackets/mlp0-indirect-path",
    says="mlp0 acts largely through mlp1, so its own direction shows only part of its role.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=2,
    published="qualitative",
    expect={
        group: parts(change_of_mlp1=at_least(0.5), over_mlp0=at_least(0.5))
        for group in ("arena", "retrained")
    },
    control=instead("mlp0 at position 2", lambda s: s.circuit.mlp_indirect_share_at_2),
)
def test_mlp0_acts_through_mlp1(subject):
    return subject.circuit.mlp_indirect_share


@claim(
    "brackets/neurons-gt-half",
    says="Neurons 1.53, 1.39, 1.8, 0.33 and 0.43 fire when the share of '(' exceeds one half.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=1,
    published="qualitative",
    expect={"arena": parts(smallest_high=at_least(0.5), largest_abs_low=at_most(0.1))},
    control=(
        instead("neurons 0.21 and 1.50", lambda s: s.neurons.fire_above_half("0.21", "1.50")),
        untrained,
    ),
)
def test_some_neurons_fire_above_one_half(subject):
    return subject.neurons.fire_above_half("1.53", "1.39", "1.8", "0.33", "0.43")


@claim(
    "brackets/neurons-lt-half",
    says="Neurons 0.21, 0.7, 1.50 and 1.6 fire when the share of '(' is below one half.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=1,
    published="qualitative",
    expect={"arena": parts(smallest_low=at_least(0.4), largest_high=at_most(0.1))},
    control=(
        instead("neurons 0.33 and 1.53", lambda s: s.neurons.fire_below_half("0.33", "1.53")),
        untrained,
    ),
)
def test_some_neurons_fire_below_one_half(subject):
    return subject.neurons.fire_below_half("0.21", "0.7", "1.50", "1.6")


@claim(
    "brackets/neurons-composed-l1",
    says="Neurons 1.10 and 1.3 fire on both sides of one half.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=1,
    published="qualitative",
    expect={"arena": parts(smallest_high=at_least(1.0), smallest_low=at_least(1.0))},
    control=(
        instead("neurons 1.53 and 1.50", lambda s: s.neurons.fire_on_both_sides("1.53", "1.50")),
        untrained,
    ),
)
def test_some_layer_1_neurons_fire_on_both_sides(subject):
    return subject.neurons.fire_on_both_sides("1.10", "1.3")


@claim(
    "brackets/neurons-composed-l0",
    says="Layer-0 neurons 0.19 and 0.34 approximate the two-sided response, more weakly.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=2,
    published="qualitative",
    expect={"arena": parts(smallest_response=at_least(0.05), layer_1_exceeds_by=at_least(0.5))},
    control=instead(
        "neurons 0.33 and 0.21",
        lambda s: s.neurons.weaker_two_sided(("0.33", "0.21"), ("1.10", "1.3")),
    ),
)
def test_layer_0_neurons_only_approximate_it(subject):
    return subject.neurons.weaker_two_sided(("0.19", "0.34"), ("1.10", "1.3"))


@claim(
    "brackets/neurons-gt-more-in-l1",
    says="Neurons that fire above one half are more common in layer 1 than in layer 0.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=2,
    published="qualitative",
    expect={group: each(at_least(1)) for group in ("arena", "retrained")},
    control=untrained,
    observe="vague in the document; the surplus changes sign with the threshold",
    note="Surplus of layer 1 at thresholds 0.1, 0.2, 0.3, 0.5 and 0.8.",
)
def test_more_neurons_fire_above_one_half_in_layer_1(subject):
    return subject.neurons.more_above_half_in_layer1


@claim(
    "brackets/neurons-lt-rarer-in-l1",
    says="Neurons that fire below one half are much rarer in layer 1 than in layer 0.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=2,
    published="qualitative",
    expect={group: each(at_least(1)) for group in ("arena", "retrained")},
    control=untrained,
    observe="vague in the document; the counts are equal at most thresholds",
    note="Surplus of layer 0 at thresholds 0.1, 0.2, 0.3, 0.5 and 0.8.",
)
def test_fewer_neurons_fire_below_one_half_in_layer_1(subject):
    return subject.neurons.fewer_below_half_in_layer1


@claim(
    "brackets/neurons-two-sided-more-in-l1",
    says="More neurons of layer 1 than of layer 0 fire on both sides of one half.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=2,
    published="qualitative",
    expect={group: each(at_least(1)) for group in ("arena", "retrained")},
    control=untrained,
    note="Surplus of layer 1 at thresholds 0.1, 0.2, 0.3 and 0.5.",
)
def test_more_neurons_are_two_sided_in_layer_1(subject):
    return subject.neurons.more_two_sided_in_layer1


@claim(
    "brackets/neurons-opposite-sign",
    says="Neuron 0.0 works against the direction.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=2,
    published="qualitative",
    expect={"arena": at_most(-1.0)},
    control=instead("neuron 1.53", lambda s: s.neurons.high_of("1.53")),
)
def test_neuron_0_0_works_the_other_way(subject):
    return subject.neurons.high_of("0.0")


@claim(
    "brackets/neurons-detect-proportion",
    says="Many neurons of both layers answer a share of '(' above or below one half.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=2,
    published="qualitative",
    expect={
        group: parts(layer_0=at_least(16), layer_1=at_least(9)) for group in ("arena", "retrained")
    },
    control=untrained,
)
def test_many_neurons_detect_the_proportion(subject):
    return subject.neurons.detectors


@claim(
    "brackets/h00-suffix-diagonal",
    says="A '(' query of head 0.0 attends much more to later brackets than to earlier ones.",
    source=CIRCUIT / "0.0 Attention Pattern",
    tier=1,
    published="qualitative",
    expect={
        group: parts(lowest=at_least(2.0), median=at_least(3.0)) for group in ("arena", "retrained")
    },
    control=(
        instead("head 0.1", lambda s: s.elevation_head.sibling.looks_ahead),
        untrained,
    ),
)
def test_the_elevation_head_looks_ahead(subject):
    return subject.elevation_head.looks_ahead


@claim(
    "brackets/h00-suffix-uniform",
    says="For most '(' queries of head 0.0, attention over the later brackets is nearly uniform.",
    source=CIRCUIT / "0.0 Attention Pattern",
    tier=2,
    published="qualitative",
    expect={group: at_most(0.25) for group in ("arena", "retrained")},
    control=(
        instead("queries 27 to 31", lambda s: s.elevation_head.late_suffix_variation),
        untrained,
    ),
)
def test_attention_over_the_suffix_is_uniform(subject):
    return subject.elevation_head.suffix_variation


@claim(
    "brackets/h00-nonuniform-patch",
    says="Queries 27 to 31 of head 0.0 are uneven: they attend too much to keys 38 to 40.",
    source=CIRCUIT / "0.0 Attention Pattern",
    tier=2,
    published="qualitative",
    expect={"arena": parts(keys_38_to_40_over_rest=at_least(1.5), variation=at_least(0.3))},
    control=instead("query 25", lambda s: s.elevation_head.uneven_patch_row_25),
)
def test_late_queries_are_uneven(subject):
    return subject.elevation_head.uneven_patch


@claim(
    "brackets/h00-right-query",
    says="With ')' queries head 0.0 looks ahead as well.",
    source=CIRCUIT / "0.0 Attention Pattern",
    tier=2,
    published="qualitative",
    expect={group: at_least(2.0) for group in ("arena", "retrained")},
    control=(
        instead("head 0.1", lambda s: s.elevation_head.sibling.looks_ahead_from_close),
        untrained,
    ),
    note="The document calls it less pronounced; measured, the contrast is stronger.",
)
def test_the_elevation_head_looks_ahead_from_a_close(subject):
    return subject.elevation_head.looks_ahead_from_close


@claim(
    "brackets/h00-q1-uniform",
    says="On balanced strings of length 40, a '(' at position 1 attends evenly to all brackets.",
    source=CIRCUIT / "0.0 Attention Pattern",
    tier=1,
    published="qualitative",
    expect={
        group: parts(variation=at_most(0.15), entropy=at_least(0.99))
        for group in ("arena", "retrained")
    },
    control=(
        instead("2.0 from position 0", lambda s: s.elevation_head.total_head_evenness),
        untrained,
    ),
    note="Not a discriminating test by itself: head 0.1 passes it too (variation 0.109).",
)
def test_position_1_attends_evenly(subject):
    return subject.elevation_head.position_1_evenness


@claim(
    "brackets/one-layer-limit",
    says="One attention layer without an MLP cannot get (), (( and )) right together.",
    source=CIRCUIT / "Proposing a hypothesis",
    tier=2,
    published="argument",
    expect={"construction": at_most(2)},
    control=instead("with an MLP", lambda s: s.one_layer_with_mlp_right),
)
def test_one_layer_is_not_enough(subject):
    return subject.one_layer_right


@claim(
    "brackets/h00-writes-tally",
    says="Head 0.0 writes the difference of the bracket counts to position 1.",
    source=CIRCUIT / "Proposing a hypothesis",
    tier=1,
    published="hypothesis",
    expect={
        group: parts(correlation=at_least(0.95), variance_in_one_direction=at_least(0.9))
        for group in ("arena", "retrained")
    },
    control=(
        instead("head 0.1", lambda s: s.elevation_head.sibling.tally),
        untrained,
    ),
)
def test_the_elevation_head_writes_the_tally(subject):
    return subject.elevation_head.tally


@claim(
    "brackets/cos-vL-vR",
    says="Head 0.0 writes left and right brackets in opposite directions (cosine).",
    source=CIRCUIT / "The 0.0 OV circuit",
    tier=1,
    published=-0.997443437576294,
    expect={
        "arena": near(
            -0.997443437576294,
            abs=1e-4,
            because="reasonable estimators of the rank-deficient fit differ by up to 6e-5; a "
            "LayerNorm read before scale and bias differs by 6e-4",
        ),
        "retrained": at_most(-0.9),
    },
    control=(
        instead("head 0.1", lambda s: s.elevation_head.sibling.bracket_cosine),
        untrained,
    ),
)
def test_left_and_right_brackets_are_written_in_opposite_directions(subject):
    return subject.elevation_head.bracket_cosine


@claim(
    "brackets/bracket-responses-opposite",
    says="One more '(' and one more ')' move 0.0's output at position 1 in opposite directions.",
    source=CIRCUIT / "The 0.0 OV circuit",
    tier=2,
    expect={"arena": at_most(-0.99), "retrained": at_most(-0.9)},
    control=untrained,
    note="Beyond the document: the form of the finding that forgives an offset common to v_L and "
    "v_R, without a linear fit.",
)
def test_one_more_bracket_moves_the_output_oppositely(subject):
    return subject.elevation_head.response_cosine


@claim(
    "brackets/vL-vR-unequal-norms",
    says="Along v_L the output of 0.0 at position 1 is nearly the same for all balanced strings.",
    source=CIRCUIT / "Extra technicality about the two vectors",
    tier=2,
    published="qualitative",
    expect={group: at_most(0.15) for group in ("arena", "retrained")},
    control=(
        instead("head 0.1", lambda s: s.elevation_head.sibling.balanced_spread),
        instead("a random direction", lambda s: s.elevation_head.balanced_spread_random),
    ),
)
def test_balanced_strings_look_alike_along_the_tally(subject):
    return subject.elevation_head.balanced_spread


def _squared_cosine(layer: int, published: float):
    return {
        "published": published,
        "expect": {
            "arena": near(published, abs=1e-4, because="spread over least-squares estimators"),
            "retrained": at_least(5 / 56, because="five times chance"),
        },
        "control": (
            instead(
                "coordinates of v_R permuted",
                lambda s: s.elevation_head.mean_squared_cosine_permuted(layer),
            ),
            untrained,
        ),
    }


@claim(
    "brackets/cos2-mlp0",
    says="v_R lies along the input directions of mlp0 far more than chance (mean squared cosine).",
    source=CIRCUIT / "Cosine similarity of input directions",
    tier=1,
    **_squared_cosine(0, 0.123855),
)
def test_mlp0_reads_the_tally(subject):
    return subject.elevation_head.mean_squared_cosine(0)


@claim(
    "brackets/cos2-mlp1",
    says="v_R lies along the input directions of mlp1 far more than chance (mean squared cosine).",
    source=CIRCUIT / "Cosine similarity of input directions",
    tier=1,
    **_squared_cosine(1, 0.130125),
)
def test_mlp1_reads_the_tally(subject):
    return subject.elevation_head.mean_squared_cosine(1)


@claim(
    "brackets/cos2-random",
    says="For random vectors the mean squared cosine is what chance predicts, 1/56.",
    source=CIRCUIT / "Cosine similarity of input directions",
    tier=2,
    published=0.017846,
    expect={
        "construction": near(
            1 / 56, abs=0.0025, because="three standard errors of a mean over 1,000 vectors"
        )
    },
    control=instead("vectors of width 28", lambda s: s.random_squared_cosine(28)),
)
def test_random_vectors_have_chance_cosine(subject):
    return subject.random_squared_cosine()


@claim(
    "brackets/neuron-cos-vs-effect",
    says="Layer-0 neurons that read v_R most write most to 2.0 when the total is wrong.",
    source=CIRCUIT / "Cosine similarity of input directions",
    tier=2,
    published="question",
    expect={group: at_least(0.4) for group in ("arena", "retrained")},
    control=instead("a random vector", lambda s: s.neurons.random_cosine_tracks_effect),
)
def test_neurons_that_read_the_tally_write_the_verdict(subject):
    return subject.neurons.tally_cosine_tracks_effect


@claim(
    "brackets/circuit-first-stage",
    says="The circuit starts with 0.0: without it the total is lost (error rate on T).",
    source=CIRCUIT / "Summary",
    tier=1,
    published="qualitative",
    expect={group: at_least(0.4) for group in ("arena", "retrained")},
    control=instead(
        "the worst of the other early heads", lambda s: s.circuit.errors_without_another_head
    ),
)
def test_without_the_elevation_head_totals_are_lost(subject):
    return subject.circuit.errors_without_elevation_head


@claim(
    "brackets/circuit-mlp-stage",
    says="The MLP outputs at position 1 turn a wrong total into what makes 2.0 say unbalanced.",
    source=CIRCUIT / "Summary",
    tier=2,
    published="qualitative",
    expect={group: at_least(0.6) for group in ("arena", "retrained")},
    control=instead("at position 2", lambda s: s.circuit.gained_from_mlps(2)),
    note="Measured as sufficiency: outputs from T strings put into balanced runs give this share "
    "of 2.0's contribution on T.  They are not necessary, see circuit-mlp-necessity.",
)
def test_the_mlps_at_position_1_suffice(subject):
    return subject.circuit.gained_from_mlps(1)


@claim(
    "brackets/circuit-mlp-necessity",
    says="Without the MLP outputs at position 1, 2.0 no longer answers a wrong total.",
    source=CIRCUIT / "Summary",
    tier=2,
    published="qualitative",
    expect={group: at_least(0.6) for group in ("arena", "retrained")},
    control=untrained,
    observe="does not hold: replacing them costs a sixth of 2.0's contribution, because 2.0 still "
    "looks away from position 1 when the total is wrong",
)
def test_the_mlps_at_position_1_are_necessary(subject):
    return subject.circuit.lost_without_mlps


@claim(
    "brackets/circuit-copy-stage",
    says="Head 2.0 copies the signal to position 0: its output alone turns the verdict (LDu).",
    source=CIRCUIT / "Summary",
    tier=1,
    published="qualitative",
    expect={group: at_least(5.0) for group in ("arena", "retrained")},
    control=(
        instead("output of head 2.1", lambda s: s.circuit.copied(s.negative_head)),
        instead(
            "from another balanced string",
            lambda s: s.circuit.copied(s.total_head, from_failures=False),
        ),
    ),
)
def test_the_total_head_copies_the_signal(subject):
    return subject.circuit.copied(subject.total_head)


# ------------------------------------------------------------------ 4 Bonus
@claim(
    "brackets/tally-at-every-position",
    says="Every position with '(' stores the tally of its own suffix (lowest correlation).",
    source=BONUS / "Detecting anywhere-negative failures",
    tier=2,
    published="qualitative",
    expect={group: at_least(0.9) for group in ("arena", "retrained")},
    control=instead("tally of the prefix", lambda s: s.elevation_head.lowest_prefix_correlation),
)
def test_every_position_stores_its_tally(subject):
    return subject.elevation_head.lowest_suffix_correlation


@claim(
    "brackets/ov-same-everywhere",
    says="At every position 0.0 adds '(' and ')' in opposite directions (highest cosine).",
    source=BONUS / "Detecting anywhere-negative failures",
    tier=2,
    published="argument",
    expect={group: at_most(-0.95) for group in ("arena", "retrained")},
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
    expect={
        group: parts(auroc=at_least(0.99), fifth_percentile=at_least(5.0))
        for group in ("arena", "retrained")
    },
    control=(instead("head 2.0", lambda s: s.total_head.negative_auroc), untrained),
    note="The document's wording has the sign reversed; its formula and answer have it right.",
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
        for group in ("arena", "retrained")
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
    expect={group: at_least(5.0) for group in ("arena", "retrained")},
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
        group: parts(smaller_mlp=at_least(1.0), times_the_largest_head=at_least(3.0))
        for group in ("arena", "retrained")
    },
    control=(
        instead("heads in place of MLPs", lambda s: s.negative_head.heads_against_mlps),
        untrained,
    ),
)
def test_the_mlps_feed_the_negative_head(subject):
    return subject.negative_head.mlps_against_heads


@claim(
    "brackets/error-rate-1e-4",
    says="About one string in ten thousand of the whole data set is misclassified.",
    source=BONUS / "Adversarial attacks",
    tier=1,
    published=10,
    expect={"arena": between(3, 20, because="'around 1 in ten thousand' of 100,000 strings")},
    control=untrained,
)
def test_one_in_ten_thousand_is_wrong(subject):
    return subject.behaviour.errors_in_full_data


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
        instead("A and B flat", lambda s: s.adversarial.published_string_flat),
        untrained,
    ),
)
def test_the_published_attack_works(subject):
    return subject.adversarial.published_string


@claim(
    "brackets/advex-set",
    says="The attacks with A of length 24 to 32 are all called balanced with over 98 %.",
    source=BONUS / "Adversarial attacks",
    tier=1,
    published="> 98 % each",
    expect={"arena": at_least(0.98)},
    control=(
        instead("A of length 12, 14, 18, 34, 36", lambda s: s.adversarial.weak),
        untrained,
    ),
    note="Lengths 2, 4 and 6 are above 98 % too, which the document does not say.",
)
def test_the_published_set_of_attacks_works(subject):
    return subject.adversarial.strongest


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
    note="Beyond the document, which searches |A| + |B| = 38 only.  Our own first measurement.",
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
    control=instead("A))((B", lambda s: s.adversarial.negative_places_doubled),
)
def test_attacks_are_negative_at_one_place_only(subject):
    return subject.adversarial.negative_places


@claim(
    "brackets/advex-tall-needed",
    says="A and B must be tall: flat ones lose half or more of the confidence.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    published="argument",
    expect={"arena": at_least(0.5)},
    control=instead("tall against flat, reversed", lambda s: s.adversarial.loss_from_height),
)
def test_attacks_must_be_tall(subject):
    return subject.adversarial.gain_from_height


@claim(
    "brackets/advex-mechanism",
    says="At queries 28 and 30 the '(' before B sees too few '(' after it, and misses the fault.",
    source=BONUS / "Adversarial attacks",
    tier=2,
    published="hint",
    expect={"arena": at_most(-0.05)},
    control=instead("A of length 12", lambda s: s.adversarial.undercounts(12)),
    note="A of length 26 and 28, which put that '(' among the uneven queries 27 to 31.",
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
    observe="does not hold for A of length 32, where the weighted share of '(' is above the true "
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
        group: parts(smallest=at_least(5.0), smallest_total_right=at_least(5.0))
        for group in ("arena", "retrained")
    },
    control=(
        instead("head 2.1", lambda s: s.negative_head.on_closed_starts),
        instead("N strings that open with '('", lambda s: s.total_head.on_open_negatives),
        untrained,
    ),
)
def test_the_total_head_catches_early_closes(subject):
    return subject.total_head.on_closed_starts


@claim(
    "brackets/early-close-causal",
    says="The first ')' reaches 2.0 through its value and its key at position 1 (change of LDu).",
    source=BONUS / "Dealing with early closing parens",
    tier=2,
    published="question",
    expect={group: parts(v=at_least(5.0), k=at_least(2.0)) for group in ("arena", "retrained")},
    control=instead("head 2.1", lambda s: s.circuit.early_close(s.negative_head)),
)
def test_early_closes_travel_through_value_and_key(subject):
    return subject.circuit.early_close(subject.total_head)
