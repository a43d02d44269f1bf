"""How patching is carried out: memory, device, precision and library of matrix products."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from replications.errors import BadInput
from replications.models.network import Network
from replications.patching._engine import gemm
from replications.patching._engine.precision import matmul_precision

Progress = Callable[[int, int], None]
"""Called with the number of patched runs that are done, and the number of all of them."""


@dataclass(frozen=True)
class Execution:
    """Options of `sweep`, `sweeps` and `path_patch`; `attribute` reads `device`, `dtype`, `tf32`.

    Results depend on `dtype` and `tf32`, and on the other options only through rounding.
    Raises BadInput for options that make no sense, or for a device that is not there.
    """

    memory_mb: float = 256
    """About how much the activations held at a time may take. The weights and the logits of
    unpatched runs come on top. Give much more on a GPU."""
    device: str | torch.device | None = None
    """Where to compute; None takes the network's device."""
    dtype: torch.dtype | None = None
    """The precision of weights and activations; None takes the network's."""
    backend: gemm.Backend = "auto"
    """The library of the matrix products. "auto" chooses by the processor and by the
    shapes of the matrices, never by timing."""
    tf32: bool = False
    """Allow TF32 on CUDA: faster, with errors of about 1e-3, so the result is not called exact."""
    progress: Progress | None = None
    """Called after each part of the work."""
    cuda_graphs: bool = False
    """On CUDA, record a sweep when it comes a second time with prompts and places of the same
    structure (lengths, first difference, metric position), and launch it as a whole from then on.
    Only a sweep that fits `memory_mb` at once is recorded. Each recording keeps its memory, and
    those of the last eight sweeps on a network are kept. No GPU has run this yet."""

    def __post_init__(self) -> None:
        if not self.memory_mb > 0:
            raise BadInput(f"memory_mb must be more than 0, not {self.memory_mb}")
        gemm.check_backend(self.backend)
        if self.device is not None:
            gemm.find_device(self.device)

    def pack(self, network: Network) -> gemm.Packed:
        """The network on the device, in the precision, laid out for the library.

        Raises Unsupported for a library that cannot run there.
        """
        return gemm.packed(network, self.device, self.dtype, self.backend)

    def place(self, network: Network) -> Network:
        """The network on the device, in the precision."""
        device = network.device if self.device is None else gemm.find_device(self.device)
        return network.to(device, self.dtype or network.dtype)

    def numbers(self, dtype: torch.dtype) -> int:
        """How many numbers of a dtype fit in `memory_mb`, at least one."""
        return max(1, int(self.memory_mb * 2**20) // dtype.itemsize)

    def precision(self, network: Network) -> AbstractContextManager[None]:
        """A context in which float32 products on the network's device are as exact as asked."""
        return matmul_precision("high" if self._fast(network) else "highest")

    def exact(self, network: Network) -> bool:
        """Whether results are those of float32 or float64 arithmetic."""
        return not self._fast(network) and network.dtype in (torch.float32, torch.float64)

    def _fast(self, network: Network) -> bool:
        return self.tf32 and network.device.type == "cuda"


DEFAULT = Execution()
"""256 MB, on the network's device and in its precision."""
