"""Causal scrubbing on a network whose computation is known, and against explicit forward passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    estimated,
    recovered_share,
    scrub,
)
from replications.circuits.scrubbing import drawing
from replications.circuits.scrubbing.drawing import Drawn
from replications.errors import BadInput, Unsupported
from replications.models import Edit, Network, Place, apply, put, put_rows, sites
from replications.models.shape import Shape
from replications.patching.execution import Execution
from tests import toy

# ---------------------------------------------------------------- a network written by hand
# Tokens are [cls, a, b, c], three bits. Head 0.0 copies b to position 1; head 1.0 reads the copy
# there, head 1.1 reads a there: logit 1 = 2 (±1 by b) + (±1 by a). Nothing reads c.
BITS = torch.cartesian_prod(*[torch.tensor([1, 2])] * 3)
STRINGS = torch.cat([torch.zeros(8, 1, dtype=torch.long), BITS], dim=1).repeat(20, 1)
A, B, C = (Feature(name, STRINGS[:, i]) for i, name in ((1, "a"), (2, "b"), (3, "c")))
WIDTH, BIT, COPY, ANSWER = 8, 4, 5, 6
"""Axes of the residual stream: four positions, the bit, its copy, the answer, and one unused."""


def _looks(network: dict[str, Tensor], layer: int, head: int, query: int, key: int) -> None:
    """Make a head attend from one position to another."""
    network["W_Q"][layer, head, query, 0] = 40
    network["W_K"][layer, head, key, 0] = 40


def by_hand() -> Network:
    shape = Shape(
        n_layers=2, n_heads=2, d_model=WIDTH, d_head=2, d_mlp=0, n_ctx=4, d_vocab=3, d_vocab_out=2,
        attention="bidirectional", attn_only=True, normalization=None,
    )  # fmt: skip
    f64 = torch.float64
    weights = {
        name: torch.zeros(size, dtype=f64)
        for name, size in {
            "W_E": (3, WIDTH), "W_pos": (4, WIDTH),
            "W_Q": (2, 2, WIDTH, 2), "W_K": (2, 2, WIDTH, 2), "W_V": (2, 2, WIDTH, 2),
            "W_O": (2, 2, 2, WIDTH), "b_Q": (2, 2, 2), "b_K": (2, 2, 2), "b_V": (2, 2, 2),
            "b_O": (2, WIDTH), "W_in": (2, WIDTH, 0), "b_in": (2, 0), "W_out": (2, 0, WIDTH),
            "b_out": (2, WIDTH), "W_U": (WIDTH, 2), "b_U": (2,),
        }.items()
    }  # fmt: skip
    weights["W_E"][1, BIT], weights["W_E"][2, BIT] = -1, 1
    weights["W_pos"][:, :4] = torch.eye(4, dtype=f64)
    for layer, head, query, key, reads, writes, size in (
        (0, 0, 1, 2, BIT, COPY, 1),
        (1, 0, 0, 1, COPY, ANSWER, 2),
        (1, 1, 0, 1, BIT, ANSWER, 1),
    ):
        _looks(weights, layer, head, query, key)
        weights["W_V"][layer, head, reads, 1] = 1
        weights["W_O"][layer, head, 1, writes] = size
    weights["W_U"][ANSWER, 1] = 1
    return Network(shape=shape, **weights)


def true_hypothesis() -> Output:
    return Output(
        DirectPath((1, 0), B, Position(1, B, Component((0, 0), 1, B))),
        DirectPath((1, 1), A, Position(1, A, Embeddings(A))),
    )


WRONG = {
    "features exchanged": Output(DirectPath((1, 0), A), DirectPath((1, 1), B)),
    "a head left out": Output(DirectPath((1, 0), B)),
    "an idle head": Output(DirectPath((0, 1), B), DirectPath((1, 1), A)),
    "the distractor": Output(DirectPath((1, 0), C), DirectPath((1, 1), A)),
    "position 2": Output(DirectPath((1, 0), B, Position(2, B)), DirectPath((1, 1), A)),
    "the copy from the embeddings": Output(
        DirectPath((1, 0), B, Position(1, B, Embeddings(B), Component((0, 0), 1, A))),
        DirectPath((1, 1), A),
    ),
    "nothing": Output(on=Feature.none(len(STRINGS))),
}


def losses(hypothesis: Output) -> Tensor:
    """Cross-entropy with the probabilities that the network itself gives to the references."""
    (found,) = scrub(by_hand(), STRINGS, {"": hypothesis}, references=160)[""]
    target = by_hand().forward(STRINGS[found.references])[:, 0].softmax(-1)
    return torch.nn.functional.cross_entropy(found.logits, target, reduction="none")


def test_the_network_computes_what_it_says() -> None:
    logits = by_hand().forward(STRINGS)[:, 0, 1]
    a, b = (2.0 * STRINGS[:, i].double() - 3 for i in (1, 2))
    assert torch.allclose(logits, 2 * b + a, atol=1e-12)


def test_nothing_scrubbed_is_the_network() -> None:
    (found,) = scrub(by_hand(), STRINGS, {"": Output()}, references=40)[""]
    assert torch.equal(found.logits, by_hand().forward(STRINGS[found.references])[:, 0])


def test_the_true_hypothesis_recovers_everything() -> None:
    model, random = losses(Output()), losses(WRONG["nothing"])
    share = recovered_share(model, losses(true_hypothesis()), random)
    assert share.mean == pytest.approx(1, abs=1e-12)
    assert share.error < 1e-12


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_hypothesis_recovers_less(name: str) -> None:
    model, random = losses(Output()), losses(WRONG["nothing"])
    share = recovered_share(model, losses(WRONG[name]), random)
    assert share.mean < 0.97 - 3 * share.error


# ---------------------------------------------------------------- explicit forward passes
TOKENS = torch.tensor(
    [[0, *([3 + (i >> b) % 4 for b in range(n)]), 2, *[1] * (6 - n)] for i in range(16) for n in (1, 4, 6)]
)  # fmt: skip
"""Strings of three lengths, padded to 8 tokens."""
ROWS = torch.arange(len(TOKENS))
F, G = Feature("first", TOKENS[:, 1]), Feature("last", TOKENS[:, 4])
SAME_LENGTH = Feature("length", (TOKENS != 1).sum(1))


def network(name: str = "padded") -> Network:
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
            component, (below, head) = drawn.node, drawn.node.head  # type: ignore[attr-defined]
            z = rest[sites.Z(below)][:, :, head]
            new = self.component(drawn) - z[0, component.at] @ self.model.W_O[below, head]
            edits += [
                put_rows(sites.Z(below).pick(head=head), z),
                apply(sites.ATTN_OUT(below).pick(pos=component.at), lambda x, new=new: x + new),
            ]
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
        values = part.node.values  # type: ignore[attr-defined]
        remainder = output(drawn.rest) - values[drawn.rest[self.i]]
        return values[part.strings[self.i]] + remainder


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize(("model", "at"), [("padded", 0), ("padded", 4), ("causal", 5)])
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


# ---------------------------------------------------------------- drawing
def test_draws_agree_on_the_feature_and_are_uniform() -> None:
    feature = Feature("class", torch.tensor([5, 7, 5, 7, 7, 9]))
    parents = torch.tensor([0, 1, 5]).repeat(6000)
    drawn = feature.draw(parents, torch.Generator().manual_seed(0))
    assert torch.equal(feature.values[drawn], feature.values[parents])
    shares = drawn[parents == 1].bincount(minlength=6) / 6000
    assert torch.allclose(shares, torch.tensor([0, 1, 0, 1, 1, 0]) / 3, atol=0.02)
    both = Feature.both("both", [feature, Feature("half", torch.arange(6) // 3)])
    assert both.sizes.tolist() == [2, 1, 2, 1]


def test_inputs_are_drawn_apart_but_alike_in_similar_hypotheses() -> None:
    n = len(STRINGS)
    parents = drawing.references(n, 100, 0)
    tree = Output(DirectPath((1, 0), A), DirectPath((1, 1), A))
    drawn = drawing.draw(tree, parents, n, 0)
    assert not torch.equal(drawn.inputs[0].strings, drawn.inputs[1].strings)
    other = drawing.draw(Output(DirectPath((1, 0), A)), parents, n, 0)
    assert torch.equal(drawn.inputs[0].strings, other.inputs[0].strings)
    assert torch.equal(drawn.rest, other.rest)
    assert not torch.equal(drawn.rest, drawing.draw(tree, parents, n, 1).rest)


def test_standard_errors() -> None:
    values = toy.random(400)
    found = estimated(values)
    assert found.mean == pytest.approx(values.mean().item())
    assert found.error == pytest.approx(values.std().item() / 20)
    random, model = 4 + toy.random(500, seed=1), 0.1 * toy.random(500, seed=2)
    scrubbed = 1 + toy.random(500, seed=3)
    share = recovered_share(model, scrubbed, random)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(500, (4000, 500), generator=generator)
    again = (random - scrubbed)[rows].mean(1) / (random - model)[rows].mean(1)
    assert share.error == pytest.approx(again.std().item(), rel=0.1)


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Output(Position(1, A)), "no input"),  # type: ignore[arg-type]
        (lambda: Output(DirectPath((1, 0), A), DirectPath((1, 0), B)), "twice"),
        (lambda: DirectPath(0, A, Position(1, A)), "no input"),
        (lambda: Feature("x", torch.tensor([1.0, float("nan")])), "NaN"),
        (lambda: Feature("x", torch.zeros(2, 2)), "one for each string"),
        (lambda: Component((0, 0), 1, A, Along(ESTIMATE[0], A), Along(ESTIMATE[0], B)), "twice"),
    ],
)
def test_trees_that_make_no_sense(make: Callable[[], object], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        make()


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (Output(DirectPath((2, 0), F)), "no head 2.0"),
        (Output(DirectPath((1, 3), F)), "no head 1.3"),
        (Output(DirectPath(2, F)), "no mlp2"),
        (Output(DirectPath((1, 0), A)), "not of these"),
        (Output(DirectPath((1, 0), F, Position(9, F))), "no position 9"),
        (Output(DirectPath((0, 0), F, Position(1, F, Component((0, 1), 1, F)))), "not lie before"),
        (
            Output(DirectPath((1, 0), F, Position(1, F, Component((0, 1), 1, F, Estimate(A.values, F))))),
            "a value for each",
        ),
    ],
)  # fmt: skip
def test_trees_that_do_not_fit(tree: Output, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        scrub(network(), TOKENS, {"tree": tree})
