"""Each measurement against plain torch, on random weights; each check can fail."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import Head, sites
from replications.systems import list_update
from replications.systems.list_update import ListUpdateSubject, model
from replications.systems.list_update.data import Format, encode, generate_mixed
from replications.systems.list_update.measurements.attention import Attention
from replications.systems.list_update.measurements.behaviour import FRESH_SEED, Behaviour
from replications.systems.list_update.measurements.circuits import square
from replications.systems.list_update.measurements.paths import contrasts
from replications.systems.list_update.measurements.techniques import Techniques
from replications.systems.list_update.roles import PUBLISHED, Roles, find_roles
from replications.systems.list_update.task import Task

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


@pytest.mark.parametrize("factor", [0, 2])
def test_what_is_missing_counts_by_its_size(
    subject: ListUpdateSubject, monkeypatch: pytest.MonkeyPatch, factor: int
) -> None:
    final = subject.task.run["final"].double()
    monkeypatch.setattr(type(subject.attribution), "_written", [factor * final])
    assert subject.attribution.unexplained() == pytest.approx(final.abs().max().item())


def by_hand(subject: ListUpdateSubject, j: int, offset: int = 0) -> tuple[Tensor, Tensor]:
    """Contributions to prediction j in each prompt: of embedding, 0.0, 1.0, and of both paths."""
    weights, tokens = random_weights(), subject.tokens
    _, patterns, outs = plain(weights, tokens)
    embedded = weights["embed.W_E"][tokens]
    V = [weights[f"blocks.{i}.attn.W_V"][0] @ weights[f"blocks.{i}.attn.W_O"][0] for i in (0, 1)]
    paths = patterns[1] @ embedded @ V[1], patterns[1] @ patterns[0] @ embedded @ V[0] @ V[1]
    to = weights["unembed.W_U"].T[(tokens[:, 8 + j] + offset) % 50]
    parts = [(x[:, 7 + j] * to).sum(-1) for x in (embedded, *outs, *paths)]
    return torch.stack(parts[:3]), torch.stack(parts[3:])


@pytest.mark.parametrize("offset", [0, 1])
def test_a_share_is_that_of_the_first_prediction(subject: ListUpdateSubject, offset: int) -> None:
    parts = by_hand(subject, 0, offset)[0].mean(1)
    for row, head in ((1, PREVIOUS), (2, COPYING)):
        expected = {"share": (parts[row] / parts.sum()).item(), "logits": parts[row].item()}
        assert subject.attribution.share(head, offset) == pytest.approx(expected)


def test_shares_of_all_predictions_are_compared(subject: ListUpdateSubject) -> None:
    means = torch.stack([by_hand(subject, j)[0].mean(1) for j in range(3)])  # [j component]
    totals = means.sum(1)
    for row, head in ((1, PREVIOUS), (2, COPYING)):
        found = subject.attribution.all_predictions(head)
        assert found["smallest_share"] == pytest.approx((means[:, row] / totals).min().item())
        assert found["largest_total_ratio"] == pytest.approx((totals.max() / totals.min()).item())
    assert close(subject.attribution.accumulated, means.T.cumsum(0))


def test_the_logit_lens_reads_the_stream_after_each_layer(subject: ListUpdateSubject) -> None:
    weights, tokens = random_weights(), subject.tokens
    _, _, outs = plain(weights, tokens)
    stream = weights["embed.W_E"][tokens][:, 7:10]
    for layers in range(3):
        if layers:
            stream = stream + outs[layers - 1][:, 7:10]
        right = (stream @ weights["unembed.W_U"]).argmax(-1) == tokens[:, 8:]
        found = subject.attribution.lens_accuracy(layers)
        assert found == pytest.approx(right.double().mean().item())
    assert subject.attribution.lens_accuracy(2) == pytest.approx(subject.behaviour.accuracy)


def test_the_contrast_is_that_of_a_diagonal_entry_with_the_rest_of_its_row() -> None:
    shares = torch.tensor([[0.9, 0.3, 0.5], [0.1, 0.6, 0.3], [0.2, 0.2, 0.5]])
    assert contrasts(shares).tolist() == pytest.approx([0.5, 0.4, 0.3])
    assert contrasts(shares.T).tolist() != pytest.approx([0.5, 0.4, 0.3])


def test_shares_of_paths_are_those_of_prompts_with_one_index(subject: ListUpdateSubject) -> None:
    index = subject.tokens[:, 5]
    shares, others = torch.empty(3, 3).double(), torch.empty(3, 3).double()
    for j in range(3):
        paths = by_hand(subject, j)[1]
        for i in range(3):
            for table, chosen in ((shares, index == i), (others, index.roll(1) == i)):
                direct, both = paths[:, chosen].mean(1)
                table[i, j] = direct / (direct + both)
    found = subject.paths
    assert close(found.direct_shares, shares)
    total = torch.stack([by_hand(subject, j)[1].sum(0) for j in range(3)]).mean().item()
    smallest = torch.minimum(shares, 1 - shares).min().item()
    assert found.everywhere() == pytest.approx({"smallest_share": smallest, "logits": total})

    for measured, table in (
        (found.updated_less_kept(), shares),
        (found.updated_less_kept(shuffled=True), others),
        (found.updated_less_kept(shift=1), shares[:, [1, 2, 0]]),
    ):
        difference = contrasts(table).mean().item()
        assert measured == pytest.approx({"difference": difference, "logits": total})


def test_the_first_prediction_has_two_paths(subject: ListUpdateSubject) -> None:
    for offset in (0, 1):
        direct, both = by_hand(subject, 0, offset)[1].mean(1).tolist()
        total = direct + both
        expected = {"direct": direct / total, "two_heads": both / total, "logits": total}
        assert subject.paths.first_prediction(offset) == pytest.approx(expected)


def test_wrong_hypotheses_about_the_paths(subject: ListUpdateSubject) -> None:
    weights, tokens = random_weights(), subject.tokens
    _, A, _ = plain(weights, tokens)
    embedded, to = weights["embed.W_E"][tokens], weights["unembed.W_U"].T[tokens[:, 8]]
    V = [weights[f"blocks.{i}.attn.W_V"][0] @ weights[f"blocks.{i}.attn.W_O"][0] for i in (0, 1)]

    def logits(written: Tensor) -> float:
        return (written[:, 7] * to).sum(-1).mean().item()

    direct, both = (
        logits(x) for x in (A[1] @ embedded @ V[1], A[1] @ A[0] @ embedded @ V[0] @ V[1])
    )
    looks, reverse = logits(A[0] @ embedded @ V[1]), logits(A[0] @ A[1] @ embedded @ V[1] @ V[0])
    found = subject.paths.first_prediction(look=PREVIOUS)
    assert found["direct"] == pytest.approx(looks / (looks + both))
    found = subject.paths.first_prediction(reverse=True)
    assert found["two_heads"] == pytest.approx(reverse / (direct + reverse))
    assert subject.paths.everywhere(reverse=True) != subject.paths.everywhere()
    assert subject.paths.everywhere(look=PREVIOUS) != subject.paths.everywhere()


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


def test_the_square_can_be_that_of_another_writer(subject: ListUpdateSubject) -> None:
    w = random_weights()
    OV = w["blocks.1.attn.W_V"][0] @ w["blocks.1.attn.W_O"][0]
    QK = w["blocks.1.attn.W_Q"][0] @ w["blocks.1.attn.W_K"][0].T
    K = w["pos_embed.W_pos"] @ QK @ OV.T @ w["embed.W_E"].T
    found = subject.circuits.k_composition(writer=COPYING)
    assert found["least_diagonal"] == pytest.approx(K[7:10, :3].diagonal().min().item())
    assert found != subject.circuits.k_composition()
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
    found = square(perfect)
    assert found == {"least_diagonal": 11, "largest_other": pytest.approx(1 / 11), "right_rows": 1}
    assert square(perfect.roll(1, 1))["right_rows"] == 0
    perfect[2] = torch.arange(52) - 60.0  # the diagonal entry is -58, the largest number's is -9
    assert square(perfect) == {
        "least_diagonal": -58,
        "largest_other": pytest.approx(1 / 11),
        "right_rows": pytest.approx(2 / 3),
    }


def test_an_ov_circuit_transposed_copies_if_its_transpose_does() -> None:
    weights = {name: weight.double() for name, weight in model.untrained_state_dict().items()}
    number = torch.eye(128, dtype=torch.float64)
    weights["embed.W_E"], weights["unembed.W_U"] = number[:52], number[:, :50]
    weights["blocks.1.attn.W_V"] = number.roll(1, 0).clone()[None]  # number n is written as n - 1
    weights["blocks.1.attn.W_O"] = number[None]
    circuits = ListUpdateSubject("made", model.open_model(weights, dtype="float64")).circuits
    assert circuits.OV(COPYING)[7].argmax() == 6
    assert circuits.OV(COPYING, transposed=True)[7].argmax() == 8
    assert circuits.copying(COPYING) == 0.02  # 0 is written as no number, so 0 itself is largest
    assert circuits.copying(COPYING, transposed=True) == 0
    weights["blocks.1.attn.W_V"] = number[None]
    assert (
        ListUpdateSubject("made", model.open_model(weights, dtype="float64")).circuits.copying(
            COPYING
        )
        == 1
    )


# ---------------------------------------------------------------------------------- composition
@pytest.mark.parametrize(("site", "name"), [(sites.Q, "Q"), (sites.K, "K"), (sites.V, "V")])
def test_a_cut_path_is_the_model_recomputed(
    subject: ListUpdateSubject, site: sites.Site, name: str
) -> None:
    expected = plain(random_weights(), subject.tokens, name)[0][:, 7:10]
    assert close(subject.composition.logits_without(site), expected)
    assert not close(subject.task.logits, expected)


def test_cuts_change_accuracies_and_lose_logits(subject: ListUpdateSubject) -> None:
    tokens = subject.tokens
    logits = {cut: plain(random_weights(), tokens, cut)[0][:, 7:10] for cut in ("", "K", "V")}
    right = logits["K"].argmax(-1) == tokens[:, 8:]
    updated = torch.arange(3) == tokens[:, 5, None]
    of_answers = {cut: x.gather(-1, tokens[:, 8:, None]).mean() for cut, x in logits.items()}
    cut = [right[which].double().mean().item() for which in (updated, ~updated)]
    lost = 1 - (of_answers["V"] / of_answers[""]).item()
    assert subject.composition.logit_lost(sites.V) == pytest.approx(lost)
    right = logits[""].argmax(-1) == tokens[:, 8:]
    intact = [right[which].double().mean().item() for which in (updated, ~updated)]
    assert subject.composition.accuracies(sites.K) == pytest.approx(
        {"updated_intact": intact[0], "updated": cut[0], "kept": cut[1]}
    )
    change = max(abs(a - b) for a, b in zip(intact, cut, strict=True))
    assert subject.composition.change(sites.K) == pytest.approx(change)


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
    assert (found["parameters"], found["frozen"]) == (20, sorted(lens.state_dict))
    assert (found["largest_bias"], found["positions_in_the_stream"]) == (0, 0)
    placed = whole.standard_positions.architecture.describe()["positions_in_the_stream"]
    assert placed == pytest.approx(lens.weights.W_pos.abs().max().item(), rel=1e-3)
    biased = whole.one_bias_trained.architecture.describe()
    assert biased["frozen"] == sorted({*lens.state_dict} - {"unembed.b_U"})
    assert biased["largest_bias"] == pytest.approx(1e-3)  # the first step of AdamW is its rate
    assert not lens.state_dict["unembed.b_U"].any()  # the subject itself is whole


def test_a_head_that_is_cut_writes_nothing(subject: ListUpdateSubject) -> None:
    weights = random_weights()
    for layer in (0, 1):
        name = f"blocks.{layer}.attn.W_O"
        logits = plain({**weights, name: torch.zeros_like(weights[name])}, subject.tokens)[0]
        assert close(subject.without((layer, 0)).task.logits, logits[:, 7:10])
    assert close(subject.task.logits, plain(weights, subject.tokens)[0][:, 7:10])


# ---------------------------------------------------------------------------------- behaviour
def test_accuracies_are_of_the_prompts_they_name() -> None:
    found = list_update.subject("one-layer/seed0")
    assert isinstance(found, ListUpdateSubject)
    right = (found.task.logits.argmax(-1) == found.tokens[:, 8:]).double()
    by_prediction = right.mean(0).tolist()
    assert found.behaviour.accuracy == pytest.approx(sum(by_prediction) / 3)
    assert max(by_prediction) - min(by_prediction) > 0.05  # a mean over the wrong axis would show
    assert found.behaviour.batch_accuracy == pytest.approx(right[:256].mean().item())
    fresh = generate_mixed(10_000, FRESH_SEED)
    logits = found.lens.run(fresh).logits[:, 7:10]
    accuracy = (logits.argmax(-1) == fresh[:, 8:]).double().mean().item()
    assert found.behaviour.fresh_accuracy == pytest.approx(accuracy)
    assert accuracy not in (found.behaviour.accuracy, found.behaviour.batch_accuracy)


def test_two_layers_are_compared_with_the_best_of_the_others(subject: ListUpdateSubject) -> None:
    def made(accuracy: float) -> Behaviour:
        behaviour = Behaviour(subject.task, lambda: [2.0, 1.0, 0.5])
        behaviour.__dict__["accuracy"] = accuracy
        return behaviour

    found = made(0.9).against([made(0.2), made(0.6), made(0.4)])
    assert found == {"two_layers": 0.9, "one_layer": 0.6}
    assert made(0.9).training_loss(1) == 1.0
    assert made(0.9).losses(2)["in_training"] == 0.5


# ---------------------------------------------------------------------------------- means by index
def test_means_by_index_are_over_the_prompts_with_that_index() -> None:
    tokens = torch.stack([encode([7, 8, 9], index, 5) for index in (0, 2, 1, 2)])
    task = Task(model.open_model(model.untrained_state_dict()), tokens=tokens)
    values = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9], [14, 25, 36]])
    assert task.by_index(values).tolist() == [[1, 2, 3], [7, 8, 9], [9, 15, 21]]
    others = torch.tensor([1, 1, 0, 2])
    assert task.by_index(values, others).tolist() == [[7, 8, 9], [2.5, 3.5, 4.5], [14, 25, 36]]


def test_virtual_attention_is_that_of_kept_predictions() -> None:
    tokens = torch.stack([encode([7, 8, 9], index, 5) for index in range(3)])
    task = Task(model.open_model(model.untrained_state_dict()), tokens=tokens)
    pattern = torch.zeros(3, 11, 11, dtype=torch.float64)
    # Kept predictions look at their own list position (0.4 to 0.9), one of them more elsewhere.
    kept = {(0, 1): 0.4, (0, 2): 0.9, (1, 0): 0.6, (1, 2): 0.7, (2, 0): 0.8, (2, 1): 0.5}
    for (index, j), weight in kept.items():
        pattern[index, 7 + j, 1 + j] = weight
    pattern[0, 8, 5] = 0.6
    for index in range(3):  # the updated one looks at the element, the index and elsewhere
        pattern[index, 7 + index, [6, 5, 0]] = torch.tensor([0.1, 0.7, 0.2]).double()
    task.pattern = lambda *heads: pattern  # type: ignore[method-assign]
    attention = Attention(task, PUBLISHED)
    assert attention.virtual() == pytest.approx(
        {"least": 0.4, "most": 0.9, "looks_most_at_source": 5 / 6}
    )
    assert attention.from_updated() == pytest.approx(
        {"index": 0.7, "element": 0.1, "largest_other": 0.2}
    )
    assert attention.to_source(PREVIOUS) == pytest.approx(0.1)
    assert attention.full_at_source(PREVIOUS) == pytest.approx(1 / 9)
    assert attention.override() == {"updated": 1.0, "kept": 0.0}


def test_to_index_says_where_a_head_looks_most(subject: ListUpdateSubject) -> None:
    _, patterns, _ = plain(random_weights(), subject.tokens)
    most = int(patterns[0].mean(0)[7].argmax())
    expected = "index" if most == 5 else f"position {most}"
    assert subject.attention.to_index("newline")["looks_most_at"] == expected


# ---------------------------------------------------------------------------------- techniques
def test_a_technique_survives_if_its_control_does_not() -> None:
    found = Techniques.__new__(Techniques)
    found.__dict__["findings"] = {"a": 0.8, "b": 0.9, "c": 0.7, "d": 1.0}
    found.__dict__["controls"] = {"a": 0.7, "b": 0.8, "c": 0.1, "d": 0.0}
    assert found.steps_that_survive == 2
