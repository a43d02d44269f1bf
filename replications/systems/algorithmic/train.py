"""The published recipe, which all problems share: `python -m replications train algorithmic/…`.

Adam with the decay inside the gradient, batches of 512 from a fixed set in a new order each epoch,
a learning rate that falls linearly by epoch, cross-entropy in float64 at the positions that have
an answer. Weights and training set are drawn with the seed, as the published models were with seed
42; the set for validation is drawn with the next seed. The order of batches has a generator of its
own, since the published one cannot be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from replications.errors import BadInput
from replications.models import Shape
from replications.systems.algorithmic.data import Examples
from replications.systems.algorithmic.data.examples import seeded
from replications.systems.algorithmic.model import MODELS, Model
from replications.training import descend, forward, recipes, runs

__all__ = ["Recipe", "Trained", "loss_of", "main", "run_recipe", "score", "train"]

Generate = Callable[[int, int], Examples]
"""Draws a set of this size with this seed."""


@dataclass(frozen=True)
class Recipe:
    """Everything but the seed. Raises BadInput for values that make no sense."""

    rows: int = 100_000
    validation_rows: int = 5_000
    epochs: int = 15
    batch: int = 512
    learning_rate: float = 1e-3
    final_rate: float = 1e-3
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        recipes.check(
            self,
            positive=("rows", "validation_rows", "epochs", "batch", "learning_rate"),
            at_least_0=("final_rate", "weight_decay"),
        )

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one epoch; the last one may be smaller."""
        return math.ceil(self.rows / self.batch)

    def rate(self, step: int) -> float:
        """The learning rate of a step: `learning_rate` in the first epoch, `final_rate` in the
        last."""
        done = (step // self.steps_per_epoch) / max(1, self.epochs - 1)
        return self.learning_rate + done * (self.final_rate - self.learning_rate)


@dataclass
class Trained:
    """What a run gives: weights, losses, and accuracies on the set for validation."""

    weights: dict[str, Tensor]
    losses: Tensor
    """The loss before every step, in nats: float64 [step]."""
    kept: int
    """The epoch, from 0, after which the weights were kept."""
    accuracies: list[float] = field(default_factory=list)
    """After each epoch that was looked at, in order; the last epoch alone if that is kept."""


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy in nats, in float64; logits are [batch answer output]."""
    return functional.cross_entropy(logits.flatten(0, 1).double(), labels.flatten())


@torch.no_grad()
def score(weights: Mapping[str, Tensor], examples: Examples, shape: Shape) -> tuple[float, float]:
    """The share of right answers, and the loss as `loss_of`."""
    answered = list(examples.answered)
    logits = torch.cat(
        [forward(weights, tokens, shape)[:, answered] for tokens in examples.tokens.split(1000)]
    )
    right = (logits.argmax(-1) == examples.labels).double().mean().item()
    return right, loss_of(logits, examples.labels).item()


def train(
    model: Model,
    generate: Generate,
    seed: int,
    recipe: Recipe,
    *,
    keep_best: bool,
    by_loss: bool = False,
) -> Trained:
    """Train from the weights that the seed gives.

    The weights are those of the last epoch or, with `keep_best`, of the epoch with the best
    accuracy on the set for validation: the first of several or, `by_loss`, the one of these with
    the lowest loss on that set. Raises ReplicationError when a loss is not finite.
    """
    weights = {name: w.requires_grad_() for name, w in model.untrained(seed).items()}
    training, validation = generate(recipe.rows, seed), generate(recipe.validation_rows, seed + 1)
    result = Trained({}, torch.empty(0), -1)
    best = (-1.0, 0.0)

    def look(epoch: int) -> None:
        nonlocal best
        right, loss = score(weights, validation, model.shape)
        found = (right, -loss if by_loss else 0.0)
        if not keep_best or found > best:
            copies = {name: w.detach().clone() for name, w in weights.items()}
            result.weights, result.kept, best = copies, epoch, found
        result.accuracies.append(right)

    batches = _batches(recipe, seed)

    def loss(step: int) -> Tensor:
        epoch, first = divmod(step, recipe.steps_per_epoch)
        if keep_best and epoch > 0 and first == 0:
            look(epoch - 1)
        rows = next(batches)
        logits = forward(weights, training.tokens[rows], model.shape)
        return loss_of(logits[:, list(training.answered)], training.labels[rows])

    optimizer = torch.optim.Adam(
        list(weights.values()), lr=recipe.learning_rate, weight_decay=recipe.weight_decay,
        fused=True,
    )  # fmt: skip
    steps = recipe.epochs * recipe.steps_per_epoch
    result.losses = descend(loss, optimizer, steps, rate=recipe.rate, label=f"seed {seed}")
    look(recipe.epochs - 1)
    return result


def _batches(recipe: Recipe, seed: int) -> Iterator[Tensor]:
    """Rows of the training set, batch by batch, in a new order each epoch."""
    generator = seeded(seed + 2)
    while True:
        yield from torch.randperm(recipe.rows, generator=generator).split(recipe.batch)


# ------------------------------------------------------------------------------------- commands
def run_recipe(
    argv: Sequence[str],
    model: Model,
    generate: Generate,
    recipe: type[Recipe],
    *,
    keep_best: bool,
    by_loss: bool = False,
) -> int:
    """Train one model, write <out>.safetensors, .json and .loss.csv, print one line; 0 when done.

    Raises BadInput before any work for bad options or existing files.
    """
    problem = model.problem
    about = f"Train {model.called} with the published recipe."

    def name_of(seed: int, recipe: Recipe) -> str:
        return f"{problem}-seed{seed}"

    run = runs.start(
        argv, f"algorithmic/{problem}", about, recipe, name_of, f"{problem}-seed<N>"
    )  # fmt: skip
    trained = train(model, generate, run.seed, run.recipe, keep_best=keep_best, by_loss=by_loss)
    best = trained.accuracies[trained.kept if keep_best else -1]
    held_out = {
        "seed": run.seed + 1,
        "accuracy": best,
        "epoch": trained.kept,
        "accuracies": trained.accuracies,
    }
    run.write(trained.weights, trained.losses, held_out)
    print(
        f"seed {run.seed}: {best:.2%} of the answers right after epoch {trained.kept}, "
        f"wrote {run.paths['weights']}"
    )
    return 0


def main(argv: Sequence[str]) -> int:
    """Each model has a recipe of its own, so this raises BadInput, which names them."""
    names = ", ".join(f"algorithmic/{problem}" for problem in MODELS)
    raise BadInput(f"algorithmic has several models; train one: {names}")
