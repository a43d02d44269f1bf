"""A run of `train SYSTEM`: its options, its three files, and how its weights were made."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from replications import files
from replications.errors import BadInput
from replications.files import user_path

FINAL_STEPS = 100
"""The last steps, over which the final loss is averaged."""


# ------------------------------------------------------------------------------------- options
def parser(system: str, description: str, recipe: type[Any], out: str) -> argparse.ArgumentParser:
    """The options of `train SYSTEM`: seed, threads, output, and one for each field of the recipe.

    `recipe` is a dataclass with a default for every field; `out` describes the default output.
    """
    made = argparse.ArgumentParser(
        prog=f"python -m replications train {system}", description=description
    )
    made.add_argument("--seed", type=int, required=True, help="initial weights and data")
    for field in fields(recipe):
        option = "--" + field.name.replace("_", "-")
        kind = type(field.default)
        made.add_argument(option, type=kind, default=field.default, help="default: %(default)s")
    made.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    made.add_argument("--out", type=user_path, help=f"default: {out} in this folder")
    made.add_argument("--force", action="store_true", help="overwrite existing files")
    return made


def recipe_of(options: argparse.Namespace, recipe: type[Any]) -> Any:
    """The recipe that parsed options describe. Raises BadInput for values that make no sense."""
    chosen = recipe(**{field.name: getattr(options, field.name) for field in fields(recipe)})
    if options.threads < 1:
        raise BadInput(f"threads must be at least 1, not {options.threads}")
    return chosen


@dataclass(frozen=True)
class Run:
    """A run whose options are good and whose files can be written."""

    system: str
    seed: int
    recipe: Any
    threads: int
    paths: Mapping[str, Path]

    def write(
        self,
        weights: Mapping[str, Tensor],
        losses: Tensor,
        held_out: Mapping[str, object],
        *,
        loss_curve: str | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        """Write weights, metadata and loss curve (every loss, unless one is given).

        The metadata say how the weights were made, then `more`, the results `held_out`, the mean
        of the last losses [step] and the norms of the weights. Raises BadInput as `save`.
        """
        metadata = provenance(self.system, self.seed, self.recipe, self.threads) | dict(more or {})
        metadata |= {
            "held_out": held_out,
            "final_loss": losses[-FINAL_STEPS:].mean().item(),
            "weight_norms": weight_norms(weights),
        }
        save(self.paths, weights, metadata, curve(losses) if loss_curve is None else loss_curve)


def start(
    argv: Sequence[str],
    system: str,
    about: str,
    recipe: type[Any],
    name: Callable[[int, Any], str],
    shown: str,
) -> Run:
    """Parse the options of `train SYSTEM`, check them, and set the number of threads.

    `name(seed, recipe)` is the default name of the files, `shown` what the help says of it. Raises
    BadInput for values that make no sense, an existing file or a missing folder.
    """
    options = parser(system, about, recipe, shown).parse_args(argv)
    chosen = recipe_of(options, recipe)
    if options.seed < 0:
        raise BadInput(f"seed must be at least 0, not {options.seed}")
    out = options.out or Path(name(options.seed, chosen))
    paths = outputs(out, force=options.force)
    torch.set_num_threads(options.threads)
    return Run(system, options.seed, chosen, options.threads, paths)


def command(system: str, seed: int, recipe: Any, threads: int) -> str:
    """The command that repeats a run; options with their default value are left out."""
    default = asdict(type(recipe)())
    changed = {name: value for name, value in asdict(recipe).items() if value != default[name]}
    if threads != 1:
        changed["threads"] = threads
    options = "".join(f" --{name.replace('_', '-')} {value}" for name, value in changed.items())
    return f"python -m replications train {system} --seed {seed}{options}"


# ------------------------------------------------------------------------------------- outputs
def curve(losses: Tensor) -> str:
    """The loss of every step as CSV."""
    return "step,loss\n" + "".join(f"{i},{loss:.9g}\n" for i, loss in enumerate(losses.tolist()))


def provenance(system: str, seed: int, recipe: Any, threads: int) -> dict[str, object]:
    """How weights were made: seed, recipe, command, threads, versions and machine."""
    return {
        "seed": seed,
        "recipe": asdict(recipe),
        "command": command(system, seed, recipe, threads),
        "threads": threads,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def weight_norms(weights: Mapping[str, Tensor]) -> dict[str, float]:
    """The Euclidean norm of every tensor, to four decimals."""
    return {name: round(tensor.norm().item(), 4) for name, tensor in weights.items()}


def outputs(out: Path, *, force: bool) -> dict[str, Path]:
    """The three files of a run: weights, metadata and curve.

    Raises BadInput if the folder does not exist, or if a file does and `force` is not given.
    """
    stem = out.with_suffix("") if out.suffix == ".safetensors" else out
    endings = {"weights": ".safetensors", "metadata": ".json", "curve": ".loss.csv"}
    paths = {role: stem.with_name(stem.name + ending) for role, ending in endings.items()}
    if not stem.parent.is_dir():
        raise BadInput(f"folder {stem.parent} does not exist; make it first")
    for path in paths.values():
        if path.exists() and not force:
            raise BadInput(f"{path} exists; choose another --out, or overwrite it with --force")
    return paths


def save(
    paths: Mapping[str, Path],
    weights: Mapping[str, Tensor],
    metadata: Mapping[str, object],
    curve: str,
) -> None:
    """Write the files of a run, the weights last. Equal runs write equal bytes.

    Each file is complete or not there. Raises BadInput if one cannot be written.
    """
    training = {name: metadata[name] for name in ("seed", "recipe")}
    # One key only: the order of several is not the same in every run.
    header = {"training": json.dumps(training)}
    files.write_text(paths["metadata"], json.dumps(metadata, indent=2, allow_nan=False) + "\n")
    files.write_text(paths["curve"], curve)
    files.write_bytes(paths["weights"], safetensors.torch.save(dict(weights), metadata=header))
