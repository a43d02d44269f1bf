"""Causal scrubbing against explicit forward passes, one for each string and node."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from replications.circuits.scrubbing import (
    Along,
    Component,
    DirectPath,
    Embeddings,
    Estimate,
    Feature,
    Mask,
    Output,
    Position,
    drawing,
    lean,
    logits_at,
    scrub,
)
from replications.circuits.scrubbing.drawing import Drawn
from replications.errors import Unsupported
from replications.models import Edit, Network, Place, apply, put, put_rows, sites
from replications.patching.execution import Execution
from tests import random_models, toy

# ---------------------------------------------------------------- explicit forward passes
TOKENS = torch.tensor(
    [
        [0, *[3 + (i >> bit) % 4 for bit in range(n)], 2, *[1] * (6 - n)]
        for i in range(16)
        for n in (1, 4, 6)
    ]
)  # fmt: skip
"""Strings of three lengths, padded to 8 tokens."""
ROWS = torch.arange(len(TOKENS))
F, G = Feature("first", TOKENS[:, 1]), Feature("last", TOKENS[:, 4])
SAME_LENGTH = Feature("length", (TOKENS != 1).sum(1))


def network(name: str = "padded") -> Network:
    if name in random_models.MODERN:
        return random_models.network(name)
    return Network.from_state_dict(toy.SHAPES[name], toy.weights())


ESTIMATE = toy.random(len(TOKENS), 12, seed=5)
TREES = {
    "heads and an MLP": Output(
        DirectPath((1, 0), F), DirectPath((0, 2), G), DirectPath(0, F), DirectPath((1, 2), None)
    ),
    "positions": Output(DirectPath((1, 0), F, Position(1, G), Position(5, F))),
    "positions of the first layer": Output(DirectPath((0, 1), F, Position(2, G), Position(0, F))),
    "a mask of another length": Output(DirectPath((1, 1), F, Position(1, F), Mask(G))),
    "all positions": Output(
        DirectPath((1, 2), F, Mask(SAME_LENGTH), *(Position(i, G) for i in range(8)))
    ),
    "embeddings": Output(DirectPath((1, 0), F, Position(1, G, Embeddings(F)))),
    "a component": Output(DirectPath((1, 0), F, Position(6, G, Component((0, 1), 6, F)))),
    "a component far from the position": Output(
        DirectPath((1, 0), F, Position(7, G, Component((0, 1), 1, F)))
    ),
    "two components": Output(
        DirectPath(
            (1, 0), F,
            Position(1, G, Embeddings(F), Component((0, 1), 1, F), Component((0, 2), 3, G)),
        )
    ),
    "a direction": Output(
        DirectPath(
            (1, 0), F,
            Position(1, G, Component((0, 1), 1, F, Along(toy.random(12, seed=3), G))),
        )
    ),
    "an estimate": Output(
        DirectPath((1, 0), F, Position(1, G, Component((0, 1), 1, F, Estimate(ESTIMATE, G))))
    ),
}  # fmt: skip


def _add(place: Place, more: Tensor) -> Edit:
    return apply(place, lambda x: x + more)


class Slow:
    """The value of one example of a drawn tree, by whole forward passes on one string each."""

    def __init__(
        self, model: Network, tokens: Tensor, example: int, at: int, edits: Sequence[Edit] = ()
    ) -> None:
        self.model, self.tokens, self.i, self.at, self.edits = model, tokens, example, at, edits

    def run(self, strings: Tensor, *edits: Edit) -> dict[Place, Tensor]:
        return self.model.cache(self.tokens[strings[self.i]][None], (*self.edits, *edits))

    def output(self, drawn: Drawn) -> Tensor:
        rest = self.run(drawn.rest)
        last = self.model.shape.n_layers - 1
        more = torch.zeros(self.model.shape.d_model, dtype=torch.float64)
        for path in drawn.inputs:
            more = more + self.path(path) - self._written(path, rest)
        edit = apply(sites.RESID_POST(last).pick(pos=self.at), lambda x: x + more)
        return self.model.forward(self.tokens[drawn.rest[self.i]][None], [*self.edits, edit])[
            0, self.at
        ]

    def _written(self, path: Drawn, run: dict[Place, Tensor]) -> Tensor:
        source = path.node.source  # type: ignore[attr-defined]
        if isinstance(source, int):
            return run[sites.MLP_OUT(source)][0, self.at]
        layer, head = source
        return run[sites.Z(layer)][0, self.at, head] @ self.model.W_O[layer, head]

    def path(self, path: Drawn) -> Tensor:
        if not path.inputs:
            return self._written(path, self.run(path.strings))
        layer = path.node.layer  # type: ignore[attr-defined]
        x = self.run(path.rest)[sites.RESID_PRE(layer)].clone()
        mask = path.input(Mask)
        for position in path.inputs:
            if isinstance(position.node, Position):
                x[0, position.node.at] = self.position(position, layer)
        return self._written(
            path,
            self.run(path.rest if mask is None else mask.strings, put(sites.RESID_PRE(layer), x)),
        )

    def position(self, position: Drawn, layer: int) -> Tensor:
        at = position.node.at  # type: ignore[attr-defined]
        if not position.inputs:
            return self.run(position.strings)[sites.RESID_PRE(layer)][0, at]
        edits: list[Edit] = []
        rest = self.run(position.rest)
        for drawn in position.inputs:
            if isinstance(drawn.node, Embeddings):
                edits.append(put(sites.EMBED(), self.run(drawn.strings)[sites.EMBED()]))
                continue
            component = drawn.node
            assert isinstance(component, Component)
            below, head = component.head
            z = rest[sites.Z(below)][:, :, head]
            new = self.component(drawn) - z[0, component.at] @ self.model.W_O[below, head]
            there = sites.ATTN_OUT(below).pick(pos=component.at)
            edits += [put_rows(sites.Z(below).pick(head=head), z), _add(there, new)]
        return self.run(position.rest, *edits)[sites.RESID_PRE(layer)][0, at]

    def component(self, drawn: Drawn) -> Tensor:
        (layer, head), at = drawn.node.head, drawn.node.at  # type: ignore[attr-defined]

        def output(strings: Tensor) -> Tensor:
            return self.run(strings)[sites.Z(layer)][0, at, head] @ self.model.W_O[layer, head]

        if not drawn.inputs:
            return output(drawn.strings)
        (part,) = drawn.inputs
        if isinstance(part.node, Along):
            v = part.node.direction
            orthogonal = output(drawn.rest) - (output(drawn.rest) @ v) * v
            return orthogonal + (output(part.strings) @ v) * v
        assert isinstance(part.node, Estimate)
        values = part.node.values
        remainder = output(drawn.rest) - values[drawn.rest[self.i]]
        return values[part.strings[self.i]] + remainder


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize(
    ("model", "at"),
    [("padded", 0), ("padded", 4), ("causal", 5), ("grouped", 5), ("parallel", 6)],
)
def test_it_agrees_with_explicit_forward_passes(name: str, model: str, at: int) -> None:
    found = scrub(network(model), TOKENS, {"": TREES[name]}, references=12, seeds=[3], reads_at=at)[
        ""
    ][0]
    drawn = drawing.draw(TREES[name], found.references, len(TOKENS), 3)
    slow = [Slow(network(model), TOKENS, i, at).output(drawn) for i in range(12)]
    assert torch.allclose(found.logits, torch.stack(slow), atol=1e-10, rtol=0)


def test_standing_edits_are_made_in_every_run() -> None:
    edits = [
        apply(sites.Z(0).pick(head=1), lambda z: 0.5 * z),
        put(sites.MLP_OUT(1), torch.ones(1)),
    ]
    trees = {"": TREES["two components"], "plain": Output()}
    found = scrub(network(), TOKENS, trees, references=12, edits=edits)
    whole = network().forward(TOKENS[found["plain"][0].references], edits)[:, 0]
    assert torch.allclose(found["plain"][0].logits, whole, atol=1e-10)
    drawn = drawing.draw(trees[""], found[""][0].references, len(TOKENS), 0)
    slow = [Slow(network(), TOKENS, i, 0, edits).output(drawn) for i in range(12)]
    assert torch.allclose(found[""][0].logits, torch.stack(slow), atol=1e-10, rtol=0)


def test_edits_that_belong_to_no_path_are_refused() -> None:
    with pytest.raises(Unsupported, match="no single path"):
        scrub(network(), TOKENS, {"": Output()}, edits=[put(sites.ATTN_OUT(0), torch.ones(1))])


@pytest.mark.parametrize("name", ["sandwich", "unplaced"])
def test_networks_that_normalise_what_layers_write_are_refused(name: str) -> None:
    with pytest.raises(Unsupported, match="no head has a path of its own"):
        scrub(network(name), TOKENS, {"": Output()})


def test_memory_and_company_do_not_change_the_result() -> None:
    tree = TREES["two components"]
    (alone,) = scrub(network(), TOKENS, {"": tree}, references=20)[""]
    steps: list[tuple[int, int]] = []
    small = Execution(memory_mb=0.02, progress=lambda done, total: steps.append((done, total)))
    together = scrub(network(), TOKENS, {**TREES, "": tree}, references=20, execution=small)[""][0]
    assert torch.equal(alone.references, together.references)
    assert torch.allclose(alone.logits, together.logits, atol=1e-10, rtol=0)
    assert len(steps) > 3
    assert steps[-1][0] == steps[-1][1]


@pytest.mark.parametrize("only", [None, 0, 3])
@pytest.mark.parametrize("model", toy.SHAPES)
def test_the_lean_forward_pass_is_that_of_the_network(model: str, only: int | None) -> None:
    edits = [
        put(sites.EMBED().pick(pos=2), torch.ones(1)),
        apply(sites.Z(0).pick(head=1), lambda z: 2 * z),
        apply(sites.RESID_PRE(1).pick(pos=1), lambda x: x - 1),
    ]
    whole = network(model).cache(TOKENS, edits)
    found = lean.cache(network(model), TOKENS, edits, only=only)
    assert {place.site for place in found} == set(lean.KNOWN)
    for place, value in found.items():
        at = slice(None) if only is None else only
        assert torch.allclose(value[:, at], whole[place][:, at], atol=1e-10), place


def test_edits_of_attention_are_left_to_the_network() -> None:
    edits = [apply(sites.PATTERN(0), lambda pattern: pattern / 2)]
    whole = network().cache(TOKENS, edits)
    found = lean.cache(network(), TOKENS, edits)
    assert torch.equal(found[sites.RESID_POST(1)], whole[sites.RESID_POST(1)])


@pytest.mark.parametrize("position", [0, 1, 7])
@pytest.mark.parametrize(
    "edits",
    [
        (),
        (put(sites.Z(0).pick(head=1, pos=0), toy.random(5, seed=1)),),
        (put(sites.ATTN_OUT(1).pick(pos=0), toy.random(12, seed=1)),),
        (put(sites.PATTERN(0).pick(head=2, query=1, key=0), torch.tensor(0.5)),),
    ],
    ids=["no edit", "z", "last layer", "pattern"],
)
def test_logits_at_one_position_are_those_of_the_whole_run(
    position: int, edits: tuple[Edit, ...]
) -> None:
    model = network()
    expected = model.forward(TOKENS, edits)[:, position]
    found = logits_at(model, TOKENS, position, edits=edits)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
