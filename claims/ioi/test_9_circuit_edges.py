"""The published circuit as edges: which methods find it, and what it keeps by itself."""

from __future__ import annotations

from replications.judging.claim import Control, Measure, Source, claim, instead
from replications.judging.expectation import at_least, at_most, between, parts

from .common import BY_ROLE, CONSTRUCTION, GPT2
from .test_8_circuits import NO_INHIBITION

ACDC = Source(
    "Conmy et al., Towards Automated Circuit Discovery (2023)", "https://arxiv.org/abs/2304.14997"
)
MIB = Source("Mueller et al., MIB (2025)", "https://arxiv.org/abs/2504.13151")
WRITTEN = Source("replications.systems.ioi.construction, its docstrings")
MODELS = (GPT2, "circuit", CONSTRUCTION)
LISTED = (
    "The list is that of ACDC's tests, from the paper's figure. Two prompts, one of each order of "
    "the names; other edges carry their ABC prompts, at every position; no opening token on GPT-2."
)
HALF = "half of the way from chance to a perfect order"
ALL_ALIKE = "A model in which a few heads get most edges of this kind, so that any list has them."


def random_circuits(measure: Measure) -> Control:
    return instead("mean over random circuits", measure, accepted_if=ALL_ALIKE)


@claim(
    "ioi/edges-ranked",
    says="Exact effects, EAP and EAP-IG rank the published edges above others.",
    source=ACDC,
    tier=2,
    published=None,
    expect=dict.fromkeys(
        MODELS,
        parts(exact=at_least(0.75), eap=at_least(0.75), eap_ig=at_least(0.75), because=HALF),
    ),
    control=random_circuits(lambda s: s.edges.between_heads.random_aurocs()),
    note=f"{LISTED} AUROC against 400 random edges; what is below 1e-5 of the range is none. "
    f"Edges of MLPs are left out: the list takes all of them for input. {BY_ROLE}",
    costly=True,
)
def test_methods_rank_the_published_edges(subject):
    return subject.edges.between_heads.aurocs()


@claim(
    "ioi/edges-faithful",
    says="The published edges alone keep most of the logit difference.",
    source=ACDC,
    tier=2,
    published=None,
    expect=dict.fromkeys(
        MODELS,
        parts(
            recovered=between(0.5, 1.5),
            low=at_least(0.4, because="the low end of the interval over two prompts"),
        ),
    ),
    control=instead(
        "without the edges out of S-inhibition heads",
        lambda s: s.edges.without_inhibition.faithful(),
        accepted_if=NO_INHIBITION,
    ),
    note=f"{LISTED} Edges between MLPs, and theirs into the circuit, are in it. 1 is the logit "
    "difference of the prompts, 0 that of the ABC prompts.",
    not_asserted="on the construction it fails: the list has no edge from the heads that notice a "
    "repeated name to the keys of name movers, from name movers to the queries of backups and "
    "negative heads, or from the input to the queries of induction heads",
    costly=True,
)
def test_the_published_edges_suffice(subject):
    return subject.edges.with_mlps.faithful()


@claim(
    "ioi/edges-curve",
    says="A few of the edges that EAP-IG ranks first keep the whole logit difference.",
    source=MIB,
    tier=2,
    published=None,
    expect=dict.fromkeys(
        MODELS,
        parts(
            cpr=at_least(0.8, because="edges in a random order give about a quarter on the way"),
            cmd=at_most(0.4, because="and three quarters"),
        ),
    ),
    control=instead(
        "the same estimates of other edges",
        lambda s: s.edges.curve(shuffled=True),
        accepted_if="A model that keeps its answer when any half of its edges are patched.",
    ),
    note="CPR and CMD over MIB's ten shares of all edges, from 0.001 to 1. CPR orders edges by how "
    "far patching lowers the difference, CMD by size. Found and tested on the same two prompts.",
    costly=True,
)
def test_few_edges_keep_the_difference(subject):
    return subject.edges.curve()


@claim(
    "ioi/planted-edges-ranked",
    says="Exact effects, EAP and EAP-IG rank the edges with which the network was written first.",
    source=WRITTEN,
    tier=2,
    published=None,
    expect={
        CONSTRUCTION: parts(exact=at_least(1.0), eap=at_least(0.95), eap_ig=at_least(0.95)),
    },
    control=random_circuits(lambda s: s.planted.ranked.random_aurocs()),
    note="AUROC of 283 edges against all 704 others between the embedding, the heads that write "
    "something and the logits; effects below 1e-5 of the range count as none, a floor that was set "
    "after a look, since rounding had ordered them and moved an AUROC by 0.006 (exact was 0.98 "
    "without it). That negative heads also write what later heads read was left out "
    "of the list at first, and added after a look at the effects.",
    not_asserted="exact effects give 0.96 and EAP 0.94: six heads tell each name mover that a "
    "name is repeated, and without any one of them next to nothing changes",
    costly=True,
)
def test_methods_rank_the_planted_edges_first(subject):
    return subject.planted.ranked.aurocs()


@claim(
    "ioi/planted-edges-faithful",
    says="The edges with which the network was written keep the whole logit difference.",
    source=WRITTEN,
    tier=2,
    published=None,
    expect={CONSTRUCTION: parts(recovered=between(0.95, 1.05), low=at_least(0.9))},
    control=(
        instead(
            "without the keys of name movers",
            lambda s: s.planted.without(s.roles.name_movers, "k").faithful(),
            accepted_if=NO_INHIBITION,
        ),
        instead(
            "the list of ACDC",
            lambda s: s.edges.with_mlps.faithful(),
            accepted_if="A network without paths that the list lacks.",
        ),
    ),
    costly=True,
)
def test_the_planted_edges_suffice(subject):
    return subject.planted.kept.faithful()


@claim(
    "ioi/planted-edges-beat-random",
    says="Random circuits of as many edges keep nothing.",
    source=WRITTEN,
    tier=2,
    published=None,
    expect={CONSTRUCTION: at_least(0.5)},
    control=instead(
        "without the keys of name movers",
        lambda s: s.planted.without(s.roles.name_movers, "k").ahead_of_peers(),
        accepted_if=NO_INHIBITION,
    ),
    note="What the planted edges keep, less what the best of ten random circuits of as many edges "
    "on paths from the embedding to the logits keeps.",
    costly=True,
)
def test_the_planted_edges_beat_random_ones(subject):
    return subject.planted.kept.ahead_of_peers()
