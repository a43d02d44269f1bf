"""The model whose weights are written by hand: what it does is known, so measurements are too."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import safetensors.torch
import torch

from replications.errors import BadInput
from replications.models import sites
from replications.systems import ioi
from replications.systems.ioi import IoiSubject, construction
from replications.systems.ioi.construction import code, stream
from replications.systems.ioi.construction.heads import BACKUPS, BALLAST, wiring
from replications.systems.ioi.data import PRINTED, RULES, toy_tokenizer
from replications.systems.ioi.measurements import EarlyHeads
from replications.systems.ioi.roles import PUBLISHED


@pytest.fixture(scope="module")
def subject() -> IoiSubject:
    found = ioi.subject("construction")
    assert isinstance(found, IoiSubject)
    return found


def test_it_does_the_task_and_prefers_no_name_without_a_repetition(subject: IoiSubject) -> None:
    assert subject.task.accuracy == 1.0
    assert subject.name_movers.clean > 2
    assert abs(subject.name_movers.on_abc) < 1e-3


def test_everything_that_is_written_sums_to_zero() -> None:
    weights = safetensors.torch.load(construction.files()["model.safetensors"])
    names = ("wte.weight", "wpe.weight", "attn.c_proj.weight", "mlp.c_proj.weight")
    written = [w for name, w in weights.items() if name.endswith(names)]
    assert len(written) == 2 + 2 * 12
    assert all(w.sum(-1).abs().max() < 1e-4 for w in written)


def test_it_has_the_layers_heads_and_parameters_of_gpt2_small(subject: IoiSubject) -> None:
    shape = subject.lens.shape
    assert (shape.n_layers, shape.n_heads) == (12, 12)
    assert shape.d_model == shape.n_heads * shape.d_head
    assert (shape.attn_only, shape.normalization, shape.positions) == (False, "LN", "standard")
    assert subject.roles is PUBLISHED


def test_heads_without_a_part_write_nothing(subject: IoiSubject) -> None:
    W_O = subject.lens.weights.W_O
    writing = {(layer, head) for layer in range(12) for head in range(12) if W_O[layer, head].any()}
    roles = subject.roles
    named = (roles.name_movers, roles.negative, roles.s_inhibition, roles.all_induction)
    parts = {*roles.duplicate, *roles.previous, *(head for heads in named for head in heads)}
    assert writing == parts | {BALLAST}
    assert BALLAST in roles.outside


# --------------------------------------------------------------------------------------- its code
def test_two_words_of_the_code_agree_by_a_quarter_at_most() -> None:
    words = code.words()
    products = words @ words.T
    apart = products[~torch.eye(len(words), dtype=torch.bool)]
    assert set(apart.tolist()) == {-1.0, -0.25, 0.0, 0.25}
    assert (products.diagonal() == 1).all()
    assert (words[: len(words) // 2] == -words[len(words) // 2 :]).all()
    assert (words.sum(1).abs() == 1).all()


def test_tokens_names_and_positions_have_words_without_opposites() -> None:
    assert max(len(toy_tokenizer()), stream.CONTEXT) <= len(code.words()) / 2


def test_an_unknown_part_cannot_be_left_out() -> None:
    with pytest.raises(BadInput, match="unknown part 'all of it' of the construction; there are"):
        construction.without("all of it")


@pytest.mark.parametrize("part", ["position signal", "token signal"])
def test_without_a_signal_the_heads_are_there_and_do_not_write_it(part: str) -> None:
    intact, without = wiring(), construction.without(part)
    assert intact.keys() == without.keys()
    changed = {
        head
        for head, (_, moves) in without.items()
        if any(not a.write.equal(b.write) for a, b in zip(moves, intact[head][1], strict=True))
    }
    expected = {"position signal": PUBLISHED.s_inhibition, "token signal": PUBLISHED.token_readers}
    assert changed == set(expected[part])


# ------------------------------------------------------------------------ attention, known answers
def test_early_heads_attend_where_they_were_told_to(subject: IoiSubject) -> None:
    heads, roles = subject.early_heads, subject.roles
    for kind in ("induction", "duplicate", "previous"):
        mine = getattr(roles, kind)
        others = {*roles.induction, *roles.duplicate, *roles.previous} - {*mine}
        assert heads.scores(kind, mine) == pytest.approx([1, 1], abs=0.01)
        assert heads.scores(kind, tuple(others)) == pytest.approx([0] * 4, abs=0.01)
    assert heads.scores("induction", roles.induction, repeated=False) < [0.01, 0.01]
    assert sorted(heads.ranks(roles.induction)) == [1, 2]


def test_induction_on_the_prompts_is_from_s2_to_behind_s1(subject: IoiSubject) -> None:
    heads, roles = subject.early_heads, subject.roles
    assert heads.share_to_next(roles.fuzzy) == [1.0, 1.0]
    assert heads.share_to_next(roles.fuzzy, three_names=True) == [0.0, 0.0]
    assert heads.share_to_next(roles.duplicate) == [0.0, 0.0]
    assert heads.after_s1(roles.induction) == pytest.approx([1, 1], abs=0.01)
    assert heads.after_s1(roles.duplicate) == pytest.approx([0, 0], abs=0.01)
    assert max(heads.times_first(roles.fuzzy)) < 0.5  # a third of the tokens are names
    assert heads.times_first(roles.induction[1:]) == pytest.approx([1.0])


def test_induction_heads_boost_repeated_names_and_negative_heads_do_not(
    subject: IoiSubject,
) -> None:
    boost = subject.task.repeated_tokens.boost()
    assert boost[:4].abs().max() < 1e-6  # no early head writes to the answer
    assert subject.early_heads.suppressors(repeated=False) == 0


@pytest.mark.slow
def test_names_are_read_at_the_indirect_object(subject: IoiSubject) -> None:
    task, roles = subject.task, subject.roles
    assert {task.source(head) for head in roles.name_movers} == {"IO"}
    for head in set(roles.name_movers) - set(BACKUPS):
        at = {key: task.attention(head, "end", key).mean().item() for key in ("IO", "S1", "S2")}
        assert at["IO"] > at["S1"] > at["S2"]


# -------------------------------------------------------------------------- effects, known answers
@pytest.mark.slow
def test_previous_token_heads_act_through_keys(subject: IoiSubject) -> None:
    found = subject.early_paths.from_previous(sites.K, subject.roles.induction)
    assert found["named"] == 2
    assert max(found["effects"]) < -0.01


@pytest.mark.slow
@pytest.mark.parametrize("site", [sites.Q, sites.V], ids=["q", "v"])
def test_previous_token_heads_do_not_act_otherwise(subject: IoiSubject, site: sites.Site) -> None:
    found = subject.early_paths.from_previous(site, subject.roles.induction)
    assert found["effects"] == pytest.approx([0, 0], abs=1e-4)


def test_two_senders_are_superadditive_through_softmax_alone(subject: IoiSubject) -> None:
    roles = subject.roles
    exact, linear = (
        subject.early_paths.pair(roles.previous, roles.all_induction, softmax)
        for softmax in ("exact", "linear")
    )
    assert exact["beyond_sum"] < -0.1
    assert abs(linear["beyond_sum"]) < 0.01 * abs(linear["joint"]) + 1e-6
    assert exact["stronger"] <= exact["weaker"] < 0


@pytest.mark.slow
def test_signals_of_each_head_are_those_it_writes(subject: IoiSubject) -> None:
    signals, roles = subject.position_against_token, subject.roles
    places, tokens = (
        [table.token_swing for table in signals.each(heads)]
        for heads in (roles.position_readers, roles.token_readers)
    )
    assert places == pytest.approx([0, 0], abs=1e-3)
    assert min(tokens) > 0.3
    steps = {head: signals.table((head,)).position_step for head in roles.s_inhibition}
    assert max(steps, key=lambda head: steps[head]) == roles.biggest_inhibition[0]
    assert min(steps, key=lambda head: steps[head]) == (7, 3)
    assert signals.token_readers(roles.token_readers)["lead"] > 0
    assert signals.token_readers(roles.position_readers)["lead"] < 0


def test_the_mistake_of_the_printed_example_is_not_additive(subject: IoiSubject) -> None:
    signals, heads = subject.position_against_token, subject.roles.s_inhibition
    right, wrong = (signals.table(heads, rules) for rules in (RULES, PRINTED))
    assert right.largest_residual < 0.1 * right.clean < wrong.largest_residual
    assert torch.equal(right.cells[:2].flatten()[:3], wrong.cells[:2].flatten()[:3])
    assert wrong.cells[1, 1] == wrong.cells[1, 0]


def test_the_biggest_head_has_rank_one_and_no_token(subject: IoiSubject) -> None:
    signals, roles = subject.position_against_token, subject.roles
    found = signals.alone((*roles.biggest_inhibition, *roles.token_readers))
    assert found["rank"][0] == 1
    assert min(found["rank"][1:]) > 1
    assert found["token_over_position"][0] < 0.01 < min(found["token_over_position"][1:])


def test_margins_tell_induction_from_duplicate_heads(subject: IoiSubject) -> None:
    paths, roles = subject.early_paths, subject.roles
    for heads, margin in ((roles.induction, 1), (roles.duplicate, -1)):
        found = paths.into_inhibition(heads)
        assert found["margin"] == pytest.approx([margin] * 2, abs=0.01)
        assert max(found["effect"]) < -0.02


def test_suppressors_are_heads_with_a_high_score_and_a_negative_effect() -> None:
    score = torch.tensor([[0.9, 0.9, 0.1], [0.9, 0.2, 0.31]])[..., None]
    boost = torch.tensor([[-0.1, 0.2, -0.3], [-0.4, -0.5, -0.6]])
    texts = SimpleNamespace(
        scores=lambda *, repeated: SimpleNamespace(induction=score),
        boost=lambda *, repeated: boost,
    )
    task: Any = SimpleNamespace(repeated_tokens=texts)
    assert EarlyHeads(task, construction.ROLES).suppressors() == 3


# ----------------------------------------------------------------------------------------- repair
def test_rises_are_counted_in_the_next_layer_and_of_negative_heads(subject: IoiSubject) -> None:
    movers, roles = subject.name_movers, subject.roles
    assert movers.ablation.rising_after(roles.name_mover) == 5
    assert movers.ablation.rising_after((7, 3)) == 0
    assert movers.ablation.largest_rise(roles.negative) > 0.1
    assert movers.ablation.largest_rise(((9, 9), (9, 6), (10, 0))) == 0.0
    assert {layer for layer, _ in movers.backups} == {10}
    assert {layer for layer, _ in movers.unchanged} <= {10, 11}


def test_backups_rise_and_the_negative_heads_look_away(subject: IoiSubject) -> None:
    movers, roles = subject.name_movers, subject.roles
    assert movers.largest == [*roles.name_mover]
    assert movers.longest == [*BALLAST]
    assert set(movers.ablation.risers(4)) == {head for head in BACKUPS if head[0] == 10}
    assert set(movers.ablation.risers(6)[4:]) == {*roles.negative}
    assert min(movers.ablation.largest_changes) > 0.1
    assert min(movers.to_io(movers.backups[:2])) > 0.05
    assert movers.to_io(roles.negative[:1])[0] < -0.05
    assert movers.to_io(roles.negative[:1], ablated=()) == [0.0]
    assert movers.ablation.recovered_by["heads"] > 0.5
    assert abs(movers.held.recovery) < 0.1


def test_falls_count_among_the_largest_changes(subject: IoiSubject) -> None:
    changes = subject.name_movers.without(*subject.roles.s_inhibition[:1]).largest_changes
    assert changes[0] < -0.1
    assert [abs(change) for change in changes] == sorted(map(abs, changes), reverse=True)


def test_without_any_head_nothing_changes(subject: IoiSubject) -> None:
    nothing = subject.name_movers.without()
    assert nothing.scale_ratio == 1.0
    assert nothing.largest_changes == [0.0, 0.0, 0.0]
    assert nothing.numbers["naive"] == nothing.numbers["clean"] == nothing.numbers["ablated"]
    assert subject.name_movers.share() == 0.0


def test_attributions_after_are_too_large_where_the_scale_is_left_out(subject: IoiSubject) -> None:
    ablation = subject.name_movers.ablation
    wrong = ablation.without_scale_after
    assert wrong.before is ablation.before
    expected = ablation.after.heads * ablation.after.scale
    assert wrong.after.heads.equal(expected)
    assert ablation.after.scale.min() > 1.5


def test_a_constant_output_matters_where_it_is_replaced_by_zero(subject: IoiSubject) -> None:
    movers = subject.name_movers
    assert movers.outside_by_mean[0] == BALLAST
    assert movers.zero_beyond_mean(BALLAST) > 0.01
    assert movers.zero_beyond_mean(*movers.outside_by_mean[-1:]) == 0.0
