"""The files of a model folder of Hugging Face: config.json and safetensors, whole or in shards.

Nothing here knows a kind of model. Pickles (`pytorch_model.bin`) are never opened.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from replications import files
from replications.errors import BadInput
from replications.fixtures.checksums import LFS_MARK

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
TOKENIZER, SLOW_TOKENIZER = "tokenizer.json", ("vocab.json", "merges.txt")
NEEDED = (
    f"needed are {CONFIG}, {WEIGHTS} (or its shards with {INDEX}), and {TOKENIZER} (or "
    f"{' and '.join(SLOW_TOKENIZER)})"
)
CONVERT = (
    'from transformers import AutoModelForCausalLM as M; M.from_pretrained("{0}")'
    '.save_pretrained("{0}")'
)
ADAPTER = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
PREFIXES = ("transformer.", "model.", "gpt_neox.")
"""What a model with a head puts before the names of a model without one."""
MERGE = "merge the adapter into the model first (merge_and_unload of peft, then save_pretrained)"


# ---- which files there are ----------------------------------------------------------------------


def check_files(folder: Path) -> None:
    """Raise BadInput, with the remedy, unless a folder has all files that are needed."""
    if not folder.is_dir():
        raise BadInput(f"{folder} {_no_folder(folder)}")
    if (folder / "snapshots").is_dir() and not (folder / CONFIG).exists():
        raise BadInput(
            f"{folder} is a folder of Hugging Face's cache; give one of those in "
            f"{folder / 'snapshots'}"
        )
    missing = list(_missing(folder))
    if not missing:
        return
    said = f"{folder} lacks {', '.join(missing)}; {NEEDED}"
    if WEIGHTS in missing and (pickles := sorted(path.name for path in folder.glob("*.bin"))):
        raise BadInput(
            f"{said}. {pickles[0]} is not opened, because a pickle can run any code; if you trust "
            f"it, convert it with: python -c '{CONVERT.format(folder)}'"
        )
    if any((folder / name).exists() for name in ADAPTER):
        raise BadInput(f"{said}. It holds an adapter alone: {MERGE}")
    raise BadInput(f"{said}, as save_pretrained of transformers writes them")


def _no_folder(path: Path) -> str:
    if path.exists():
        return "is a file; give the folder that holds it"
    return "does not exist; a model of a hub must be downloaded to a folder first"


def _missing(folder: Path) -> Iterator[str]:
    if not (folder / CONFIG).is_file():
        yield CONFIG
    if not (folder / WEIGHTS).is_file() and not (folder / INDEX).is_file():
        yield WEIGHTS
    if not (folder / TOKENIZER).is_file():
        absent = [name for name in SLOW_TOKENIZER if not (folder / name).is_file()]
        if len(absent) == len(SLOW_TOKENIZER):
            yield TOKENIZER
        else:
            yield from absent


# ---- reading them -------------------------------------------------------------------------------


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file that holds an object. Raises BadInput if it does not."""
    check_no_pointer(path)
    try:
        found = json.loads(files.read_text(path))
    except ValueError as exc:
        if isinstance(exc, BadInput):
            raise
        raise BadInput(f"cannot read {path} as JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise BadInput(f"cannot read {path} as JSON: it holds no object")
    return found


def check_no_pointer(path: Path) -> None:
    """Raise BadInput for what stands in place of a file: a pointer of git-lfs, or nothing."""
    try:
        with path.open("rb") as file:
            head = file.read(len(LFS_MARK))
    except OSError as exc:
        raise BadInput(f"cannot read {path}: {exc.strerror}") from exc
    if head == LFS_MARK:
        raise BadInput(f"{path} is a git-lfs pointer, not the file itself; run: git lfs pull")
    if not head:
        raise BadInput(f"{path} is empty; copy or download it again")


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Every tensor of the file or its shards, by its name there, as it is stored.

    Where there are both, the single file counts, as in transformers. Raises BadInput for a file
    that is missing or not whole, and for an index that contradicts its shards.
    """
    if (folder / WEIGHTS).is_file():
        return _without_twins(_read(folder / WEIGHTS))
    if not (folder / INDEX).is_file():
        raise BadInput(f"{folder} has neither {WEIGHTS} nor {INDEX}")
    listed = _index(folder / INDEX)
    found: dict[str, Tensor] = {}
    for shard in sorted(set(listed.values())):
        if not (folder / shard).is_file():
            raise BadInput(f"{folder} lacks {shard}, which {INDEX} names")
        content = _read(folder / shard)
        if absent := [name for name, at in listed.items() if at == shard and name not in content]:
            raise BadInput(f"{folder / shard} lacks {absent[0]}, which {INDEX} says is there")
        found |= {name: t for name, t in content.items() if listed.get(name, shard) == shard}
    return _without_twins(found)


def _index(path: Path) -> dict[str, str]:
    """Tensor -> the file that has it, of an index."""
    problem = f"{path} is no index of safetensors"
    try:
        listed = read_json(path).get("weight_map")
    except BadInput as exc:
        raise BadInput(f"{problem}: {exc}") from exc
    if not isinstance(listed, dict) or not all(_is_shard(name) for name in listed.values()):
        raise BadInput(f"{problem}: weight_map must name files beside it")
    return listed


def _without_twins(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights. Raises BadInput for a tensor that is there with and without a prefix."""
    for name in weights:
        for prefix in PREFIXES:
            if f"{prefix}{name}" in weights:
                raise BadInput(f"the file has {name} twice, with and without {prefix!r} before it")
    return weights


def _is_shard(name: object) -> bool:
    """Whether this is the name of a file in the same folder."""
    return isinstance(name, str) and name.endswith(".safetensors") and Path(name).name == name


def _read(path: Path) -> dict[str, Tensor]:
    check_no_pointer(path)
    try:
        return safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as exc:
        raise BadInput(f"{path} is not a whole safetensors file: {exc}") from exc


# ---- what they hold -----------------------------------------------------------------------------


def check_finite(weights: Mapping[str, Tensor], leaving_out: Collection[str] = ()) -> None:
    """Raise BadInput for the first tensor of the file with a NaN, or an infinity in float32."""
    for name, value in weights.items():
        if name in leaving_out or not value.is_floating_point():
            continue
        wrong = int((~value.float().isfinite()).sum())
        if wrong:
            raise BadInput(
                f"{name} is not finite: {wrong} of its {value.numel()} values are NaN or infinite"
            )


def refusal(unused: Collection[str]) -> str:
    """What to say of tensors that nothing uses."""
    names = sorted(unused)
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    said = f"the model has no place for {len(names)} tensors of the file: {shown}"
    if any("lora_" in name or ".base_layer." in name for name in names):
        said += f"; these are an adapter's: {MERGE}"
    return said
