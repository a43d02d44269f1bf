"""What the bracket claims share: the source, its sections, and a control.

Subjects: the published weights (`arena`), models we trained ourselves (`retrained`), and, where
the document argues without weights, small constructions (`construction`).  T are strings whose
only fault is the total elevation, N strings whose only fault is a negative suffix; both start
with '('.  LDu is logit(unbalanced) less logit(balanced).
"""

from __future__ import annotations

from replications.judging.claim import Source, on

ARENA = Source(
    "ARENA 3.0, chapter 1.5.1: Balanced Bracket Classifier",
    "https://github.com/callummcdougall/ARENA_3.0",
)
SETUP = ARENA / "1 Bracket classifier"
BACKWARDS = ARENA / "2 Moving backwards"
CIRCUIT = ARENA / "3 Understanding the total elevation circuit"
BONUS = ARENA / "4 Bonus"

MODELS = ("arena", "retrained")
"""Both kinds of trained model, for claims with one expectation for all."""
PRINTED = "half a unit of the last digit printed"

untrained = on(
    "untrained weights",
    lambda s: s.untrained,
    accepted_if="A finding that the architecture alone brings about, as it does an R² of 0.999 of "
    "the final LayerNorm.",
)
before_scale_and_bias = on(
    "LayerNorm before scale and bias",
    lambda s: s.before_scale_and_bias,
    only="arena",
    accepted_if="A model whose LayerNorms scale all coordinates alike.",
)
"""What reading the hook `hook_normalized` by name gives from TransformerLens 3 on."""
