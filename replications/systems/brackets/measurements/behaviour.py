"""Section 1 of the document: verdicts, confidences, padding, tokens and the data set.

All of it is seen from outside the model, except the attention mask and the positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from replications.models import Edit, apply, sites
from replications.systems.brackets.data import (
    CONTEXT,
    MAX_LENGTH,
    PAD,
    BracketData,
    failures,
)  # fmt: skip
from replications.systems.brackets.model import sinusoid
from replications.systems.brackets.recording import LAYERS
from replications.systems.brackets.task import Task

FIRST = 5000
"""On how many strings the document counts right verdicts."""
EXAMPLES = (
    "()()", "(())", "))((", "()", "((()()()()))", "(()()()(()(())()", "()(()(((())())()))",
)  # fmt: skip
"""The seven strings whose confidences the document prints."""
EXAMPLE_LABELS = (True, True, False, True, True, False, True)


class Behaviour:
    """What the classifier does, and what it was trained to do."""

    def __init__(self, task: Task) -> None:
        self.task = task

    # ---------------------------------------------------------------- verdicts
    def example_confidences(self, *, exchanged: bool = False, masked: bool = True) -> list[float]:
        """P(balanced) of the seven printed examples, in per cent; see `Task.per_cent_balanced`."""
        return self.task.per_cent_balanced(EXAMPLES, exchanged=exchanged, masked=masked)

    def examples_right(self, *, exchanged: bool = False) -> int:
        """How many of the seven printed examples get the right verdict.

        If `exchanged`, the two brackets exchange their token ids.
        """
        found = self.example_confidences(exchanged=exchanged)
        return sum((p > 50) == label for p, label in zip(found, EXAMPLE_LABELS, strict=True))

    def correct(self, *, shuffled_labels: bool = False) -> int:
        """How many of the first 5,000 strings of the whole data set get the right verdict."""
        verdicts, labels = self._first_verdicts
        labels = _shuffled(labels) if shuffled_labels else labels
        return int((verdicts == labels).sum())

    @cached_property
    def _first_verdicts(self) -> tuple[Tensor, Tensor]:
        """Whether each of these strings is called balanced, and whether it is: two bool [5000]."""
        task = self.task
        data = task.full_data.subset(slice(FIRST))
        if len(task.data) == len(data):  # the subject is measured on just these
            return task.recording.calls_balanced, task.B
        return task.verdicts(data.tokens), data.labels

    @cached_property
    def _full_verdicts(self) -> Tensor:
        """Whether each of all strings is called balanced: bool [n]. Equal strings are run once."""
        data = self.task.full_data
        first: dict[str, int] = {}
        for row, string in enumerate(data.strings):
            first.setdefault(string, row)
        found = self.task.verdicts(data.tokens[list(first.values())])
        number = {string: i for i, string in enumerate(first)}
        return found[[number[string] for string in data.strings]]

    def errors_in_full_data(self, *, shuffled_labels: bool = False) -> int:
        """How many strings of the whole data set get the wrong verdict."""
        labels = self.task.full_data.labels
        labels = _shuffled(labels) if shuffled_labels else labels
        return int((self._full_verdicts != labels).sum())

    # ---------------------------------------------------------------- padding
    def padding_effect(self, *, masked: bool = True) -> dict[str, float]:
        """Largest change of a logit when pads are cut off, and largest attention paid to pads.

        The attention is that of one query of one head to all pads. Without `masked`, padding keys
        are left visible.
        """
        shift, leak = [], []
        for length in (2, 8, 16, 24, 32, 40):
            data = self.task.data.with_length(length)
            tokens = data.tokens[:100]
            short = tokens[:, : int(data.lengths[0]) + 2]
            reads = {f"{i}": sites.PATTERN(i) for i in LAYERS}
            padded = self.task.lens.run(tokens, reads, masked=masked)
            bare = self.task.lens.run(short, masked=masked)
            shift.append((padded.logits[:, 0] - bare.logits[:, 0]).abs().max())
            on_pads = (tokens == PAD)[:, None, None, :]
            leak += [(padded[name] * on_pads).sum(-1).max() for name in reads]
        return {
            "logit_shift": torch.stack(shift).max().item(),
            "attention_to_pads": torch.stack(leak).max().item(),
        }

    # ---------------------------------------------------------------- direction of attention
    def excess_accuracy(self, *, causal: bool) -> float:
        """Accuracy on the first thousand strings, less the share of the larger class.

        With `causal`, every attention pattern is made causal and normalised again; without, the
        model is left as it is.
        """
        data = self.task.data.subset(slice(1000))
        edits = [apply(sites.PATTERN(i), _make_causal) for i in LAYERS] if causal else []
        return self._accuracy(edits, data) - _larger_share(data)

    def _accuracy(self, edits: Sequence[Edit], data: BracketData) -> float:
        return (self.task.calls_balanced(edits, data) == data.labels).double().mean().item()

    # ---------------------------------------------------------------- positions
    def distance_from_sinusoid(self, *, interleaved: bool = True) -> float:
        """Largest difference between the positional embeddings and the fixed sinusoidal table.

        Sines and cosines alternate in the table; if not `interleaved`, all sines come first.
        """
        table = sinusoid()
        if not interleaved:
            table = torch.cat([table[:, ::2], table[:, 1::2]], dim=1)
        return (self.task.weights.W_pos - table).abs().max().item()

    # ---------------------------------------------------------------- the data set
    def data_profile(
        self, *, random_strings: bool = False, distinct: bool = False, in_tokens: bool = False
    ) -> dict[str, float]:
        """Size, balanced share and longest string of the whole data set.

        With `random_strings`, of as many uniformly random strings of even length instead. If
        `distinct`, equal strings count once. If `in_tokens`, [start] and [end] count in a length.
        """
        data = self.task.full_data
        data = _uniform_strings(len(data), even=True) if random_strings else data
        data = BracketData.from_strings(sorted(set(data.strings))) if distinct else data
        return {
            "strings": len(data),
            "balanced_share": data.labels.double().mean().item(),
            "longest": int(data.lengths.max()) + 2 * in_tokens,
        }

    def odd_lengths(self, *, random_strings: bool = False) -> int:
        """How many strings of the whole data set have odd length.

        With `random_strings`, of as many strings of random length instead.
        """
        data = self.task.full_data
        data = _uniform_strings(len(data), even=False) if random_strings else data
        return int((data.lengths % 2).sum())

    def rule_disagreements(self, *, total: bool = True, negative: bool = True) -> int:
        """In the whole data set, strings whose label differs from the right-to-left rule.

        The rule calls a string unbalanced if its total is not zero or some suffix is negative;
        either condition can be left out.
        """
        data = self.task.full_data
        found = failures(data.tokens)
        unbalanced = (found.total & total) | (found.negative & negative)
        return int((unbalanced == data.labels).sum())


def _shuffled(labels: Tensor) -> Tensor:
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]


def _make_causal(pattern: Tensor) -> Tensor:
    kept = pattern * torch.ones(CONTEXT, CONTEXT).tril().to(pattern)
    return kept / kept.sum(-1, keepdim=True)


def _larger_share(data: BracketData) -> float:
    share = data.labels.double().mean().item()
    return max(share, 1 - share)


def _uniform_strings(n: int, *, even: bool) -> BracketData:
    """n strings of uniform (even) length and fair, independent brackets."""
    rng = np.random.default_rng(0)
    step = 2 if even else 1
    lengths = rng.integers(1, MAX_LENGTH // step + 1, n) * step
    symbols = rng.integers(0, 2, (n, MAX_LENGTH))
    return BracketData.from_strings(
        ["".join("()"[b] for b in row[:k]) for row, k in zip(symbols, lengths, strict=True)]
    )
