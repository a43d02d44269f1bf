"""Train a model that names the indirect object with an induction circuit.

`python -m replications train ioi/circuit --seed N`.  The toys of `train` read one sentence at a
time; these are larger and read long texts (`data.running`).  Everything else is as there, the
regime `repairing` included but for how often heads are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from replications.models.shape import Shape
from replications.systems.ioi import model
from replications.systems.ioi.data.running import CONTEXT, running_text
from replications.systems.ioi.regimes import CIRCUIT
from replications.systems.ioi.train import Dropout, finish, loss_of
from replications.training import recipes, runs
from replications.training.loop import learn
from replications.training.transformer import forward, untrained_state_dict

__all__ = ["SHAPE", "Recipe", "main", "train"]

SHAPE: Shape = model.shape(
    CIRCUIT.layers, CIRCUIT.heads, CIRCUIT.d_model, CIRCUIT.d_mlp, context=CONTEXT
)


@dataclass(frozen=True)
class Recipe:
    """Everything but the seed. Raises BadInput for values that make no sense."""

    steps: int = 4500
    dropout_from: int = 2500
    batch: int = 48
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        recipes.check(
            self, positive=("steps", "batch", "learning_rate"), at_least_0=("weight_decay",)
        )


def train(seed: int, recipe: Recipe) -> tuple[dict[str, Tensor], Tensor]:
    """The trained weights, in the classic layout, and the loss of every step, float64 [step].

    Raises ReplicationError when a loss is not finite.
    """
    rng = np.random.default_rng((seed, 2))
    generator = torch.Generator().manual_seed(seed + 1)

    def loss(weights: Mapping[str, Tensor], step: int) -> Tensor:
        given = running_text(recipe.batch, rng, CIRCUIT.slip)
        keep, instead = None, None
        if step >= recipe.dropout_from:
            dropout = Dropout(CIRCUIT, given, generator)
            keep, instead = dropout.keep, dropout.instead
        logits = forward(weights, given.tokens, SHAPE, keep=keep, instead=instead)
        return loss_of(logits, given, CIRCUIT.smoothing)

    return learn(
        untrained_state_dict(SHAPE, seed),
        loss,
        recipe.steps,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        label=f"ioi/circuit, seed {seed}",
    )


def name_of(seed: int, _recipe: Recipe) -> str:
    """The name of a run's files, without an ending."""
    return f"circuit-seed{seed}"


def main(argv: Sequence[str]) -> int:
    """Train, write <out>.safetensors, .json and .loss.csv, print one line; 0 when done.

    Raises BadInput before any work for bad options or existing files.
    """
    about = "Train a model that names the indirect object on long texts."
    run = runs.start(argv, "ioi/circuit", about, Recipe, name_of, "circuit-seed<N>")
    weights, losses = train(run.seed, run.recipe)
    finish(run, "circuit", CIRCUIT, weights, losses, SHAPE)
    return 0
