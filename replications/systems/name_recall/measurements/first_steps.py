"""Steps 1 and 2: a completion, the unembedding bias, tokens, and the recall of the last name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.errors import BadInput
from replications.systems.name_recall import data
from replications.systems.name_recall.data import (
    COMMON_WORDS,
    DOCUMENT,
    FIRST_NAMES,
    LAST,
    LAST_NAMES,
    SENTENCE,
    Corruption,
    Names,
)
from replications.systems.name_recall.task import Task, mean_rank

SPLIT_WORD = "ethernet"
COMMONEST = 100
"""How many of the most frequent tokens count as common, but at most a tenth of the vocabulary."""
SHOWN = 10
"""How many of the likeliest tokens the prompt test lists."""

Line = tuple[int, str, float, float]
"""Rank, token, logit and probability."""


class FirstSteps:
    """Tokens and predictions.  `sample` gives a text of the model's language, long [n]."""

    def __init__(self, task: Task, sample: Callable[[], Tensor] | None = None) -> None:
        self._task = task
        self._sample = sample

    @cached_property
    def sample(self) -> Tensor:
        """A text of the model's language, long [n].  BadInput for a model that has none."""
        if self._sample is None:
            raise BadInput("this model came without a sample of its language: give it sample=")
        return self._sample()

    # ---------------------------------------------------------------- Step 1
    def completion(self, text: str) -> str:
        """The likeliest token after a text."""
        return self._task.tokenizer.strings([int(self._task.next_token(text).argmax())])[0]

    @property
    def bias(self) -> Tensor:
        """The unembedding bias with that of the final LayerNorm folded in, float64 [d_vocab_out].

        b_U + ln_final_b W_U.
        """
        network = self._task.network
        bias = network.b_U.double()
        if network.ln_final_b is not None:
            bias = bias + network.ln_final_b.double() @ network.W_U.double()
        return bias

    def bias_and_frequency(self, *, permuted: bool = False) -> dict[str, float]:
        """Whether frequent tokens have larger biases (exercise of Step 1).

        correlation: Spearman's, of bias and count, over the tokens of the sample;
        common_above_median: the share of the commonest tokens, a hundred or a tenth of the
        vocabulary, whose bias is above the median of all tokens.  `permuted` first permutes the
        biases of all tokens.
        """
        bias = self.bias
        if permuted:
            bias = bias[torch.randperm(len(bias), generator=torch.Generator().manual_seed(0))]
        counts = Counter(self.sample.tolist())
        seen = torch.tensor(list(counts))
        often = torch.tensor([float(counts[token]) for token in counts])
        most = counts.most_common(min(COMMONEST, len(bias) // 10))
        common = torch.tensor([token for token, _ in most])
        return {
            "correlation": stats.spearman(bias[seen], often),
            "common_above_median": (bias[common] > bias.median()).double().mean().item(),
        }

    def words_as_tokens(self, *, word: str = SPLIT_WORD, space: bool = True) -> dict[str, object]:
        """How words are cut into tokens, with or without a space before them (footnote 1).

        split: the letters in each token of one word; single: the share of a hundred common words
        that are one token.
        """
        t, before = self._task.tokenizer, " " if space else ""
        single = [len(t.encode(before + word)) == 1 for word in COMMON_WORDS]
        return {
            "split": [len(token.strip()) for token in t.strings(t.encode(before + word))],
            "single": sum(single) / len(single),
        }

    # ---------------------------------------------------------------- Step 2
    def token_positions(self, *, bos: bool = True) -> dict[str, object]:
        """The document's prompt in tokens, with or without the opening token.

        tokens: its length; first_name, last_name: the positions of Alex and Hart; corrupted: the
        lengths of the three corruptions.
        """
        t, n = self._task.tokenizer, DOCUMENT
        strings = [s.strip() for s in t.strings(t.encode(_prompt(n, n.first), bos=bos))]
        corrupted = [
            _prompt(Names(n.first, n.other_last, "", ""), n.first),
            _prompt(Names(n.other_first, n.last, "", ""), n.first),
            _prompt(n, n.other_first),
        ]
        return {
            "tokens": len(strings),
            "first_name": [i for i, s in enumerate(strings) if s == n.first],
            "last_name": [i for i, s in enumerate(strings) if s == n.last],
            "corrupted": [len(t.encode(text, bos=bos)) for text in corrupted],
        }

    def recall(self, corruption: Corruption | None = None) -> dict[str, float]:
        """The clean prompt's last name among the predictions, mean over clean or corrupted prompts.

        rank: how many other tokens have at least this logit; names_before: how many names have a
        larger one.
        """
        task = self._task
        logits, right = task.run(task.prompts.tokens(corruption)), task.prompts.correct
        known = data.single(task.tokenizer, (*FIRST_NAMES, *LAST_NAMES))
        names = torch.tensor([task.tokenizer.token(f" {name}") for name in known])
        before = (logits[:, names] > logits.gather(1, right[:, None])).sum(1)
        return {
            "rank": mean_rank(logits, right),
            "names_before": before.double().mean().item(),
        }

    @cached_property
    def likeliest(self) -> list[Line]:
        """The prompt test: the ten likeliest tokens after the first clean prompt."""
        return self._likeliest(self._task.run(self._task.prompts.clean[:1])[0])

    @cached_property
    def likeliest_when_patched(self) -> list[Line]:
        """The ten likeliest tokens with the last name's position patched as in Method 1."""
        logits = self._task.with_other_last_name(self._task.stored_after, LAST)
        return self._likeliest(logits[0])

    def _likeliest(self, logits: Tensor) -> list[Line]:
        logits = logits.double()
        best = logits.topk(SHOWN).indices
        chances = logits.softmax(-1)[best].tolist()
        tokens = self._task.tokenizer.strings(best)
        return list(zip(range(SHOWN), tokens, logits[best].tolist(), chances, strict=True))


def _prompt(names: Names, again: str) -> str:
    return SENTENCE.format(first=names.first, last=names.last, again=again)
