"""What the claims about indirect objects share: the source, its sections, groups and controls.

Subjects are GPT-2 small, whose heads have the published indices (`gpt2-small`, gates); toy models
trained here, whose heads are found by what they do (`repairing` and `plain`, and further regimes
for the conditions of repair); a GPT-2 whose weights are written by hand from what the document
describes (`construction`: its heads have the published indices, and it must meet the criteria of
GPT-2 small; it shows that the claims can hold together, and is no evidence about trained models);
and texts, which need no model (`text`, gates). The document asserts nothing of
toys and constructions, so they do not gate.

The document's 25 prompts are not in its text, so GPT-2 is measured on 24 of our own. Indices of
heads, signs and orders must match exactly. A printed number becomes a share of the clean logit
difference or of the gap to ABC prompts, with a tolerance for other sentences.

Where no head of a model fills a role, what is measured of it is an empty list or an effect of zero,
and the claim does not hold: see `replications.systems.ioi.roles`.
"""

from __future__ import annotations

from replications.judging.claim import Source, on
from replications.judging.expectation import Expectation

ARENA = Source(
    "ARENA 3.0, 1.4.1 Indirect Object Identification, Bonus / exploring anomalies",
    "https://github.com/callummcdougall/ARENA_3.0",
)
EARLY = ARENA / "Early induction heads"
PREVIOUS = EARLY / "validate prev token heads via patching"
FUZZY = EARLY / "heads 5.8 and 5.9"
NONLINEAR = EARLY / "Aside - a lesson in nonlinearity"
BACKUP = ARENA / "Backup name mover heads"
SIGNALS = ARENA / "Positional vs token information being moved"
DECOMPOSED = SIGNALS / "decompose S-Inhibition heads"
TOPICS = ARENA / "Suggested topics (Alex Variengien)"

TOYS = ("repairing", "plain")
CONSTRUCTION = "construction"
MODELS = ("gpt2-small", *TOYS, CONSTRUCTION)

OTHER_PROMPTS = "our prompts differ from the document's, which are not in its text"
BY_ROLE = "On toys the heads with these roles are found by what they do."

untrained = on(
    "untrained weights",
    lambda s: s.untrained,
    accepted_if="An architecture that shows this without having learned anything.",
)


def known_roles(expected: Expectation) -> dict[str, Expectation]:
    """One expectation for the models whose roles are known, not found by what is measured."""
    return dict.fromkeys(("gpt2-small", CONSTRUCTION), expected)


def models(expected: Expectation) -> dict[str, Expectation]:
    """One expectation for GPT-2 small and for both kinds of toys."""
    return dict.fromkeys(MODELS, expected)
