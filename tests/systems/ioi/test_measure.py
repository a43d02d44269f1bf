"""What is measured, on random weights, against slower ways of computing the same thing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from replications.analysis.logit_attribution import logit_attribution
from replications.errors import BadInput
from replications.models import sites
from replications.models.edits import put
from replications.patching import HeadInputs, path_patch
from replications.systems.ioi import data
from replications.systems.ioi.data import RULES, toy_tokenizer
from replications.systems.ioi.measure import IoiSubject
from replications.systems.ioi.measurements import Ablation, Ablations, Table
from replications.systems.ioi.roles import PUBLISHED
from tests.systems.ioi.conftest import tiny

EXACT = 1e-9
HEAD = (1, 1)


# ------------------------------------------------------------------------------------------- task
def test_answers_are_the_names_of_the_sentences(subject: IoiSubject) -> None:
    task = subject.task
    for text, (io, s) in zip(task.sample.texts(), task.answers.tolist(), strict=True):
        words = text.replace(",", "").split()
        right, wrong = (toy_tokenizer().strings([token])[0].strip() for token in (io, s))
        assert (words.count(right), words.count(wrong)) == (1, 2)


def test_positions_hold_the_words_they_are_named_after(subject: IoiSubject) -> None:
    task = subject.task
    rows = torch.arange(len(task.batch))
    at = {name: task.batch.tokens[rows, where] for name, where in task.positions.items()}
    assert at["IO"].equal(task.answers[:, 0])
    assert at["S1"].equal(task.answers[:, 1])
    assert at["S2"].equal(task.answers[:, 1])
    assert task.positions["S1+1"].equal(task.positions["S1"] + 1)
    assert at["end"].eq(toy_tokenizer().token("to")).all()


def test_means_for_ablation_are_those_of_the_template(subject: IoiSubject) -> None:
    task = subject.task
    z = task.lens.run(task.abc.tokens, {"z": sites.Z(1)})["z"][:, :, 1]
    found = task.mean_z(HEAD)
    for row in (0, 5, 11):
        same = [i for i in range(len(z)) if task.abc.template[i] == task.batch.template[row]]
        by_hand = torch.stack([z[i] for i in same]).mean(0)
        assert (found[row] - by_hand).abs().max() < EXACT


def test_ablation_changes_the_end_of_each_prompt_only(subject: IoiSubject) -> None:
    task = subject.task
    read = {"z": sites.Z(1)}
    before = task.lens.run(task.batch.tokens, read)["z"]
    after = task.lens.run(task.batch.tokens, read, task.ablate(HEAD))["z"]
    rows = torch.arange(len(before))
    expected = before.clone()
    expected[rows, task.batch.end, 1] = task.mean_z(HEAD)[rows, task.batch.end]
    assert after.equal(expected)


def test_ablation_is_the_same_in_small_batches(subject: IoiSubject) -> None:
    task = subject.task
    whole = task.lens.run(task.batch.tokens, edits=task.ablate(HEAD)).logits
    parts = task.lens.run(task.batch.tokens, edits=task.ablate(HEAD), batch=7).logits
    assert (whole - parts).abs().max() < EXACT


def test_outputs_on_the_same_prompts_change_nothing(subject: IoiSubject) -> None:
    task = subject.task
    edits = task.outputs_on(RULES[0, 0], [HEAD, (0, 0)])
    assert (task.difference(edits) - task.difference()).abs().max() < EXACT
    other = task.outputs_on(data.ABC, [HEAD, (0, 0)])
    assert (task.difference(other) - task.difference()).abs().max() > 1e-3


# ----------------------------------------------------------------------------------------- backup
def parts_add_up(ablation: Ablation) -> float:
    return abs(sum(ablation.recovered_by.values()) - ablation.recovery)


@pytest.mark.parametrize("d_mlp", [0, 20])
def test_what_is_recovered_is_split_without_rest(d_mlp: int) -> None:
    ablations = Ablations(tiny(seed=1, d_mlp=d_mlp).task)
    assert parts_add_up(ablations.of((HEAD,))) < 1e-7
    assert parts_add_up(ablations.of((HEAD,), later_held=True)) < 1e-7
    assert abs(ablations.of((HEAD,)).recovered_by["heads"]) > 1e-4
    assert (abs(ablations.of((HEAD,)).recovered_by["mlps"]) > 1e-4) == bool(d_mlp)


def test_with_everything_later_held_only_the_scale_recovers() -> None:
    by = Ablations(tiny(seed=1).task).of((HEAD,), later_held=True).recovered_by
    assert abs(by["heads"]) < EXACT
    assert abs(by["mlps"]) < EXACT
    assert abs(by["scale"]) > 1e-4


def test_recovery_is_what_is_left_beyond_the_naive_prediction(subject: IoiSubject) -> None:
    ablation = subject.name_movers.without(HEAD)
    numbers = ablation.numbers
    task = subject.task
    assert numbers["clean"] == pytest.approx(task.difference().mean().item())
    assert numbers["ablated"] == pytest.approx(task.difference(task.ablate(HEAD)).mean().item())
    assert numbers["naive"] == pytest.approx(numbers["clean"] - numbers["attribution"])
    recovery = (numbers["ablated"] - numbers["naive"]) / numbers["attribution"]
    assert ablation.recovery == pytest.approx(recovery)
    assert ablation.changes[HEAD] == 0


def test_the_interval_is_that_of_a_ratio_of_means(subject: IoiSubject) -> None:
    ablation = replace(subject.name_movers.without(HEAD))
    generator = torch.Generator().manual_seed(1)
    share = 2 + 0.3 * torch.randn(200, generator=generator, dtype=torch.float64)
    recovered = 0.4 * share + 0.5 * torch.randn(200, generator=generator, dtype=torch.float64)
    vars(ablation).update(share=share, recovered=recovered)  # cached properties
    found = ablation.recovery_interval
    assert found["mean"] == pytest.approx((recovered.sum() / share.sum()).item())
    rest = recovered - found["mean"] * share
    half = 1.96 * (rest.std() / share.mean()).item() / math.sqrt(200)
    assert found["low"] == pytest.approx(found["mean"] - half, abs=0.1 * half)
    assert found["high"] == pytest.approx(found["mean"] + half, abs=0.1 * half)


# ---------------------------------------------------------------------------------------- signals
def test_a_sum_of_effects_is_fitted_without_rest() -> None:
    rows, columns = torch.tensor([3.0, 1.0, -2.0]).double(), torch.tensor([0.5, -4.0]).double()
    table = Table(rows[:, None] + columns, clean=5.0)
    assert table.largest_residual < EXACT
    assert table.position_step == pytest.approx(4.5)
    assert table.token_steps == pytest.approx([2.0, 3.0])
    assert table.token_swing == pytest.approx(5.0)
    assert table.token_over_position == pytest.approx(5 / 4.5)


def test_a_ratio_needs_a_position_step_that_is_worth_something() -> None:
    cells = torch.tensor([[2.0, 1.9], [1.0, 0.9], [0.0, -0.1]]).double()
    assert Table(cells, clean=2.0).token_over_position == 0.0
    assert Table(cells, clean=0.9).token_over_position == pytest.approx(20)


def test_a_cell_is_one_run_with_outputs_replaced(subject: IoiSubject) -> None:
    together, task = subject.position_against_token.together, subject.task
    heads = subject.roles.s_inhibition
    flipped = data.encode(
        data.flip(data.generate(24, data.SEED), RULES[2, 0], data.SEED + 1),
        task.tokenizer,
        bos=True,
    )
    edits = []
    for layer, head in heads:
        place = sites.Z(layer).pick(head=head)
        edits.append(put(place, task.lens.run(flipped.tokens, {"z": place})["z"]))
    by_hand = task.difference(edits).mean().item()
    assert together.cells[2, 0].item() == pytest.approx(by_hand, abs=EXACT)
    assert together.identity_error < EXACT


# ------------------------------------------------------------------------------------------ roles
def test_published_roles_name_heads_of_gpt2() -> None:
    for heads in vars(PUBLISHED).values():
        for layer, head in [heads] if isinstance(heads[0], int) else heads:
            assert 0 <= layer < 12
            assert 0 <= head < 12
    circuit = {*PUBLISHED.name_movers, *PUBLISHED.negative, *PUBLISHED.s_inhibition}
    circuit |= {*PUBLISHED.induction, *PUBLISHED.fuzzy, *PUBLISHED.previous}
    outside = {*PUBLISHED.outside, *PUBLISHED.outside_early, *PUBLISHED.outside_earliest}
    assert not circuit & outside


# ---------------------------------------------------------------------------------- path effects
def test_an_effect_is_relative_to_the_gap_to_abc(subject: IoiSubject) -> None:
    task, into = subject.task, HeadInputs(sites.K, [(1, 0), (1, 1)])
    senders = [[(0, 0)], [(0, 0), (0, 1)]]
    patched = path_patch(
        task.lens,
        task.batch.tokens,
        task.abc.tokens,
        senders,
        answers=task.answers,
        receiver=into,
        at=task.batch.end,
    ).values.mean(1)
    clean, abc = task.difference().mean(), task.difference(tokens=task.abc.tokens).mean()
    by_hand = ((patched - clean) / (clean - abc)).tolist()
    assert subject.task.path_effects(senders, sites.K, into.heads) == pytest.approx(by_hand)
    assert by_hand[0] != by_hand[1]


def test_every_earlier_head_has_an_effect(subject: IoiSubject) -> None:
    found = subject.task.path_effect_of_each(sites.V, [(1, 0), (2, 1)])
    assert set(found) == {(layer, head) for layer in (0, 1) for head in (0, 1)}
    assert subject.task.path_effect_of_each(sites.V, [(0, 1)]) == {}


@pytest.mark.parametrize("repeated", [True, False])
def test_a_boost_is_the_mean_attribution_to_the_token_that_followed(repeated: bool) -> None:
    task = tiny(seed=3).task
    texts = task.repeated_tokens
    tokens, n = texts.tokens(repeated=repeated), texts.length
    start = tokens.shape[1] - n
    by_hand = []
    for position in range(start, tokens.shape[1] - 1):
        coming = tokens[:, position - n + 1]
        assert coming.equal(tokens[:, position + 1]) == repeated
        at = torch.full((len(tokens),), position)
        answers = torch.stack([coming, coming.roll(1)], 1)
        by_hand.append(logit_attribution(task.lens, tokens, at, answers).heads.mean(-1))
    assert (texts.boost(repeated=repeated) - torch.stack(by_hand).mean(0)).abs().max() < EXACT


def test_untrained_weights_keep_the_parts_of_the_trained_ones(subject: IoiSubject) -> None:
    assert subject.untrained.roles is subject.roles
    assert abs(subject.untrained.name_movers.clean) < 0.5
    assert subject.untrained.lens.state_dict.keys() == subject.lens.state_dict.keys()


def test_a_subject_alone_has_nothing_to_be_compared_with(subject: IoiSubject) -> None:
    with pytest.raises(BadInput, match="no model to compare with"):
        _ = subject.other
