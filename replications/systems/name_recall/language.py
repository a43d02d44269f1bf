"""GPT-2 small beyond the prompt: completions, tokens, the unembedding bias, brackets."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.lens.networks import as_network

if TYPE_CHECKING:
    from replications.systems.name_recall.measure import NameRecallSubject

COMMON_WORDS = (
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world",
    "school", "state", "family", "student", "group", "country", "problem", "hand", "part",
    "place", "case", "week", "company", "system", "program", "question", "work", "government",
    "number", "night", "point", "home", "water", "room", "mother", "area", "money", "story",
    "fact", "month", "lot", "right", "study", "book", "eye", "job", "word", "business",
    "issue", "side", "kind", "head", "house", "service", "friend", "father", "power", "hour",
    "game", "line", "end", "member", "law", "car", "city", "community", "name", "president",
    "team", "minute", "idea", "body", "information", "back", "parent", "face", "other",
    "level", "town", "office", "door", "health", "person", "art", "war", "history", "party",
    "result", "change", "morning", "reason", "research", "girl", "guy", "moment", "air", "teacher",
    "force", "education",
)  # fmt: skip
"""A hundred common nouns of English."""

OPEN_AND_CLOSED = (
    ("We met her brother (a doctor from Paris", "We met her brother, a doctor from Paris"),
    ("The old bridge (built in stone", "The old bridge, built in stone"),
    ("He sold two horses (both of them black", "He sold two horses, both of them black"),
    ("The last train (the one at midnight", "The last train, the one at midnight"),
    ("My neighbour (who plays the violin", "My neighbour, who plays the violin"),
    ("They grow three crops (mostly wheat", "They grow three crops, mostly wheat"),
    ("The second chapter (on the weather", "The second chapter, on the weather"),
    ("A small lake (not far from here", "A small lake, not far from here"),
    ("She keeps bees (in the garden", "She keeps bees (she does) in the garden"),
    ("The meeting (held on Monday", "The meeting (the first) held on Monday"),
)
"""Beginnings of sentences with a bracket still open, and with none open."""

FAMOUS, OTHER_FAMOUS = "Famous computer scientist Alan", "Famous pianist Alan"
SPLIT_WORD = " ethernet"
COMMONEST = 100


class Language:
    """Small facts about a language model; `text` is tokens [n] of a sample of its language."""

    def __init__(self, subject: NameRecallSubject) -> None:
        self._s = subject

    # ---------------------------------------------------------------- completions
    @cached_property
    def completion(self) -> str:
        """The likeliest next token of the document's first prompt."""
        return self._completion(FAMOUS)

    @cached_property
    def completion_of_pianist(self) -> str:
        """The same of a prompt about someone else."""
        return self._completion(OTHER_FAMOUS)

    def _completion(self, text: str) -> str:
        return self._s.tokenizer.strings([int(self._next(text).argmax())])[0]

    def _next(self, text: str) -> Tensor:
        """Log probabilities of the token after `text`, float64 [d_vocab_out]."""
        tokens = torch.tensor([self._s.tokenizer.encode(text, bos=True)])
        return self._s.patches.run(tokens)[0].double().log_softmax(-1)

    # ---------------------------------------------------------------- tokens
    @cached_property
    def tokens(self) -> dict[str, object]:
        """How " ethernet" is cut; the share of a hundred common words that are one token."""
        return self._tokens(" ")

    @cached_property
    def tokens_without_space(self) -> dict[str, object]:
        """The same without the space before each word."""
        return self._tokens("")

    def _tokens(self, space: str) -> dict[str, object]:
        t = self._s.tokenizer
        single = [len(t.encode(space + word)) == 1 for word in COMMON_WORDS]
        return {
            "split": t.strings(t.encode(space + SPLIT_WORD.strip())),
            "single": sum(single) / len(single),
        }

    # ---------------------------------------------------------------- the unembedding bias
    @cached_property
    def bias(self) -> dict[str, float]:
        """See `_bias`."""
        return self._bias(self._b_U)

    @cached_property
    def bias_permuted(self) -> dict[str, float]:
        """The same with the biases of all tokens permuted."""
        order = torch.randperm(len(self._b_U), generator=torch.Generator().manual_seed(0))
        return self._bias(self._b_U[order])

    @property
    def _b_U(self) -> Tensor:
        """The bias with that of the final LayerNorm folded in: float64 [d_vocab_out]."""
        network = as_network(self._s.lens)
        bias = network.b_U.double()
        if network.ln_final_b is not None:
            bias = bias + network.ln_final_b.double() @ network.W_U.double()
        return bias

    def _bias(self, bias: Tensor) -> dict[str, float]:
        """Rank correlation with how often a token stands in the sample, of those that do; the
        share of the hundred commonest whose bias is above the median of all tokens."""
        counts = Counter(self._s.sample.tolist())
        seen = torch.tensor(list(counts))
        often = torch.tensor([float(counts[token]) for token in counts])
        most = torch.tensor([token for token, _ in counts.most_common(COMMONEST)])
        return {
            "correlation": stats.spearman(bias[seen], often),
            "common_above_median": (bias[most] > bias.median()).double().mean().item(),
        }

    # ---------------------------------------------------------------- brackets
    @cached_property
    def close_bracket(self) -> float:
        """How much likelier ')' is where a bracket is open: mean difference of log probability."""
        return self._likelier(")")

    @cached_property
    def close_square_bracket(self) -> float:
        """The same of ']'."""
        return self._likelier("]")

    @cached_property
    def comma(self) -> float:
        """The same of ','."""
        return self._likelier(",")

    def _likelier(self, mark: str) -> float:
        token = self._s.tokenizer.token(mark)
        found = [self._next(a)[token] - self._next(b)[token] for a, b in OPEN_AND_CLOSED]
        return torch.stack(found).mean().item()
