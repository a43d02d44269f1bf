"""A model written by hand, whose circuit is known: which methods find its edges."""

from __future__ import annotations

from replications.judging.claim import Control, Measure, Source, claim, instead
from replications.judging.expectation import at_least, between, exactly, parts

WRITTEN = Source("replications.systems.name_recall.construction, its docstrings")
EIGHT = (
    "The edges are embed -> 0.2.v, 0.2 -> 1.6.k, embed -> 0.1.k, 0.1 -> 1.6.q, embed -> 1.6.v and "
    "1.1.v, and both -> logits, 8 of 257. Other edges carry a prompt with another last name, in "
    "which the first name at the end occurs nowhere else."
)
ALL_ALIKE = "A model in which a few edges carry everything, so that most paths have them."
BY_DUPLICATES = "A model whose copying head needs to be told only where its name stood before."


def random_circuits(measure: Measure) -> Control:
    return instead("mean over random circuits", measure, accepted_if=ALL_ALIKE)


@claim(
    "name_recall/planted-edges-ranked",
    says="Exact effects, EAP, EAP-IG and ACDC rank the edges with which the network was written "
    "first.",
    source=WRITTEN,
    tier=2,
    published=None,
    expect={
        "construction": parts(
            exact=at_least(1.0), eap=at_least(1.0), eap_ig=at_least(1.0), acdc=at_least(1.0)
        )
    },
    control=random_circuits(lambda s: s.edges.planted.all_random_aurocs()),
    note=f"{EIGHT} AUROC against all other edges; ACDC only keeps edges or not.",
    not_asserted="exact effects and ACDC do, EAP and EAP-IG do not: attention that is as good as "
    "certain has no gradient, so that they miss the four edges that decide where a head looks",
    costly=True,
)
def test_methods_rank_the_planted_edges_first(subject):
    return subject.edges.planted.all_aurocs()


@claim(
    "name_recall/planted-edges-exact",
    says="The edges with the largest exact effects, and those that ACDC keeps, are the edges with "
    "which the network was written, and no others.",
    source=WRITTEN,
    tier=2,
    published=None,
    expect={
        "construction": parts(
            exact=exactly(1.0), missed_by_acdc=exactly(0), kept_by_acdc_alone=exactly(0)
        )
    },
    control=random_circuits(lambda s: s.edges.random_found),
    asserted_of=("construction",),
    note=f"{EIGHT} AUROC of exact effects; how many of the edges ACDC misses, and how many others "
    "it keeps.",
    costly=True,
)
def test_exact_effects_and_acdc_find_the_planted_edges(subject):
    return subject.edges.found()


@claim(
    "name_recall/planted-edges-faithful",
    says="The edges with which the network was written keep the whole logit difference.",
    source=WRITTEN,
    tier=2,
    published=None,
    expect={"construction": parts(recovered=between(0.99, 1.01), low=at_least(0.98))},
    control=instead(
        "0.2 -> 1.6.v in the place of its keys",
        lambda s: s.edges.by_values.faithful(),
        accepted_if=BY_DUPLICATES,
    ),
    asserted_of=("construction",),
    note=EIGHT,
    costly=True,
)
def test_the_planted_edges_suffice(subject):
    return subject.edges.planted.faithful()


@claim(
    "name_recall/planted-edges-beat-random",
    says="Random circuits of as many edges keep clearly less.",
    source=WRITTEN,
    tier=2,
    published=None,
    expect={"construction": at_least(0.5)},
    control=instead(
        "head 1.1 alone",
        lambda s: s.edges.second_alone.ahead_of_peers(),
        accepted_if="A model that repeats any last name that was said.",
    ),
    note=f"{EIGHT} What they keep, less the best of 20 random circuits on paths.",
    costly=True,
)
def test_the_planted_edges_beat_random_ones(subject):
    return subject.edges.planted.ahead_of_peers()
