"""The document's circuit as edges: does it suffice, is it needed, and which methods find it?"""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, between, exactly, parts

from .common import BOTH, PATCHING, SEED_0

THREE = (
    "The circuit is the document's account of a changed index: embed -> 0.0.v, 0.0 -> 1.0.k and "
    "1.0 -> logits, of 12 edges. All other edges carry the prompt with another index."
)
IN_ORDER = "of the 27 pairs of an edge inside and one outside, one in the wrong order gives 0.963"
BY_VALUES = "a model whose head 1.0 is told of the index by its values"
BY_ONE_HEAD = "a model whose head 1.0 finds the index without head 0.0"
BY_QUERIES = "a model whose head 1.0 is told of the index by its queries"


@claim(
    "list_update/circuit-faithful",
    says="The three edges of the document alone tell an index from another.",
    source=PATCHING,
    tier=2,
    published=None,
    expect={
        group: parts(
            recovered=between(0.85, 1.15),
            low=at_least(0.8, because="the low end of the interval over 200 pairs"),
        )
        for group in BOTH
    },
    control=(
        instead(
            "values in the place of keys",
            lambda s: s.edges.composed_by("v").faithful(),
            accepted_if=BY_VALUES,
        ),
        instead(
            "queries in the place of keys",
            lambda s: s.edges.composed_by("q").faithful(),
            accepted_if=BY_QUERIES,
        ),
    ),
    note=f"{THREE} 1 is the logit difference of the clean prompt, 0 that of the corrupted one.",
    not_asserted=SEED_0,
    costly=True,
)
def test_the_circuit_suffices(subject):
    return subject.edges.document.faithful()


@claim(
    "list_update/circuit-beats-random",
    says="No other circuit of three edges keeps nearly as much as the document's.",
    source=PATCHING,
    tier=2,
    published=None,
    expect={group: at_least(0.5) for group in BOTH},
    control=instead(
        "values in the place of keys",
        lambda s: s.edges.composed_by("v").ahead_of_peers(),
        accepted_if=BY_VALUES,
    ),
    not_asserted=SEED_0,
    note="What it keeps, less what the best keeps of all other circuits of three edges on paths "
    "from the embedding to the logits.",
    costly=True,
)
def test_the_circuit_beats_all_others(subject):
    return subject.edges.document.ahead_of_peers()


@claim(
    "list_update/circuit-complete",
    says="Circuit and model do alike when the same part of the circuit is taken out of both.",
    source=PATCHING,
    tier=2,
    published=None,
    expect={group: at_most(0.2) for group in BOTH},
    control=(
        instead(
            "values in the place of keys",
            lambda s: s.edges.composed_by("v").incomplete(),
            accepted_if=BY_VALUES,
        ),
        instead(
            "queries in the place of keys",
            lambda s: s.edges.composed_by("q").incomplete(),
            accepted_if=BY_QUERIES,
        ),
    ),
    note="The largest difference, as a share of that between clean and corrupted prompts, over "
    "nothing, each edge and each head taken out (Wang et al. 2022).",
    not_asserted=SEED_0,
    costly=True,
)
def test_the_circuit_is_complete(subject):
    return subject.edges.document.incomplete()


@claim(
    "list_update/circuit-minimal",
    says="Each of the three edges is needed.",
    source=PATCHING,
    tier=2,
    published=None,
    expect={group: at_least(0.5) for group in BOTH},
    control=instead(
        "with embed -> 1.0.q as a fourth",
        lambda s: s.edges.with_more(("embed -> 1.0.q",)).least_needed(),
        accepted_if="prompts that differ in the answers given so far as well, by which head 1.0 "
        "could know where it is",
    ),
    note="How far the logit difference falls, at least, when one edge of the circuit is taken out "
    "(Wang et al. 2022), as a share of that between clean and corrupted prompts.",
    costly=True,
)
def test_the_circuit_is_minimal(subject):
    return subject.edges.document.least_needed()


@claim(
    "list_update/circuit-ranked-first",
    says="Exact effects, EAP and EAP-IG rank the three edges before all others.",
    source=PATCHING,
    tier=2,
    published=None,
    expect={
        group: parts(
            exact=at_least(0.97, because=IN_ORDER),
            eap=at_least(0.97, because=IN_ORDER),
            eap_ig=at_least(0.97, because=IN_ORDER),
        )
        for group in BOTH
    },
    control=(
        instead(
            "values in the place of keys",
            lambda s: s.edges.composed_by("v").aurocs(),
            accepted_if=BY_VALUES,
        ),
        instead("head 1.0 alone", lambda s: s.edges.one_head().aurocs(), accepted_if=BY_ONE_HEAD),
    ),
    note="AUROC of the sizes of effects for edges of the circuit against other edges.",
    costly=True,
)
def test_methods_rank_the_circuit_first(subject):
    return subject.edges.document.aurocs()


@claim(
    "list_update/circuit-found-by-acdc",
    says="ACDC finds the three edges, and at most one more.",
    source=PATCHING,
    tier=2,
    published=None,
    expect={group: parts(missed=exactly(0), extra=at_most(1)) for group in BOTH},
    control=instead(
        "head 1.0 alone",
        lambda s: s.edges.one_head().differs_from_acdc(),
        accepted_if=BY_ONE_HEAD,
    ),
    note="With exact edges, and a threshold of a twentieth of the difference between clean and "
    "corrupted prompts.",
    costly=True,
)
def test_acdc_finds_the_circuit(subject):
    return subject.edges.document.differs_from_acdc()


@claim(
    "list_update/circuit-best-of-its-size",
    says="No method finds three edges that keep clearly more than the document's.",
    source=PATCHING,
    tier=2,
    published=None,
    expect={group: at_most(0.05) for group in BOTH},
    control=instead(
        "values in the place of keys",
        lambda s: s.edges.composed_by("v").behind_found(),
        accepted_if=BY_VALUES,
    ),
    note="How much more is kept by the top three edges by exact effects, EAP or EAP-IG; 0 if they "
    "are the document's.",
    costly=True,
)
def test_no_method_does_better(subject):
    return subject.edges.document.behind_found()
