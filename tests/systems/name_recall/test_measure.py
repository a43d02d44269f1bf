"""Each measurement against hooks or plain torch, on random weights; each check can fail."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.errors import BadInput
from replications.lens.networks import as_network
from replications.models import sites
from replications.models.edits import put_rows
from replications.patching.paths import HeadInputs
from replications.patching.reference_paths import path_logits_by_hooks
from replications.systems.name_recall import composition, data, metrics
from replications.systems.name_recall.data import DOCUMENT, END, FIRST, LAST
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.patches import Corruption
from replications.systems.name_recall.residual import rank
from replications.systems.name_recall.roles import GELU_2L, Roles
from tests.systems.name_recall.conftest import EXACT

GIVEN = Roles(previous=(0, 4), duplicate=(0, 3), copying=(1, 6), second=(1, 1))


@pytest.fixture
def given(subject: NameRecallSubject) -> NameRecallSubject:
    """The toy with heads named from outside."""
    return NameRecallSubject("given", subject.lens, subject.tokenizer, published=GIVEN)


def difference(subject: NameRecallSubject, logits: Tensor) -> float:
    """Mean logit difference at the last token of logits [n pos d_vocab_out]."""
    rows, prompts = torch.arange(len(logits)), subject.prompts
    last = logits[:, -1]
    return (last[rows, prompts.correct] - last[rows, prompts.incorrect]).mean().item()


def patched(subject: NameRecallSubject, corruption: Corruption, place: sites.Place) -> float:
    """The metric with one place patched, by hooks."""
    value = subject.lens.read(getattr(subject.prompts, corruption), {"v": place})["v"]
    edits = [put_rows(place, value)]
    return difference(subject, subject.lens.run(subject.prompts.clean, edits=edits).logits)


# ------------------------------------------------------------------------------------- maps
def test_maps_have_the_value_of_every_single_patch(subject: NameRecallSubject) -> None:
    patches = subject.patches
    residual = patches.map("residual", "first_name")
    assert residual.shape == (3, 12)
    expected = patched(subject, "first_name", sites.RESID_POST(0).pick(pos=LAST))
    assert residual[1, LAST].item() == pytest.approx(expected)
    heads = patches.map("heads", "last_name")
    assert heads.shape == (2, 8)
    assert heads[1, 3].item() == pytest.approx(
        patched(subject, "last_name", sites.Z(1).pick(head=3))
    )
    cells = patches.map("heads_by_position", "second_name")
    assert cells.shape == (2, 8, 12)
    expected = patched(subject, "second_name", sites.Z(0).pick(head=2, pos=END))
    assert cells[0, 2, END].item() == pytest.approx(expected)
    outputs = patches.map("attn_out", "last_name")
    expected = patched(subject, "last_name", sites.ATTN_OUT(0).pick(pos=LAST))
    assert outputs[0, LAST].item() == pytest.approx(expected)
    assert patches.clean == pytest.approx(
        difference(subject, subject.lens.run(subject.prompts.clean).logits)
    )
    assert heads.std() > 1e-3


def test_another_metric_sees_all_logits(subject: NameRecallSubject) -> None:
    found = subject.patches.map_of("residual", "last_name", lambda logits: logits[..., 5])
    place = sites.RESID_POST(0).pick(pos=LAST)
    value = subject.lens.read(subject.prompts.last_name, {"v": place})["v"]
    run = subject.lens.run(subject.prompts.clean, edits=[put_rows(place, value)])
    assert found[1, LAST].item() == pytest.approx(run.logits[:, -1, 5].mean().item())


# ------------------------------------------------------------------------------------- residual
def with_effects(subject: NameRecallSubject, effects: Tensor) -> NameRecallSubject:
    """A subject whose residual effects are given, [row pos], for every corruption."""
    made = NameRecallSubject("effects", subject.lens, subject.tokenizer)
    made.residual.effect = lambda corruption: effects  # type: ignore[method-assign]
    return made


def test_jumps_and_first_rows_are_read_off_the_map(subject: NameRecallSubject) -> None:
    effects = torch.zeros(6, 12, dtype=torch.float64)
    effects[:, END] = torch.tensor([0.0, 0.02, 0.1, 0.3, 0.92, 1.0])
    effects[:, LAST] = torch.tensor([1e-9, 0.2, 0.8, 0.6, 0.05, 0.0])
    effects[:, FIRST] = torch.tensor([1.0, 0.9, 0.1, 0.0, 0.0, 0.0])
    found = with_effects(subject, effects).residual
    assert found.jump == {"largest_at": 3, "layers_above_5_percent": 4}
    assert found.layers_that_carry == 2
    assert found.moves_to_last_name == 2
    assert found.moves_to_end == 4
    assert found.first_name_path == [4, 4, 5, 5, 11, 11]
    assert found.last_name_path == pytest.approx({
        "row_0_at_5": 1e-9, "row_1_at_5": 0.05, "row_1_at_11": 0.92, "row_2_at_11": 1.0,
    })  # fmt: skip
    effects[:, LAST] = 0
    assert with_effects(subject, effects).residual.moves_to_last_name == 6


def test_effects_are_shares_of_the_whole_corruption(subject: NameRecallSubject) -> None:
    effect = subject.residual.effect("last_name")
    assert effect[0, LAST].item() == pytest.approx(1)
    assert effect[-1, END].item() == pytest.approx(1)


def test_what_is_left_of_first_names_late_is_the_largest_effect_left_of_the_end(
    subject: NameRecallSubject, originals: dict[str, NameRecallSubject]
) -> None:
    large = originals["gpt2-small"]
    effect = large.residual.effect("first_name")
    assert large.residual.left_over == pytest.approx(effect[8:, :11].abs().max().item())
    assert large.residual.left_over > 0


# ------------------------------------------------------------------------------------- behaviour
def test_a_rank_counts_larger_logits() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 0.0, 5.0]])
    assert rank(logits, torch.tensor([2, 2])).tolist() == [1, 0]
    assert rank(logits, torch.tensor([1, 0])).tolist() == [2, 1]


def test_the_prompt_test_lists_the_likeliest_tokens(subject: NameRecallSubject) -> None:
    top = subject.behaviour.top
    logits = subject.lens.run(subject.prompts.clean[:1]).logits[0, -1]
    assert [line[0] for line in top] == list(range(10))
    assert top[0][1] == subject.tokenizer.strings([int(logits.argmax())])[0]
    assert top[0][2] == pytest.approx(logits.max().item())
    assert top[0][3] == pytest.approx(logits.softmax(-1).max().item())
    assert sum(line[3] for line in top) < 1


def test_other_names_before_the_right_one_are_counted(subject: NameRecallSubject) -> None:
    logits = subject.lens.run(subject.prompts.clean).logits[:, -1]
    names = [subject.tokenizer.token(n) for n in (*data.FIRST_NAMES, *data.LAST_NAMES)]
    right = subject.prompts.correct
    before = [sum(row[n] > row[r] for n in names) for row, r in zip(logits, right, strict=True)]
    expected = torch.tensor(before).double().mean().item()
    assert subject.behaviour.recall["names_before"] == pytest.approx(expected)
    assert subject.behaviour.recall["rank"] >= expected


def test_ranks_when_patched_are_those_of_one_patch(subject: NameRecallSubject) -> None:
    place = sites.RESID_POST(0).pick(pos=LAST)
    value = subject.lens.read(subject.prompts.last_name, {"v": place})["v"]
    edits = [put_rows(place, value)]
    logits = subject.lens.run(subject.prompts.clean, edits=edits).logits[:, -1]
    found = subject.behaviour.ranks_when_patched
    expected = rank(logits, subject.prompts.incorrect).double().mean().item()
    assert found["other"] == pytest.approx(expected)
    best = int(logits[0].argmax())
    top = subject.behaviour.top_when_patched
    assert top[0][1:3] == (subject.tokenizer.strings([best])[0], pytest.approx(logits[0, best]))
    late = subject.behaviour.ranks_when_patched_at_the_end
    clean = subject.lens.run(subject.prompts.clean).logits[:, -1]
    expected = rank(clean, subject.prompts.correct).double().mean().item()
    assert late["right"] == pytest.approx(expected)


def test_the_document_and_the_pairs_are_both_solved_or_not(subject: NameRecallSubject) -> None:
    prompts = data.document_prompts(subject.tokenizer)
    last = subject.lens.run(prompts.clean).logits[0, -1]
    expected = last[prompts.correct[0]] - last[prompts.incorrect[0]]
    assert subject.behaviour.solves["difference"] == pytest.approx(expected.item())
    assert 0 <= subject.behaviour.solves["share_of_pairs"] <= 1


def test_a_model_that_copies_any_last_name_prefers_neither_person(
    subject: NameRecallSubject,
) -> None:
    made = data.two_people(subject.tokenizer, subject.names)
    # A fixed preference for the name further right, whoever is asked for.
    logits = torch.zeros(len(made.tokens), 127)
    logits.scatter_(1, made.tokens[:, [11]], 3.0)
    found = logits.gather(1, made.answers)
    assert (found[:, 0] - found[:, 1]).mean() == 0
    assert (found[:, 0] != found[:, 1]).all()


def test_models_of_one_layer_are_compared_on_two_people(subject: NameRecallSubject) -> None:
    small = subject.one_layer_models[0]
    own, other = (m.behaviour.difference_between_two for m in (subject, small))
    assert subject.behaviour.one_layer["share_with_one"] == pytest.approx(abs(other) / own)
    assert subject.behaviour.two_layers_for_one["share_with_one"] == pytest.approx(1)
    with pytest.raises(BadInput, match="came without models of one layer"):
        _ = small.one_layer_models


# ------------------------------------------------------------------------------------- heads
def test_cells_are_shares_of_the_clean_metric_by_label(given: NameRecallSubject) -> None:
    clean = given.patches.clean
    place = sites.Z(0).pick(head=4, pos=LAST)
    expected = 1 - patched(given, "first_name", place) / clean
    assert given.heads.cell((0, 4), LAST, "first_name") == pytest.approx(expected)
    assert given.heads.writes_first_name["0.4"] == pytest.approx(expected)
    assert list(given.heads.writes_first_name) == [f"0.{head}" for head in range(8)]
    exchanged = given.heads.writes_first_name_exchanged
    assert exchanged["0.3"] == pytest.approx(expected)
    whole = max(
        1 - patched(given, c, sites.Z(1).pick(head=6)) / clean
        for c in ("last_name", "first_name", "second_name")
    )
    assert given.heads.importance["1.6"] == pytest.approx(whole)


def test_signs_are_what_is_left_when_the_copying_head_is_patched(
    given: NameRecallSubject,
) -> None:
    place = sites.Z(1).pick(head=6, pos=END)
    expected = patched(given, "last_name", place) / given.patches.clean
    assert given.heads.signs["last_name"] == pytest.approx(expected)


def test_heads_are_found_by_what_they_do(subject: NameRecallSubject) -> None:
    roles, scores = subject.roles, subject.attention.scores
    assert roles.previous == (0, int(scores.previous[0].mean(-1).argmax()))
    assert roles.duplicate == (0, int(scores.duplicate[0].mean(-1).argmax()))
    induction = scores.induction[1].mean(-1)
    assert all(induction[h] >= induction.max() / 2 for _, h in roles.all_copying)
    assert roles.second not in roles.all_copying
    assert subject.label(roles.copying) == "copying"


def test_published_heads_have_their_indices(originals: dict[str, NameRecallSubject]) -> None:
    small = originals["gelu-2l"]
    assert small.roles is GELU_2L
    assert small.label((1, 6)) == "1.6"
    assert small.roles.all_copying == ((1, 6),)


# ------------------------------------------------------------------------------------- attention
def test_attention_is_read_off_the_mean_pattern(given: NameRecallSubject) -> None:
    reads = {"p0": sites.PATTERN(0), "p1": sites.PATTERN(1)}
    found = given.lens.read(given.prompts.clean, reads)
    p0, p1 = (found[name].mean(0) for name in reads)
    assert given.attention.copying["attention"] == pytest.approx(p1[6, END, LAST].item())
    assert given.attention.copying["looks_at"] == 1 + int(p1[6, END, 1:].argmax())
    assert given.attention.duplicate["looks_at"] == 1 + int(p0[3, END, 1:].argmax())
    steps = torch.stack([p0[4, i, i - 1] for i in range(1, 12)])
    assert given.attention.previous["diagonal"] == pytest.approx(steps.mean().item())
    assert given.attention.second_by_copying["induction"] == 1


# ------------------------------------------------------------------------------------- circuit
@pytest.mark.parametrize(("site", "position"), [(sites.K, LAST), (sites.V, LAST), (sites.Q, END)])
def test_a_path_is_that_of_hooks(given: NameRecallSubject, site: sites.Site, position: int) -> None:
    prompts = given.prompts
    receiver = HeadInputs(site, [(1, 6)], [position])
    logits = path_logits_by_hooks(given.lens, prompts.clean, prompts.first_name, [(0, 4)], receiver)
    whole = given.patches.clean - given.patches.map("residual", "first_name")[1, LAST].item()
    expected = (given.patches.clean - difference(given, logits)) / whole
    assert given.circuit.path_share((0, 4), site) == pytest.approx(expected, abs=1e-9)


def test_copied_names_are_among_the_best_of_what_the_head_writes(
    given: NameRecallSubject,
) -> None:
    tokens, network = given.pair_prompts.clean, as_network(given.lens)
    value = given.lens.read(tokens, {"v": sites.V(1)})["v"][:, LAST, 6]
    written = value @ given.lens.weights.W_O[1, 6]
    # LayerNorm without its bias, on the head's output alone.
    normed = torch.nn.functional.layer_norm(written, (64,), network.ln_final_w)
    best = (normed @ network.W_U).topk(10).indices
    expected = (best == tokens[:, [LAST]]).any(1).double().mean().item()
    assert given.circuit.copied == pytest.approx(expected)


def test_composition_is_a_ratio_of_norms(given: NameRecallSubject) -> None:
    network, w = as_network(given.lens), given.lens.weights
    assert network.ln1_w is not None
    centre = torch.eye(64).double() - 1 / 64
    read = [centre @ torch.diag(network.ln1_w[i]) for i in (0, 1)]
    OV = read[0] @ w.OV(0, 4)
    QK = read[1] @ w.QK(1, 6) @ read[1].T
    for found, product in (
        (given.circuit.k_composition, OV @ QK.T),
        (given.circuit.q_composition, OV @ QK),
    ):
        expected = product.norm() / (OV.norm() * QK.norm()) - composition.baseline(64, 16)
        assert found["0.4"] == pytest.approx(expected.item())
    assert given.circuit.k_composition != given.circuit.q_composition


def test_random_matrices_compose_as_the_baseline_says() -> None:
    # For wide matrices the score tends to 1 / sqrt(rank of the product's middle).
    generator = torch.Generator().manual_seed(5)
    pair = [composition.random(64, 16, generator) for _ in range(2)]
    assert composition.score(*pair) == pytest.approx(composition.baseline(64, 16), rel=0.1)
    assert composition.score(torch.eye(9), torch.eye(9)) == pytest.approx(1 / 3)


def test_a_head_composes_through_queries_keys_or_values(subject: NameRecallSubject) -> None:
    network = as_network(subject.lens)
    Q, K = (composition.reading(network, (1, 0), name) for name in ("Q", "K"))
    assert (Q - K.T).abs().max() < EXACT
    V = composition.reading(network, (1, 0), "V")
    assert V.equal(composition.writing(network, (1, 0)))
    with pytest.raises(BadInput, match="through Q, K or V"):
        composition.reading(network, (1, 0), "O")  # type: ignore[arg-type]


def test_exchanged_positions_reach_the_prediction_through_one_head(
    given: NameRecallSubject,
) -> None:
    weights = dict(given.lens.state_dict)
    positions = weights["pos_embed.W_pos"].clone()
    positions[[4, 5]] = positions[[5, 4]]
    other = given.lens.reopen(weights | {"pos_embed.W_pos": positions})
    place = sites.Z(0).pick(head=3, pos=END)
    z = other.read(given.prompts.clean, {"z": place})["z"]
    logits = given.lens.run(given.prompts.clean, edits=[put_rows(place, z)]).logits
    expected = 1 - difference(given, logits) / given.patches.clean
    assert given.circuit.through_positions == pytest.approx(expected)
    assert given.circuit.through_positions != 0


# ------------------------------------------------------------------------------------- the rest
def test_the_same_map_agrees_with_itself_and_not_with_another(
    subject: NameRecallSubject,
) -> None:
    document = metrics._differences(subject.patches, metrics.BOTH)
    assert document.shape == (2 * 3 * 12,)
    assert (document.min(), document.max()) == (0, 1)
    assert stats.spearman(document, document) == pytest.approx(1)
    other = metrics._differences(subject.patches, metrics.OTHER)
    assert document.unflatten(0, (2, 36)).flip(0).flatten().equal(other)


def test_a_metric_is_the_right_name_on_a_scale_of_all_logits(subject: NameRecallSubject) -> None:
    place = sites.RESID_POST(0).pick(pos=LAST)
    value = subject.lens.read(subject.prompts.last_name, {"v": place})["v"]
    run = subject.lens.run(subject.prompts.clean, edits=[put_rows(place, value)])
    chances = run.logits[:, -1].softmax(-1)
    right = chances.gather(1, subject.prompts.correct[:, None])[:, 0]

    def metric(logits: Tensor) -> Tensor:
        return metrics._pick(metrics.probability(logits), subject.prompts.correct[:, None])

    found = subject.patches.map_of("residual", "last_name", metric)
    assert found[1, LAST].item() == pytest.approx(right.mean().item())


def test_the_bias_has_that_of_the_layernorm_in_it(subject: NameRecallSubject) -> None:
    network = as_network(subject.lens)
    silent = subject.lens.reopen(
        dict(subject.lens.state_dict) | {"ln_final.w": torch.zeros(64).double()}
    )
    # A final LayerNorm without scale leaves its bias alone.
    logits = silent.run(subject.prompts.clean[:1]).logits[0, -1]
    assert (logits - subject.language._b_U).abs().max() < EXACT
    assert network.ln_final_b is not None


def test_a_sample_is_needed_for_counts(given: NameRecallSubject) -> None:
    with pytest.raises(BadInput, match="came without a sample"):
        _ = given.language.bias


def test_a_mark_is_likelier_by_its_log_probability(
    originals: dict[str, NameRecallSubject],
) -> None:
    large = originals["gpt2-small"]
    tokens = torch.tensor([large.tokenizer.encode("The old bridge", bos=True)])
    mark = large.tokenizer.token(")")
    expected = large.lens.run(tokens).logits[0, -1].log_softmax(-1)[mark]
    assert large.language._next("The old bridge")[mark].item() == pytest.approx(expected.item())
    assert math.isfinite(large.language.close_bracket)


def test_originals_are_measured_on_the_documents_prompt(
    subject: NameRecallSubject, originals: dict[str, NameRecallSubject]
) -> None:
    assert [len(m.prompts) for m in (subject, *originals.values())] == [50, 1, 1]
    assert list(originals["gpt2-small"].prompt_names) == [DOCUMENT]
    assert [m.stored_after for m in (subject, *originals.values())] == [0, 6, 0]
