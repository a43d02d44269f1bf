"""Each measurement against plain torch, on random weights; each check can fail."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import Head, sites
from replications.systems.list_update import ListUpdateSubject, model
from replications.systems.list_update.data import Format, generate_mixed
from replications.systems.list_update.measurements.circuits import square
from replications.systems.list_update.measurements.paths import Paths
from replications.systems.list_update.roles import PUBLISHED, Roles, find_roles

EXACT = 1e-9
PREVIOUS: Head = (0, 0)
COPYING: Head = (1, 0)


def random_weights(seed: int = 0) -> dict[str, Tensor]:
    """Larger than before training, so that attention is far from uniform."""
    weights = model.untrained_state_dict(seed)
    return {name: 2.5 * weight.double() for name, weight in weights.items()}


@pytest.fixture(scope="module")
def subject() -> ListUpdateSubject:
    lens = model.open_model(random_weights(), dtype="float64")
    return ListUpdateSubject("random", lens, tokens=generate_mixed(60, 5))


def plain(
    weights: Mapping[str, Tensor], tokens: Tensor, cut: str = ""
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Logits, patterns and attention outputs; `cut` names what layer 1 takes from embeddings."""
    x = embedded = weights["embed.W_E"][tokens]
    positions = weights["pos_embed.W_pos"][: tokens.shape[1]]
    hidden = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).triu(1)
    patterns, outs = [], []
    for layer in range(2):
        w = {n: weights[f"blocks.{layer}.attn.W_{n}"][0] for n in "QKVO"}
        source = {n: embedded if layer == 1 and n == cut else x for n in "QKV"}
        q, k = ((source[n] + positions) @ w[n] for n in "QK")
        scores = (q @ k.mT / math.sqrt(128)).masked_fill(hidden, -math.inf)
        patterns.append(scores.softmax(-1))
        outs.append(patterns[-1] @ source["V"] @ w["V"] @ w["O"])
        x = x + outs[-1]
    return x @ weights["unembed.W_U"], patterns, outs


def close(found: Tensor, expected: Tensor) -> bool:
    assert found.shape == expected.shape
    return bool((found - expected).abs().max() < EXACT)


# ---------------------------------------------------------------------------------- the run
def test_the_run_is_that_of_plain_torch(subject: ListUpdateSubject) -> None:
    logits, patterns, _ = plain(random_weights(), subject.tokens)
    assert close(subject.task.logits, logits[:, 7:10])
    assert close(subject.task.pattern(PREVIOUS), patterns[0])
    assert close(subject.task.pattern(COPYING), patterns[1])
    assert close(subject.task.pattern(PREVIOUS, COPYING), patterns[1] @ patterns[0])
    assert not close(subject.task.pattern(COPYING, PREVIOUS), patterns[1] @ patterns[0])
    right = logits[:, 7:10].argmax(-1) == subject.tokens[:, 8:]
    assert subject.behaviour.accuracy == pytest.approx(right.double().mean().item())
    loss = torch.nn.functional.cross_entropy(
        logits[:, 7:10].flatten(0, 1), subject.task.answers.flatten()
    )
    assert subject.behaviour.loss == pytest.approx(loss.item())


# ---------------------------------------------------------------------------------- attribution
def test_the_output_of_head_1_0_is_the_sum_of_two_terms(subject: ListUpdateSubject) -> None:
    weights = random_weights()
    _, patterns, outs = plain(weights, subject.tokens)
    OV = [weights[f"blocks.{i}.attn.W_V"][0] @ weights[f"blocks.{i}.attn.W_O"][0] for i in (0, 1)]
    embedded = weights["embed.W_E"][subject.tokens]
    direct = patterns[1] @ embedded @ OV[1]
    both = patterns[1] @ patterns[0] @ embedded @ OV[0] @ OV[1]
    assert close(direct + both, outs[1])
    assert not close(direct, outs[1])
    assert not close(both, outs[1])
    directions = weights["unembed.W_U"].T[subject.tokens[:, 8:]]
    found = subject.paths.terms
    assert close(found["direct"], (direct[:, 7:10] * directions).sum(-1))
    assert close(found["two_heads"], (both[:, 7:10] * directions).sum(-1))


