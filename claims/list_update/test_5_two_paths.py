"""The direct path and the path through both heads."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, between, exactly, parts, ranks
from replications.models.sites import K, Q, V

from .common import (
    ALL_PREDICTIONS,
    BOTH,
    NO_NOISE,
    REFINED,
    SEED_0,
    SUMMARY,
    head_0_0_cut,
    untrained,
)


@claim(
    "list_update/virtual-term-important",
    says="The path through both heads matters too, so K-composition is not the whole story.",
    source=REFINED,
    tier=1,
    published="qualitative",
    expect={
        group: parts(
            direct=at_least(0.25), two_heads=at_least(0.25), logits=at_least(3.0, because=NO_NOISE)
        )
        for group in BOTH
    },
    control=(
        untrained,
        instead("the direction of another number", lambda s: s.paths.first_prediction(offset=1)),
        instead(
            "head 0.0's attention on the direct path",
            lambda s: s.paths.first_prediction(look=s.roles.previous),
        ),
        instead(
            "the heads in the wrong order",
            lambda s: s.paths.first_prediction(reverse=True),
            accepted_if="two heads that attend and copy alike, so that their order makes no "
            "difference",
        ),
    ),
    note="Shares of head 1.0's contribution to the first prediction; the split is exact. The "
    "transposed OV of head 0.0 is no control: the path through it keeps 0.29 to 0.40.",
)
def test_both_paths_matter(subject):
    return subject.paths.first_prediction()


@claim(
    "list_update/virtual-attention",
    says="Both heads in a row also attend to the source of the answer, although not fully.",
    source=REFINED / "Stare at virtual attention patterns",
    tier=2,
    published="qualitative",
    expect={
        group: parts(least=at_least(0.25), most=at_most(0.9), looks_most_at_source=exactly(1.0))
        for group in BOTH
    },
    control=(
        instead(
            "the heads in the wrong order",
            lambda s: s.attention.virtual(s.roles.copying, s.roles.previous),
        ),
        instead(
            "head 1.0 alone",
            lambda s: s.attention.virtual(s.roles.copying),
            accepted_if="a head 1.0 that attends to the answer, but not fully",
        ),
        untrained,
    ),
    note="For the predictions that are kept. The next claim is about the updated one, where no "
    "seed reaches 0.25 at the source for every index.",
)
def test_virtual_attention_reaches_the_source(subject):
    return subject.attention.virtual(subject.roles.previous, subject.roles.copying)


@claim(
    "list_update/virtual-attention-updated",
    says="At the updated index both heads in a row look at the index token, then at the element.",
    source=REFINED / "Stare at virtual attention patterns",
    tier=2,
    published=None,
    expect={group: ranks("index", "element", ordered=True) for group in BOTH},
    control=(
        instead(
            "head 1.0 alone",
            lambda s: s.attention.from_updated(s.roles.copying),
            accepted_if="a head 1.0 that attends to the index first and to the element second",
        ),
        untrained,
    ),
    note="The document says that the virtual pattern attends to the correct answer. At the updated "
    "index the answer comes second, as head 0.0 looks from the element to the index.",
)
def test_virtual_attention_at_the_update_is_at_the_index(subject):
    return subject.attention.from_updated(subject.roles.previous, subject.roles.copying)


@claim(
    "list_update/virtual-ov-copies",
    says="The virtual OV circuit copies numbers.",
    source=REFINED / "Virtual OV circuit",
    tier=1,
    published=0.98,
    expect={
        group: at_least(0.92, because="at most four failures of 50; the document has one")
        for group in BOTH
    },
    control=(
        untrained,
        instead(
            "the heads in the wrong order",
            lambda s: s.circuits.copying(s.roles.copying, s.roles.previous),
        ),
    ),
)
def test_the_virtual_circuit_copies(subject):
    return subject.circuits.copying(subject.roles.previous, subject.roles.copying)


@claim(
    "list_update/virtual-ov-not-index",
    says="The virtual OV circuit copies the index tokens weakly, and every other number.",
    source=REFINED / "Virtual OV circuit",
    tier=2,
    published="does not copy them",
    expect={
        group: parts(times_the_others=at_most(0.5), other_failures=exactly(0)) for group in BOTH
    },
    control=(
        instead("the direct OV circuit", lambda s: s.circuits.index_tokens(s.roles.copying)),
        instead(
            "the heads in the wrong order",
            lambda s: s.circuits.index_tokens(s.roles.copying, s.roles.previous),
        ),
        untrained,
    ),
    note="We read this as a weak diagonal: the printed 0.98 leaves room for only one failure "
    "among the three index tokens.",
)
def test_the_virtual_circuit_neglects_indices(subject):
    return subject.circuits.index_tokens(subject.roles.previous, subject.roles.copying)


@claim(
    "list_update/all-predictions-alike",
    says="Attribution looks the same for the three predictions.",
    source=ALL_PREDICTIONS,
    tier=2,
    published="qualitative",
    expect={
        group: parts(smallest_share=at_least(0.85), largest_total_ratio=between(1.0, 2.0))
        for group in BOTH
    },
    control=(
        instead("head 0.0", lambda s: s.attribution.all_predictions(s.roles.previous)),
        untrained,
    ),
)
def test_all_predictions_look_alike(subject):
    return subject.attribution.all_predictions(subject.roles.copying)


@claim(
    "list_update/update-uses-kcomp-more",
    says="The prediction at the updated index relies more on the direct path than the others.",
    source=ALL_PREDICTIONS,
    tier=1,
    published="qualitative",
    expect={
        group: parts(difference=at_least(0.01), logits=at_least(3.0, because=NO_NOISE))
        for group in BOTH
    },
    control=(
        instead(
            "another prediction",
            lambda s: s.paths.updated_less_kept(shift=1),
            accepted_if="a model whose prediction after the updated one uses the direct path most",
        ),
        instead(
            "indices of other prompts",
            lambda s: s.paths.updated_less_kept(shuffled=True),
            accepted_if="prompts whose indices follow one another, as in the document's batches",
        ),
        untrained,
    ),
    note="Share of the direct path at the updated index less its mean elsewhere, averaged over "
    "indices. It agrees with `virtual-attention-updated`: there the path through both heads brings "
    "the index more than the answer.",
    version=2,
)
def test_updates_use_the_direct_path_more(subject):
    return subject.paths.updated_less_kept()


@claim(
    "list_update/both-paths-all-predictions",
    says="Both paths matter for every prediction and every index.",
    source=ALL_PREDICTIONS,
    tier=2,
    published="qualitative",
    expect={"seeds": parts(smallest_share=at_least(0.2), logits=at_least(3.0, because=NO_NOISE))},
    control=(
        instead(
            "head 0.0's attention on the direct path",
            lambda s: s.paths.everywhere(look=s.roles.previous),
        ),
        instead(
            "the heads in the wrong order",
            lambda s: s.paths.everywhere(reverse=True),
            accepted_if="two heads that attend and copy alike, so that their order makes no "
            "difference",
        ),
        untrained,
    ),
    note="The smaller of the two shares, where it is smallest over indices and predictions.",
    not_asserted=SEED_0,
    version=2,
)
def test_both_paths_matter_everywhere(subject):
    return subject.paths.everywhere()


@claim(
    "list_update/k-composition",
    says="Without K-composition updates fail, and the other predictions do not.",
    source=SUMMARY,
    tier=1,
    published="qualitative",
    expect={
        "seeds": parts(
            updated_intact=at_least(0.95, because="else nothing is there to fail"),
            updated=at_most(0.3),
            kept=at_least(0.95),
        )
    },
    control=(
        instead(
            "Q-composition cut instead",
            lambda s: s.composition.accuracies(Q),
            accepted_if="a model that finds the updated index by queries that head 0.0 made",
        ),
        instead(
            "V-composition cut instead",
            lambda s: s.composition.accuracies(V),
            accepted_if="a model that brings the new element, and nothing else, through both heads",
        ),
        head_0_0_cut,
        untrained,
    ),
    note="Accuracies with the keys of layer 1 recomputed as if head 0.0 had written nothing.",
    not_asserted=f"{SEED_0}; seed 2 updates the last element by Q-composition; without "
    "K-composition both still give 0.42 and 0.41 of the updated elements",
    costly=True,
)
def test_updates_need_k_composition(subject):
    return subject.composition.accuracies(K)


@claim(
    "list_update/v-composition",
    says="Without V-composition about half of the right answer's logit is lost.",
    source=SUMMARY,
    tier=1,
    published="qualitative",
    expect={"seeds": between(0.3, 0.7)},
    control=instead(
        "Q-composition cut instead",
        lambda s: s.composition.logit_lost(Q),
        accepted_if="a model whose head 1.0 finds about half of the answers by queries that "
        "head 0.0 made",
    ),
    note="The mean logit with the values of layer 1 recomputed as if head 0.0 had written nothing. "
    "Seed 0 loses 0.699.",
)
def test_answers_need_v_composition(subject):
    return subject.composition.logit_lost(V)


@claim(
    "list_update/no-q-composition",
    says="Without Q-composition nothing changes.",
    source=SUMMARY,
    tier=2,
    published=None,
    expect={"seeds": at_most(0.02)},
    control=instead("K-composition cut instead", lambda s: s.composition.change(K)),
    note="The larger change of accuracy, of updated or of kept predictions.",
    not_asserted="seed 2 updates the last element by Q-composition",
)
def test_queries_do_not_compose(subject):
    return subject.composition.change(Q)
