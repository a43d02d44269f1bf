"""Train a list-update model: `python -m replications train list_update --seed N`.

The document's recipe: AdamW on fresh prompts, one index and one new element for each batch, loss
in float64 on the answers alone, biases frozen at zero, weights initialised as TransformerLens's
HookedTransformer does by default. The document leaves the generator of its indices unseeded; here
the seed fixes everything. A run depends on its seed, recipe, thread count, torch version and
machine, and on nothing else. Plain torch: TransformerLens is not needed to train.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from replications.systems.list_update.data import DOCUMENT, Task, answers, generate, generate_mixed
from replications.systems.list_update.model import D_MODEL, attention, is_bias, untrained_state_dict
from replications.training import recipes, runs
from replications.training.loop import descend

__all__ = ["Recipe", "evaluate", "loss_of", "main", "predictions", "train"]

HELD_OUT_SEED, HELD_OUT_SIZE = 10**6, 20_000


@dataclass(frozen=True)
class Recipe:
    """Everything but the seed. Raises BadInput for values that make no sense."""

    steps: int = 1000
    batch: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    beta1: float = 0.9
    beta2: float = 0.98
    layers: int = 2
    length: int = DOCUMENT.length
    numbers: int = DOCUMENT.numbers

    def __post_init__(self) -> None:
        recipes.check(
            self,
            positive=("steps", "batch", "learning_rate", "layers"),
            at_least_0=("weight_decay",),
            below_1=("beta1", "beta2"),
        )
        _ = self.task

    @property
    def task(self) -> Task:
        return Task(self.length, self.numbers)


# -------------------------------------------------------------------------------------- the model
def predictions(weights: Mapping[str, Tensor], tokens: Tensor, layers: int, task: Task) -> Tensor:
    """Logits of the answers, [batch list numbers], of prompts with their answers [batch pos].

    The last token predicts nothing and is left out; in the last layer only the positions that
    predict need queries. Biases are zero and left out too. That is why this is not a case of
    `training.transformer.forward`: its sums have another order, and retraining would no longer
    give the shipped weights bit for bit.
    """
    seen = tokens[:, :-1]
    length = seen.shape[1]
    x = weights["embed.W_E"][seen]
    positions = weights["pos_embed.W_pos"][:length]
    hidden = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)
    for layer in range(layers):
        w = attention(weights, layer)
        rows = slice(length - task.length if layer == layers - 1 else 0, None)
        placed = x + positions
        scores = (placed[:, rows] @ w["W_Q"]) @ (placed @ w["W_K"]).mT / math.sqrt(D_MODEL)
        pattern = scores.masked_fill(hidden[rows], -math.inf).softmax(-1)
        x = x[:, rows] + pattern @ (x @ w["W_V"]) @ w["W_O"]
    return x @ weights["unembed.W_U"]


def loss_of(logits: Tensor, tokens: Tensor, task: Task = DOCUMENT) -> Tensor:
    """Mean cross-entropy of the answers in nats, in float64; logits are [batch list numbers]."""
    right = tokens[:, list(task.answer_positions), None]
    return -logits.double().log_softmax(-1).gather(-1, right).mean()


def train(seed: int, recipe: Recipe) -> tuple[dict[str, Tensor], Tensor]:
    """The trained weights, in the classic layout, and the loss of every step, float64 [step].

    The loss of step 0 is that of the untrained model. Raises ReplicationError when a loss is not
    finite.
    """
    weights = untrained_state_dict(seed, recipe.layers, recipe.task)
    learned = [w.requires_grad_() for name, w in weights.items() if not is_bias(name)]
    optimizer = torch.optim.AdamW(
        learned,
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    # A pair is a stream of its own: no seed of `generate`, hence not the held-out data.
    rng = np.random.default_rng((seed, 1))

    def loss(step: int) -> Tensor:
        tokens = generate(recipe.batch, rng, recipe.task)
        logits = predictions(weights, tokens, recipe.layers, recipe.task)
        return loss_of(logits, tokens, recipe.task)

    losses = descend(loss, optimizer, recipe.steps, label=f"seed {seed}")
    return {name: w.detach().requires_grad_(False) for name, w in weights.items()}, losses


def with_bias_step(weights: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """The document's model after one step of the recipe that trains the unembedding's bias alone.

    The recipe freezes every bias; here one is not. The batch is none of the training's.
    """
    recipe = Recipe()
    bias = weights["unembed.b_U"].detach().clone().requires_grad_()
    tokens = generate(recipe.batch, np.random.default_rng((seed, 2)), recipe.task)
    logits = predictions(weights, tokens, recipe.layers, recipe.task)
    loss_of(logits + bias, tokens, recipe.task).backward()
    torch.optim.AdamW([bias], lr=recipe.learning_rate).step()
    return {**weights, "unembed.b_U": bias.detach()}


@torch.no_grad()
def evaluate(
    weights: Mapping[str, Tensor], tokens: Tensor, layers: int, task: Task = DOCUMENT
) -> dict[str, int | float | list[float]]:
    """Accuracy over all answers, by prediction, and where the list is updated or not; the loss."""
    parts = tokens.split(2000)
    logits = torch.cat([predictions(weights, part, layers, task) for part in parts])
    right = logits.argmax(-1) == answers(tokens, task)
    updated = torch.arange(task.length) == tokens[:, task.index_position, None]
    return {
        "prompts": len(tokens),
        "answers": right.numel(),
        "errors": int((~right).sum()),
        "accuracy": right.double().mean().item(),
        "accuracy_by_prediction": right.double().mean(0).tolist(),
        "accuracy_updated": right[updated].double().mean().item(),
        "accuracy_kept": right[~updated].double().mean().item(),
        "loss": loss_of(logits, tokens, task).item(),
    }


# ------------------------------------------------------------------------------------- outputs
def name_of(seed: int, recipe: Recipe) -> str:
    """The name of a run's files, without an ending."""
    parts = [] if recipe.task == DOCUMENT else [f"length{recipe.length}-numbers{recipe.numbers}"]
    if recipe.layers != Recipe.layers:
        parts.append("one-layer" if recipe.layers == 1 else f"{recipe.layers}-layers")
    return "-".join([*parts, f"seed{seed}"])


def main(argv: Sequence[str]) -> int:
    """Train, write <out>.safetensors, .json and .loss.csv, print one line; 0 when done.

    Raises BadInput before any work for bad options or existing files.
    """
    about = "Train a list-update model."
    run = runs.start(argv, "list_update", about, Recipe, name_of, "seed<N>")
    weights, losses = train(run.seed, run.recipe)
    tokens = generate_mixed(HELD_OUT_SIZE, HELD_OUT_SEED, run.recipe.task)
    held_out = evaluate(weights, tokens, run.recipe.layers, run.recipe.task)
    run.write(weights, losses, {"seed": HELD_OUT_SEED, **held_out})
    print(
        f"seed {run.seed}: {held_out['errors']} errors in {held_out['answers']} held-out "
        f"answers ({held_out['accuracy']:.3%}), wrote {run.paths['weights']}"
    )
    return 0
