"""Opening subjects: by name, from weights of one's own, from files that are wrong; and lesions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from replications import fixtures
from replications.errors import BadInput, FixtureCorrupt, FixtureMissing
from replications.lens import Read
from replications.models import sites
from replications.systems import brackets
from replications.systems.brackets import BracketData, BracketSubject
from replications.systems.brackets.constructions import Constructions
from replications.systems.brackets.infos import ARENA_DATA, ARENA_WEIGHTS
from replications.systems.brackets.lesions import LESIONS as EDITS
from replications.systems.brackets.model import untrained_state_dict
from replications.systems.brackets.task import normalised
from tests.systems.brackets.plain import random_weights

SEED0 = "brackets/retrained-seed0.safetensors"
ENTRY = """
[[fixture]]
name = "{name}"
subjects = []
kind = "retrained"
bytes = {size}
sha256 = "{digest}"
licence = "none"
sources = []
remake = "not needed"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty fixture folder, the only place where files are looked for."""
    monkeypatch.setenv("REPLICATIONS_FIXTURES", str(tmp_path))
    monkeypatch.setenv("REPLICATIONS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "brackets").mkdir()
    return tmp_path


def promise(folder: Path, contents: Mapping[str, bytes], patch: pytest.MonkeyPatch) -> None:
    """Write the files, and a manifest that names them."""
    entries = ["schema = 1"]
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        entries.append(ENTRY.format(name=name, size=len(content), digest=digest))
    manifest = folder / "manifest.toml"
    manifest.write_text("\n".join(entries))
    patch.setenv("REPLICATIONS_MANIFEST", str(manifest))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# -------------------------------------------------------------------------------------- names
def test_names_are_unique_and_their_files_are_known() -> None:
    infos = (*brackets.SUBJECTS, *brackets.LESIONS)
    assert len({info.name for info in infos}) == len(infos)
    assert [info.name for info in infos if info.gates] == ["arena", "construction"]
    assert {info.system for info in infos} == {"brackets"}
    whole = {info.name: info for info in brackets.SUBJECTS}
    for info in brackets.LESIONS:
        name, _, lesion = info.name.partition("~")
        assert lesion in EDITS
        assert (info.group, info.kind) == (whole[name].group, whole[name].kind)
        assert not info.gates
    assert {info.name.partition("~")[0] for info in brackets.LESIONS} == {
        "arena",
        "retrained/seed7",
    }
    assert set(brackets.SUBJECTS[0].fixtures) <= set(fixtures.manifest())


@pytest.mark.parametrize("name", ["Arena", "", "retrained/seed99", "arena~", "arena~head 3.0 mean"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(BadInput, match=r"unknown bracket subject .*there are: arena, construction"):
        brackets.subject(name)


def test_a_name_or_weights_but_not_both() -> None:
    with pytest.raises(BadInput, match="either the name of a subject or a state_dict"):
        brackets.subject()
    with pytest.raises(BadInput, match="either the name of a subject or a state_dict"):
        brackets.subject("arena", state_dict=random_weights())


def test_the_construction_needs_no_file(folder: Path) -> None:
    assert isinstance(brackets.subject("construction"), Constructions)


# ------------------------------------------------------------------------ weights of one's own
def test_own_weights_show_everything(single: BracketSubject) -> None:
    assert single.name == "custom"
    assert -1 <= single.elevation_head.bracket_cosine <= 1
    assert single.elevation_head.label in ("0.0", "0.1")
    assert len(single.found_roles.labels) == 4
    assert single.total_head.label != single.negative_head.label
    assert 0 <= single.behaviour.correct() <= len(single.task.data)
    assert len(single.behaviour.example_confidences()) == 7
    assert set(single.components.stands_in_for_logits()) == {"correlation", "gap_ratio"}
    assert set(single.circuit.without()) == {"lost_on_N", "change_on_T"}
    assert single.neurons.high.shape == (2, 56)
    assert "custom" in repr(single)


def test_own_weights_are_measured_on_the_same_strings_by_default() -> None:
    one, other = (brackets.subject(state_dict=random_weights(seed)) for seed in (0, 1))
    assert isinstance(one, BracketSubject)
    assert isinstance(other, BracketSubject)
    assert len(one.task.data) == 5000
    assert one.task.data is other.task.data
    assert one.task.full_data is one.task.data


@pytest.mark.parametrize("name", ["roles", "recording", "contributions"])
def test_float64_agrees_with_float32(
    single: BracketSubject, exact: BracketSubject, name: str
) -> None:
    if name == "roles":
        assert single.roles == exact.roles
    elif name == "recording":
        assert exact.task.recording.components.dtype == torch.float64
        assert (
            single.task.recording.components - exact.task.recording.components
        ).abs().max() < 1e-4
    else:
        for c, u in exact.task.contributions.items():
            assert (single.task.contributions[c] - u).abs().max() < 1e-4


def test_weights_of_another_model_and_no_strings_are_refused(strings: BracketData) -> None:
    with pytest.raises(BadInput, match=r"ln_final\.w is missing"):
        brackets.subject(
            state_dict={n: t for n, t in random_weights().items() if n != "ln_final.w"}
        )
    with pytest.raises(BadInput, match="no strings to measure"):
        brackets.subject(state_dict=random_weights(), data=strings.subset(slice(0)))


# -------------------------------------------------------------------------------------- files
def test_a_subject_without_its_file_says_what_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promise(folder, {SEED0: b"x"}, monkeypatch)
    (folder / SEED0).unlink()
    # This checkout ships the seed; look as an installation without it would.
    monkeypatch.setattr("replications.fixtures.finding._shipped", lambda: folder)
    with pytest.raises(FixtureMissing, match="retrained-seed0"):
        brackets.subject("retrained/seed0")


def test_weights_are_read_from_a_file_that_was_verified(
    folder: Path, monkeypatch: pytest.MonkeyPatch, single: BracketSubject
) -> None:
    promise(folder, {SEED0: save(random_weights())}, monkeypatch)
    found = brackets.subject("retrained/seed0", data=single.task.data)
    assert isinstance(found, BracketSubject)
    assert found.name == "retrained/seed0"
    assert found.task.recording.logits.equal(single.task.recording.logits)


def test_one_flipped_byte_is_found_and_nothing_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promise(folder, {SEED0: save(random_weights())}, monkeypatch)
    flip(folder / SEED0)
    monkeypatch.setattr("replications.systems.brackets.model.read_state_dict", pytest.fail)
    monkeypatch.setattr("replications.systems.brackets.model.open_model", pytest.fail)
    with pytest.raises(FixtureCorrupt, match=r"retrained-seed0.*is not the file.*Remedy"):
        brackets.subject("retrained/seed0")


@pytest.mark.parametrize("broken", [ARENA_WEIGHTS, ARENA_DATA])
@pytest.mark.parametrize("name", ["arena", "arena~W_U random"])
def test_a_flipped_byte_in_either_file_of_a_subject_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, broken: str, name: str
) -> None:
    torch.save(random_weights(), folder / ARENA_WEIGHTS)
    contents = {ARENA_WEIGHTS: (folder / ARENA_WEIGHTS).read_bytes(), ARENA_DATA: b'[["()", true]]'}
    promise(folder, contents, monkeypatch)
    flip(folder / broken)
    monkeypatch.setattr("replications.systems.brackets.model.open_model", pytest.fail)
    with pytest.raises(FixtureCorrupt, match=broken):
        brackets.subject(name)


# ------------------------------------------------------------------------------------- lesions
RANDOMISED: dict[str, dict[str, int | None]] = {
    "positions random": {"pos_embed.W_pos": None},
    "W_OV of 0.0 random": {"blocks.0.attn.W_V": 0, "blocks.0.attn.W_O": 0},
    "W_QK of 0.0 random": {"blocks.0.attn.W_Q": 0, "blocks.0.attn.W_K": 0},
    "W_in of mlp0 and mlp1 random": {"blocks.0.mlp.W_in": None, "blocks.1.mlp.W_in": None},
    "W_QK of 2.0 random": {"blocks.2.attn.W_Q": 0, "blocks.2.attn.W_K": 0},
    "W_QK of 2.1 random": {"blocks.2.attn.W_Q": 1, "blocks.2.attn.W_K": 1},
    "W_U random": {"unembed.W_U": None},
}
MEANS = {
    "mlp0 at position 1 mean": [sites.MLP_OUT(0).pick(pos=1)],
    "mlp1 at position 1 mean": [sites.MLP_OUT(1).pick(pos=1)],
    "mlp2 mean": [sites.MLP_OUT(2)],
    **{f"head {i}.{h} mean": [sites.Z(i).pick(head=h)] for i in range(3) for h in range(2)},
}


MOVED = {
    "positions shifted by one": (0, ["pos_embed.W_pos"]),
    "answers exchanged": (-1, ["unembed.W_U", "unembed.b_U"]),
}
OTHERS = ["LayerNorm before scale and bias", "untrained"]


def test_every_lesion_is_tested_here() -> None:
    assert [*RANDOMISED, *MEANS, *MOVED, *OTHERS] == list(EDITS)


@pytest.mark.parametrize("name", MOVED)
def test_a_moved_weight_is_rolled_by_one(single: BracketSubject, name: str) -> None:
    intact, lesioned = single.lens.state_dict, EDITS[name](single.task).lens.state_dict
    dim, names = MOVED[name]
    for tensor in intact:
        by_one = intact[tensor].roll(1, dim) if tensor in names else intact[tensor]
        assert lesioned[tensor].equal(by_one)


def test_exchanged_answers_turn_every_verdict(single: BracketSubject) -> None:
    lesioned = single.lesioned("answers exchanged")
    found, expected = (s.task.recording.logit_difference for s in (lesioned, single))
    assert torch.allclose(found, -expected, atol=1e-5)


def test_the_untrained_lesion_is_another_model_than_the_untrained_control(
    single: BracketSubject,
) -> None:
    lesioned = EDITS["untrained"](single.task).lens.state_dict
    assert lesioned["unembed.W_U"].equal(untrained_state_dict(seed=1)["unembed.W_U"])
    assert not lesioned["unembed.W_U"].equal(single.untrained.lens.state_dict["unembed.W_U"])


def test_reading_before_scale_and_bias_leaves_the_model_whole(exact: BracketSubject) -> None:
    wrong = exact.lesioned("LayerNorm before scale and bias")
    assert wrong.task.recording.logits.equal(exact.task.recording.logits)
    for layer in range(3):
        w, b = (exact.lens.state_dict[f"blocks.{layer}.ln1.{x}"].double() for x in "wb")
        before, after = exact.task.layernorm(layer, strings=5)
        assert torch.allclose(normalised(before) * w + b, after, atol=1e-6)
        scaled = wrong.task.layernorm_fit(layer).coef * w[:, None]
        assert torch.allclose(scaled, exact.task.layernorm_fit(layer).coef, atol=1e-6)
    assert wrong.elevation_head.bracket_cosine != pytest.approx(
        exact.elevation_head.bracket_cosine, abs=1e-3
    )
    assert wrong.negative_head.value_sign != pytest.approx(exact.negative_head.value_sign, abs=1e-3)


@pytest.mark.parametrize("name", ["W_OV of 0.0 random", "untrained"])
def test_a_shipped_model_is_lesioned_by_name(name: str) -> None:
    data = BracketData.from_strings(["()", "(()", "())("])
    lesioned = brackets.subject(f"retrained/seed7~{name}", data=data)
    assert isinstance(lesioned, BracketSubject)
    assert lesioned.name == f"retrained/seed7~{name}"
    whole = brackets.subject("retrained/seed7", data=data)
    assert isinstance(whole, BracketSubject)
    changed = {
        n for n, t in whole.lens.state_dict.items() if not t.equal(lesioned.lens.state_dict[n])
    }
    assert changed > {"blocks.0.attn.W_V"}
    assert (len(changed) == 2) == (name == "W_OV of 0.0 random")


@pytest.mark.parametrize("name", RANDOMISED)
def test_a_weight_lesion_changes_its_matrices_and_nothing_else(
    single: BracketSubject, name: str
) -> None:
    intact, lesioned = single.lens.state_dict, EDITS[name](single.task).lens.state_dict
    assert {n for n in intact if not intact[n].equal(lesioned[n])} == set(RANDOMISED[name])
    for tensor, head in RANDOMISED[name].items():
        before, after = intact[tensor], lesioned[tensor]
        if head is not None:
            assert before[1 - head].equal(after[1 - head])
            before, after = before[head], after[head]
        assert after.norm().item() == pytest.approx(before.norm().item(), rel=1e-5)
        assert abs(torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1]) < 0.3
    reference = random_weights()
    assert all(intact[n].equal(reference[n]) for n in reference)  # the subject itself is whole


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", MEANS)
def test_an_activation_lesion_writes_means_and_nothing_else(
    single: BracketSubject, name: str
) -> None:
    lens, tokens = EDITS[name](single.task).lens, single.task.data.tokens
    reads = {repr(place): place for place in MEANS[name]}
    means = single.lens.read(tokens[single.task.B], reads)
    found = lens.read(tokens, reads)
    for place in reads:
        expected = means[place].double().mean(0).float()
        assert not single.lens.read(tokens, {"x": reads[place]})["x"].equal(found[place])
        assert found[place].equal(expected.expand_as(found[place]))
    assert all(lens.state_dict[n].equal(t) for n, t in single.lens.state_dict.items())
    first = MEANS[name][0].layer
    before: dict[str, sites.Place | Read] = {"resid_pre": sites.RESID_PRE(first)}
    if "pos=1" in repr(MEANS[name][0]):
        before["elsewhere"] = Read(sites.MLP_OUT(first), lambda x: x[:, [0, *range(2, 42)]])
    if "head" in name:
        before["other head"] = sites.Z(first).pick(head=1 - int(name[7]))
    intact, kept = single.lens.read(tokens, before), lens.read(tokens, before)
    assert all(intact[n].equal(kept[n]) for n in before)
    assert not lens.run(tokens).logits.equal(single.lens.run(tokens).logits)


@pytest.mark.parametrize("name", EDITS)
def test_a_lesioned_model_reads_strings_of_any_length(single: BracketSubject, name: str) -> None:
    lesioned = single.lesioned(name)
    assert lesioned.name == f"custom~{name}"
    assert lesioned.roles == single.roles
    confidence = lesioned.task.confidence(["()", "(())"])
    assert ((confidence >= 0) & (confidence <= 1)).all()
