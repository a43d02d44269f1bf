"""What the classifier does, seen from outside: verdicts, confidences, padding, the data set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import sites
from replications.models.edits import Edit, apply
from replications.systems.brackets.data import (
    CONTEXT,
    MAX_LENGTH,
    PAD,
    BracketData,
    decode,
    failures,
    tokenize,
)  # fmt: skip
from replications.systems.brackets.model import BALANCED, sinusoid
from replications.systems.brackets.trace import LAYERS

if TYPE_CHECKING:
    from replications.systems.brackets.measure import BracketSubject

EXAMPLES = (
    "()()", "(())", "))((", "()", "((()()()()))", "(()()()(()(())()", "()(()(((())())()))",
)  # fmt: skip
"""The seven strings whose confidences the document prints."""
EXAMPLE_LABELS = (True, True, False, True, True, False, True)


class Behaviour:
    """Measurements that need no look inside (but for the mask and the positions)."""

    def __init__(self, subject: BracketSubject) -> None:
        self.s = subject

    # ---------------------------------------------------------------- verdicts
    def confidence(self, strings: str | Sequence[str]) -> Tensor:
        """P(balanced) of each string, float64 [n].

        Raises BadInput for what cannot be tokenised, and for odd lengths: the model never saw one.
        """
        batch = [strings] if isinstance(strings, str) else list(strings)
        tokens = tokenize(batch)
        odd = next((s for s in batch if len(s) % 2), None)
        if odd is not None:
            raise BadInput(
                f"{odd!r} has odd length {len(odd)}; the classifier was trained on even lengths, "
                "and an odd string is never balanced"
            )
        return self._confidence(tokens)

    def _confidence(self, tokens: Tensor) -> Tensor:
        return self.s.lens.run(tokens).logits[:, 0].double().softmax(-1)[:, BALANCED]

    @property
    def example_confidences(self) -> list[float]:
        """P(balanced) of the seven printed examples, in per cent."""
        return (100 * self.confidence(EXAMPLES)).tolist()

    @property
    def correct(self) -> int:
        """How many of the subject's strings get the right verdict."""
        return int((self.s.trace.calls_balanced == self.s.B).sum())

    @property
    def correct_shuffled(self) -> int:
        """The same against shuffled labels."""
        order = torch.randperm(len(self.s.data), generator=torch.Generator().manual_seed(0))
        return int((self.s.trace.calls_balanced == self.s.B[order]).sum())

    @cached_property
    def _full_verdicts(self) -> Tensor:
        """Whether each string of the whole data set is called balanced, bool [n].

        Equal strings are run once, short ones together.
        """
        strings = self.s.full_data.strings
        unique = sorted(set(strings), key=len)
        verdicts: dict[str, bool] = {}
        for start in range(0, len(unique), 1000):
            chunk = unique[start : start + 1000]
            verdicts |= zip(chunk, (self._confidence(tokenize(chunk)) > 0.5).tolist(), strict=True)
        return torch.tensor([verdicts[string] for string in strings])

    @property
    def errors_in_full_data(self) -> int:
        """Wrong verdicts in the whole data set."""
        return int((self._full_verdicts != self.s.full_data.labels).sum())

    @property
    def errors_in_full_data_shuffled(self) -> int:
        """The same against shuffled labels."""
        labels = self.s.full_data.labels
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
        return int((self._full_verdicts != labels[order]).sum())

    # ---------------------------------------------------------------- padding
    def _padding(self, *, masked: bool) -> dict[str, float]:
        by_length = [self.s.data.with_length(n) for n in (2, 8, 16, 24, 32, 40)]
        shift, leak = [], []
        for data in by_length:
            tokens = data.tokens[:100]
            short = tokens[:, : int(data.lengths[0]) + 2]
            reads = {f"{i}": sites.PATTERN(i) for i in LAYERS}
            padded = self.s.lens.run(tokens, reads, masked=masked)
            bare = self.s.lens.run(short, masked=masked)
            shift.append((padded.logits[:, 0] - bare.logits[:, 0]).abs().max())
            on_pads = (tokens == PAD)[:, None, None, :]
            leak += [(padded[name] * on_pads).sum(-1).max() for name in reads]
        return {
            "logit_shift": torch.stack(shift).max().item(),
            "attention_to_pads": torch.stack(leak).max().item(),
        }

    @property
    def padding_effect(self) -> dict[str, float]:
        """Largest change of a logit when pads are cut off, and largest attention paid to pads."""
        return self._padding(masked=True)

    @property
    def padding_effect_without_mask(self) -> dict[str, float]:
        """The same with padding keys left visible."""
        return self._padding(masked=False)

    # ---------------------------------------------------------------- direction of attention
    @property
    def causal_excess(self) -> float:
        """Accuracy with every attention made causal, less the share of the larger class.

        On the first thousand strings.
        """
        causal = torch.ones(CONTEXT, CONTEXT).tril()

        def make_causal(pattern: Tensor) -> Tensor:
            kept = pattern * causal.to(pattern)
            return kept / kept.sum(-1, keepdim=True)

        return self._excess([apply(sites.PATTERN(i), make_causal) for i in LAYERS])

    @property
    def excess(self) -> float:
        """Accuracy of the intact model, less the share of the larger class."""
        return self._excess([])

    def _excess(self, edits: Sequence[Edit]) -> float:
        data = self.s.data.subset(slice(1000))
        verdicts = self.s.lens.run(data.tokens, edits=edits).logits[:, 0].argmax(-1) == BALANCED
        share = data.labels.double().mean().item()
        return (verdicts == data.labels).double().mean().item() - max(share, 1 - share)

    # ---------------------------------------------------------------- tokens and positions
    def _token_table(self, swap: bool) -> dict[str, object]:
        def encode(strings: Sequence[str]) -> Tensor:
            tokens = tokenize(strings)
            return torch.where(tokens >= 3, 7 - tokens, tokens) if swap else tokens

        one, two = encode(["()"]), encode(["()", "()()"])
        ids = [" ".join(map(str, row)) for row in [*one.tolist(), *two.tolist()]]
        right = (self._confidence(encode(EXAMPLES)) > 0.5) == torch.tensor(EXAMPLE_LABELS)
        return {"ids_and_decoding": [*ids, *decode(one)], "examples_right": int(right.sum())}

    @property
    def token_table(self) -> dict[str, object]:
        """Token ids of printed examples, "()" decoded again, and verdicts that come out right."""
        return self._token_table(swap=False)

    @property
    def token_table_swapped(self) -> dict[str, object]:
        """The same with the ids of the two brackets exchanged."""
        return self._token_table(swap=True)

    @property
    def distance_from_sinusoid(self) -> float:
        """Largest difference of the positional embeddings from the fixed sinusoidal table."""
        return (self.s.weights.W_pos - sinusoid()).abs().max().item()

    # ---------------------------------------------------------------- the data set
    @staticmethod
    def _profile(data: BracketData) -> dict[str, float]:
        return {
            "strings": len(data),
            "balanced_share": data.labels.double().mean().item(),
            "longest": int(data.lengths.max()),
        }

    @property
    def data_profile(self) -> dict[str, float]:
        """Size, balanced share and longest string of the whole data set."""
        return self._profile(self.s.full_data)

    @property
    def uniform_data_profile(self) -> dict[str, float]:
        """The same of as many uniformly random strings of even length."""
        return self._profile(_uniform_strings(len(self.s.full_data), even=True))

    @property
    def odd_lengths(self) -> int:
        """Number of strings of odd length in the whole data set."""
        return int((self.s.full_data.lengths % 2).sum())

    @property
    def odd_lengths_of_random_strings(self) -> int:
        """The same for as many strings of random length."""
        data = _uniform_strings(len(self.s.full_data), even=False)
        return int((data.lengths % 2).sum())

    @property
    def suffix_rule_disagreements(self) -> int:
        """Strings whose label differs from the right-to-left rule, in the whole data set."""
        found = failures(self.s.full_data.tokens)
        return int(((found.total | found.negative) == self.s.full_data.labels).sum())

    @property
    def total_rule_disagreements(self) -> int:
        """The same for the total elevation alone."""
        return int((failures(self.s.full_data.tokens).total == self.s.full_data.labels).sum())

    @property
    def negative_rule_disagreements(self) -> int:
        """The same for negative suffixes alone."""
        return int((failures(self.s.full_data.tokens).negative == self.s.full_data.labels).sum())


def _uniform_strings(n: int, *, even: bool) -> BracketData:
    """n strings of uniform (even) length and fair, independent brackets."""
    rng = np.random.default_rng(0)
    step = 2 if even else 1
    lengths = rng.integers(1, MAX_LENGTH // step + 1, n) * step
    symbols = rng.integers(0, 2, (n, MAX_LENGTH))
    return BracketData.from_strings(
        ["".join("()"[b] for b in row[:k]) for row, k in zip(symbols, lengths, strict=True)]
    )
