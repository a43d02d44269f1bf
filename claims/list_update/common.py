"""What the list-update claims share: the source, its sections, and controls.

Subjects: five models we trained with the document's recipe (`seeds`, of which findings are
asserted, since the document trains from scratch too), models trained with the same recipe on longer
lists and more numbers (`scaling`, compared with their recorded outcomes only), and the generator of
prompts (`generator`). Predictions are made at
positions 7, 8 and 9. The source of a prediction is its own list position or, at the updated index,
the position of the new element.
"""

from __future__ import annotations

from replications.judging.claim import Source, on

DOCUMENT = Source("Notebook: a transformer that updates lists")
SETUP = DOCUMENT / "Load model"
TRAINING = DOCUMENT / "Training"
ATTRIBUTION = DOCUMENT / "Direct logit attribution"
PATTERNS_1 = DOCUMENT / "Stare at 1.0 patterns"
PATTERNS_0 = DOCUMENT / "Stare at 0.0 patterns"
PATCHING = DOCUMENT / "Activation patching"
K_COMPOSITION = DOCUMENT / "K-composition circuit"
FULL_QK = DOCUMENT / "1.0 full QK circuit"
REFINED = DOCUMENT / "More refined direct logit attribution"
ALL_PREDICTIONS = DOCUMENT / "Direct logit attribution on all predictions"
SUMMARY = DOCUMENT / "Summary"

BOTH = ("seeds", "scaling")
"""Five seeds on the document's lists, and one seed on each larger size."""

untrained = on(
    "untrained weights",
    lambda s: s.untrained,
    accepted_if="training that starts from weights which show the finding already, as those of a "
    "model trained before",
)
one_layer = on(
    "one layer",
    lambda s: s.one_layer,
    accepted_if="a head that learns in one layer to find and to copy every answer",
)
head_0_0_cut = on(
    "head 0.0 writes nothing",
    lambda s: s.without(s.roles.previous),
    accepted_if="a model that updates lists by head 1.0 alone",
)

NO_NOISE = "a share alone says nothing if the total is noise, as in untrained weights"
"""Why shares have a floor in logits beside them."""

SEED_0 = (
    "seed 0 makes its middle prediction through both heads: there head 1.0 looks at the index "
    "token or the newline, to which head 0.0 has moved the answer"
)
"""Why many claims about head 1.0 hold in four of five seeds."""
