"""Matrix products of the engines: which library runs them, weights packed once, work counted.

On CPUs with AVX-512 oneDNN is about twice as fast as the MKL behind torch's own products on AMD
processors. With AVX2 MKL is a little faster, except for FEW_ROWS times a WIDE matrix. Both are
strict float32. oneDNN is reached through private operators, those that torch's own compiler emits,
so it must first agree with torch's own.
"""

from __future__ import annotations

import math
import statistics
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from replications.errors import BadInput, Unsupported
from replications.models.network import Network
from replications.patching._engine.kept import KeptPlans

Backend = Literal["auto", "onednn", "torch"]
WIDE = 4096
"""Columns of a wide matrix. On CPUs without AVX-512, "auto" lays it out for both libraries."""
FEW_ROWS = 128
"""The most rows that oneDNN multiplies with a wide matrix there. MKL is slow at few rows of many
columns: on an AMD EPYC with AVX2, with matrices from 1024 x 4096 to 2304 x 9216, oneDNN was 1.2 to
1.6 times as fast at 25 rows, 1.03 to 1.1 times at 100 rows, and a tenth slower at 512."""

_GELU_SLOPE = 2 * math.sqrt(2 / math.pi)
_GELU_CUBE = 0.044715 * _GELU_SLOPE
_ONEDNN_EPILOGUES = {
    None: ("none", ""), "relu": ("relu", ""), "gelu": ("gelu", "none"), "gelu_new": ("gelu", "tanh")
}  # fmt: skip


class Linear:
    """x -> activation(x @ W + b), W [in out] laid out for "onednn", "torch" or "both".

    b may be None. With both, oneDNN multiplies up to FEW_ROWS rows.
    """

    def __init__(
        self, W: Tensor, b: Tensor | None, backend: str, activation: str | None = None
    ) -> None:
        self.flops_per_row = 2 * W.shape[0] * W.shape[1]
        """2 for each multiplication with an addition."""
        self.backend = backend
        self._packed = None if backend == "torch" else _onednn_weight(W)
        self._W = None if backend == "onednn" else W.contiguous()
        self._b = None if b is None else b.contiguous()
        self._activation = activation

    def __call__(self, x: Tensor) -> Tensor:
        """x [row in], contiguous, to [row out]."""
        if self._packed is not None and (self._W is None or len(x) <= FEW_ROWS):
            if self._activation in _ONEDNN_EPILOGUES:
                return _onednn_linear(x, self._packed, self._b, self._activation)
            return activate(_onednn_linear(x, self._packed, self._b, None), self._activation)
        assert self._W is not None
        out = x @ self._W if self._b is None else torch.addmm(self._b, x, self._W)
        return activate(out, self._activation)


def activate(x: Tensor, activation: str | None) -> Tensor:
    """The activation function of x, which is overwritten.

    `gelu_new` is x sigmoid(2u) where its definition has x (1 + tanh u) / 2: the same function, and
    twice as fast, since torch's tanh is slow.
    """
    if activation is None:
        return x
    if activation == "relu":
        return x.relu_()
    if activation == "gelu":
        return F.gelu(x)
    if activation == "silu":
        return F.silu(x, inplace=True)
    gate = torch.mul(x, x).mul_(_GELU_CUBE).add_(_GELU_SLOPE).mul_(x).sigmoid_()
    return x.mul_(gate)


class Layer:
    """The matrices of one layer of a network, heads side by side.

    Where heads share keys and values, each of these is there once. Without gated neurons, `gate` is
    None.
    """

    def __init__(self, network: Network, layer: int, backend: Backend) -> None:
        n, i = network, layer

        def linear(W: Tensor, b: Tensor | None, activation: str | None = None) -> Linear:
            return Linear(W, b, choose(backend, W.device, W.dtype, W.shape[1]), activation)

        def bias(b: Tensor) -> Tensor | None:
            # Most of today's decoders have none, and adding zeros takes time.
            return b[i].flatten() if n.shape.classic or b[i].any() else None

        self.q, self.k, self.v = (
            linear(W[i].transpose(0, 1).flatten(1), bias(b))
            for W, b in ((n.W_Q, n.b_Q), (n.W_K, n.b_K), (n.W_V, n.b_V))
        )
        self.o = linear(n.W_O[i].flatten(0, 1), bias(n.b_O))
        self.gate: Linear | None = None
        if n.W_gate is not None and n.b_gate is not None:
            self.gate = linear(n.W_gate[i], bias(n.b_gate), n.shape.act_fn)
        if not n.shape.attn_only:
            first = None if self.gate else n.shape.act_fn
            self.up = linear(n.W_in[i], bias(n.b_in), first)
            self.down = linear(n.W_out[i], bias(n.b_out))


class Packed:
    """A network whose matrices are laid out for a backend, each for its own if that is "auto"."""

    def __init__(self, network: Network, backend: Backend) -> None:
        self.network = network
        self.layers = [Layer(network, i, backend) for i in range(network.shape.n_layers)]
        self.W_U_columns = network.W_U.T
        """[d_vocab_out d_model], a view, so that a few answers are a few rows."""
        self.plans = KeptPlans()
        """Of the last sweeps on it."""

    @property
    def library(self) -> str:
        """The libraries of the layers' products, as `describe` names them."""
        parts = [part for layer in self.layers for part in vars(layer).values()]
        used = {part.backend for part in parts if isinstance(part, Linear)}
        return describe("both" if len(used) > 1 else used.pop(), self.network.device)


