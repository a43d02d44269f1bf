"""Each measurement against hooks or plain torch, on random weights; each check can fail."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.analysis import composition
from replications.errors import BadInput
from replications.lens.networks import as_network
from replications.models import sites
from replications.models.edits import put_rows
from replications.patching.paths import HeadInputs
from replications.patching.reference_paths import path_logits
from replications.systems.name_recall import data
from replications.systems.name_recall.data import (
    DOCUMENT,
    END,
    FIRST,
    LAST,
    OPEN_AND_CLOSED,
    Corruption,
)
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.measurements import footnotes
from replications.systems.name_recall.measurements.conclusion import INPUTS
from replications.systems.name_recall.measurements.two_layers import preference
from replications.systems.name_recall.roles import PUBLISHED, Roles
from replications.systems.name_recall.task import rank
from tests.systems.name_recall.conftest import EXACT

GIVEN = Roles(previous=(0, 4), duplicate=(0, 3), copying=(1, 6), second=(1, 1), by_index=True)


@pytest.fixture
def given(subject: NameRecallSubject) -> NameRecallSubject:
    """The toy with heads named from outside."""
    return NameRecallSubject("given", subject.lens, subject.task.tokenizer, roles=GIVEN)


def difference(subject: NameRecallSubject, logits: Tensor) -> float:
    """Mean logit difference at the last token of logits [n pos d_vocab_out]."""
    rows, prompts = torch.arange(len(logits)), subject.task.prompts
    last = logits[:, -1]
    return (last[rows, prompts.correct] - last[rows, prompts.incorrect]).mean().item()


def patched(subject: NameRecallSubject, corruption: Corruption, place: sites.Place) -> float:
    """The metric with one place patched, by hooks."""
    value = subject.lens.read(subject.task.prompts.tokens(corruption), {"v": place})["v"]
    edits = [put_rows(place, value)]
    return difference(subject, subject.lens.run(subject.task.prompts.clean, edits=edits).logits)


# ------------------------------------------------------------------------------------- maps
def test_maps_have_the_value_of_every_single_patch(subject: NameRecallSubject) -> None:
    patches = subject.task
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
    assert patches.metric() == pytest.approx(
        difference(subject, subject.lens.run(subject.task.prompts.clean).logits)
    )
    assert heads.std() > 1e-3


def test_another_metric_sees_all_logits(subject: NameRecallSubject) -> None:
    found = subject.task.map_of("residual", "last_name", lambda logits: logits[..., 5])
    place = sites.RESID_POST(0).pick(pos=LAST)
    value = subject.lens.read(subject.task.prompts.last_name, {"v": place})["v"]
    run = subject.lens.run(subject.task.prompts.clean, edits=[put_rows(place, value)])
    assert found[1, LAST].item() == pytest.approx(run.logits[:, -1, 5].mean().item())


# ------------------------------------------------------------------------------------- residual
def with_effects(subject: NameRecallSubject, effects: Tensor) -> NameRecallSubject:
    """A subject whose residual effects are given, [row pos], for every corruption."""
    made = NameRecallSubject("effects", subject.lens, subject.task.tokenizer)
    made.task.residual_share = lambda corruption: effects  # type: ignore[method-assign]
    return made


def test_jumps_and_first_rows_are_read_off_the_map(subject: NameRecallSubject) -> None:
    effects = torch.zeros(6, 12, dtype=torch.float64)
    effects[:, END] = torch.tensor([0.0, 0.02, 0.1, 0.3, 0.92, 1.0])
    effects[:, LAST] = torch.tensor([1e-9, 0.2, 0.8, 0.6, 0.05, 0.0])
    effects[:, FIRST] = torch.tensor([1.0, 0.9, 0.1, 0.0, 0.0, 0.0])
    made = with_effects(subject, effects)
    found = made.residual
    assert found.jump() == {"largest_at": 3, "layers_above_5_percent": 4}
    assert found.layers_that_carry() == 2
    assert found.moves_to_last_name() == 2
    assert found.moves_to_end() == 4
    assert made.two_layers.path("first_name") == [4, 4, 5, 5, 11, 11]
    assert made.two_layers.one_step("last_name") == pytest.approx({
        "row_0_at_5": 1e-9, "row_1_at_5": 0.2, "row_1_at_11": 0.02, "row_2_at_11": 0.1,
    })  # fmt: skip
    effects[:, LAST] = 0
    assert with_effects(subject, effects).residual.moves_to_last_name() == 6


def test_effects_are_shares_of_the_whole_corruption(subject: NameRecallSubject) -> None:
    effect = subject.task.residual_share("last_name")
    assert effect[0, LAST].item() == pytest.approx(1)
    assert effect[-1, END].item() == pytest.approx(1)


def test_what_is_left_of_first_names_late_is_the_largest_effect_left_of_the_end(
    subject: NameRecallSubject, originals: dict[str, NameRecallSubject]
) -> None:
    large = originals["gpt2-small"]
    effect = large.task.residual_share("first_name")
    assert large.residual.left_over() == pytest.approx(effect[8:, :11].abs().max().item())
    assert large.residual.left_over() > 0


# ------------------------------------------------------------------------------------- behaviour
def test_a_rank_counts_larger_logits() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 0.0, 5.0]])
    assert rank(logits, torch.tensor([2, 2])).tolist() == [1, 0]
    assert rank(logits, torch.tensor([1, 0])).tolist() == [2, 1]


def test_the_prompt_test_lists_the_likeliest_tokens(subject: NameRecallSubject) -> None:
    top = subject.first_steps.likeliest
    logits = subject.lens.run(subject.task.prompts.clean[:1]).logits[0, -1]
    assert [line[0] for line in top] == list(range(10))
    assert top[0][1] == subject.task.tokenizer.strings([int(logits.argmax())])[0]
    assert top[0][2] == pytest.approx(logits.max().item())
    assert top[0][3] == pytest.approx(logits.softmax(-1).max().item())
    assert sum(line[3] for line in top) < 1


def test_other_names_before_the_right_one_are_counted(subject: NameRecallSubject) -> None:
    logits = subject.lens.run(subject.task.prompts.clean).logits[:, -1]
    names = [subject.task.tokenizer.token(n) for n in (*data.FIRST_NAMES, *data.LAST_NAMES)]
    right = subject.task.prompts.correct
    before = [sum(row[n] > row[r] for n in names) for row, r in zip(logits, right, strict=True)]
    expected = torch.tensor(before).double().mean().item()
    assert subject.first_steps.recall()["names_before"] == pytest.approx(expected)
    assert subject.first_steps.recall()["rank"] >= expected


def test_ranks_when_patched_are_those_of_one_patch(subject: NameRecallSubject) -> None:
    place = sites.RESID_POST(0).pick(pos=LAST)
    value = subject.lens.read(subject.task.prompts.last_name, {"v": place})["v"]
    edits = [put_rows(place, value)]
    logits = subject.lens.run(subject.task.prompts.clean, edits=edits).logits[:, -1]
    found = subject.residual.ranks_when_patched()
    expected = rank(logits, subject.task.prompts.incorrect).double().mean().item()
    assert found["other"] == pytest.approx(expected)
    best = int(logits[0].argmax())
    top = subject.first_steps.likeliest_when_patched
    assert top[0][1:3] == (
        subject.task.tokenizer.strings([best])[0],
        pytest.approx(logits[0, best]),
    )
    late = subject.residual.ranks_when_patched(after=1)
    clean = subject.lens.run(subject.task.prompts.clean).logits[:, -1]
    expected = rank(clean, subject.task.prompts.correct).double().mean().item()
    assert late["right"] == pytest.approx(expected)


def test_the_task_is_tried_on_the_document_and_on_the_pairs(subject: NameRecallSubject) -> None:
    prompts = data.document_prompts(subject.task.tokenizer)
    last = subject.lens.run(prompts.clean).logits[0, -1]
    expected = last[prompts.correct[0]] - last[prompts.incorrect[0]]
    found = subject.two_layers.solves()
    assert found["difference"] == pytest.approx(expected.item())
    made = subject.task.prompts  # the fifty pairs
    logits = subject.lens.run(made.clean).logits[:, -1]
    positive = [row[a] > row[b] for row, a, b in zip(logits, *made.answers.T, strict=True)]
    assert found["share_of_pairs"] == pytest.approx(sum(map(bool, positive)) / 50)
    assert 0 < found["share_of_pairs"] < 1


def test_without_the_introduction_nobody_is_named(subject: NameRecallSubject) -> None:
    made = data.document_prompts(subject.task.tokenizer)
    words = subject.task.tokenizer.encode("Tomorrow at lunch time Alex", bos=True)
    last = subject.lens.run(torch.tensor([words])).logits[0, -1]
    expected = last[made.correct[0]] - last[made.incorrect[0]]
    found = subject.two_layers.solves(introduced=False)
    assert found["difference"] == pytest.approx(expected.item())


def test_a_model_that_copies_any_last_name_prefers_neither_person(
    subject: NameRecallSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copies(tokens: Tensor) -> Tensor:
        # The last name further right is preferred, whoever is asked for.
        return torch.zeros(len(tokens), 127).scatter_(1, tokens[:, [11]], 3.0)

    monkeypatch.setattr(subject.task, "run", copies)
    assert preference(subject.task) == 0
    monkeypatch.setattr(subject.task, "run", lambda tokens: copies(tokens) * (tokens[:, -1:] % 2))
    assert preference(subject.task) != 0


def test_a_preference_is_the_mean_difference_between_two_people(subject: NameRecallSubject) -> None:
    made = data.two_people(subject.task.tokenizer, subject.task.names)
    logits = subject.lens.run(made.tokens).logits[:, -1]
    rows = torch.arange(100)
    expected = logits[rows, made.answers[:, 0]] - logits[rows, made.answers[:, 1]]
    assert preference(subject.task) == pytest.approx(expected.mean().item())


def test_models_of_one_layer_are_compared_on_two_people(subject: NameRecallSubject) -> None:
    small = subject.one_layer_models[0]
    own, other = preference(subject.task), preference(small.task)
    compare = subject.two_layers.against_one_layer
    assert compare() == pytest.approx({"two_layers": own, "share_with_one": abs(other) / own})
    assert compare(two_layers=small.task)["two_layers"] == pytest.approx(other)
    share = compare(one_layer=[small.task, subject.task])["share_with_one"]
    assert share == pytest.approx(max(abs(other), abs(own)) / own)
    with pytest.raises(BadInput, match="came without one-layer models"):
        _ = small.one_layer_models


# ------------------------------------------------------------------------------------- heads
def test_cells_are_shares_of_the_clean_metric_by_label(given: NameRecallSubject) -> None:
    clean = given.task.metric()
    place = sites.Z(0).pick(head=4, pos=LAST)
    expected = 1 - patched(given, "first_name", place) / clean
    assert given.heads.cell((0, 4), LAST, "first_name") == pytest.approx(expected)
    assert given.heads.writers_at_last_name("first_name")["0.4"] == pytest.approx(expected)
    found = given.heads.writers_at_last_name("first_name")
    assert list(found) == [f"0.{head}" for head in range(8)]
    exchanged = given.roles.exchange(found, "previous", "duplicate")
    assert exchanged["0.3"] == pytest.approx(expected)
    whole = max(
        1 - patched(given, c, sites.Z(1).pick(head=6)) / clean
        for c in ("last_name", "first_name", "second_name")
    )
    assert given.heads.importance()["1.6"] == pytest.approx(whole)


def test_signs_are_what_is_left_when_the_copying_head_is_patched(
    given: NameRecallSubject,
) -> None:
    place = sites.Z(1).pick(head=6, pos=END)
    expected = patched(given, "last_name", place) / given.task.metric()
    assert given.heads.signs([(1, 6)])["last_name"] == pytest.approx(expected)


def test_heads_are_found_by_what_they_do(subject: NameRecallSubject) -> None:
    roles, scores = subject.roles, subject.task.scores
    assert roles.previous == (0, int(scores.previous[0].mean(-1).argmax()))
    assert roles.duplicate == (0, int(scores.duplicate[0].mean(-1).argmax()))
    induction = scores.induction[1].mean(-1)
    assert all(induction[h] >= induction.max() / 2 for _, h in roles.all_copying)
    assert roles.second not in roles.all_copying
    assert roles.label(roles.copying) == "copying"


def test_published_heads_have_their_indices(originals: dict[str, NameRecallSubject]) -> None:
    small = originals["gelu-2l"]
    assert small.roles is PUBLISHED
    assert small.roles.label((1, 6)) == "1.6"
    assert small.roles.all_copying == ((1, 6),)


# ------------------------------------------------------------------------------------- attention
def test_attention_is_read_off_the_mean_pattern(given: NameRecallSubject) -> None:
    reads = {"p0": sites.PATTERN(0), "p1": sites.PATTERN(1)}
    found = given.lens.read(given.task.prompts.clean, reads)
    p0, p1 = (found[name].mean(0) for name in reads)
    assert given.attention.copying((1, 6))["attention"] == pytest.approx(p1[6, END, LAST].item())
    assert given.attention.copying((1, 6))["looks_at"] == 1 + int(p1[6, END, 1:].argmax())
    assert given.attention.duplicate((0, 3))["looks_at"] == 1 + int(p0[3, END, 1:].argmax())
    steps = torch.stack([p0[4, i, i - 1] for i in range(1, 12)])
    assert given.attention.previous((0, 4))["diagonal"] == pytest.approx(steps.mean().item())
    assert given.attention.scores_against_roles((1, 6))["induction"] == 1


# ------------------------------------------------------------------------------------- circuit
@pytest.mark.parametrize(("through", "position"), [("K", LAST), ("V", LAST), ("Q", END)])
def test_a_path_is_that_of_hooks(
    given: NameRecallSubject, through: composition.Input, position: int
) -> None:
    prompts = given.task.prompts
    into = HeadInputs(INPUTS[through], [(1, 6)], [position])
    logits = path_logits(given.lens, prompts.clean, prompts.first_name, [(0, 4)], into)
    whole = given.task.metric() - given.task.map("residual", "first_name")[1, LAST].item()
    expected = (given.task.metric() - difference(given, logits)) / whole
    assert given.conclusion.path_share((0, 4), through) == pytest.approx(expected, abs=1e-9)


def test_copied_names_are_among_the_best_of_what_the_head_writes(
    given: NameRecallSubject,
) -> None:
    tokens, network = given.task.pairs.prompts.clean, as_network(given.lens)
    value = given.lens.read(tokens, {"v": sites.V(1)})["v"][:, LAST, 6]
    written = value @ given.lens.weights.W_O[1, 6]
    # LayerNorm without its bias, on the head's output alone.
    normed = torch.nn.functional.layer_norm(written, (64,), network.ln_final_w)
    best = (normed @ network.W_U).topk(10).indices
    expected = (best == tokens[:, [LAST]]).any(1).double().mean().item()
    assert given.conclusion.copied == pytest.approx(expected)


def test_composition_is_a_ratio_of_norms(given: NameRecallSubject) -> None:
    network, w = as_network(given.lens), given.lens.weights
    assert network.ln1_w is not None
    centre = torch.eye(64).double() - 1 / 64
    read = [centre @ torch.diag(network.ln1_w[i]) for i in (0, 1)]
    OV = read[0] @ w.OV(0, 4)
    QK = read[1] @ w.QK(1, 6) @ read[1].T
    for found, product in (
        (given.conclusion.composition("K"), OV @ QK.T),
        (given.conclusion.composition("Q"), OV @ QK),
    ):
        expected = product.norm() / (OV.norm() * QK.norm()) - composition.baseline(64, 16)
        assert found["0.4"] == pytest.approx(expected.item())
    replaced = given.conclusion.composition("K", random=(0, 4))
    whole = given.conclusion.composition("K")
    assert {label for label in whole if replaced[label] != whole[label]} == {"0.4"}


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
    z = other.read(given.task.prompts.clean, {"z": place})["z"]
    logits = given.lens.run(given.task.prompts.clean, edits=[put_rows(place, z)]).logits
    expected = 1 - difference(given, logits) / given.task.metric()
    assert given.conclusion.through_duplicate("positions") == pytest.approx(expected)
    assert abs(expected) > 1e-3
    assert given.conclusion.through_duplicate("last name") != pytest.approx(expected)


# ------------------------------------------------------------------------------------- the rest
def test_maps_of_two_corruptions_are_joined_in_the_order_given(
    subject: NameRecallSubject,
) -> None:
    document = footnotes.differences(subject.task, footnotes.BOTH)
    assert document.shape == (2 * 3 * 12,)
    assert (document.min(), document.max()) == (0, 1)
    other = footnotes.differences(subject.task, ("first_name", "last_name"))
    assert document.unflatten(0, (2, 36)).flip(0).flatten().equal(other)


def test_a_metric_is_the_right_name_on_a_scale_of_all_logits(subject: NameRecallSubject) -> None:
    place = sites.RESID_POST(0).pick(pos=LAST)
    value = subject.lens.read(subject.task.prompts.last_name, {"v": place})["v"]
    run = subject.lens.run(subject.task.prompts.clean, edits=[put_rows(place, value)])
    chances = run.logits[:, -1].softmax(-1)
    right = chances.gather(1, subject.task.prompts.correct[:, None])[:, 0]

    def metric(logits: Tensor) -> Tensor:
        return footnotes.right_name(footnotes.probability(logits), subject.task.prompts.correct)

    found = subject.task.map_of("residual", "last_name", metric)
    assert found[1, LAST].item() == pytest.approx(right.mean().item())


def test_the_bias_has_that_of_the_layernorm_in_it(subject: NameRecallSubject) -> None:
    network = as_network(subject.lens)
    silent = subject.lens.reopen(
        dict(subject.lens.state_dict) | {"ln_final.w": torch.zeros(64).double()}
    )
    # A final LayerNorm without scale leaves its bias alone.
    logits = silent.run(subject.task.prompts.clean[:1]).logits[0, -1]
    assert (logits - subject.first_steps.bias).abs().max() < EXACT
    assert network.ln_final_b is not None


def test_a_sample_is_needed_for_counts(given: NameRecallSubject) -> None:
    with pytest.raises(BadInput, match="came without a sample"):
        _ = given.first_steps.sample


def test_a_mark_is_likelier_by_its_log_probability(
    originals: dict[str, NameRecallSubject],
) -> None:
    large = originals["gpt2-small"]
    tokens = torch.tensor([large.task.tokenizer.encode("The old bridge", bos=True)])
    mark = large.task.tokenizer.token(")")
    expected = large.lens.run(tokens).logits[0, -1].log_softmax(-1)[mark]
    assert large.task.next_token("The old bridge")[mark].item() == pytest.approx(expected.item())
    changes = [
        large.task.next_token(a)[mark] - large.task.next_token(b)[mark] for a, b in OPEN_AND_CLOSED
    ]
    found = large.footnotes.likelier_in_bracket(")")
    assert found == pytest.approx(sum(map(float, changes)) / len(changes))


def test_originals_are_measured_on_the_documents_prompt(
    subject: NameRecallSubject, originals: dict[str, NameRecallSubject]
) -> None:
    assert [len(m.task.prompts) for m in (subject, *originals.values())] == [50, 1, 1]
    assert list(originals["gpt2-small"].task.names) == [DOCUMENT]
    assert [m.task.stored_after for m in (subject, *originals.values())] == [0, 6, 0]
