"""Published figures are measured as plain forward passes measure them, place by place.

The model is random, in GPT-2's file formats and in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from replications.analysis.head_scores import repeated_tokens
from replications.analysis.logit_attribution import directions
from replications.errors import BadInput
from replications.lens import Lens, as_network
from replications.models import Edit, Network, Place, put_rows, sites
from replications.patching import Metric
from replications.systems.ioi import IoiSubject, Task
from replications.systems.ioi.data import draw
from replications.systems.ioi.data.document import NAMES
from replications.systems.ioi.infos import GPT2
from replications.systems.ioi.published import Published, prompts
from replications.systems.ioi.published.copying import Circuit
from replications.systems.ioi.published.patching import RECIPES, SITES, Recipe
from replications.systems.ioi.roles import PUBLISHED
from tests.systems.ioi.gpt2_files import published_tokenizer, random_gpt2, word_tokenizer


def lens() -> Lens:
    return random_gpt2(torch.float64)


@pytest.fixture(scope="module")
def precise() -> Published:
    return Published(lens(), published_tokenizer())


def gap(network: Network, recipe: Recipe) -> tuple[prompts.Pair, Metric]:
    """The prompts of a recipe, and the metric of the published sweeps: one number a run."""
    pair = prompts.encode(recipe.texts, published_tokenizer(), bos=recipe.bos)

    def mean(logits: Tensor) -> Tensor:
        there = logits[torch.arange(len(pair.clean)), -1]
        return (there.gather(1, pair.answers) @ torch.tensor([1.0, -1.0]).double()).mean()

    low, high = (mean(network.forward(tokens)) for tokens in (pair.corrupted, pair.clean))
    return pair, lambda logits: (mean(logits) - low) / (high - low)


def place_of(recipe: Recipe, at: Sequence[int], length: int) -> Place:
    """The place that indices of a recipe's values stand for."""
    picks = dict(zip(recipe.axes.split(), (*at, *[length - 1] * recipe.last), strict=True))
    layer = picks.pop("layer")
    if recipe.site == "pattern" and "pos" in picks:
        picks["query"] = picks.pop("pos")
    return SITES[recipe.site](layer).pick(**picks)