def packed(
    network: Network,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    backend: Backend = "auto",
) -> Packed:
    """The network on a device, in a precision, packed; kept as long as the network lives.

    Raises BadInput for a device that is not there, Unsupported for a backend that cannot run.
    """
    place = network.device if device is None else find_device(device)
    kind = network.dtype if dtype is None else dtype
    narrow, wide = (choose(backend, place, kind, columns) for columns in (1, WIDE))
    key = place, kind, narrow, wide
    kept = _PACKED.setdefault(network, {})
    if key not in kept:
        # A copy: held itself, the network would keep its own entry alive.
        kept[key] = Packed(replace(network.to(place, kind)), backend)
    return kept[key]


def find_device(device: str | torch.device) -> torch.device:
    """The device. Raises BadInput for a name torch does not know, or a GPU that is not there."""
    try:
        place = torch.device(device)
    except RuntimeError as exc:
        raise BadInput(
            f"device {device!r}: torch knows no such device; use 'cpu' or 'cuda'"
        ) from exc
    if place.type == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"device {str(place)!r}: this torch sees no GPU; use device='cpu'")
    return place


_Key = tuple[torch.device, torch.dtype, str, str]
"""Where, in which precision, and the backends of narrow and of wide matrices."""
_PACKED: weakref.WeakKeyDictionary[Network, dict[_Key, Packed]] = weakref.WeakKeyDictionary()


def check_backend(backend: str) -> None:
    """Raises BadInput for a name that is no backend."""
    if backend not in get_args(Backend):
        raise BadInput(f"backend {backend!r}: give 'auto', 'onednn' or 'torch'")


def choose(backend: Backend, device: torch.device, dtype: torch.dtype, columns: int = 1) -> str:
    """The backend for matrices of so many columns: "onednn", "torch" or "both".

    For float32, if oneDNN works, "auto" takes it on CPUs with AVX-512, and both for WIDE matrices
    on other CPUs. The choice does not depend on timings, so that one machine always gives the same
    numbers.
    """
    check_backend(backend)
    can = device.type == "cpu" and dtype == torch.float32 and onednn_works()
    if backend == "onednn" and not can:
        raise Unsupported(
            f"oneDNN cannot run {dtype} on {device} here (it takes float32 on a CPU, and must "
            "agree with torch's own products); use backend='auto' or 'torch'"
        )
    if backend == "auto":
        if not can:
            return "torch"
        if "AVX512" in torch.backends.cpu.get_cpu_capability():
            return "onednn"
        return "both" if columns >= WIDE else "torch"
    return backend


def describe(backend: str, device: torch.device) -> str:
    """The library behind a backend: onednn, mkl, blas (another CPU library) or cublas.

    Behind "both" are two, as in "mkl+onednn".
    """
    if backend == "onednn":
        return backend
    if device.type == "cuda":
        return "cublas"
    own = "mkl" if torch.backends.mkl.is_available() else "blas"
    return f"{own}+onednn" if backend == "both" else own


@cache
def onednn_works() -> bool:
    """Whether the private oneDNN operator runs here and agrees with torch's own to 1e-5."""
    generator = torch.Generator().manual_seed(0)
    W, b, x = (torch.randn(*size, generator=generator) / 8 for size in ((64, 48), (48,), (5, 64)))
    try:
        return all(
            bool(
                (Linear(W, b, "onednn", name)(x) - Linear(W, b, "torch", name)(x)).abs().max()
                < 1e-5
            )
            for name in _ONEDNN_EPILOGUES
        )
    except (RuntimeError, AttributeError, NotImplementedError):
        return False


def _onednn_weight(W: Tensor) -> Tensor:
    """In the blocked layout that oneDNN prefers for products with about a thousand rows."""
    found: Tensor = torch.ops.mkldnn._reorder_linear_weight(W.T, 1024)
    return found


def _onednn_linear(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None
) -> Tensor:
    attribute, algorithm = _ONEDNN_EPILOGUES[activation]
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, attribute, [], algorithm)
    return found


def rate(
    backend: Backend = "auto",
    device: str = "cpu",
    *,
    rounds: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """FLOP per second of large float32 products, [1024 768] @ [768 3072] and back; the median.

    What an engine's time is compared with, measured in the same process. `clock` may be
    time.process_time, on a CPU that is busy with other things.
    """
    place = torch.device(device)
    name = choose(backend, place, torch.float32)
    generator = torch.Generator().manual_seed(0)
    x, W = (torch.randn(*size, generator=generator) for size in ((1024, 768), (768, 3072)))
    up, down = (Linear(m.to(place), torch.zeros(m.shape[1], device=place), name) for m in (W, W.T))
    x, found = x.to(place), []
    for _ in range(rounds + 1):
        start = clock()
        for _ in range(4):
            down(up(x))
        if place.type == "cuda":
            torch.cuda.synchronize()
        found.append(clock() - start)
    return 4 * 1024 * (up.flops_per_row + down.flops_per_row) / statistics.median(found[1:])
