"""What the engine computes is what the closed formula says, multiplication by multiplication."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.models import sites
from replications.models.network import Network
from replications.models.rotary import Rotary
from replications.models.shape import Shape
from replications.patching.activation import expected_flops, sweep
from replications.patching.grid import SWEPT_SITES, Grid
from tests.random_models import MODERN, network, state_dict, tokens

ANSWERS = torch.tensor([[0, 3, 1], [2, 1, 0], [5, 4, 1]])


@pytest.mark.sampled(9)
@pytest.mark.parametrize("at", [-1, torch.tensor([5, 3, 4])], ids=["last", "each"])
@pytest.mark.parametrize("shared", [0, 2])
@pytest.mark.parametrize("name", ["gpt", "padded", "shortformer", *MODERN])
def test_the_count_is_the_closed_formula(name: str, shared: int, at: int | Tensor) -> None:
    base, source = tokens(name), tokens(name, seed=1)
    source[:, :shared] = base[:, :shared]
    model = network(name)
    for site in SWEPT_SITES:
        absent = sites.MLP_OUT if model.shape.attn_only else sites.RESID_MID
        if site is absent and (model.shape.attn_only or model.shape.parallel):
            continue
        for axes in ("layer pos", "layer", "layer head", "layer head pos"):
            if "head" in axes and "head" not in site.axes:
                continue
            grid = Grid(site, axes)
            found = sweep(model, base, source, grid, ANSWERS, at=at)
            expected = expected_flops(model, base, source, [grid], at=at, n_answers=3)
            assert found.flops == expected, grid
    grids = [Grid(sites.Z, "layer head"), Grid(sites.RESID_POST, "layer pos")]
    for grid in grids:
        whole = sweep(model, base, source, grid, None, metric=lambda logits: logits[:, 0, 0])
        assert whole.flops == expected_flops(model, base, source, [grid], n_answers=None)


def test_the_formula_of_one_residual_patch_written_out() -> None:
    # 24 d^2 for each row of a layer, as in GPT-2: heads as wide as the model, an MLP of 4 d.
    d, length, layers, pos = 8, 5, 4, 2
    shape = Shape(
        n_layers=layers, n_heads=2, d_model=d, d_head=4, d_mlp=4 * d, n_ctx=length, d_vocab=9,
        d_vocab_out=9, act_fn="gelu_new",
    )  # fmt: skip
    model = Network.from_state_dict(shape, state_dict(shape))
    base, source = torch.zeros(1, length, dtype=torch.long), torch.ones(1, length).long()
    n = length - pos
    pairs = 4 * d * sum(q + 1 for q in range(pos, length))
    last = 4 * d**2 * n + 20 * d**2 + 4 * d * length
    patched = (6 * d**2 + 18 * d**2 * n + pairs) + (layers - 2) * (24 * d**2 * n + pairs) + last
    everything = 4 * d * sum(q + 1 for q in range(length))
    unpatched = (layers - 1) * (24 * d**2 * length + everything)
    unpatched += 4 * d**2 * length + 20 * d**2 + 4 * d * length
    place = [sites.RESID_PRE(0).pick(pos=pos)]
    found = sweep(model, base, source, place, torch.tensor([[0, 1]]))
    two_answers_of_three_runs = 3 * 2 * 2 * d
    assert found.flops == patched + 2 * unpatched + two_answers_of_three_runs


def residual_patch(shape: Shape, length: int, pos: int) -> int:
    """What the engine counts for one patch of resid_pre at layer 0, less the two unpatched runs."""
    model = Network.from_state_dict(shape, state_dict(shape))
    base, source = torch.zeros(1, length, dtype=torch.long), torch.ones(1, length).long()
    place, answers = [sites.RESID_PRE(0).pick(pos=pos)], torch.tensor([[0, 1]])
    patched = sweep(model, base, source, place, answers).flops
    # At the last layer's last position but one a patch is read by nobody.
    unread = [sites.RESID_POST(shape.n_layers - 1).pick(pos=pos)]
    return patched - sweep(model, base, source, unread, answers).flops


@pytest.mark.parametrize("parallel", [False, True])
def test_the_formula_of_gated_neurons_grouped_heads_and_parallel_blocks(parallel: bool) -> None:
    d, d_head, heads, key_heads, d_mlp, length, layers, pos = 8, 4, 4, 2, 10, 5, 4, 2
    shape = Shape(
        n_layers=layers, n_heads=heads, n_key_value_heads=key_heads, d_model=d, d_head=d_head,
        d_mlp=d_mlp, gated=True, parallel=parallel, n_ctx=length, d_vocab=9, d_vocab_out=9,
        act_fn="silu", normalization="RMS", positions="rotary", rotary=(Rotary(4),) * layers,
    )  # fmt: skip
    n, a = length - pos, heads * d_head
    q = o = 2 * d * a
    k_and_v = 2 * 2 * d * key_heads * d_head
    mlp = 3 * 2 * d * d_mlp
    scores_and_sums = 4 * a * sum(query + 1 for query in range(pos, length))
    whole = n * (q + k_and_v + o + mlp) + scores_and_sums
    # Only the patched row differs in what attention reads, and so does the MLP beside it.
    first = q + k_and_v + n * o + (1 if parallel else n) * mlp + scores_and_sums
    last = n * k_and_v + q + o + mlp + 4 * a * length
    two_answers = 2 * 2 * d
    assert residual_patch(shape, length, pos) == first + (layers - 2) * whole + last + two_answers
