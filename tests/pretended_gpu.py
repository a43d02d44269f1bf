"""A GPU that is not there: code that mixes devices fails on a processor as it would on a card.

Inside `pretended_gpu()` tensors on `cuda` are tensors of the processor that say otherwise.  They
compute the same values, and an operation that takes tensors from both devices raises RuntimeError,
with the exceptions that torch makes: numbers without axes, indices, and copies.  It shows where
tensors are, and nothing about a card's arithmetic or speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda:0")
META = torch.device("meta")
"""What torch's own code takes for the GPU's name: every build of torch knows it."""
COPIES = ("aten::copy_", "aten::_to_copy")
INDEXED = ("aten::index.", "aten::index_put", "aten::_index_put_impl_", "aten::_unsafe_index")


class OnGPU(Tensor):
    """A tensor that says it is on CUDA; `there` is what computes."""

    there: Tensor

    @staticmethod
    def __new__(cls, there: Tensor) -> OnGPU:
        made: OnGPU = Tensor._make_wrapper_subclass(
            cls, there.shape, strides=there.stride(), storage_offset=there.storage_offset(),
            dtype=there.dtype, device=META,
        )  # fmt: skip
        made.there = there
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CUDA

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        raise RuntimeError(f"{func}: a tensor of the pretended GPU outlived it")


class _Names(TorchFunctionMode):
    """Says META where a caller says CUDA."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.device:
            return func(*args, **(kwargs or {}))
        named = tree_map(_name, kwargs or {})
        if func is torch.tensor and named.get("device") == META:  # it asks no mode
            return func(*args, **{k: v for k, v in named.items() if k != "device"}).to(META)
        if func is Tensor.tolist:  # it refuses subclasses
            args = tree_map(_inner, args)
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            args = (args[0], _index(args[1]), *args[2:])
        return func(*tree_map(_name, args), **named)


def _index(index: Any) -> Any:
    """With lists as tensors, which torch would make where no mode looks."""
    if isinstance(index, tuple):
        return tuple(_index(part) for part in index)
    return torch.tensor(index) if isinstance(index, list) else index


def _name(value: Any) -> Any:
    cuda = isinstance(value, torch.device) and value.type == "cuda"
    return META if cuda or (isinstance(value, str) and value.startswith("cuda")) else value


class _Pretence(TorchDispatchMode):
    """Runs every operation on the processor, and says where its result is."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name, tensors = func.name(), [x for x in tree_leaves((args, kwargs)) if _is_tensor(x)]
        there = [x for x in tensors if isinstance(x, OnGPU)]
        lost = [x for x in tensors if x.device == META]
        if lost:
            raise RuntimeError(f"{name}: {len(lost)} tensors were made where no mode looks")
        if there and not name.startswith(COPIES):
            _check(name, args[1:] if name.startswith(INDEXED) else (), tensors)
        on_gpu = bool(there)
        if kwargs.get("device") is not None:
            on_gpu = torch.device(kwargs["device"]) == META
            kwargs["device"] = torch.device("cpu")
        found = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
        if name.split(".")[0].endswith("_"):  # in place
            return args[0]
        return tree_map(lambda x: OnGPU(x) if _is_tensor(x) else x, found) if on_gpu else found


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _inner(value: Any) -> Any:
    return value.there if isinstance(value, OnGPU) else value


def _check(name: str, indices: Any, tensors: list[Tensor]) -> None:
    """RuntimeError if a tensor with axes that is no index is on the processor."""
    free = [id(x) for x in tree_leaves(indices) if _is_tensor(x) and not x.is_floating_point()]
    for each in tensors:
        if not isinstance(each, OnGPU) and each.dim() and id(each) not in free:
            raise RuntimeError(f"{name}: tensors on cuda:0 and on cpu, {[*each.shape]}")


@contextmanager
def pretended_gpu() -> Iterator[None]:
    """In it `cuda` is a device."""
    modes = (_Names(), _Pretence())  # type: ignore[no-untyped-call]
    with pytest.MonkeyPatch.context() as patch, modes[0], modes[1]:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        yield
