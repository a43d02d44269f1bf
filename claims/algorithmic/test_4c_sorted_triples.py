"""Why the number after next is not the answer, though it gets attention."""

from __future__ import annotations

from replications.judging import at_least, at_most, claim, exactly, instead, parts

from . import published
from .common import SORTED, also_retrained, figures, named

LISTS = published.LISTS


@claim(
    "algorithmic/sorted-triples-attribution",
    says="For close x < y < z, looking at z boosts y too and looking at y suppresses z: y wins.",
    source=SORTED,
    tier=1,
    published="8.03 1.80 -1.53 7.17; 6.90 1.61 -1.73 7.90; 7.44 3.66 -0.82 9.25; 7.47 …",
    expect={"sorted": named(figures(published.TRIPLES, abs=0.01), ahead=at_least(0.0))},
    control=instead(
        "the other head",
        lambda s: s.attribution.triples(LISTS, other=True),
        accepted_if="heads that copy the same numbers",
    ),
    note="What y and z add to the logits of y and z: y from y, y from z, z from y, z from z. "
    "`ahead`: by how much y wins, at least. The page announces five examples and shows four, and "
    "its captions speak of a layer 1 that the model does not have.",
)
def test_y_wins_over_z(subject):
    return subject.attribution.triples(LISTS)


@claim(
    "algorithmic/sorted-skip-is-harmless",
    says="Where a head looks more at the number after next, the answer is right all the same.",
    source=SORTED,
    tier=1,
    published="qualitative",
    expect=also_retrained(
        "sorted",
        parts(right=exactly(1.0), skips=at_least(0.2)),
        parts(right=at_least(0.98), skips=at_least(0.2)),
    ),
    costly=True,
    control=(
        instead(
            "rows mirrored",
            lambda s: s.attribution.skip("mirrored", right="mirrored"),
            accepted_if="source rows that are the same on both sides",
        ),
        instead(
            "rows intact",
            lambda s: s.attribution.skip("intact"),
            accepted_if="a model that answers with the number it looks at most",
        ),
    ),
    note="166 queries of the set. `skips`: how often the answer would be the number after next if "
    "sources told nothing about other numbers. In the first row 4 is said to look more at 7 than "
    "at 5: that is true of 0.0 (0.17 against 0.11), not of 0.1 (0.33 against 0.40).",
)
def test_looking_too_far_does_no_harm(subject):
    return subject.attribution.skip()


@claim(
    "algorithmic/sorted-without-direct-path",
    says="The direct path is not what saves those triples.",
    source=SORTED,
    tier=2,
    published="qualitative",
    expect=also_retrained("sorted", at_most(0.02)),
    costly=True,
    control=(
        instead(
            "without head 0.0",
            lambda s: s.attribution.skips_without((0, 0)),
            accepted_if="a model that does not need 0.0",
        ),
        instead(
            "without head 0.1",
            lambda s: s.attribution.skips_without((0, 1)),
            accepted_if="a model that does not need 0.1",
        ),
    ),
    note="The share of close triples answered with z if embeddings are replaced by their mean at "
    "each position in the final stream.",
)
def test_the_direct_path_is_not_needed(subject):
    return subject.attribution.skips_without_direct_path()
