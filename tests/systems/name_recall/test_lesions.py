"""Each lesion destroys its own part of a toy and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import Head, sites
from replications.systems import name_recall
from replications.systems.name_recall import LESIONS, SUBJECTS, NameRecallSubject, model
from replications.systems.name_recall import lesions as edits
from replications.systems.name_recall.data import LAST_NAMES, tokenizer
from tests.systems.name_recall.conftest import EXACT, GIVEN

ROLES = replace(GIVEN, copying=((1, 6), (1, 2)))
SILENCED: dict[str, list[Head]] = {
    "previous-token head zeroed": [(0, 4)],
    "copying heads zeroed": [(1, 6), (1, 2)],
    "head without a role zeroed": [(0, 0)],
}


def lesioned(subject: NameRecallSubject, lesion: str) -> NameRecallSubject:
    weights = edits.LESIONS[lesion](subject.lens.state_dict, ROLES)
    return subject.variant(lesion, subject.lens.reopen(weights))


def changed(subject: NameRecallSubject, lesion: str) -> set[str]:
    """The names of the weights that a lesion changes."""
    before = {name: value.clone() for name, value in subject.lens.state_dict.items()}
    after = edits.LESIONS[lesion](subject.lens.state_dict, ROLES)
    assert all(subject.lens.state_dict[name].equal(before[name]) for name in before)
    return {name for name in before if not after[name].equal(before[name])}


def written(subject: NameRecallSubject, layer: int) -> Tensor:
    """What each head of a layer writes at the last token of the prompts: [n head d_model]."""
    z = subject.lens.read(subject.tokens, {"z": sites.Z(layer).pick(pos=-1)})["z"]
    return torch.einsum("nhk,hkd->nhd", z, subject.lens.weights.W_O[layer])


@pytest.mark.parametrize("lesion", SILENCED)
def test_zeroed_heads_write_nothing_and_the_others_of_the_layer_what_they_wrote(
    subject: NameRecallSubject, lesion: str
) -> None:
    found, heads = lesioned(subject, lesion), SILENCED[lesion]
    layer = heads[0][0]
    zeroed = [head for _, head in heads]
    rest = [head for head in range(8) if head not in zeroed]
    before, after = written(subject, layer), written(found, layer)
    assert (after[:, zeroed] == 0).all()
    assert (before[:, zeroed] != 0).any(-1).all()
    assert (after[:, rest] - before[:, rest]).abs().max() < EXACT
    assert changed(subject, lesion) == {f"blocks.{layer}.attn.W_O"}


def test_positions_of_the_names_are_exchanged_and_no_others(subject: NameRecallSubject) -> None:
    lesion = "positions of the names exchanged"
    assert changed(subject, lesion) == {"pos_embed.W_pos"}
    before, after = (s.lens.weights.W_pos for s in (subject, lesioned(subject, lesion)))
    assert after[[5, 4]].equal(before[[4, 5]])
    differs = (after != before).any(1).nonzero()[:, 0].tolist()
    assert differs == [4, 5]


def test_positions_are_shifted_by_one(subject: NameRecallSubject) -> None:
    lesion = "positions shifted by one"
    assert changed(subject, lesion) == {"pos_embed.W_pos"}
    before, after = (s.lens.weights.W_pos for s in (subject, lesioned(subject, lesion)))
    assert after[:-1].equal(before[1:])


def test_layernorms_without_scale_leave_their_inputs_as_they_are(
    subject: NameRecallSubject,
) -> None:
    lesion = "LayerNorm scale left out"
    blocks = [f"blocks.{layer}.{name}" for layer in (0, 1) for name in ("ln1.w", "ln2.w")]
    assert changed(subject, lesion) == {*blocks, "ln_final.w"}
    after = edits.LESIONS[lesion](subject.lens.state_dict, ROLES)
    assert all((after[name] == 1).all() for name in blocks)


def test_the_untrained_model_is_that_of_a_seed(subject: NameRecallSubject) -> None:
    after = edits.LESIONS["untrained"](subject.lens.state_dict, ROLES)
    start = model.untrained_state_dict(edits.UNTRAINED_SEED)
    assert after.keys() == subject.lens.state_dict.keys()
    assert all(after[name].equal(start[name].double()) for name in after)
    assert lesioned(subject, "untrained").roles == subject.roles


def test_each_last_name_gets_the_logit_of_its_neighbour(subject: NameRecallSubject) -> None:
    found = lesioned(subject, "last names exchanged in the unembedding")
    before, after = (s.lens.run(subject.tokens).logits for s in (subject, found))
    tokens = [tokenizer().token(name) for name in LAST_NAMES]
    partners = [tokens[i + 1 - 2 * (i % 2)] for i in range(len(tokens))]
    assert (after[..., tokens] - before[..., partners]).abs().max() < EXACT
    others = [token for token in range(before.shape[-1]) if token not in tokens]
    assert (after[..., others] - before[..., others]).abs().max() < EXACT
    assert (after[..., tokens] - before[..., tokens]).abs().max() > 1e-3


def test_a_head_without_a_role_is_needed_for_comparison(subject: NameRecallSubject) -> None:
    weights = {"blocks.0.attn.W_O": torch.zeros(2, 4, 8)}
    roles = replace(ROLES, previous=((0, 0),), duplicate=((0, 1),))
    with pytest.raises(BadInput, match="every head of layer 0 has a role"):
        edits.without_role(weights, roles)


# ------------------------------------------------------------------------------------- subjects
def test_every_toy_has_every_lesion_and_none_gates() -> None:
    toys = [info for info in SUBJECTS if info.group == "toy"]
    assert [info.name for info in LESIONS] == [
        f"{toy.name}~{lesion}" for toy in toys for lesion in edits.LESIONS
    ]
    assert {(info.group, info.kind, info.gates) for info in LESIONS} == {("toy", "toy", False)}
    assert LESIONS[0].fixtures == toys[0].fixtures


def test_a_lesion_opens_by_name_with_the_heads_of_the_intact_toy() -> None:
    intact = name_recall.subject("toy/seed1")
    found = name_recall.subject("toy/seed1~copying heads zeroed")
    assert found.name == "toy/seed1~copying heads zeroed"
    assert found.roles == intact.roles
    assert len(intact.roles.copying) > 1
    for layer, head in intact.roles.copying:
        assert (found.lens.weights.W_O[layer, head] == 0).all()
    assert found.task.metric() < intact.task.metric() / 2
    assert len(found.one_layer_models) == 1
    with pytest.raises(BadInput, match="unknown name-recall subject"):
        name_recall.subject("toy/seed1~no such lesion")
