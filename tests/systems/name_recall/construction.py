"""Models written by hand in which every part of the document's story is true, and known.

Both are opened from the files of the model that they stand for, with its LayerNorms
(`published_files`). `two_layers` of `replications.systems.name_recall.construction` is the
document's gelu-2l. `twelve_layers` is its GPT-2 small: BEFORE is written in block 3 and ADDRESS in
block 5, and blocks 9, 10 and 11 copy what stands there.
"""

from __future__ import annotations

from collections.abc import Mapping

from replications.lens import Lens
from replications.lens.pretrained import open_classic, open_gpt2
from replications.systems.name_recall.construction import (
    ADDRESS,
    BEFORE,
    COPIED,
    COPYING,
    D_HEAD,
    DUPLICATE,
    FIRSTS,
    HELPED,
    LASTS,
    PLACE,
    PREVIOUS,
    SAID,
    SECOND,
    TOKEN,
    VOCABULARY,
    Draft,
    Match,
    tokens_of,
    two_layers,
)
from replications.systems.name_recall.data import DOCUMENT
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.roles import PUBLISHED
from tests.systems.name_recall.published_files import classic_file, gpt2_files

__all__ = [
    "ANYWAY", "BEFORE", "COPIED", "COPIES", "COPYING", "DUPLICATE", "FIRSTS", "HELPED", "LASTS",
    "PLACE", "PREVIOUS", "SAID", "SECOND", "TOKEN", "Draft", "Match", "large", "small",
    "twelve_layers", "two_layers",
]  # fmt: skip

COPIES = {9: 2.0, 10: 5.0, 11: 2.0}
"""Blocks of `twelve_layers` that copy the last name, with what they add to its logit."""
ANYWAY = ((9, 1), 2.0)
"""A head that copies any last name, and what it adds."""
OTHER_NAMES, OWN_NAMES = 3.0, 1.0
"""The logit of every name whatever the prompt, and that of Hart and Carroll."""


def twelve_layers(
    *, stored: int = 3, moved: int = 5, copies: Mapping[int, float] = COPIES
) -> Draft:
    """Weights in which names move through twelve layers as the document says of GPT-2 small.

    The first name is stored at the last name's position in block `stored`; in block `moved` the
    last token learns which position that is.
    """
    draft = Draft(12, 2, noise=0.0)
    draft.wire((stored, 0), Match(PLACE, PLACE, shift=1), reads=TOKEN, writes=BEFORE, sink=0)
    draft.wire((moved, 0), Match(TOKEN, BEFORE), reads=PLACE, writes=ADDRESS)
    for block, amount in copies.items():
        draft.wire((block, 0), Match(ADDRESS, PLACE), reads=TOKEN, writes=SAID, amount=amount)
    head, amount = ANYWAY
    draft.wire(head, reads=TOKEN, writes=SAID, amount=amount, any_of=tokens_of(LASTS))
    draft.weights["unembed.b_U"][tokens_of((*FIRSTS, *LASTS))] = OTHER_NAMES
    draft.weights["unembed.b_U"][tokens_of((DOCUMENT.last, DOCUMENT.other_last))] = OWN_NAMES
    return draft


def open_as_gpt2(draft: Draft) -> Lens:
    """The model from the files that GPT-2 small is opened from."""
    config, weights = gpt2_files(draft.weights, draft.shape.n_heads, D_HEAD, SAID)
    return open_gpt2(config, weights)


def open_as_gelu_2l(draft: Draft) -> Lens:
    """The model from the file that gelu-2l is opened from."""
    return open_classic(classic_file(draft.weights), "gelu")


def small(draft: Draft | None = None) -> NameRecallSubject:
    """`two_layers`, or another draft, set up like gelu-2l."""
    lens = open_as_gelu_2l(draft or two_layers())
    return NameRecallSubject("gelu-2l", lens, VOCABULARY, names=[DOCUMENT], roles=PUBLISHED)


def large(draft: Draft | None = None) -> NameRecallSubject:
    """`twelve_layers`, or another draft, set up like GPT-2 small."""
    lens = open_as_gpt2(draft or twelve_layers())
    return NameRecallSubject("gpt2-small", lens, VOCABULARY, names=[DOCUMENT], stored_after=6)