def test_paths_add_up_to_the_last_head(subject: ListUpdateSubject) -> None:
    paths = subject.paths.terms
    whole = subject.attribution.heads[COPYING]
    assert close((paths["direct"] + paths["two_heads"]).mean(0), whole)
    assert not close(paths["direct"].mean(0), whole)


def test_components_explain_the_stream_and_positions_are_none(subject: ListUpdateSubject) -> None:
    assert subject.attribution.unexplained() < EXACT
    assert subject.attribution.unexplained(with_positions=True) > 0.1
    logits = subject.task.logits.gather(-1, subject.task.answers[..., None])[..., 0]
    assert close(subject.attribution.totals, logits.mean(0))


def test_the_contrast_of_shares_is_the_updated_one_less_the_mean_of_the_others() -> None:
    found = Paths.__new__(Paths)
    found.__dict__["direct_shares"] = torch.tensor(
        [[0.9, 0.3, 0.5], [0.1, 0.6, 0.3], [0.2, 0.2, 0.5]], dtype=torch.float64
    )
    assert found.contrasts().tolist() == pytest.approx([0.5, 0.4, 0.3])
    assert found.updated_less_kept() == pytest.approx(0.4)
    assert found.updated_less_kept(shift=1) < 0
    assert found.smallest_share == pytest.approx(0.1)


# ---------------------------------------------------------------------------------- attention
def test_attention_to_sources_and_to_the_index(subject: ListUpdateSubject) -> None:
    _, patterns, _ = plain(random_weights(), subject.tokens)
    means = []
    for index in range(3):
        rows = patterns[1][subject.tokens[:, 5] == index]
        means += [rows[:, 7 + j, 6 if j == index else 1 + j].mean().item() for j in range(3)]
    assert subject.attention.to_source(COPYING) == pytest.approx(min(means))
    share = sum(mean >= 0.9 for mean in means) / 9
    assert subject.attention.full_at_source(COPYING) == pytest.approx(share)
    for query, position in (("element", 6), ("newline", 7)):
        found = subject.attention.to_index(query)["attention"]
        assert found == pytest.approx(patterns[0][:, position, 5].mean().item())
    with pytest.raises(BadInput, match="'end'"):
        subject.attention.to_index("end")
    updated = [
        (patterns[1] @ patterns[0])[subject.tokens[:, 5] == i][:, 7 + i].mean(0) for i in range(3)
    ]
    mean = torch.stack(updated).mean(0)
    both = subject.attention.from_updated(PREVIOUS, COPYING)
    assert both["index"] == pytest.approx(mean[5].item())
    assert both["element"] == pytest.approx(mean[6].item())
    assert subject.attention.from_updated(COPYING) != pytest.approx(both)


def test_scores_are_compared_with_and_without_k_composition(subject: ListUpdateSubject) -> None:
    without_k = subject.composition.pattern_without(sites.K)
    attention = subject.attention
    for cut, found in (("", attention.override()), ("K", attention.override(without_k))):
        _, patterns, _ = plain(random_weights(), subject.tokens, cut)
        index = subject.tokens[:, 5]
        row = patterns[1][torch.arange(60), 7 + index]
        prefers = row[:, 6] > row[torch.arange(60), 1 + index]
        assert found["updated"] == pytest.approx(prefers.double().mean().item())


def test_updated_and_kept_predictions_can_be_exchanged(subject: ListUpdateSubject) -> None:
    intact = subject.attention.override()
    exchanged = subject.attention.override(updated=subject.task.kept)
    assert exchanged == {"updated": intact["kept"], "kept": intact["updated"]}
    assert intact["kept"] != intact["updated"]


