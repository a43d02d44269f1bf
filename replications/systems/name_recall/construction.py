"""A model written by hand in which every part of the document's story of gelu-2l is true.

Attention alone writes, without LayerNorms; the vocabulary is the words of the prompt and ten names
of each kind. The residual stream has five registers, each with one coordinate for a word or a
position:

    TOKEN    the word that stands here, from the embedding
    BEFORE   the word before it
    ADDRESS  a position where the last token found something
    PLACE    the position, from the embedding
    SAID     the words to predict, read by the unembedding

Head 0.2 writes BEFORE, 0.1 writes ADDRESS, and 1.6 looks for the position whose BEFORE is its own
TOKEN and that follows its ADDRESS. Head 1.1 looks at any last name. All other heads are noise. It
shows that the claims can hold together and that methods find what is there, and is no evidence
about any trained model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from replications.circuits import Edge
from replications.lens import Lens, open_lens
from replications.models import Head, parameters
from replications.models.shape import Shape
from replications.models.tokenizers import Tokenizer
from replications.systems.name_recall.data import FIRST_NAMES, LAST_NAMES

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


def tokens_of(names: Sequence[str]) -> list[int]:
    """The tokens of names that follow a space."""
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
    draft.wire(SECOND, reads=TOKEN, writes=SAID, amount=HELPED, any_of=tokens_of(LASTS))
    return draft


def planted() -> list[Edge]:
    """The edges that carry names in `two_layers`, where the last token is the same in both runs.

    The queries of 0.1 and 1.6 read that token too, and so do not differ between the runs.
    """
    names = (
        "embed -> 0.2.v",  # the word before
        "embed -> 0.1.k",  # where this word stood before
        "0.2 -> 1.6.k",
        "0.1 -> 1.6.q",
        "embed -> 1.6.v",
        "embed -> 1.1.v",
        "1.6 -> logits",
        "1.1 -> logits",
    )
    return [*map(Edge.parse, names)]


def two_layer_lens(*, device: str = "cpu", dtype: str = "float32") -> Lens:
    """`two_layers`, opened."""
    draft = two_layers()
    return open_lens(draft.shape, draft.weights, device=device, dtype=dtype)
