"""Prompts, the position a metric is read at, and its answers: checked, and read from streams."""

from __future__ import annotations

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models.layers import capped
from replications.models.network import Network
from replications.models.shape import Shape


def prompt_tokens(network: Network, base: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens [batch pos] of both prompts, on the network's device.

    Raises BadInput for tokens that the model cannot take, or prompts of different shapes.
    """
    if base.shape != source.shape:
        raise BadInput(f"base tokens {[*base.shape]}, source {[*source.shape]}: give one shape")
    return network.check(base), network.check(source)


def from_zero(given: Tensor, length: int) -> Tensor:
    """Positions counted from 0, on the CPU. Raises BadInput for one outside the prompts."""
    given = given.cpu()
    outside = given[(given < -length) | (given >= length)]
    if len(outside):
        raise BadInput(f"position {int(outside[0])} is outside prompts of {length} tokens")
    return given.long() % length


def metric_positions(at: int | Tensor, tokens: Tensor) -> Tensor:
    """The metric's position in each example of `tokens` [batch pos]: long [batch], from 0.

    Raises BadInput for a position outside the prompts, or another number of them than examples.
    """
    batch, length = tokens.shape
    given = torch.as_tensor(at)
    if given.shape not in ((), (batch,)) or given.is_floating_point():
        raise BadInput(f"`at` {[*given.shape]}: give one position, or one for each of {batch}")
    return from_zero(given.expand(batch), length)


def answer_tokens(answers: Tensor, tokens: Tensor, shape: Shape) -> Tensor:
    """Answers [batch answer] on the device of `tokens` [batch pos]. BadInput if they do not fit."""
    if answers.ndim != 2 or len(answers) != len(tokens) or answers.is_floating_point():
        raise BadInput(f"answers must be tokens [{len(tokens)} answer], not {[*answers.shape]}")
    vocabulary = shape.d_vocab_out
    if answers.numel() and not 0 <= int(answers.min()) <= int(answers.max()) < vocabulary:
        raise BadInput(f"an answer is outside the output vocabulary of {vocabulary}")
    return answers.to(tokens.device)


def answer_logits(network: Network, stream: Tensor, answers: Tensor) -> Tensor:
    """Logits [… batch answer] of answers [batch answer] in final streams [… batch d_model]."""
    x = network.norm("ln_final", None, stream)
    logits = torch.einsum("...bd,bad->...ba", x, network.W_U.T[answers]) + network.b_U[answers]
    return capped(logits, network.shape.logit_cap)


def of_answers(logits: Tensor) -> Tensor:
    """The metric of logits [… answer]: the first less the second of two, else the logits."""
    return logits[..., 0] - logits[..., 1] if logits.shape[-1] == 2 else logits
