"""What the name-recall claims share: the source, its sections, and what must match.

Subjects: `gpt2-small` and `gelu-2l`, which the document studies, and toys of two layers trained
here (`toy`, observed).  The document prints its prompt and all three corruptions, and originals are
measured on exactly these: positions (4 first name, 5 last name, 11 first name again) and indices of
heads must match exactly.  Its figures are pictures, so that sizes are relations: which is larger,
and by what factor.  No original could be reached where this was written: edges were set by the
document alone and have met no measurement there.

On toys each finding is stated by role, as a mean over fifty pairs of names in the same sentence:
an index means nothing there.  Row l of a residual map is the stream before block l; the last row is
after the last block.  An effect is what patching takes from the logit difference, as a share of the
clean one.
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
