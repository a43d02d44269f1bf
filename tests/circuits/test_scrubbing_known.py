"""Causal scrubbing of a network whose computation is known: only the truth recovers all of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.circuits.scrubbing import (
    Component,
    DirectPath,
    Embeddings,
    Feature,
    Output,
    Position,
    recovered_share,
    scrub,
)
from replications.models import Network
from replications.models.shape import Shape

# ---------------------------------------------------------------- a network written by hand
# Tokens are [cls, a, b, c], three bits. Head 0.0 copies b to position 1; head 1.0 reads the copy
# there, head 1.1 reads a there: logit 1 = 2 (±1 by b) + (±1 by a). Nothing reads c.
BITS = torch.cartesian_prod(*[torch.tensor([1, 2])] * 3)
STRINGS = torch.cat([torch.zeros(8, 1, dtype=torch.long), BITS], dim=1).repeat(20, 1)
A, B, C = (Feature(name, STRINGS[:, i]) for i, name in ((1, "a"), (2, "b"), (3, "c")))
WIDTH, BIT, COPY, ANSWER = 8, 4, 5, 6
"""Axes of the residual stream: four positions, the bit, its copy, the answer, and one unused."""


def _looks(network: dict[str, Tensor], layer: int, head: int, query: int, key: int) -> None:
    """Make a head attend from one position to another."""
    network["W_Q"][layer, head, query, 0] = 40
    network["W_K"][layer, head, key, 0] = 40


def by_hand() -> Network:
    shape = Shape(
        n_layers=2, n_heads=2, d_model=WIDTH, d_head=2, d_mlp=0, n_ctx=4, d_vocab=3, d_vocab_out=2,
        attention="bidirectional", attn_only=True, normalization=None,
    )  # fmt: skip
    f64 = torch.float64
    weights = {
        name: torch.zeros(size, dtype=f64)
        for name, size in {
            "W_E": (3, WIDTH), "W_pos": (4, WIDTH),
            "W_Q": (2, 2, WIDTH, 2), "W_K": (2, 2, WIDTH, 2), "W_V": (2, 2, WIDTH, 2),
            "W_O": (2, 2, 2, WIDTH), "b_Q": (2, 2, 2), "b_K": (2, 2, 2), "b_V": (2, 2, 2),
            "b_O": (2, WIDTH), "W_in": (2, WIDTH, 0), "b_in": (2, 0), "W_out": (2, 0, WIDTH),
            "b_out": (2, WIDTH), "W_U": (WIDTH, 2), "b_U": (2,),
        }.items()
    }  # fmt: skip
    weights["W_E"][1, BIT], weights["W_E"][2, BIT] = -1, 1
    weights["W_pos"][:, :4] = torch.eye(4, dtype=f64)
    for layer, head, query, key, reads, writes, size in (
        (0, 0, 1, 2, BIT, COPY, 1),
        (1, 0, 0, 1, COPY, ANSWER, 2),
        (1, 1, 0, 1, BIT, ANSWER, 1),
    ):
        _looks(weights, layer, head, query, key)
        weights["W_V"][layer, head, reads, 1] = 1
        weights["W_O"][layer, head, 1, writes] = size
    weights["W_U"][ANSWER, 1] = 1
    return Network(shape=shape, **weights)  # type: ignore[arg-type]


def true_hypothesis() -> Output:
    return Output(
        DirectPath((1, 0), B, Position(1, B, Component((0, 0), 1, B))),
        DirectPath((1, 1), A, Position(1, A, Embeddings(A))),
    )


WRONG = {
    "features exchanged": Output(DirectPath((1, 0), A), DirectPath((1, 1), B)),
    "a head left out": Output(DirectPath((1, 0), B)),
    "an idle head": Output(DirectPath((0, 1), B), DirectPath((1, 1), A)),
    "the distractor": Output(DirectPath((1, 0), C), DirectPath((1, 1), A)),
    "position 2": Output(DirectPath((1, 0), B, Position(2, B)), DirectPath((1, 1), A)),
    "the copy from the embeddings": Output(
        DirectPath((1, 0), B, Position(1, B, Embeddings(B), Component((0, 0), 1, A))),
        DirectPath((1, 1), A),
    ),
    "nothing": Output(on=Feature.none(len(STRINGS))),
}


def losses(hypothesis: Output) -> Tensor:
    """Cross-entropy with the probabilities that the network itself gives to the references."""
    (found,) = scrub(by_hand(), STRINGS, {"": hypothesis}, references=160)[""]
    target = by_hand().forward(STRINGS[found.references])[:, 0].softmax(-1)
    return torch.nn.functional.cross_entropy(found.logits, target, reduction="none")


def test_the_network_computes_what_it_says() -> None:
    logits = by_hand().forward(STRINGS)[:, 0, 1]
    a, b = (2.0 * STRINGS[:, i].double() - 3 for i in (1, 2))
    assert torch.allclose(logits, 2 * b + a, atol=1e-12)


def test_nothing_scrubbed_is_the_network() -> None:
    (found,) = scrub(by_hand(), STRINGS, {"": Output()}, references=40)[""]
    assert torch.equal(found.logits, by_hand().forward(STRINGS[found.references])[:, 0])


def test_the_true_hypothesis_recovers_everything() -> None:
    model, random = losses(Output()), losses(WRONG["nothing"])
    share = recovered_share(model, losses(true_hypothesis()), random)
    assert share.mean == pytest.approx(1, abs=1e-12)
    assert share.error < 1e-12


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_hypothesis_recovers_less(name: str) -> None:
    model, random = losses(Output()), losses(WRONG["nothing"])
    share = recovered_share(model, losses(WRONG[name]), random)
    assert share.mean < 0.97 - 3 * share.error
