"""What subjects are opened with: options, and the settings that make numbers repeatable.

Torch is imported when the first claim is measured: processes that only collect or distribute claims
do without it.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

import replications
from replications.errors import ReplicationError
from replications.judging.environment import package_version
from replications.lens import lines

DTYPES = ("float32", "float64")


def add(parser: pytest.Parser) -> None:
    """Add the options of `pytest claims/`, beside those of the plugin."""
    group = parser.getgroup("claims", "judging claims")
    group.addoption(
        "--offline",
        action="store_true",
        help="never use the network (as REPLICATIONS_OFFLINE=1)",
    )
    group.addoption(
        "--lens",
        choices=lines.LENS_KINDS,
        help="the kind of model TransformerLens opens, where the installed line has both",
    )
    group.addoption("--device", default="cpu", help="cpu, cuda or cuda:N (default cpu)")
    group.addoption("--dtype", default="float32", choices=DTYPES, help="default float32")
    group.addoption(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="torch threads of each process (default 1: the same numbers on any number of cores)",
    )


def check(config: pytest.Config) -> None:
    """Check the options.  pytest.UsageError with the remedy."""
    options = config.option
    _check_lens(options.lens)
    _check_device(options.device)
    if options.threads < 1:
        raise pytest.UsageError(f"--threads {options.threads}: give a number of at least 1")
    if options.offline:
        os.environ["REPLICATIONS_OFFLINE"] = "1"


def pin(config: pytest.Config) -> None:
    """Pin what can move a number, in a process that measures."""
    import torch

    torch.set_num_threads(config.option.threads)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def _check_lens(kind: str | None) -> None:
    """Refuse a TransformerLens that no lens fits before anything is collected."""
    if kind:
        os.environ[lines.KIND] = kind
    try:
        lines.installed()
    except ReplicationError as exc:
        raise pytest.UsageError(str(exc)) from exc


def _check_device(name: str) -> None:
    if name == "cpu":
        return
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type != "cuda":
        raise pytest.UsageError(f"--device {name}: give cpu, cuda or cuda:N")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= found:
        raise pytest.UsageError(
            f"--device {name}: torch {torch.__version__} sees {found} CUDA devices here; "
            "use --device cpu, or install a CUDA build of torch on a machine with a GPU"
        )


def environment(config: pytest.Config) -> dict[str, Any]:
    """The settings of this run, for the ledger."""
    options = config.option
    return {
        "lens": lines.kind_or_none(),
        "device": options.device,
        "gpu": None if options.device == "cpu" else _gpu(options.device),
        "dtype": options.dtype,
        "threads": options.threads,
    }


def _gpu(device: str) -> str:
    import torch

    return torch.cuda.get_device_name(device)


def header(config: pytest.Config) -> list[str]:
    """What runs, on what, with which files."""
    options = config.option
    offline = os.environ.get("REPLICATIONS_OFFLINE", "") not in ("", "0")
    folders = os.environ.get("REPLICATIONS_FIXTURES")
    places = [f"REPLICATIONS_FIXTURES={folders}"] if folders else []
    places += ["fixtures/", "cache", "no network (offline)" if offline else "network"]
    manifest = os.environ.get("REPLICATIONS_MANIFEST")
    other = [f"NOT THE SHIPPED MANIFEST: REPLICATIONS_MANIFEST={manifest}"] if manifest else []
    line = lines.installed()
    if not line.tested:
        other.append(f"NOT A TESTED TRANSFORMERLENS; tested: {lines.supported()}")
    return [
        *other,
        f"interp-claims {replications.__version__}, "
        f"TransformerLens {line.version} ({line.kind}), torch {package_version('torch')}",
        f"claims: device {options.device}, {options.dtype}, {options.threads} threads, TF32 off, "
        + ("LESIONS, " if options.lesions else "")
        + _controls(options.no_controls),
        f"fixtures: {', then '.join(places)}",
    ]


def _controls(off: bool) -> str:
    return "controls NOT RUN" if off else "with controls"
