"""A run leaves the model and torch as they were, also a run that fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from replications.lens import Lens, Read, open_lens
from replications.models import sites
from replications.models.edits import apply
from replications.models.sites import Site
from tests.toy import LIVE, PADDED, PLACES, TOKENS, opened, weights


def state(lens: Lens) -> dict[str, Any]:
    """Everything of a model and of torch that a run could leave changed."""
    model = lens.model  # type: ignore[attr-defined]
    modules = list(model.modules())
    return {
        "parameters": {n: p.flatten().tolist() for n, p in model.state_dict().items()},
        "state_dict": {n: p.flatten().tolist() for n, p in lens.state_dict.items()},
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules],
        "hook points": [len(getattr(m, "fwd_hooks", ())) for m in modules],
        "backward": [len(m._backward_hooks) + len(m._backward_pre_hooks) for m in modules],
        "training": [m.training for m in modules],
        "gradients": [(p.requires_grad, p.grad) for p in model.parameters()],
        "kind": {(p.device, p.dtype) for p in model.parameters()},
        "edits": lens.edits,
        "tokens": TOKENS.tolist(),
        "torch": (torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads()),
        "random": torch.get_rng_state().tolist(),
        "logits": lens.run(TOKENS).logits.tolist(),
    }


def _fail(value: Tensor) -> Tensor:
    raise RuntimeError("planted")


ZERO = [apply(place, torch.zeros_like) for place in LIVE]
RUNS: dict[str, Callable[[Lens], object]] = {
    "run": lambda lens: lens.run(TOKENS, {repr(place): place for place in PLACES}),
    "edits": lambda lens: lens.run(TOKENS, edits=ZERO, batch=2),
    "unmasked": lambda lens: lens.run(TOKENS, masked=False),
    "early stop": lambda lens: lens.read(TOKENS, {"z": sites.Z(0), "ln": sites.LN1(0)}, ZERO),
    "with_edits": lambda lens: lens.with_edits(ZERO).run(TOKENS),
    "reopen": lambda lens: lens.reopen(weights(seed=1)).run(TOKENS),
    "changed reads": lambda lens: lens.run(TOKENS, {"e": sites.EMBED()})["e"].zero_(),
}
FAILURES: dict[str, Callable[[Lens], object]] = {
    "in a hook": lambda lens: lens.run(TOKENS, edits=[*ZERO, apply(sites.Z(1), _fail)]),
    "in a module": lambda lens: lens.run(TOKENS, edits=[*ZERO, apply(sites.LN2(0), _fail)]),
    "in an early stop": lambda lens: lens.read(
        TOKENS, {"z": sites.Z(0)}, [*ZERO, apply(sites.LN1(0), _fail)]
    ),
    "in a reduction": lambda lens: lens.run(TOKENS, {"z": Read(sites.LN1(1), _fail)}),
    "for a module that is not there": lambda lens: lens.run(
        TOKENS, {"x": Site("x", ("batch",), "blocks.{layer}.ln9", via="module")(0)}, ZERO
    ),
    "for a hook that is not there": lambda lens: lens.run(
        TOKENS, {"x": Site("x", ("batch",), "blocks.{layer}.hook_nine")(0)}, ZERO
    ),
}


@pytest.mark.parametrize("what", RUNS)
def test_a_run_leaves_nothing_changed(what: str) -> None:
    lens = opened("padded")
    lens.run(TOKENS)  # a block of TransformerLens wires capture hooks of its own, in its first run
    before = state(lens)
    RUNS[what](lens)
    assert [name for name, value in state(lens).items() if value != before[name]] == []


@pytest.mark.parametrize("where", FAILURES)
def test_a_run_that_fails_leaves_nothing_changed(where: str) -> None:
    lens = opened("padded")
    lens.run(TOKENS)  # a block of TransformerLens wires capture hooks of its own, in its first run
    before = state(lens)
    with pytest.raises((RuntimeError, AttributeError, KeyError)):
        FAILURES[where](lens)
    assert [name for name, value in state(lens).items() if value != before[name]] == []


def test_planted_hook_that_stays_is_found() -> None:
    lens = open_lens(PADDED, weights(), dtype=torch.float64)
    before = state(lens)
    lens._on_module_output("ln_final", lambda output: None)  # type: ignore[attr-defined]
    assert [name for name, value in state(lens).items() if value != before[name]] == ["hooks"]


def test_opening_draws_nothing_from_the_global_generator_and_warns_of_nothing() -> None:
    before = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        open_lens(PADDED, weights())
    assert torch.get_rng_state().equal(before)
