"""One prompt of the user's own and a logit difference, for attribution."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models.network import Network
from replications.models.prompting import Prompting
from replications.patching.token_texts import apart, visible


@dataclass(frozen=True, eq=False)
class Asked:
    """A prompt, long [1 pos], and what is measured at position `at`.

    logit(answer) - logit(against), or the logit of the answer less the mean of all logits.
    """

    prompting: Prompting
    tokens: Tensor
    answer: int
    against: int | None
    at: int

    @property
    def measured(self) -> str:
        """The logit difference in words."""
        name = self.prompting.name
        if self.against is None:
            return f"logit({visible(name(self.answer))}) − the mean logit"
        outputs = self.answer, self.against
        first, second = apart((name(outputs[0]), name(outputs[1])), outputs)
        return f"logit({first}) − logit({second})"

    @property
    def label(self) -> str:
        """The position that is read, with its token."""
        return f"{self.at} {visible(self.prompting.labels(self.tokens)[self.at])}"


def ask_one(
    network: Network,
    prompting: Prompting,
    text: str,
    *,
    answer: str | None = None,
    against: str | None = None,
    position: int | None = None,
) -> Asked:
    """A prompt and the answers to compare.

    `answer` defaults to what the model says, unless the task fixes both; `against` to the mean of
    all logits. `position` is where the logits are read, as for `prompt_pair.ask`. Raises BadInput
    for a prompt or answers that the model cannot take, or answers that are the same.
    """
    tokens = prompting.tokens(text)
    check_known(network, prompting, tokens)
    at = position_in(prompting.reads_at if position is None else position, tokens.shape[1])
    fixed = prompting.contrast or (None, None)
    chosen = [
        default if word is None else output_of(network, prompting, word)
        for word, default in zip((answer, against), fixed, strict=True)
    ]
    first = said(network, tokens, at) if chosen[0] is None else chosen[0]
    if first == chosen[1]:
        raise BadInput(f"both answers are {prompting.name(first)!r}; give two different ones")
    return Asked(prompting, tokens, first, chosen[1], at)


def check_known(network: Network, prompting: Prompting, *prompts: Tensor) -> None:
    """Raise BadInput for a token that the tokenizer has and the model has not."""
    size = network.shape.d_vocab
    for token in torch.cat(prompts).flatten().tolist():
        if token >= size:
            raise BadInput(
                f"the token {token} ({prompting.labels(torch.tensor([[token]]))[0]!r}) is outside "
                f"the vocabulary of {size}: the tokenizer has more tokens than the model"
            )


def output_of(network: Network, prompting: Prompting, word: str) -> int:
    """The output for an answer. Raises BadInput if the model has none."""
    output = prompting.output(word)
    if output >= network.shape.d_vocab_out:
        raise BadInput(
            f"the answer {word!r} is the token {output}, outside the outputs of the model, which "
            f"are {network.shape.d_vocab_out}"
        )
    return output


def position_in(position: int, length: int) -> int:
    if not -length <= position < length:
        raise BadInput(f"position {position} is outside prompts of {length} tokens, from 0")
    return position % length


@torch.no_grad()
def said(network: Network, tokens: Tensor, at: int) -> int:
    """The most likely output."""
    return int(network.forward(tokens)[0, at].argmax())
