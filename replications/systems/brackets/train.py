"""Train a bracket classifier: `python -m replications train brackets --seed N`.

Fresh strings of the published distribution at every step, Adam with L2 weight decay in the
gradient, linear warm-up, then a decaying rate. Labels: 0 is unbalanced, 1 is balanced.
A run depends on its seed, recipe, thread count, torch version and machine, and on nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from replications.errors import BadInput
from replications.systems.brackets.classifier import Classifier, pack
from replications.systems.brackets.data import BracketData, generate, sample_tokens
from replications.systems.brackets.layout import export_state_dict, load_state_dict_into
from replications.training import recipes, runs
from replications.training.loop import descend

__all__ = [
    "Classifier",
    "Recipe",
    "evaluate",
    "export_state_dict",
    "load_state_dict_into",
    "main",
    "train",
]

HELD_OUT_SEED, HELD_OUT_SIZE = 10**6, 20_000
VALIDATION_SEED, VALIDATION_SIZE = 10**6 + 1, 100_000  # decides whether a further cycle is needed
CURVE_STEP = 100  # steps per point of the loss curve
DRAW = 100  # batches drawn at a time: one vectorised call costs little more than a small one


@dataclass(frozen=True)
class Recipe:
    """Everything but the seed. Raises BadInput for values that make no sense."""

    steps: int = 16_000
    batch: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1.5e-4
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    warmup: int = 200
    schedule: str = "cosine"
    clip: float = 1.0
    target: float = 0.9993
    cycle_steps: int = 6_000
    max_cycles: int = 12

    def __post_init__(self) -> None:
        recipes.check(
            self,
            positive=("steps", "batch", "learning_rate", "eps", "clip", "cycle_steps"),
            at_least_0=("weight_decay", "warmup", "target", "max_cycles"),
            below_1=("beta1", "beta2"),
        )
        if self.schedule not in ("cosine", "linear", "constant"):
            raise BadInput(f"schedule {self.schedule!r} is not cosine, linear or constant")

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of step 0 … steps - 1 of a run of so many steps."""
        done = step / steps
        decay = {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done, "constant": 1.0}
        ramp = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return self.learning_rate * ramp * decay[self.schedule]


def train(seed: int, recipe: Recipe) -> tuple[Classifier, Tensor]:
    """The trained model and the loss of every step, float32 [step].

    Raises ReplicationError when the loss stops being finite.
    """
    if seed < 0:
        raise BadInput(f"seed must be at least 0, not {seed}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Classifier()
    losses = [_run(model, seed, recipe, cycle=0)]
    losses += further_cycles(model, seed, recipe)
    return model.eval(), torch.cat(losses)


def further_cycles(model: Classifier, seed: int, recipe: Recipe) -> list[Tensor]:
    """Train on in shorter cycles until the model meets the target; the losses of each cycle.

    The target is an accuracy on 100,000 validation strings, which are neither trained on nor the
    held-out strings that the accuracy is reported on.
    """
    losses: list[Tensor] = []
    validation = generate(VALIDATION_SIZE, VALIDATION_SEED) if recipe.max_cycles else None
    while validation is not None and len(losses) < recipe.max_cycles:
        if 1 - errors(model, validation) / len(validation) >= recipe.target:
            break
        losses.append(_run(model, seed, recipe, cycle=len(losses) + 1))
    return losses


def _run(model: Classifier, seed: int, recipe: Recipe, cycle: int) -> Tensor:
    """One run of the optimiser, from warm-up to a rate of zero; the loss of every step."""
    steps = recipe.cycle_steps if cycle else recipe.steps
    optimizer = torch.optim.Adam(
        model.parameters(),
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.eps,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    batches = _batches(seed, cycle, recipe)

    def loss(step: int) -> Tensor:
        tokens, labels = next(batches)
        packed = pack(tokens)
        return F.cross_entropy(model.packed_logits(packed), labels[packed.order])

    return descend(
        loss,
        optimizer,
        steps,
        rate=lambda step: recipe.rate(step, steps),
        clip=(list(model.parameters()), recipe.clip),
        label=f"seed {seed}" + (f", cycle {cycle}" if cycle else ""),
    ).float()


def _batches(seed: int, cycle: int, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless (tokens [batch pos], labels long [batch])."""
    # A pair is a stream of its own: no seed of `generate`, hence not the held-out data.
    rng = np.random.default_rng((seed, 1 + cycle))
    while True:
        drawn, balanced = sample_tokens(DRAW * recipe.batch, rng)
        tokens, labels = torch.from_numpy(drawn), torch.from_numpy(balanced).long()
        yield from zip(tokens.split(recipe.batch), labels.split(recipe.batch), strict=True)


@torch.no_grad()
def errors(model: Classifier, data: BracketData) -> int:
    """How many strings the model gets wrong."""
    logits = torch.cat([model(tokens) for tokens in data.tokens.split(2000)])
    return int((logits.argmax(-1) != data.labels).sum())


@torch.no_grad()
def evaluate(model: Classifier, data: BracketData) -> dict[str, int | float | dict[str, int]]:
    """Errors, accuracy, mean cross-entropy (nats), and errors by failure class."""
    logits = torch.cat([model(tokens) for tokens in data.tokens.split(2000)])
    wrong = logits.argmax(-1) != data.labels
    classes = ("balanced", "both", "only_total", "only_negative")
    return {
        "size": len(data),
        "errors": int(wrong.sum()),
        "accuracy": 1 - wrong.double().mean().item(),
        "loss": F.cross_entropy(logits.double(), data.labels.long()).item(),
        "errors_by_class": {name: int(wrong[getattr(data, name)].sum()) for name in classes},
    }


# ------------------------------------------------------------------------------------- outputs
def _name_of(seed: int, recipe: Recipe) -> str:
    return f"retrained-seed{seed}"


def _curve(losses: Tensor) -> str:
    points = [(i + len(part), part.mean().item()) for i, part in _pieces(losses)]
    return "step,mean_loss\n" + "".join(f"{step},{loss:.6g}\n" for step, loss in points)


def _pieces(losses: Tensor) -> list[tuple[int, Tensor]]:
    return [(i * CURVE_STEP, part) for i, part in enumerate(losses.split(CURVE_STEP))]


# --------------------------------------------------------------------------------- command line
def main(argv: Sequence[str]) -> int:
    """Train, write <out>.safetensors, .json and .loss.csv, print one line; 0 when done.

    Raises BadInput before any work for bad options or existing files.
    """
    about = "Train a bracket classifier."
    run = runs.start(argv, "brackets", about, Recipe, _name_of, "retrained-seed<N>")
    model, losses = train(run.seed, run.recipe)
    held_out = evaluate(model, generate(HELD_OUT_SIZE, HELD_OUT_SEED))
    run.write(
        export_state_dict(model),
        losses,
        {"seed": HELD_OUT_SEED, **held_out},
        loss_curve=_curve(losses),
    )
    print(
        f"seed {run.seed}: {held_out['errors']} errors on {held_out['size']} held-out strings "
        f"({held_out['accuracy']:.3%}), wrote {run.paths['weights']}"
    )
    return 0
