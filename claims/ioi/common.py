"""What the claims about indirect objects share: the source, its sections, groups and controls.

Subjects are

- `gpt2-small`, on the document's 25 prompts, and `gpt2-small/own`, on more prompts of our own:
  GPT-2 small, whose heads have the published indices; both gate;
- toys trained here, whose heads are found by what they do: `circuit` reads long texts, `repairing`
  and `plain` one sentence at a time, as do further regimes for the conditions of repair;
- `construction`, a GPT-2 whose weights are written by hand from what the document describes: its
  heads have the published indices, and it must meet the criteria of GPT-2 small. It shows that the
  claims can hold together, and is no evidence about trained models;
- `text`, which needs no model and gates.

The document asserts nothing of toys and constructions, so they do not gate, except where a claim
says that it is asserted of a group of them.

On the document's prompts a printed number must come out again, to its last digit or to what
independent runs of GPT-2 small differ by. On other prompts and models it becomes a share of the
clean logit difference or of the gap to ABC prompts, with a tolerance for other sentences. Indices
of heads, signs and orders must match exactly.

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

TOYS = ("repairing", "plain", "circuit")
CONSTRUCTION = "construction"
IN_ALL_SEEDS = ("circuit",)
"""The models trained here on all of which a claim was found to hold: it is asserted of them."""
GPT2, OWN = "gpt2-small", "gpt2-small/own"
MODELS = (GPT2, OWN, *TOYS, CONSTRUCTION)

OTHER_PROMPTS = "measured on other prompts than the document's"
RUNS = "independent runs of GPT-2 small differ by 2e-4"
BY_ROLE = "On toys the heads with these roles are found by what they do."

untrained = on(
    "untrained weights",
    lambda s: s.untrained,
    accepted_if="An architecture that shows this without having learned anything.",
)


Expectations = dict[str, Expectation]


def models(expected: Expectation, *, printed: Expectation | None = None) -> Expectations:
    """One expectation for every model; for GPT-2 on the document's prompts, what is `printed`."""
    return dict.fromkeys(MODELS, expected) | {GPT2: printed or expected}


def known_roles(expected: Expectation) -> Expectations:
    """One expectation for the models whose roles are known, not found by what is measured."""
    return dict.fromkeys((GPT2, OWN, CONSTRUCTION), expected)


def any_prompts(expected: Expectations) -> Expectations:
    """Expectations of what does not depend on the prompts: GPT-2 is measured once."""
    return {group: found for group, found in expected.items() if group != OWN}