# ---------------------------------------------------------------------------------- circuits
def test_circuits_are_products_of_weights(subject: ListUpdateSubject) -> None:
    w = random_weights()
    OV = [w[f"blocks.{i}.attn.W_V"][0] @ w[f"blocks.{i}.attn.W_O"][0] for i in (0, 1)]
    QK = w["blocks.1.attn.W_Q"][0] @ w["blocks.1.attn.W_K"][0].T
    E, U, P = w["embed.W_E"], w["unembed.W_U"], w["pos_embed.W_pos"]
    assert close(subject.circuits.OV(COPYING), E @ OV[1] @ U)
    assert close(subject.circuits.OV(PREVIOUS, COPYING), E @ OV[0] @ OV[1] @ U)
    K = P @ QK @ OV[0].T @ E.T
    Q = P @ QK @ P.T
    found = subject.circuits.k_composition()
    assert found["least_diagonal"] == pytest.approx(K[7:10, :3].diagonal().min().item())
    ratio = Q[7:10, 1:4].diagonal().mean() / K[7:10, :3].diagonal().mean()
    assert subject.circuits.default_strength() == pytest.approx(ratio.item())
    next_place = Q[[7, 8, 9], [2, 3, 1]].mean() / K[7:10, :3].diagonal().mean()
    assert subject.circuits.default_strength(shift=1) == pytest.approx(next_place.item())
    looks_at = [int(Q[q, : q + 1].argmax()) for q in range(10)]
    assert subject.circuits.default_positions() == looks_at[7:]
    assert subject.circuits.default_positions(earlier=3) == looks_at[4:7]
    copies = (E @ OV[1] @ U)[:50].argmax(-1) == torch.arange(50)
    assert subject.circuits.copying(COPYING) == pytest.approx(copies.double().mean().item())


def test_the_square_can_be_of_other_tokens_and_of_another_head(subject: ListUpdateSubject) -> None:
    w = random_weights()
    OV = w["blocks.1.attn.W_V"][0] @ w["blocks.1.attn.W_O"][0]
    QK = w["blocks.1.attn.W_Q"][0] @ w["blocks.1.attn.W_K"][0].T
    K = w["pos_embed.W_pos"] @ QK @ OV.T @ w["embed.W_E"].T
    found = subject.circuits.k_composition(first_token=3, writer=COPYING)
    assert found["least_diagonal"] == pytest.approx(K[7:10, 3:6].diagonal().min().item())
    both = subject.circuits.square_and_copying(COPYING, (COPYING, PREVIOUS))
    assert both["least_diagonal"] == pytest.approx(K[7:10, :3].diagonal().min().item())
    assert both["copying"] == subject.circuits.copying(COPYING, PREVIOUS)


def test_index_tokens_are_compared_with_the_other_numbers(subject: ListUpdateSubject) -> None:
    circuit = subject.circuits.OV(COPYING)
    diagonal = circuit.diagonal()
    found = subject.circuits.index_tokens(COPYING)
    assert found["times_the_others"] == pytest.approx(
        (diagonal[:3].mean() / diagonal[3:].mean()).item()
    )
    fails = sum(int(circuit[number].argmax()) != number for number in range(3, 50))
    assert found["other_failures"] == fails


def test_the_square_of_a_perfect_circuit() -> None:
    perfect = torch.zeros(3, 52, dtype=torch.float64)
    perfect[:, :3] = torch.eye(3) * 10 + 1
    found = square(perfect, 0)
    assert found == {"least_diagonal": 11, "largest_other": pytest.approx(1 / 11), "right_rows": 1}
    assert square(perfect.roll(1, 1), 0)["right_rows"] == 0
    assert square(perfect.roll(1, 1), 1) == found


# ---------------------------------------------------------------------------------- composition
@pytest.mark.parametrize(("site", "name"), [(sites.Q, "Q"), (sites.K, "K"), (sites.V, "V")])
def test_a_cut_path_is_the_model_recomputed(
    subject: ListUpdateSubject, site: sites.Site, name: str
) -> None:
    expected = plain(random_weights(), subject.tokens, name)[0][:, 7:10]
    assert close(subject.composition.logits_without(site), expected)
    assert not close(subject.task.logits, expected)


