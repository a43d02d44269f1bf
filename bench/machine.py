"""What a run of the benchmarks ran on, for its saved file."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import torch

from bench import peers
from replications.judging.environment import environment
from replications.lens import lines
from replications.patching._engine import gemm


def machine(*, size: str, device: str, dtype: torch.dtype) -> dict[str, Any]:
    """In JSON types: the processor or GPU, the libraries, the settings, and how busy it was."""
    name = str(dtype).removeprefix("torch.")
    place = torch.device(device)
    found = environment(
        lens=lines.kind_or_none(),
        device=device,
        gpu=torch.cuda.get_device_name(place) if place.type == "cuda" else None,
        dtype=name,
        threads=torch.get_num_threads(),
    )
    backend = gemm.describe(gemm.choose("auto", place, dtype), place)
    return found | {
        **{package: peers.installed(package) for package in peers.MODULES},
        "transformers": peers.installed("transformers"),
        "size": size,
        "backend": backend,
        "simd": torch.backends.cpu.get_cpu_capability(),
        "load": os.getloadavg()[0],
        "gpu": gpu(place) if place.type == "cuda" else None,
    }


def gpu(device: torch.device) -> dict[str, Any]:
    """Name, memory in GiB, driver (None where nvidia-smi is not there) and CUDA of a GPU."""
    properties = torch.cuda.get_device_properties(device)
    return {
        "name": properties.name,
        "memory_gib": round(properties.total_memory / 2**30),
        "driver": _driver(),
        "cuda": torch.version.cuda,
    }


def _driver() -> str | None:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.split("\n")[0].strip() or None
