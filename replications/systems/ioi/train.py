"""Train a toy model on the indirect-object task: `python -m replications train ioi --seed N`.

The model reads whole sentences (see `corpus`) and predicts every token; the answer counts again, by
its probability rather than by the name that happened to follow. A run depends on its seed, recipe,
thread count, torch version and machine, and on nothing else. Plain torch: TransformerLens is not
needed to train.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from replications.errors import BadInput
from replications.models.shape import Shape
from replications.systems.ioi import model
from replications.systems.ioi.data import (
    Text,
    encode,
    generate,
    name_tokens,
    text,
    toy_tokenizer,
)
from replications.systems.ioi.regimes import REGIMES, Regime, regime
from replications.training import recipes, runs
from replications.training.loop import learn
from replications.training.transformer import forward, head_dropout, untrained_state_dict

__all__ = ["Dropout", "Recipe", "evaluate", "finish", "loss_of", "main", "train"]

HELD_OUT_SEED, HELD_OUT_SIZE = 2_000_000, 3_000
ANSWER_WEIGHT = 2.0
"""Weight of the answer's loss beside the mean loss over all seventeen tokens."""


@dataclass(frozen=True)
class Recipe:
    """Everything but the seed. Raises BadInput for values that make no sense."""

    regime: str = "repairing"
    steps: int = 1400
    dropout_from: int = 400
    """The task is learned first: with heads left out from the start it takes many times longer."""
    batch: int = 64
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        recipes.check(
            self, positive=("steps", "batch", "learning_rate"), at_least_0=("weight_decay",)
        )
        if self.batch < 8:
            raise BadInput(f"batch must be at least 8, to hold every kind of text: {self.batch}")
        regime(self.regime)

    @property
    def shape(self) -> Shape:
        chosen = regime(self.regime)
        return model.shape(chosen.layers, chosen.heads, chosen.d_model, chosen.d_mlp)


# ------------------------------------------------------------------------------------------- loss
def loss_of(logits: Tensor, given: Text, smoothing: float) -> Tensor:
    """Cross-entropy in nats of logits [n pos vocabulary]: all tokens, and the answers again."""
    coming = given.tokens[:, 1:]
    seen = coming != 0  # padding is not predicted
    every = functional.cross_entropy(logits[:, :-1][seen], coming[seen], label_smoothing=smoothing)
    log_p = logits[given.row, given.answer_at].log_softmax(-1)
    right, wrong = log_p.gather(1, given.answers).unbind(1)
    p = given.probability
    answered = (1 - smoothing) * (p * right + (1 - p) * wrong) + smoothing * log_p.mean(1)
    return every - ANSWER_WEIGHT * answered.mean()


class Dropout:
    """Leaves heads out of one batch, as a regime says."""

    def __init__(self, chosen: Regime, given: Text, generator: torch.Generator) -> None:
        self._given = given
        rates = torch.tensor(chosen.dropout)[:, None].expand(-1, chosen.heads)
        n, length = given.tokens.shape
        self.keep = head_dropout(rates, n, generator, rescale=chosen.rescale)
        if chosen.left_out == "end":
            at_end = torch.zeros(n, length, dtype=torch.bool)
            at_end[given.row, given.answer_at] = True
            self.keep = torch.where(at_end[None, :, :, None], self.keep, 1.0)
        self.instead = self._mean if chosen.instead == "mean" else None

    def _mean(self, z: Tensor) -> Tensor:
        """The mean over the batch at the last token of prompts, everywhere: [n pos head d_head]."""
        return z[self._given.row, self._given.answer_at].mean(0).expand_as(z)


def train(seed: int, recipe: Recipe) -> tuple[dict[str, Tensor], Tensor]:
    """The trained weights, in the classic layout, and the loss of every step, float64 [step].

    The loss of step 0 is that of the untrained model. Raises ReplicationError when a loss is not
    finite.
    """
    chosen = regime(recipe.regime)
    # Streams of their own: no seed of `generate`, hence not the held-out data.
    rng = np.random.default_rng((seed, 1))
    generator = torch.Generator().manual_seed(seed + 1)

    def loss(weights: Mapping[str, Tensor], step: int) -> Tensor:
        given = text(recipe.batch, rng, chosen.slip)
        keep, instead = None, None
        if step >= recipe.dropout_from and any(chosen.dropout):
            dropout = Dropout(chosen, given, generator)
            keep, instead = dropout.keep, dropout.instead
        logits = forward(weights, given.tokens, recipe.shape, keep=keep, instead=instead)
        return loss_of(logits, given, chosen.smoothing)

    return learn(
        untrained_state_dict(recipe.shape, seed),
        loss,
        recipe.steps,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        label=f"{recipe.regime}, seed {seed}",
    )


@torch.no_grad()
def evaluate(weights: Mapping[str, Tensor], shape: Shape) -> dict[str, float]:
    """Accuracy and logit difference on held-out prompts, and the probability of the answer.

    An answer is right if it is the most likely of all tokens.
    """
    prompts, tokenizer = generate(HELD_OUT_SIZE, HELD_OUT_SEED), toy_tokenizer()
    batch, names = encode(prompts, tokenizer, bos=True), name_tokens(tokenizer)
    io, s = (names[prompts.names_in(slot)] for slot in (prompts.io_slot, prompts.s_slot))
    parts = zip(batch.tokens.split(500), batch.end.split(500), strict=True)
    logits = torch.cat([
        forward(weights, tokens, shape)[torch.arange(len(end)), end].double()
        for tokens, end in parts
    ])  # fmt: skip
    rows = torch.arange(len(batch))
    return {
        "prompts": len(batch),
        "errors": int((logits.argmax(-1) != io).sum()),
        "accuracy": (logits.argmax(-1) == io).double().mean().item(),
        "logit_difference": (logits[rows, io] - logits[rows, s]).mean().item(),
        "probability": logits.softmax(-1)[rows, io].mean().item(),
    }


# ---------------------------------------------------------------------------------------- outputs
def name_of(seed: int, recipe: Recipe) -> str:
    """The name of a run's files, without an ending."""
    return f"{recipe.regime}-seed{seed}"


def main(argv: Sequence[str]) -> int:
    """Train, write <out>.safetensors, .json and .loss.csv, print one line; 0 when done.

    Raises BadInput before any work for bad options or existing files.
    """
    about = f"Train a toy model on the indirect-object task. Regimes: {', '.join(REGIMES)}."
    run = runs.start(argv, "ioi", about, Recipe, name_of, "<regime>-seed<N>")
    recipe = run.recipe
    weights, losses = train(run.seed, recipe)
    finish(run, recipe.regime, regime(recipe.regime), weights, losses, recipe.shape)
    return 0


def finish(
    run: runs.Run,
    name: str,
    chosen: Regime,
    weights: Mapping[str, Tensor],
    losses: Tensor,
    shape: Shape,
) -> None:
    """Evaluate trained weights, write the three files of the run, and print one line."""
    held_out = evaluate(weights, shape)
    more = {"regime": asdict(chosen)}
    run.write(weights, losses, {"seed": HELD_OUT_SEED, **held_out}, more=more)
    print(
        f"{name}, seed {run.seed}: {held_out['errors']} errors in "
        f"{held_out['prompts']} held-out prompts, logit difference "
        f"{held_out['logit_difference']:.2f}, wrote {run.paths['weights']}"
    )