def some_places(values: Tensor) -> list[tuple[int, ...]]:
    """Three places of a sweep: the one with the largest value, one of the last layer, one more."""
    largest = torch.unravel_index(values.abs().argmax(), values.shape)
    last = tuple(size - 1 for size in values.shape)
    middle = (*(size // 2 for size in values.shape[:-1]), values.shape[-1] - 3)
    return [tuple(map(int, largest)), last, middle]


@pytest.mark.slow
@pytest.mark.parametrize("key", sorted({r: k for k, r in RECIPES.items()}.values()))
def test_a_sweep_is_one_forward_pass_a_place(key: str, precise: Published) -> None:
    recipe, network = RECIPES[key], as_network(lens())
    values = precise.patching.shares(recipe)
    assert values.abs().max() > 1e-3
    pair, share = gap(network, recipe)
    clean, corrupted = (network.cache(tokens) for tokens in (pair.clean, pair.corrupted))
    for at in some_places(values):
        place = place_of(recipe, at, pair.clean.shape[1])
        whole = place.site(place.layer)
        ours, theirs = (run[whole][place.index] for run in (corrupted, clean))

        def patched(
            by: float, place: Place = place, a: Tensor = ours, b: Tensor = theirs
        ) -> Tensor:
            edit = put_rows(place, a + by * (b - a))
            return share(network.forward(pair.corrupted, [edit]))

        found = patched(1.0)
        if recipe.estimated:
            found = (patched(1e-5) - patched(-1e-5)) / 2e-5
        tolerance = 1e-7 if recipe.estimated else 1e-10
        assert values[at].item() == pytest.approx(found.item(), abs=tolerance, rel=1e-6)


@pytest.mark.slow
def test_sweeps_move_something(precise: Published) -> None:
    for recipe in RECIPES.values():
        assert precise.patching.shares(recipe).abs().max() > 1e-3


@pytest.mark.slow
def test_shares_of_parts_add_up(precise: Published) -> None:
    direct = precise.direct()
    found = direct.by_part
    assert found.sum() == pytest.approx(direct.logit_lens()[-1].item(), abs=1e-12)
    assert found.cumsum(0)[1::2].tolist() == pytest.approx(direct.logit_lens()[::2].tolist())
    difference = direct.whole.logit_difference.mean().item()
    assert found.sum().item() == pytest.approx(difference, abs=1e-10)
    b_O = lens().weights.b_O
    direction, _ = directions(lens(), direct._pair.answers)
    biases = ((direction @ b_O.T) / direct.whole.scale[:, None]).mean(0)
    assert (direct.by_head.sum(1) + biases).tolist() == pytest.approx(found[2::2].tolist())


def test_the_ablated_head_is_silent_at_the_end(precise: Published) -> None:
    network, direct = as_network(lens()), precise.direct()
    pair = direct._pair

    def silence(z: Tensor, rows: slice) -> Tensor:
        return torch.zeros_like(z)

    edit = Edit(sites.Z(9).pick(head=9, pos=14), silence)
    logits = network.forward(pair.clean, [edit])[:, -1].gather(1, pair.answers)
    repair = direct.repair()
    assert repair["after"] == pytest.approx((logits[:, 0] - logits[:, 1]).mean().item())
    assert repair["recovered"] == pytest.approx(
        (repair["after"] - repair["naive"]) / repair["given"]
    )
    assert direct.ablated.heads[9, 9].abs().max() == 0
    assert direct.after_on_the_old_scale[9, 8] == pytest.approx(direct.by_head[9, 8].item())


def test_eigenvalue_scores_are_those_of_whole_matrices(precise: Published) -> None:
    w, copying = lens().weights, precise.copying
    for layer, head in ((0, 3), (11, 10)):
        OV = w.OV(layer, head)
        circuits: dict[Circuit, Tensor] = {
            "OV": OV,
            "QK": w.QK(layer, head),
            "full OV": OV @ w.W_U @ w.W_E,
        }
        for circuit, matrix in circuits.items():
            values = torch.linalg.eigvals(matrix)
            score = (values.sum().real / values.abs().sum()).item()
            assert copying.eigenvalue_scores(circuit)[layer, head] == pytest.approx(score)


@pytest.mark.parametrize("negative", [False, True])
def test_names_are_copied_as_by_a_model_of_one_head(precise: Published, negative: bool) -> None:
    network, layer, head = as_network(lens()), 9, 9
    copied = 0
    for name in NAMES:
        x = network.W_E[published_tokenizer().token(name)]
        post = network.activation(network.norm("ln2", 0, x) @ network.W_in[0] + network.b_in[0])
        x = x + post @ network.W_out[0] + network.b_out[0]
        written = (-1) ** negative * x @ lens().weights.OV(layer, head)
        logits = network.norm("ln_final", None, written) @ network.W_U + network.b_U
        copied += int((logits > logits[published_tokenizer().token(name)]).sum() < 5)
    found = precise.copying.copied([(layer, head)], negative=negative)
    assert found[0] == pytest.approx(copied / len(NAMES))
    assert found[1] == pytest.approx(precise.copying._shares(False, True)[int(negative)].mean())


def test_scores_are_means_over_whole_diagonals(precise: Published) -> None:
    scores = precise.heads.score("induction", main=True)
    size = lens().shape.d_vocab
    rows = repeated_tokens(torch.arange(min(1_000, size - 100), size), 50, 10, 0)
    seen = as_network(lens()).cache(rows)[sites.PATTERN(5)]
    expected = [seen[:, 5, query, query - 49].mean().item() for query in range(49, 100)]
    assert scores[5, 5] == pytest.approx(sum(expected) / len(expected))


def test_the_loss_is_that_of_the_tokens_after_the_first(precise: Published) -> None:
    tokens = published_tokenizer().encode("Hello world!", bos=True)
    logits = as_network(lens()).forward(torch.tensor([tokens]))[0]
    losses = [-logits[i].log_softmax(-1)[t].item() for i, t in enumerate(tokens[1:])]
    assert precise.behaviour.loss() == pytest.approx(sum(losses) / len(losses))


# ------------------------------------------------------------------------------ comparing, prompts
def test_patching_the_eight_prompts_either_way_gives_the_same(precise: Published) -> None:
    recipe = RECIPES["exploratory/resid_pre"]
    other = replace(recipe, texts=recipe.texts.exchanged)
    one, way = (precise.patching.shares(r) for r in (recipe, other))
    assert torch.allclose(one, way, atol=1e-10)


def test_prompts_of_another_length_are_refused() -> None:
    letters = word_tokenizer(["a"], 300)
    with pytest.raises(BadInput, match=r"is 1 tokens|tokens, not one"):
        prompts.encode(prompts.MAIN, letters, bos=True)


def test_a_prompt_that_is_cut_otherwise_is_named() -> None:
    longer = replace(prompts.MAIN, clean=(prompts.MAIN.clean[0] + " John",))
    with pytest.raises(BadInput, match=r"is 18 tokens.*GPT-2's tokenizer 17"):
        prompts.encode(longer, published_tokenizer(), bos=True)


def test_the_subject_has_the_figures(precise: Published) -> None:
    task = Task(lens(), published_tokenizer(), bos=False, sample=draw(2))
    found = IoiSubject(GPT2, task, roles=PUBLISHED).published
    assert found.mean_difference() == pytest.approx(precise.mean_difference())