def test_effects_are_accuracies_and_the_lost_logit(subject: ListUpdateSubject) -> None:
    tokens = subject.tokens
    logits = {cut: plain(random_weights(), tokens, cut)[0][:, 7:10] for cut in ("", "K", "V")}
    right = logits["K"].argmax(-1) == tokens[:, 8:]
    updated = torch.arange(3) == tokens[:, 5, None]
    of_answers = {cut: x.gather(-1, tokens[:, 8:, None]).mean() for cut, x in logits.items()}
    assert subject.composition.effects() == pytest.approx(
        {
            "updated_accuracy": right[updated].double().mean().item(),
            "kept_accuracy": right[~updated].double().mean().item(),
            "answer_logit_lost": 1 - (of_answers["V"] / of_answers[""]).item(),
        }
    )


def test_composition_is_through_queries_keys_or_values(subject: ListUpdateSubject) -> None:
    with pytest.raises(BadInput, match="through q, k or v, not through z"):
        subject.composition.change(sites.Z)


# ---------------------------------------------------------------------------------- roles, variants
def test_the_first_head_is_previous_and_the_last_one_copies(subject: ListUpdateSubject) -> None:
    assert find_roles(subject.task) == subject.roles == PUBLISHED
    one = ListUpdateSubject("one", model.open_model(model.untrained_state_dict(0, 1), 1))
    assert one.roles == Roles(previous=PREVIOUS, copying=PREVIOUS)
    three = ListUpdateSubject("three", model.open_model(model.untrained_state_dict(0, 3), 3))
    assert three.roles == Roles(previous=PREVIOUS, copying=(2, 0))


def test_a_model_of_one_layer_has_the_direct_path_alone() -> None:
    weights = {name: w.double() for name, w in model.untrained_state_dict(0, 1).items()}
    lens = model.open_model(weights, 1, dtype="float64")
    one = ListUpdateSubject("one", lens, tokens=generate_mixed(30, 5))
    assert not one.paths.terms["two_heads"].any()
    assert close(one.paths.terms["direct"].mean(0), one.attribution.heads[PREVIOUS])


def test_a_variant_keeps_prompts_seed_and_curve() -> None:
    format = Format(4, 20)
    lens = model.open_model(model.untrained_state_dict(7, 2, format), 2, format)
    tokens = generate_mixed(12, 5, format)
    whole = ListUpdateSubject(
        "own", lens, format, roles=PUBLISHED, seed=7, curve=lambda: [3.0, 1.0], tokens=tokens
    )
    other = whole.variant("same", lens)
    assert (other.name, other.seed, other.loss_curve) == ("own~same", 7, [3.0, 1.0])
    assert other.tokens is tokens
    assert other.roles is PUBLISHED
    assert other.task.format == format
    assert whole.untrained.lens.weights.W_E.equal(lens.weights.W_E)
    assert whole.behaviour.losses(step=-1)["in_training"] == 1.0


def test_architectures_that_differ_are_told_apart() -> None:
    lens = model.open_model(model.untrained_state_dict(2))
    whole = ListUpdateSubject("own", lens, seed=2, tokens=generate_mixed(12, 5))
    found = whole.architecture.describe()
    assert (found["parameters"], found["left_alone"]) == (20, 20)
    assert (found["largest_bias"], found["positions_in_the_stream"]) == (0, 0)
    placed = whole.standard_positions.architecture.describe()["positions_in_the_stream"]
    assert placed == pytest.approx(lens.weights.W_pos.abs().max().item(), rel=1e-3)
    biased = whole.one_bias_trained.architecture.describe()
    assert biased["left_alone"] == 19
    assert biased["largest_bias"] == pytest.approx(0.1)
    assert not lens.state_dict["unembed.b_U"].any()  # the subject itself is whole
