"""Each measurement against plain torch, on random weights; each check can fail."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from replications.models import sites
from replications.patching.reference import patch_by_hooks
from replications.systems.list_update import ListUpdateSubject, model
from replications.systems.list_update.attribution import Attribution
from replications.systems.list_update.data import generate_mixed, pairs, printed_pair
from replications.systems.list_update.patches import Patches

EXACT = 1e-9


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
    assert close(subject.logits(), logits[:, 7:10])
    assert close(subject.pattern(0), patterns[0])
    assert close(subject.pattern(-1), patterns[1])
    right = logits[:, 7:10].argmax(-1) == subject.tokens[:, 8:]
    assert subject.behaviour.accuracy == pytest.approx(right.double().mean().item())
    loss = torch.nn.functional.cross_entropy(
        logits[:, 7:10].flatten(0, 1), subject.answers.flatten()
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
    found = subject.attribution.paths
    assert close(found["direct"], (direct[:, 7:10] * directions).sum(-1))
    assert close(found["two_heads"], (both[:, 7:10] * directions).sum(-1))


def test_paths_add_up_to_the_last_head(subject: ListUpdateSubject) -> None:
    paths = subject.attribution.paths
    whole = subject.attribution.components["attn_out1"]
    assert close((paths["direct"] + paths["two_heads"]).mean(0), whole)
    assert not close(paths["direct"].mean(0), whole)


def test_components_explain_the_stream_and_positions_are_none(subject: ListUpdateSubject) -> None:
    assert subject.attribution.unexplained < EXACT
    assert subject.attribution.unexplained_with_positions > 0.1
    logits = subject.logits().gather(-1, subject.answers[..., None])[..., 0]
    assert close(subject.attribution.totals, logits.mean(0))


def test_the_contrast_of_shares_is_the_updated_one_less_the_mean_of_the_others() -> None:
    found = Attribution.__new__(Attribution)
    found.__dict__["direct_shares"] = torch.tensor(
        [[0.9, 0.3, 0.5], [0.1, 0.6, 0.3], [0.2, 0.2, 0.5]], dtype=torch.float64
    )
    assert found.updated_less_kept_by_index == pytest.approx([0.5, 0.4, 0.3])
    assert found.updated_less_kept == pytest.approx(0.4)
    assert found.updated_less_kept_permuted < 0


# ---------------------------------------------------------------------------------- attention
def test_attention_to_sources_and_to_the_index(subject: ListUpdateSubject) -> None:
    _, patterns, _ = plain(random_weights(), subject.tokens)
    means = []
    for index in range(3):
        rows = patterns[1][subject.tokens[:, 5] == index]
        means += [rows[:, 7 + j, 6 if j == index else 1 + j].mean().item() for j in range(3)]
    assert subject.attention.last_to_source == pytest.approx(min(means))
    found = subject.attention.element_to_index["attention"]
    assert found == pytest.approx(patterns[0][:, 6, 5].mean().item())
    updated = [
        (patterns[1] @ patterns[0])[subject.tokens[:, 5] == i][:, 7 + i].mean(0) for i in range(3)
    ]
    mean = torch.stack(updated).mean(0)
    assert subject.attention.virtual_at_updated["index"] == pytest.approx(mean[5].item())
    assert subject.attention.virtual_at_updated["element"] == pytest.approx(mean[6].item())


def test_scores_are_compared_with_and_without_k_composition(subject: ListUpdateSubject) -> None:
    for cut, found in (("", subject.attention.override), ("K", subject.attention.override_cut)):
        _, patterns, _ = plain(random_weights(), subject.tokens, cut)
        index = subject.tokens[:, 5]
        row = patterns[1][torch.arange(60), 7 + index]
        prefers = row[:, 6] > row[torch.arange(60), 1 + index]
        assert found["updated"] == pytest.approx(prefers.double().mean().item())


# ---------------------------------------------------------------------------------- circuits
def test_circuits_are_products_of_weights(subject: ListUpdateSubject) -> None:
    w = random_weights()
    OV = [w[f"blocks.{i}.attn.W_V"][0] @ w[f"blocks.{i}.attn.W_O"][0] for i in (0, 1)]
    QK = w["blocks.1.attn.W_Q"][0] @ w["blocks.1.attn.W_K"][0].T
    E, U, P = w["embed.W_E"], w["unembed.W_U"], w["pos_embed.W_pos"]
    assert close(subject.circuits.OV(1), E @ OV[1] @ U)
    assert close(subject.circuits.OV(0, 1), E @ OV[0] @ OV[1] @ U)
    K = P @ QK @ OV[0].T @ E.T
    Q = P @ QK @ P.T
    found = subject.circuits.k_composition
    assert found["least_diagonal"] == pytest.approx(K[7:10, :3].diagonal().min().item())
    ratio = Q[7:10, 1:4].diagonal().mean() / K[7:10, :3].diagonal().mean()
    assert subject.circuits.default_strength == pytest.approx(ratio.item())
    assert subject.circuits.default_positions == [int(Q[q, : q + 1].argmax()) for q in (7, 8, 9)]
    copies = (E @ OV[1] @ U)[:50].argmax(-1) == torch.arange(50)
    assert subject.circuits.copying == pytest.approx(copies.double().mean().item())


def test_the_square_of_a_perfect_circuit(subject: ListUpdateSubject) -> None:
    perfect = torch.zeros(3, 52, dtype=torch.float64)
    perfect[:, :3] = torch.eye(3) * 10 + 1
    found = subject.circuits._square(perfect, 0)
    assert found == {"least_diagonal": 11, "largest_other": pytest.approx(1 / 11), "right_rows": 1}
    assert subject.circuits._square(perfect.roll(1, 1), 0)["right_rows"] == 0


# ---------------------------------------------------------------------------------- cuts
@pytest.mark.parametrize(("site", "name"), [(sites.Q, "Q"), (sites.K, "K"), (sites.V, "V")])
def test_a_cut_path_is_the_model_recomputed(
    subject: ListUpdateSubject, site: sites.Site, name: str
) -> None:
    expected = plain(random_weights(), subject.tokens, name)[0][:, 7:10]
    assert close(subject.cuts._logits(site), expected)
    assert not close(subject.logits(), expected)


# ---------------------------------------------------------------------------------- patching
def test_the_metric_is_1_on_clean_and_0_on_corrupted_logits(subject: ListUpdateSubject) -> None:
    found = Patches(subject.lens, pairs(6, 3))
    assert found.endpoints == {"clean": 1.0, "corrupted": 0.0}
    assert found.differences != pytest.approx(found.endpoints)
    logits = plain(random_weights(), printed_pair().clean)[0]
    expected = (logits[0, 8, 26] - logits[0, 8, 23]).item()
    assert subject.printed.ends["clean"] == pytest.approx(expected)


def test_a_sweep_has_the_value_of_every_single_patch(subject: ListUpdateSubject) -> None:
    found = Patches(subject.lens, pairs(6, 3))
    swept = found.swept(sites.K)
    assert swept.shape == (2, 11, 6)
    assert swept[1, 6].mean().item() == pytest.approx(found.key_1)
    assert found.at_element(sites.K, 1) == pytest.approx(found.key_1)
    # Before layer 0 the index is all that differs, so its place recovers everything.
    assert found.stream["index_before_0"] == pytest.approx(1)
    assert found.swept(sites.RESID_PRE)[:, 9:].abs().max() < EXACT


def test_only_the_element_differs_where_it_is_corrupted() -> None:
    made = pairs(50, 3)
    lens = model.open_model(random_weights(), dtype="float64")
    tokens = Patches(lens, made).element_corrupted._corrupted
    differs = (tokens != made.clean).sum(0) > 0
    assert differs.nonzero().flatten().tolist() == [6, 8, 9]
    new = tokens[:, 6]
    assert not ((new == made.correct) | (new == made.incorrect)).any()
    assert tokens.gather(1, 8 + made.index[:, None])[:, 0].equal(new)


def test_a_patch_can_be_one_place(subject: ListUpdateSubject) -> None:
    p = printed_pair()
    place = sites.RESID_PRE(0).pick(pos=5)
    found = patch_by_hooks(subject.lens, p.corrupted, p.clean, subject.printed.metric, place)
    assert found.item() == pytest.approx(1)
