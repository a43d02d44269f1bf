"""The hand-written model as a subject: its planted edges, and its induction circuit scrubbed."""

from __future__ import annotations

import pytest
import torch

from replications.circuits import Graph
from replications.systems import name_recall
from replications.systems.name_recall import NameRecallSubject
from replications.systems.name_recall.construction import planted
from replications.systems.name_recall.data import END, FIRST, LAST
from replications.systems.name_recall.measurements.scrubbing import sentences
from replications.systems.name_recall.roles import PUBLISHED, find_roles


@pytest.fixture(scope="module")
def made() -> NameRecallSubject:
    found = name_recall.subject("construction")
    assert isinstance(found, NameRecallSubject)
    return found


def test_it_is_opened_without_files_and_its_heads_are_found(made: NameRecallSubject) -> None:
    (info,) = [i for i in name_recall.SUBJECTS if i.kind == "construction"]
    assert not info.fixtures
    assert not info.gates
    found = find_roles(made.task)
    for role in ("previous", "duplicate", "copying"):
        assert found.heads(role)[:1] == PUBLISHED.heads(role)


def test_other_edges_carry_two_other_names_and_the_same_last_token(
    made: NameRecallSubject,
) -> None:
    prompts = made.edges.prompts
    assert isinstance(prompts.source, torch.Tensor)
    differs = prompts.base != prompts.source
    assert differs[:, [FIRST, LAST]].all()
    assert int(differs.sum()) == 2 * len(prompts.base)
    assert not (prompts.source[:, FIRST] == prompts.base[:, END]).any()


@pytest.mark.slow
def test_the_planted_edges_are_edges_and_wrong_ones_differ(made: NameRecallSubject) -> None:
    edges, known = made.edges, {*map(str, planted())}
    assert {*planted()} <= {*Graph(made.lens.shape).edges}
    changed = known ^ {*map(str, edges.by_values.circuit.edges)}
    assert changed == {"0.2 -> 1.6.k", "0.2 -> 1.6.v"}
    assert {*map(str, edges.second_alone.circuit.edges)} == {"embed -> 1.1.v", "1.1 -> logits"}
    assert edges.found() == {"exact": 1, "missed_by_acdc": 0, "kept_by_acdc_alone": 0}
    each = [edges.found(edges.planted.instead(c.edges)) for c in edges.planted.peers.circuits]
    means = {name: sum(one[name] for one in each) / len(each) for name in each[0]}
    assert edges.random_found == pytest.approx(means)


# -------------------------------------------------------------------------------------- scrubbing
def test_half_of_the_sentences_end_in_the_name_that_was_introduced(
    made: NameRecallSubject,
) -> None:
    tokens = sentences(made.task, 400)
    words = made.task.prompts.clean[0]
    others = [i for i in range(len(words)) if i not in (FIRST, LAST, END)]
    assert (tokens[:, others] == words[others]).all()
    copied = (tokens[:, FIRST] == tokens[:, END]).double().mean().item()
    assert 0.4 < copied < 0.6
    assert len(tokens[:, LAST].unique()) == len(tokens[:, END].unique()) == 10
    assert torch.equal(tokens, sentences(made.task, 400))
    assert not torch.equal(tokens, sentences(made.task, 400, seed=1))


@pytest.mark.slow
def test_the_account_recovers_all_and_each_wrong_one_less(made: NameRecallSubject) -> None:
    found = {name: made.scrubbing.recovered(name) for name in made.scrubbing.hypotheses}
    assert found["nothing scrubbed"]["recovered"] == pytest.approx(1)
    assert found["random"]["recovered"] == pytest.approx(0)
    right = ("after copy", "inputs")
    for name in right:
        assert found[name]["recovered"] == pytest.approx(1, abs=1e-5)
    wrong = {*found} - {*right, "nothing scrubbed"}
    assert len(wrong) == 5
    for name in wrong:
        assert found[name]["low"] <= found[name]["recovered"] < 0.99
