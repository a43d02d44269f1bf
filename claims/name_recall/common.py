"""What the name-recall claims share: the source, its sections, and what must match.

The subjects are `gpt2-small` and `gelu-2l`, which the document studies, and two-layer toys trained
here (`toy`), of which it asserts nothing, and one model written by hand (`construction`), on which
methods are tried whose answer is known.  The document prints its prompt and all three
corruptions, and originals are measured on exactly these, so positions (4 first name, 5 last name,
11 first name again) and indices of heads must match exactly.  Its results are pictures, so we state
sizes as relations: which effect is larger, and by what factor.  We could not reach the originals
when we wrote this: their bounds come from the document alone and have not been compared with a
measurement.  tests/systems/name_recall has models written by hand in which they are true.

On toys an index of a head means nothing, so each finding is stated by role, as a mean over fifty
pairs of names in the same sentence.  Row l of a residual map is the stream before block l; the last
row is after the last block.  An effect is how far patching lowers the logit difference, as a share
of the clean one.  A role that nothing fills is absent: on toys, the duplicate-token head and the
second one.  Where a claim asks for their effect it is 0, the effect of patching nothing.
"""

from __future__ import annotations

from replications.judging.claim import Source

DOCUMENT = Source("How to do transformer mechanistic interpretability in practice: a tutorial")
STEP_1 = DOCUMENT / "Step 1"
STEP_2 = DOCUMENT / "Step 2"
RESIDUAL = DOCUMENT / "Method 1: Residual stream patching"
TWO_LAYERS = RESIDUAL / "2-layer model"
HEADS = DOCUMENT / "Method 2: Attention head patching"
GUESSING = DOCUMENT / "Interlude: Guessing the answers"
PATTERNS = DOCUMENT / "Method 3: Looking at attention patterns"
CONCLUSION = DOCUMENT / "Conclusion"
FOOTNOTES = DOCUMENT / "Footnotes"
BRACKETS = Source(
    "ARENA 3.0, chapter 1.5.1: Balanced Bracket Classifier",
    "https://github.com/callummcdougall/ARENA_3.0",
)

BOTH = ("gpt2-small", "gelu-2l")
SMALL = ("gelu-2l", "toy")
ALL = ("gpt2-small", "gelu-2l", "toy")

FULL_STOP, UNRELATED = 6, 7
"""Positions of the full stop after the last name, and of the word that opens the next sentence."""
NOT_ON_TOYS = (
    "It holds on none of the toys, which share the copying among six or seven heads and have no "
    "duplicate-token head, so no lesion can undo it."
)
"""Why no lesion can turn a claim red that names single heads of gelu-2l."""
