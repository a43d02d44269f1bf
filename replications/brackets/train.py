"""Train a bracket classifier: `python -m replications train brackets --seed N`.

Fresh strings of the published distribution at every step, Adam with L2 weight decay in the
gradient, linear warm-up, then a decaying rate. Labels: 0 is unbalanced, 1 is balanced.
A run depends on its seed, recipe, thread count, torch version and machine, and on nothing else.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from replications.brackets.classifier import Classifier, pack
from replications.brackets.data import BracketData, generate, sample_tokens
from replications.brackets.layout import export_state_dict, load_state_dict_into
from replications.errors import BadInput, ReplicationError

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

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "learning_rate", "eps", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise BadInput(f"{name} must be positive and finite, not {getattr(self, name)}")
        for name in ("weight_decay", "warmup"):
            if not 0 <= getattr(self, name) < math.inf:
                raise BadInput(f"{name} must be finite and at least 0, not {getattr(self, name)}")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise BadInput(f"{name} must be at least 0 and below 1, not {getattr(self, name)}")
        if self.schedule not in ("cosine", "linear", "constant"):
            raise BadInput(f"schedule {self.schedule!r} is not cosine, linear or constant")

    def rate(self, step: int) -> float:
        """Learning rate of step 0 … steps - 1."""
        done = step / self.steps
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
    optimizer = torch.optim.Adam(
        model.parameters(),
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.eps,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    losses = torch.empty(recipe.steps)
    batches = _batches(seed, recipe)
    # disable=None: a progress bar on a terminal only
    for step in tqdm(range(recipe.steps), desc=f"seed {seed}", unit="step", disable=None):
        optimizer.param_groups[0]["lr"] = recipe.rate(step)
        losses[step] = _step(model, optimizer, *next(batches), recipe.clip)
    if not losses.isfinite().all():
        raise ReplicationError(f"training diverged with seed {seed}; try a smaller learning rate")
    return model.eval(), losses


def _step(
    model: Classifier, optimizer: torch.optim.Optimizer, tokens: Tensor, labels: Tensor, clip: float
) -> Tensor:
    packed = pack(tokens)
    loss = F.cross_entropy(model.packed_logits(packed), labels[packed.order])
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return loss.detach()


def _batches(seed: int, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless (tokens [batch pos], labels long [batch])."""
    # A pair is a stream of its own: no seed of `generate`, hence not the held-out data.
    rng = np.random.default_rng((seed, 1))
    while True:
        drawn, balanced = sample_tokens(DRAW * recipe.batch, rng)
        tokens, labels = torch.from_numpy(drawn), torch.from_numpy(balanced).long()
        yield from zip(tokens.split(recipe.batch), labels.split(recipe.batch), strict=True)


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
def _outputs(out: Path, *, force: bool) -> dict[str, Path]:
    """The three files of a run. Raises BadInput if one exists or the folder does not."""
    stem = out.with_suffix("") if out.suffix == ".safetensors" else out
    endings = {"weights": ".safetensors", "metadata": ".json", "curve": ".loss.csv"}
    paths = {role: stem.with_name(stem.name + ending) for role, ending in endings.items()}
    if not stem.parent.is_dir():
        raise BadInput(f"folder {stem.parent} does not exist; make it first")
    for path in paths.values():
        if path.exists() and not force:
            raise BadInput(f"{path} exists; choose another --out, or overwrite it with --force")
    return paths


def _write(path: Path, content: bytes) -> None:
    """Write next to the target, then rename, so that no reader ever sees half a file."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _curve(losses: Tensor) -> str:
    points = [(i + len(part), part.mean().item()) for i, part in _pieces(losses)]
    return "step,mean_loss\n" + "".join(f"{step},{loss:.6g}\n" for step, loss in points)


def _pieces(losses: Tensor) -> list[tuple[int, Tensor]]:
    return [(i * CURVE_STEP, part) for i, part in enumerate(losses.split(CURVE_STEP))]


def _command(seed: int, recipe: Recipe, threads: int) -> str:
    """The command that makes these weights again; options at their default are left out."""
    default = asdict(Recipe())
    changed = {name: value for name, value in asdict(recipe).items() if value != default[name]}
    if threads != 1:
        changed["threads"] = threads
    options = "".join(f" --{name.replace('_', '-')} {value}" for name, value in changed.items())
    return f"python -m replications train brackets --seed {seed}{options}"


def _metadata(
    model: Classifier, losses: Tensor, seed: int, recipe: Recipe, threads: int
) -> dict[str, object]:
    held_out = evaluate(model, generate(HELD_OUT_SIZE, HELD_OUT_SEED))
    weights = export_state_dict(model)
    return {
        "seed": seed,
        "recipe": asdict(recipe),
        "command": _command(seed, recipe, threads),
        "threads": threads,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "held_out": {"seed": HELD_OUT_SEED, **held_out},
        "final_loss": losses[-CURVE_STEP:].mean().item(),
        "weight_norms": {name: round(t.norm().item(), 4) for name, t in weights.items()},
    }


# --------------------------------------------------------------------------------- command line
def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m replications train brackets", description="Train a bracket classifier."
    )
    parser.add_argument("--seed", type=int, required=True, help="initial weights and data")
    for field in fields(Recipe):
        option = "--" + field.name.replace("_", "-")
        kind = type(field.default)
        parser.add_argument(option, type=kind, default=field.default, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="default: retrained-seed<N> in this folder")
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    return parser


def main(argv: Sequence[str]) -> int:
    """Train, write <out>.safetensors, .json and .loss.csv, print one line; 0 when done.

    Raises BadInput before any work for bad options or existing files.
    """
    options = _parser().parse_args(argv)
    recipe = Recipe(**{field.name: getattr(options, field.name) for field in fields(Recipe)})
    if options.threads < 1:
        raise BadInput(f"threads must be at least 1, not {options.threads}")
    paths = _outputs(options.out or Path(f"retrained-seed{options.seed}"), force=options.force)
    torch.set_num_threads(options.threads)
    model, losses = train(options.seed, recipe)
    metadata = _metadata(model, losses, options.seed, recipe, options.threads)
    # One key only: the order of several is not the same in every run.
    header = {"training": json.dumps({"seed": options.seed, "recipe": asdict(recipe)})}
    _write(paths["metadata"], (json.dumps(metadata, indent=2, allow_nan=False) + "\n").encode())
    _write(paths["curve"], _curve(losses).encode())
    _write(paths["weights"], safetensors.torch.save(export_state_dict(model), metadata=header))
    held_out = metadata["held_out"]
    assert isinstance(held_out, dict)
    print(
        f"seed {options.seed}: {held_out['errors']} errors on {held_out['size']} held-out strings "
        f"({held_out['accuracy']:.3%}), wrote {paths['weights']}"
    )
    return 0
