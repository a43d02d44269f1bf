"""What heads and neurons contribute at position 1, against a plain reimplementation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import sites
from replications.systems.brackets import BracketSubject
from replications.systems.brackets.measurements.neurons import parse_neuron
from replications.systems.brackets.recording import parse_head
from tests.systems.brackets.plain import (
    COMPONENTS,
    HEADS,
    Plain,
    assert_each_is_its_own,
    centred,
    close,
    least_squares,
)

EXACT = 1e-8
LAYERS = range(3)


def p20(plain: Plain, reference: dict[str, Tensor], pf: Tensor, head: str) -> Tensor:
    """Direction at position 1 that a head turns into "unbalanced"."""
    layer = head[0]
    coef, _ = least_squares(reference[f"resid_pre{layer}"][:, 1], reference[f"ln1_{layer}"][:, 1])
    return coef.T @ plain.OV(head) @ pf


def test_directions_before_a_head(
    exact: BracketSubject, plain: Plain, pf: Tensor, reference: dict[str, Tensor]
) -> None:
    expected = [p20(plain, reference, pf, head) for head in HEADS]
    assert_each_is_its_own(
        [exact.task.direction_before(parse_head(head)) for head in HEADS], expected, 1e-6
    )
    everywhere = exact.task.layernorm_fit(2)
    assert not close(everywhere.coef, exact.task.input_fit(2).coef, 1e-3)
    assert everywhere.r_squared < exact.task.input_fit(2).r_squared


@pytest.mark.parametrize("head", ["1.0", "2.0", "2.1"])
def test_inputs_of_a_head_at_position_1(
    exact: BracketSubject, plain: Plain, pf: Tensor, reference: dict[str, Tensor], head: str
) -> None:
    direction = p20(plain, reference, pf, head)
    earlier = COMPONENTS[: COMPONENTS.index(f"{head[0]}.0")]
    expected = [centred(reference[c][:, 1] @ direction, exact.task.B) for c in earlier]
    found = exact.task.inputs(parse_head(head))
    assert tuple(found) == COMPONENTS[:7]
    assert_each_is_its_own([found[c] for c in earlier], expected, 1e-6)
    assert all((found[c] == 0).all() for c in COMPONENTS[len(earlier) : 7])


def test_two_relus_make_an_absolute_value_and_one_does_not() -> None:
    x = torch.linspace(-1, 2, 301, dtype=torch.float64)
    both = (x - 0.5).relu() + (0.5 - x).relu()
    assert close(both, (x - 0.5).abs(), 1e-9)
    assert (both > 1e-9).sum() == 300  # zero at one half only
    one = (x - 0.5).relu()
    assert (one[x < 0.5] == 0).all()
    assert (one[x > 0.5 + 1e-9] > 0).all()


@pytest.mark.parametrize("layer", LAYERS)
def test_an_mlp_writes_the_sum_of_its_neurons_and_its_bias(
    exact: BracketSubject, layer: int
) -> None:
    s, tokens = exact, exact.task.data.tokens[:20]
    run = s.lens.read(tokens, {"post": sites.MLP_POST(layer), "out": sites.MLP_OUT(layer)})
    summed = torch.stack(
        [run["post"][..., i, None] * s.task.weights.W_out[layer, i] for i in range(56)]
    )
    assert close(summed.sum(0) + s.task.weights.b_out[layer], run["out"], EXACT)
    assert not close(summed.sum(0), run["out"], 0.01)


def test_neuron_contributions_two_ways(
    exact: BracketSubject, plain: Plain, pf: Tensor, reference: dict[str, Tensor]
) -> None:
    total = exact.roles.total
    direction = p20(plain, reference, pf, f"{total[0]}.{total[1]}")

    def in_full(layer: int, weights_of: int) -> Tensor:
        W_out = plain.w[f"blocks.{weights_of}.mlp.W_out"]
        written = torch.einsum("nm,md->nmd", reference[f"post{layer}"][:, 1], W_out)
        along = written @ direction
        return along - along[exact.task.B].mean(0)

    found = exact.neurons.contributions
    assert found.shape == (2, len(exact.task.data), 56)
    assert_each_is_its_own(list(found), [in_full(0, 0), in_full(1, 1)], 1e-6)
    assert not close(found[0], in_full(0, 1), 1e-3)


@pytest.mark.parametrize("name", ["2.0", "0.56", "0.-1", "x", "", "0", "0.", "1.5.2", "1.²"])
def test_an_unknown_neuron_is_refused(single: BracketSubject, name: str) -> None:
    with pytest.raises(BadInput, match=r"unknown neuron .*0\.0 to 1\.55"):
        single.neurons.high_of(name)


def test_a_neuron_is_named_by_layer_and_number(single: BracketSubject) -> None:
    assert parse_neuron("1.53") == (1, 53)
    assert single.neurons.high_of("1.53") == single.neurons.high[1, 53].item()
    assert single.neurons.high_of("0.53") != single.neurons.high_of("1.53")
