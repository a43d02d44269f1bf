"""Which claims must turn red when one part of the construction is left out.

The table was derived from how the parts are wired, before it was run. A claim turns red without the
part that it is about, and without a part that what it says has to pass through. Where the first run
showed that the derivation was wrong, "corrected" says why.
"""

from __future__ import annotations

from collections.abc import Mapping

RED: Mapping[str, frozenset[str]] = {
    "previous-token heads": frozenset(
        {
            # what they are
            "previous-token-score",
            "4.11-off-diagonal",
            # what they send
            "prev-token-key-patching",
            "prev-heads-joint-fuzzy",
            "prev-heads-joint-all-four",
            # induction heads, and one negative head, look for the token that they write down
            "induction-attn-5.5-6.9",
            "induction-score-all-heads",
            "induction-only-on-duplicates",
            "induction-heads-in-dup-role",
            "5.8-5.9-not-general-induction",
            "anti-induction-heads",
            # heads of the circuit that do nothing
            "circuit-minimal",
        }
    ),
    "duplicate-token heads": frozenset(
        {
            "duplicate-score",
            # fuzzy heads then depend on the previous-token heads
            "prev-heads-single-fuzzy",
            "prev-heads-joint-fuzzy",
            "prev-heads-joint-all-four",
            # most of both signals is gone
            "logit-diff-clean",
            "post-ablation-9.9",
            "negative-mover-shrinks",
            "position-inverted-hurts",
            "token-random-hurts",
            "token-inverted-hurts-more",
            # the token comes from S2 itself, and the position from here
            "position-outweighs-token",
            "each-s-inhib-positional",
            "7.9-8.10-token",
            # corrected: with a tenth of the difference left, shares of it and rises are others
            "dla-9.9",
            "both-inverted-negates",
            "signals-additive",
            "self-repair",
            "backups-below-diagonal",
            # the circuit has no more to keep than the model
            "circuit-faithful",
            "circuit-beats-random",
            "circuit-minimal",
        }
    ),
    "induction heads": frozenset(
        {
            "induction-attn-5.5-6.9",
            "induction-score-all-heads",
            "induction-only-on-duplicates",
            "induction-heads-in-dup-role",
            # others are compared with them, or act through them
            "5.8-5.9-not-general-induction",
            "prev-token-key-patching",
            "prev-heads-joint-all-four",
            "circuit-minimal",
        }
    ),
    "fuzzy induction heads": frozenset(
        {
            "fuzzy-induction-key-patching",
            "5.8-5.9-induction-on-ioi",
            "prev-heads-joint-fuzzy",
            "prev-heads-joint-all-four",
            "circuit-minimal",
        }
    ),
    "S-inhibition heads": frozenset(
        {
            # early heads act through them
            "induction-heads-in-dup-role",
            "fuzzy-induction-key-patching",
            "prev-heads-joint-fuzzy",
            "prev-heads-joint-all-four",
            # the model does not know IO from S
            "logit-diff-clean",
            "layer10-compensates",
            "backups-below-diagonal",
            "negative-mover-shrinks",
            "zero-vs-mean-ablation",
            # their signals
            "both-inverted-negates",
            "position-inverted-hurts",
            "token-random-hurts",
            "token-inverted-hurts-more",
            "signals-additive",
            "position-outweighs-token",
            "each-s-inhib-positional",
            "8.6-position-only",
            "7.9-8.10-token",
            "circuit-faithful",
            "circuit-beats-random",
        }
    ),
    "position signal": frozenset(
        {
            "position-inverted-hurts",
            "signals-additive",
            "position-outweighs-token",
            "each-s-inhib-positional",
            "8.6-position-only",
            "7.9-8.10-token",
            # most of what tells IO from S is gone
            "logit-diff-clean",
            "negative-mover-shrinks",
            # it is what early heads supply
            "prev-token-key-patching",
            "prev-heads-joint-fuzzy",
            "prev-heads-joint-all-four",
            # corrected: the backups avoid the token as well, and bring more than 9.9 still brings
            "dla-9.9",
            "post-ablation-9.9",
            # two heads then write nothing
            "circuit-minimal",
            # corrected: less than a logit is left
            "circuit-faithful",
            "circuit-beats-random",
        }
    ),
    "token signal": frozenset(
        {
            "token-random-hurts",
            "token-inverted-hurts-more",
            "signals-additive",
            "position-outweighs-token",
            "7.9-8.10-token",
        }
    ),
    "name mover": frozenset(
        {
            "top-name-mover",
            "dla-9.9",
            "own-dla-falls",
            "self-repair",
            "ln-ratio",
            # nothing is lost, so that nothing reacts
            "layer10-compensates",
            "backups-below-diagonal",
            "negative-mover-shrinks",
            "ln-insufficient",
            "finish-backup-analysis",
            "backups-attend-more",
            "negative-attends-less",
            # corrected: the backups that answer instead need less of what early heads say
            "prev-heads-joint-all-four",
            "circuit-minimal",
        }
    ),
    "backups": frozenset(
        {
            "post-ablation-9.9",
            "self-repair",
            "layer10-compensates",
            "backups-below-diagonal",
            "ln-insufficient",
            "finish-backup-analysis",
            "backups-attend-more",
            "circuit-minimal",
        }
    ),
    "negative heads": frozenset(
        {
            "negative-name-movers",
            "negative-mover-shrinks",
            "negative-attends-less",
            "anti-induction-heads",
            "circuit-minimal",
        }
    ),
    "ballast": frozenset({"zero-vs-mean-ablation"}),
}
"""Part → ids of claims, without "ioi/"."""

UNDEFINED: Mapping[str, frozenset[str]] = {
    # IO and S are then told apart by rounding errors alone, which these claims divide or rank.
    "S-inhibition heads": frozenset(
        {
            "prev-heads-single-fuzzy",
            "prev-token-key-patching",  # corrected: a share of a gap that is rounding
            "top-name-mover",
            "negative-name-movers",
            "dla-9.9",
            "post-ablation-9.9",
            "self-repair",
            "own-dla-falls",
            "ln-insufficient",
            "finish-backup-analysis",
            "backups-attend-more",
            "circuit-by-convention",
            "circuit-minimal",
            "edges-ranked",
            "planted-edges-faithful",
            "planted-edges-beat-random",
        }
    ),
}
"""Part → claims that have no meaning without it, so that nothing is expected of them."""
