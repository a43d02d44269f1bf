"""Train a name-recall toy: `python -m replications train name_recall --seed N`.

Next-token prediction on texts about several people (`texts`), every token counted alike. The seed
fixes initial weights and texts. A run depends on its seed, recipe, thread count, torch version
and machine, and on nothing else. Plain torch: TransformerLens is not needed to train.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from replications.errors import BadInput
from replications.systems.name_recall import model
from replications.systems.name_recall.data import generate, last_name_again
from replications.training import recipes, runs
from replications.training.loop import learn
from replications.training.transformer import forward

__all__ = ["Recipe", "evaluate", "main", "name_of", "train"]

HELD_OUT_SEED, HELD_OUT_SIZE = 10**6, 2000


@dataclass(frozen=True)
class Recipe:
    """Everything but the seed. Raises BadInput for values that make no sense."""

    steps: int = 2000
    batch: int = 32
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    repeats: float = 0.5
    layers: int = model.LAYERS

    def __post_init__(self) -> None:
        recipes.check(
            self,
            positive=("steps", "batch", "learning_rate", "layers"),
            at_least_0=("weight_decay",),
        )
        if not 0 <= self.repeats <= 1:
            raise BadInput(f"repeats is a share from 0 to 1, not {self.repeats}")


def train(seed: int, recipe: Recipe) -> tuple[dict[str, Tensor], Tensor]:
    """The trained weights, in the classic layout, and the loss of every step, float64 [step].

    The loss of step 0 is that of the untrained model. Raises ReplicationError when a loss is not
    finite.
    """
    shape = model.shape(recipe.layers)
    # A pair is a stream of its own, hence not the held-out texts.
    rng = np.random.default_rng((seed, 1))

    def loss(weights: Mapping[str, Tensor], step: int) -> Tensor:
        tokens = generate(recipe.batch, rng, recipe.repeats)
        logits = forward(weights, tokens[:, :-1], shape)
        return functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())

    return learn(
        model.untrained_state_dict(seed, recipe.layers),
        loss,
        recipe.steps,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        label=f"seed {seed}",
    )


@torch.no_grad()
def evaluate(weights: Mapping[str, Tensor], tokens: Tensor, layers: int) -> dict[str, float]:
    """How the model continues texts [row pos] where a last name comes again.

    The share of such places where the right word has the largest logit, and its mean loss in nats.
    """
    shape = model.shape(layers)
    parts = [forward(weights, part[:, :-1], shape) for part in tokens.split(500)]
    logits, right = torch.cat(parts), tokens[:, 1:]
    again = last_name_again(tokens)
    loss = -logits.double().log_softmax(-1).gather(-1, right[..., None])[..., 0]
    return {
        "texts": len(tokens),
        "last_names_again": int(again.sum()),
        "accuracy": (logits.argmax(-1) == right)[again].double().mean().item(),
        "loss": loss[again].mean().item(),
    }


# ------------------------------------------------------------------------------------- outputs
def name_of(seed: int, recipe: Recipe) -> str:
    """The name of a run's files, without an ending."""
    layers = {1: "one-layer-", model.LAYERS: ""}.get(recipe.layers, f"{recipe.layers}-layers-")
    return f"{layers}seed{seed}"


def main(argv: Sequence[str]) -> int:
    """Train, write <out>.safetensors, .json and .loss.csv, print one line; 0 when done.

    Raises BadInput before any work for bad options or existing files.
    """
    about = "Train a name-recall toy."
    run = runs.start(argv, "name_recall", about, Recipe, name_of, "seed<N>")
    weights, losses = train(run.seed, run.recipe)
    tokens = generate(HELD_OUT_SIZE, np.random.default_rng(HELD_OUT_SEED))
    held_out = evaluate(weights, tokens, run.recipe.layers)
    run.write(weights, losses, {"seed": HELD_OUT_SEED, **held_out})
    print(
        f"seed {run.seed}: {held_out['accuracy']:.2%} of {held_out['last_names_again']} "
        f"held-out last names recalled, wrote {run.paths['weights']}"
    )
    return 0
