"""What a model says to the published prompts: logits of its answers, and one loss."""

from __future__ import annotations

import torch
from torch import Tensor

from replications.lens import Lens
from replications.models import Tokenizer
from replications.patching import logit_difference
from replications.systems.ioi.published.prompts import MAIN, Texts, encode

GREETING = "Hello world!"


class Behaviour:
    """One model's answers. With `bos` a prompt begins with the token that opens a text."""

    def __init__(self, lens: Lens, tokenizer: Tokenizer) -> None:
        self._lens = lens
        self._tokenizer = tokenizer

    def differences(self, texts: Texts, *, bos: bool = True) -> Tensor:
        """Logit of the right name less that of the wrong one, on clean prompts: float64 [n]."""
        pair = encode(texts, self._tokenizer, bos=bos)
        logits = self._lens.run(pair.clean).logits
        return logit_difference(logits, pair.ends, *pair.answers.unbind(1))

    def next_token(self, text: str = MAIN.corrupted[0], *, bos: bool = True) -> Tensor:
        """Logits of what follows a text: float64 [d_vocab_out]."""
        tokens = torch.tensor([self._tokenizer.encode(text, bos=bos)])
        return self._lens.run(tokens).logits[0, -1].double()

    def loss(self, text: str = GREETING, *, bos: bool = True) -> float:
        """Mean cross-entropy, in nats, of each token after the first."""
        tokens = torch.tensor([self._tokenizer.encode(text, bos=bos)])
        logits = self._lens.run(tokens).logits[0, :-1].double()
        return torch.nn.functional.cross_entropy(logits, tokens[0, 1:]).item()
