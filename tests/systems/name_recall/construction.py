"""Models written by hand in which every part of the document's story is true, and known.

Attention alone writes; the vocabulary is the words of the prompt and ten names of each kind.  Both
are opened from the files of the model that they stand for, with its LayerNorms (`published_files`).
The residual stream has five registers, each with one coordinate for a word or a position:

    TOKEN    the word that stands here, from the embedding
    BEFORE   the word before it
    ADDRESS  a position where the last token found something
    PLACE    the position, from the embedding
    SAID     the words to predict, read by the unembedding

`two_layers` is the document's gelu-2l: 0.2 writes BEFORE, 0.1 writes ADDRESS, and 1.6 looks for the
position whose BEFORE is its own TOKEN and that follows its ADDRESS.  Head 1.1 looks at any last
name.  `twelve_layers` is its GPT-2 small: BEFORE is written in block 3 and ADDRESS in block 5, and
blocks 9, 10 and 11 copy what stands there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from replications.lens import Lens
from replications.lens.pretrained import open_classic, open_gpt2
from replications.models import Head, parameters
from replications.models.shape import Shape
from replications.models.tokenizers import Tokenizer
from replications.systems.name_recall.data import DOCUMENT, FIRST_NAMES, LAST_NAMES
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.roles import PUBLISHED
from tests.systems.name_recall.published_files import classic_file, gpt2_files

FIRSTS, LASTS = FIRST_NAMES[:10], LAST_NAMES[:10]
VOCABULARY = Tokenizer.from_words(
    ("Her", "name", "was", ".", "Tomorrow", "at", "lunch", "time", "His", *FIRSTS, *LASTS)
)
WORDS, PLACES = len(VOCABULARY), 32
TOKEN, BEFORE, SAID = (slice(start, start + WORDS) for start in (0, WORDS, 2 * WORDS))
ADDRESS, PLACE = (slice(start, start + PLACES) for start in (3 * WORDS, 3 * WORDS + PLACES))
D_MODEL, D_HEAD = 3 * WORDS + 2 * PLACES, WORDS + 2 * PLACES + 2
SHARP = 40.0
"""Nats by which a head prefers the position that it looks at."""
SINK = SHARP / 2
"""Nats by which a head prefers the opening token, where it finds nothing else."""
NOISE = 0.01

PREVIOUS, DUPLICATE, COPYING, SECOND = (0, 2), (0, 1), (1, 6), (1, 1)
COPIED, HELPED = 9.0, 3.0
"""What 1.6 and 1.1 add to the logit of the last name they look at."""
BY_BEFORE, BY_ADDRESS = SINK + 0.4, SINK - 0.4
"""Nats by which 1.6 prefers what its two keys point to.  Either alone just competes with the sink.
"""


@dataclass(frozen=True)
class Match:
    """A head prefers, by some nats, keys whose register agrees with a register of its query.

    Coordinate c of a key agrees with coordinate c + `shift` of a query.
    """

    query: slice
    key: slice
    nats: float = SHARP
    shift: int = 0


class Draft:
    """Weights of a model in which every head does nothing, until `wire` says what it does."""

    def __init__(self, layers: int, heads: int, noise: float = NOISE) -> None:
        self.shape = Shape(
            n_layers=layers, n_heads=heads, d_model=D_MODEL, d_head=D_HEAD, d_mlp=0,
            n_ctx=PLACES, d_vocab=WORDS, d_vocab_out=WORDS, attn_only=True, normalization=None,
        )  # fmt: skip
        generator = torch.Generator().manual_seed(0)
        self.weights = {
            name: noise * torch.randn(size, generator=generator).double() * (".attn.W_" in name)
            for name, size in parameters.classic(self.shape).items()
        }
        for name in [name for name in self.weights if name.endswith("attn.W_O")]:
            # Noise without a mean, which a LayerNorm does not see.
            self.weights[name] -= self.weights[name].mean(-1, keepdim=True)
        self.weights["embed.W_E"][:, TOKEN] = torch.eye(WORDS).double()
        self.weights["pos_embed.W_pos"][:, PLACE] = torch.eye(PLACES).double()
        self.weights["unembed.W_U"][SAID] = torch.eye(WORDS).double()

    def wire(
        self,
        head: Head,
        *matches: Match,
        reads: slice,
        writes: slice,
        amount: float = 1.0,
        sink: float = SINK,
        any_of: Sequence[int] = (),
    ) -> None:
        """Let a head look where its matches agree, or at `any_of` some words, and copy a register.

        The first coordinate of what it reads, the opening token's word or position, is not copied.
        """
        layer, index = head
        names = ("W_Q", "W_K", "W_V", "W_O", "b_Q")
        W_Q, W_K, W_V, W_O, b_Q = (
            self.weights[parameters.in_layer(layer, f"attn.{name}")][index] for name in names
        )
        for matrix in (W_Q, W_K, W_V, W_O, b_Q):
            matrix.zero_()
        scale, slot = math.sqrt(D_HEAD), 2
        b_Q[:2] = 1
        W_K[PLACE.start, 0] = sink * scale
        W_K[[TOKEN.start + word for word in any_of], 1] = SHARP * scale
        for match in matches:
            width = match.query.stop - match.query.start
            W_Q[match.query, slot : slot + width] = torch.eye(width).double()
            agree = torch.diag(torch.ones(width - abs(match.shift)), match.shift)
            W_K[match.key, slot : slot + width] = agree.double() * match.nats * scale
            slot += width
        width = reads.stop - reads.start
        W_V[reads, :width] = torch.eye(width).double()
        W_V[reads.start] = 0
        W_O[:width, writes] = amount * torch.eye(width).double()

    def open_as_gpt2(self) -> Lens:
        """The model from the files that GPT-2 small is opened from."""
        config, weights = gpt2_files(self.weights, self.shape.n_heads, D_HEAD, SAID)
        return open_gpt2(config, weights)

    def open_as_gelu_2l(self) -> Lens:
        """The model from the file that gelu-2l is opened from."""
        return open_classic(classic_file(self.weights), "gelu")


def _words(names: Sequence[str]) -> list[int]:
    return [VOCABULARY.token(f" {name}") for name in names]


def two_layers() -> Draft:
    """Weights in which the document's heads of gelu-2l do what it says of them."""
    draft = Draft(2, 8)
    draft.wire(PREVIOUS, Match(PLACE, PLACE, shift=1), reads=TOKEN, writes=BEFORE, sink=0)
    # An earlier copy of the word, not the word itself.
    copies = (Match(TOKEN, TOKEN), Match(PLACE, PLACE, -SHARP))
    draft.wire(DUPLICATE, *copies, reads=PLACE, writes=ADDRESS)
    found = (Match(TOKEN, BEFORE, BY_BEFORE), Match(ADDRESS, PLACE, BY_ADDRESS, shift=-1))
    draft.wire(COPYING, *found, reads=TOKEN, writes=SAID, amount=COPIED)
    draft.wire(SECOND, reads=TOKEN, writes=SAID, amount=HELPED, any_of=_words(LASTS))
    return draft


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
    draft.wire(head, reads=TOKEN, writes=SAID, amount=amount, any_of=_words(LASTS))
    draft.weights["unembed.b_U"][_words((*FIRSTS, *LASTS))] = OTHER_NAMES
    draft.weights["unembed.b_U"][_words((DOCUMENT.last, DOCUMENT.other_last))] = OWN_NAMES
    return draft


def small(draft: Draft | None = None) -> NameRecallSubject:
    """`two_layers`, or another draft, set up like gelu-2l."""
    lens = (draft or two_layers()).open_as_gelu_2l()
    return NameRecallSubject("gelu-2l", lens, VOCABULARY, names=[DOCUMENT], roles=PUBLISHED)


def large(draft: Draft | None = None) -> NameRecallSubject:
    """`twelve_layers`, or another draft, set up like GPT-2 small."""
    lens = (draft or twelve_layers()).open_as_gpt2()
    return NameRecallSubject("gpt2-small", lens, VOCABULARY, names=[DOCUMENT], stored_after=6)
