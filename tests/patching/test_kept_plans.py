"""Plans that are kept for the next sweep of the same structure, and recorded passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from replications.errors import Unsupported
from replications.models import sites
from replications.models.network import Network
from replications.patching import Execution, Grid, Sweep, sweep, sweeps
from replications.patching._engine import gemm, kept, replay
from replications.patching._engine.plan import Planner
from tests.pretended_gpu import OnGPU, pretended_gpu
from tests.random_models import EVERY, network, pair, positions

ANSWERS = torch.tensor([[0, 1], [3, 2], [4, 5]])
GRIDS = (Grid(sites.RESID_PRE, "layer pos"), Grid(sites.Z, "layer head"))
EXACT = 1e-10


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[Planner]:
    """Everything that was planned."""
    made: list[Planner] = []
    plan = Planner.plan

    def noted(self: Planner) -> Any:
        made.append(self)
        return plan(self)

    monkeypatch.setattr(Planner, "plan", noted)
    return made


def others(name: str, base: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
    """Other prompts, which differ where these do, with the same padding."""
    d_vocab, pad = EVERY[name].d_vocab, EVERY[name].pad_token
    first = 0 if pad is None else pad + 1
    turned = [first + (t - first + 1) % (d_vocab - first) for t in (base, source)]
    if pad is None:
        return turned[0], turned[1]
    one, two = (torch.where(t == pad, t, u) for t, u in zip((base, source), turned, strict=True))
    return one, two


def run(model: Network, name: str, base: Tensor, source: Tensor, **how: Any) -> list[Sweep]:
    return sweeps(
        model, base, source, GRIDS, ANSWERS, at=positions(name), execution=Execution(**how)
    )  # fmt: skip


def largest_difference(some: list[Sweep], other: list[Sweep]) -> float:
    return max(
        float((one.values - two.values).abs().max()) for one, two in zip(some, other, strict=True)
    )


@pytest.mark.parametrize("name", ["gpt", "padded"])
def test_other_tokens_of_one_structure_are_not_planned_again(
    name: str, planned: list[Planner]
) -> None:
    model, (base, source) = network(name), pair(name)
    first = run(model, name, base, source)
    again = run(model, name, *others(name, base, source))
    assert len(planned) == 1
    assert largest_difference(again, run(network(name), name, *others(name, base, source))) == 0
    assert largest_difference(first, run(model, name, base, source)) == 0
    assert largest_difference(first, again) > 1e-3
    assert again[0].flops == first[0].flops


def test_whatever_a_plan_depends_on_is_planned_anew(planned: list[Planner]) -> None:
    """The first difference, what is padding, where the metric is read, and the memory."""
    for name in ("gpt", "padded"):
        model, (base, source) = network(name), pair(name)
        run(model, name, base, source)
        if (pad := EVERY[name].pad_token) is None:
            source[:, 2] = base[:, 2]
        else:
            base[0, -1] = pad
        before = len(planned)
        found = run(model, name, base, source)
        assert len(planned) == before + 1
        assert largest_difference(found, run(network(name), name, base, source)) == 0
    model, (base, source) = network("gpt"), pair("gpt")
    for at, memory_mb in ((positions("gpt") - 1, 256.0), (positions("gpt"), 0.1)):
        before = len(planned)
        how = Execution(memory_mb=memory_mb)
        sweeps(model, base, source, GRIDS, ANSWERS, at=at, execution=how)
        assert len(planned) > before


def test_few_plans_are_kept_and_none_that_is_large(
    planned: list[Planner], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, (base, source) = network("gpt"), pair("gpt")
    plans = gemm.packed(model).plans
    for layer in range(3):
        for pos in range(5):
            sweep(model, base, source, [sites.Z(layer).pick(pos=pos)], ANSWERS)
    assert len(plans) == kept.MOST
    monkeypatch.setattr(kept, "LARGEST", 10)
    for _ in range(2):
        before = len(planned)
        run(model, "gpt", base, source)
        assert len(planned) == before + 1


def test_an_interrupted_sweep_keeps_no_plan(planned: list[Planner]) -> None:
    model, (base, source) = network("gpt"), pair("gpt")

    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        before = len(planned)
        with pytest.raises(KeyboardInterrupt):
            run(model, "gpt", base, source, memory_mb=0.05, progress=interrupt)
        assert len(planned) == before + 1


# ---------------------------------------------------------------------------- recorded passes
class OnTheGPUAlone(TorchDispatchMode):
    """Refuses what may not be recorded: reading tensors from elsewhere, and telling values."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        tensors = [x for x in tree_leaves((args, kwargs or {})) if isinstance(x, Tensor)]
        here = [x for x in tensors if not isinstance(x, OnGPU)]
        told = any(word in func.name() for word in ("_local_scalar", "nonzero", "is_nonzero"))
        if here or told:
            raise RuntimeError(f"operation not permitted when stream is capturing: {func.name()}")
        return func(*args, **(kwargs or {}))


def record(run: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:
    """What a graph does: the same operations on the same memory."""
    assert device.type == "cuda"
    run()
    with OnTheGPUAlone():  # type: ignore[no-untyped-call]
        found = run()

    def again() -> Tensor:
        return found.copy_(run())

    return again


@pytest.mark.parametrize(
    "name",
    [n if n in ("gpt", "padded") else pytest.param(n, marks=pytest.mark.slow) for n in EVERY],
)
def test_a_recorded_pass_finds_what_a_plain_one_finds(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "record", record)
    base, source = pair(name)
    other = others(name, base, source)
    expected = [run(network(name), name, *prompts) for prompts in ((base, source), other)]
    with pretended_gpu():
        model = network(name).to(device="cuda")
        for i in (0, 1, 1, 0):
            found = run(model, name, *((base, source), other)[i], cuda_graphs=True)
            assert largest_difference(found, expected[i]) < EXACT
            assert found[0].flops == expected[i][0].flops


def test_a_sweep_in_chunks_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "record", None)
    with pretended_gpu():
        model = network("gpt").to(device="cuda")
        for _ in range(3):
            run(model, "gpt", *pair("gpt"), cuda_graphs=True, memory_mb=0.05)


def test_what_cannot_be_recorded_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(run: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(replay, "record", refuse)
    with pytest.raises(Unsupported, match=r"capturing\); give cuda_graphs=False"):
        replay.Replay(lambda tokens: tokens, torch.tensor([1]))


def test_a_processor_records_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "record", None)
    model, (base, source) = network("gpt"), pair("gpt")
    once, twice = (run(model, "gpt", base, source, cuda_graphs=True) for _ in range(2))
    assert largest_difference(once, twice) == 0
