"""What the list-update claims share: the source, its sections, and controls.

Subjects: five models we trained with the document's recipe (`seeds`, which gate, since the
document trains from scratch too), the same recipe on longer lists and more numbers (`scaling`,
observed), and the generator of prompts (`generator`).  Predictions are made at positions 7, 8, 9;
the source of a prediction is its own list position, or the new element at the updated index.
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
"""Five seeds of the document's task, and one seed each of larger ones."""

untrained = on("untrained weights", lambda s: s.untrained)
one_layer = on("one layer", lambda s: s.one_layer)

SEED_0 = (
    "seed 0 makes its middle prediction through both heads: head 1.0 looks there at the index "
    "token or the newline, to which head 0.0 has brought the answer"
)
"""Why many claims about head 1.0 hold in four seeds of five."""
