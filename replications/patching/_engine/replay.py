"""A pass through the layers that a GPU repeats without being told each kernel again.

Launching a kernel takes some microseconds, longer than a small product takes on a GPU. As a CUDA
graph, all kernels of a pass are launched together.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from replications.errors import Unsupported

Pass = Callable[[Tensor], Tensor]
"""From the tokens to the last stream."""


class Replay:
    """A pass recorded with some tokens, and repeated with others of as many.

    What a call returns holds until the next call. Raises Unsupported if it cannot be recorded.
    """

    def __init__(self, run: Pass, tokens: Tensor) -> None:
        self._tokens = tokens.clone()
        try:
            self._again = record(lambda: run(self._tokens), tokens.device)
        except RuntimeError as exc:
            first = str(exc).partition("\n")[0]
            raise Unsupported(
                f"this pass cannot be recorded as a CUDA graph ({first}); give cuda_graphs=False"
            ) from exc

    def __call__(self, tokens: Tensor) -> Tensor:
        self._tokens.copy_(tokens)
        return self._again()


def record(run: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:
    """Record what `run` launches on a GPU; the result launches it again and gives the output.

    Everything that `run` reads must be on this GPU, and stay where it is.
    """
    with torch.cuda.device(device):
        # The first pass chooses algorithms and makes workspaces, none of which may be recorded.
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            run()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            found = run()

    def again() -> Tensor:
        graph.replay()
        return found

    return again
