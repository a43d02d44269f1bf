"""What the sweeps refuse, and what they say then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from replications.errors import BadInput, Unsupported
from replications.lens.networks import as_network
from replications.models import sites
from replications.models.edits import put
from replications.models.sites import Place
from replications.patching.activation import Sweep, sweep
from replications.patching.execution import Execution
from replications.patching.grid import Grid
from tests.random_models import lens, network, tokens

ANSWERS = torch.tensor([[0, 3], [2, 1], [5, 4]])
GRID = Grid(sites.Z, "layer head")


def run(**changed: Any) -> Sweep:
    given: dict[str, Any] = {
        "model": network("gpt"), "base": tokens("gpt"), "source": tokens("gpt", seed=1),
        "places": GRID, "answers": ANSWERS,
    }  # fmt: skip
    return sweep(**(given | changed))


def test_the_inputs_of_these_tests_are_otherwise_fine() -> None:
    assert run().values.shape == (3, 3, 3)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"source": tokens("gpt")[:, :5]}, r"base tokens \[3, 6\], source \[3, 5\]"),
        ({"base": tokens("gpt", length=10), "source": tokens("gpt", length=10)}, "context is 9"),
        ({"source": tokens("gpt") + 7}, "outside the vocabulary of 7"),
        ({"answers": ANSWERS[:2]}, r"answers must be tokens \[3"),
        ({"answers": ANSWERS + 1}, "outside the output vocabulary of 6"),
        ({"answers": None}, "not both"),
        ({"metric": lambda logits: logits[:, 0, 0]}, "not both"),
        ({"at": 6}, "position 6 is outside prompts of 6"),
        ({"at": torch.tensor([0, 1])}, "one for each of 3"),
        ({"places": []}, "no places"),
        ({"places": Grid(sites.Z, "layer pos", positions=[6])}, "6 of axis 'pos'"),
        ({"places": Grid(sites.Z, "layer head", heads=[-1])}, "3 of axis 'head'"),
        ({"places": Grid(sites.Z, "layer head", layers=[3])}, "has 3 layers"),
        ({"places": [sites.Z(3)]}, "has 3 layers"),
        (
            {"places": [sites.MLP_POST(0)]},
            "does not patch 'mlp_post'; use replications.patching.reference",
        ),
        ({"places": [sites.EMBED()]}, "does not patch 'embed'"),
        ({"places": [sites.PATTERN(0).pick(key=1)]}, "whole rows of a pattern"),
        ({"places": [sites.Z(0).pick(pos=slice(0, 2))]}, "one pos or all"),
        ({"places": [sites.Z(0).pick(head=3)]}, "3 of axis 'head'"),
    ],
)
def test_what_makes_no_sense_is_refused(changed: dict[str, Any], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        run(**changed)


def test_mlp_out_of_a_model_without_mlps_is_refused() -> None:
    with pytest.raises(BadInput, match="attention only"):
        run(model=network("attention_only"), places=Grid(sites.MLP_OUT, "layer pos"))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"backend": "magic"}, "give 'auto', 'onednn' or 'torch'"),
        ({"memory_mb": 0}, "memory_mb must be more than 0"),
        ({"memory_mb": float("nan")}, "memory_mb must be more than 0"),
        ({"device": "abacus"}, "torch knows no such device"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        Execution(**options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadInput, match="sees no GPU; use device='cpu'"):
        Execution(device="cuda")


def test_a_lens_with_standing_edits_is_refused() -> None:
    edited = lens("gpt").with_edits([put(sites.Z(0), torch.tensor(0.0))])
    with pytest.raises(Unsupported, match="give the lens without them"):
        run(model=edited)


def test_onednn_is_refused_where_it_cannot_run() -> None:
    with pytest.raises(Unsupported, match="oneDNN cannot run"):
        run(execution=Execution(backend="onednn"))  # float64


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Grid(sites.LN1, "layer pos"), "'ln1' cannot be swept"),
        (lambda: Grid(sites.Z, "head pos"), "give 'layer' and any of pos and head"),
        (lambda: Grid(sites.RESID_PRE, "layer head"), "give 'layer' and any of pos"),
        (lambda: Grid(sites.Z, "layer pos pos"), "each once"),
        (lambda: Grid(sites.PATTERN, "layer query"), "give 'layer'"),
    ],
)
def test_grids_that_make_no_sense_are_refused(make: Callable[[], Grid], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        make()


def test_a_grid_lists_its_places_with_the_last_axis_fastest() -> None:
    grid = Grid(sites.PATTERN, "head layer pos", layers=[0, 2], positions=[4, 1], heads=[1])
    made: list[Place] = grid.places(network("gpt"), 6)
    assert [repr(place) for place in made[:3]] == [
        "pattern[layer=0, head=1, query=4]",
        "pattern[layer=0, head=1, query=1]",
        "pattern[layer=2, head=1, query=4]",
    ]
    labels = {"head": (1,), "layer": (0, 2), "pos": (4, 1)}
    assert grid.labels(network("gpt"), 6) == labels


def test_a_lens_and_its_network_give_the_same() -> None:
    made = as_network(lens("gpt"))
    assert run(model=lens("gpt")).values.equal(run(model=made).values)


def test_only_tf32_on_a_gpu_and_half_precision_are_called_inexact() -> None:
    before = torch.get_float32_matmul_precision()
    assert run(execution=Execution(tf32=True, dtype=torch.float32)).exact
    assert not run(execution=Execution(dtype=torch.bfloat16)).exact
    assert torch.get_float32_matmul_precision() == before
