"""Matrix products: both backends agree, the choice is safe, packed weights are kept and let go."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from replications.errors import BadInput, Unsupported
from replications.models.layers import ACTIVATIONS
from replications.models.network import Network
from replications.patching._engine import gemm
from replications.patching._engine.gemm import (
    FEW_ROWS,
    WIDE,
    Linear,
    activate,
    choose,
    describe,
    packed,
    rate,
)
from tests.random_models import MODERN, network, state_dict

CPU = torch.device("cpu")
needs_onednn = pytest.mark.skipif(
    not gemm.onednn_works(), reason="this build of torch has no working oneDNN operator"
)


@pytest.mark.parametrize("activation", [None, *ACTIVATIONS])
@pytest.mark.parametrize("backend", ["torch", pytest.param("onednn", marks=needs_onednn)])
def test_a_product_is_that_of_the_maths(backend: str, activation: str | None) -> None:
    generator = torch.Generator().manual_seed(0)
    W, b, x = (torch.randn(*size, generator=generator) for size in ((40, 24), (24,), (7, 40)))
    exact = x.double() @ W.double() + b.double()
    if activation is not None:
        exact = ACTIVATIONS[activation](exact)
    made = Linear(W, b, backend, activation)
    assert (made(x) - exact).abs().max() < 1e-5
    assert made.flops_per_row == 2 * 40 * 24
    without = Linear(W, None, backend, activation)(x)
    assert without.equal(Linear(W, torch.zeros(24), backend, activation)(x))


@needs_onednn
@pytest.mark.parametrize("activation", [None, *ACTIVATIONS])
@pytest.mark.parametrize("n_rows", [1, FEW_ROWS, FEW_ROWS + 1])
def test_a_product_with_a_wide_matrix_is_that_of_the_maths(
    monkeypatch: pytest.MonkeyPatch, n_rows: int, activation: str | None
) -> None:
    generator = torch.Generator().manual_seed(0)
    W, b, x = (torch.randn(*s, generator=generator) for s in ((40, WIDE), (WIDE,), (n_rows, 40)))
    exact = x.double() @ W.double() + b.double()
    if activation is not None:
        exact = ACTIVATIONS[activation](exact)
    right, by_onednn = gemm._onednn_linear, []

    def counted(*given: Any) -> torch.Tensor:
        by_onednn.append(given)
        return right(*given)

    monkeypatch.setattr(gemm, "_onednn_linear", counted)
    made = Linear(W, b, "both", activation)
    assert (made(x) - exact).abs().max() < 1e-4
    assert len(by_onednn) == (n_rows <= FEW_ROWS)


def test_gelu_new_is_exact_in_float64_and_far_from_zero() -> None:
    x = torch.cat([torch.linspace(-12, 12, 4001), torch.tensor([-1e4, 0.0, 1e4])]).double()
    expected = F.gelu(x, approximate="tanh")
    assert (activate(x.clone(), "gelu_new") - expected).abs().max() < 1e-14


@pytest.mark.parametrize(
    ("capability", "works", "expected"),
    [("AVX2", True, "torch"), ("AVX512", True, "onednn"), ("AVX512", False, "torch")],
)
def test_auto_takes_onednn_only_where_it_is_faster_and_right(
    monkeypatch: pytest.MonkeyPatch, capability: str, works: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(gemm, "onednn_works", lambda: works)
    assert choose("auto", CPU, torch.float32) == expected
    assert choose("auto", CPU, torch.float64) == "torch"
    assert choose("auto", torch.device("cuda"), torch.float32) == "torch"
    assert choose("torch", CPU, torch.float32) == "torch"
    wide = "both" if (capability, works) == ("AVX2", True) else expected
    assert choose("auto", CPU, torch.float32, WIDE) == wide
    assert choose("auto", CPU, torch.float32, WIDE - 1) == expected
    assert choose("auto", CPU, torch.float64, WIDE) == "torch"
    assert choose("auto", torch.device("cuda"), torch.float32, WIDE) == "torch"
    assert choose("torch", CPU, torch.float32, WIDE) == "torch"
    if not works:
        with pytest.raises(Unsupported, match="oneDNN cannot run"):
            choose("onednn", CPU, torch.float32)


@pytest.mark.parametrize("error", [RuntimeError, AttributeError, NotImplementedError])
def test_an_operator_that_fails_is_not_used(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*given: object) -> None:
        raise error("gone")

    monkeypatch.setattr(gemm, "_onednn_linear", fail)
    assert not gemm.onednn_works.__wrapped__()


def test_an_operator_that_is_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    right = gemm._onednn_linear

    def wrong(*given: object) -> torch.Tensor:
        return right(*given) + 1e-3  # type: ignore[arg-type]

    monkeypatch.setattr(gemm, "_onednn_linear", wrong)
    assert not gemm.onednn_works.__wrapped__()


def test_the_library_has_a_name() -> None:
    assert describe("onednn", CPU) == "onednn"
    assert describe("torch", CPU) in ("mkl", "blas")
    assert describe("torch", torch.device("cuda")) == "cublas"
    assert describe("both", CPU) == describe("torch", CPU) + "+onednn"


@needs_onednn
def test_only_wide_matrices_are_laid_out_for_both_libraries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    shape = replace(MODERN["grouped"], d_mlp=32)
    model = Network.from_state_dict(shape, state_dict(shape)).to(dtype=torch.float32)
    assert packed(model).library == describe("torch", CPU)
    monkeypatch.setattr(gemm, "WIDE", shape.d_mlp)
    mixed = packed(replace(model))
    assert mixed.library == describe("both", CPU)
    layer = mixed.layers[0]
    assert layer.gate is not None
    assert {layer.gate.backend, layer.up.backend} == {"both"}
    assert {layer.q.backend, layer.o.backend, layer.down.backend} == {"torch"}
    # The layout for torch is the network's own, so that a wide matrix is copied once.
    assert layer.up._W is not None
    assert layer.up._W.data_ptr() == mixed.network.W_in[0].data_ptr()


def test_weights_are_packed_once_and_let_go_with_their_network() -> None:
    model = replace(network("gpt"))
    first = packed(model)
    assert packed(model) is first
    assert packed(model, dtype=torch.float32) is not first
    gone = weakref.ref(first)
    del model, first
    gc.collect()
    assert gone() is None


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(BadInput, match="give 'auto', 'onednn' or 'torch'"):
        choose("mkl", CPU, torch.float32)  # type: ignore[arg-type]


def test_the_rate_of_large_products_is_a_rate() -> None:
    assert 1e8 < rate(rounds=1) < 1e15
