"""Roles, interventions and the edges of the measurements, on random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor

from replications.analysis.statistics import ratio
from replications.errors import BadInput
from replications.lens import Lens
from replications.models import sites
from replications.models.edits import Edit, put, put_rows
from replications.systems import brackets
from replications.systems.brackets import BracketData, BracketSubject
from replications.systems.brackets.recording import HEADS, head_label, parse_head, sibling
from replications.systems.brackets.roles import PUBLISHED
from tests.oracle import Change, Key
from tests.systems.brackets.plain import Plain
from tests.systems.brackets.subjects import fresh

LABELS = [head_label(head) for head in HEADS]


def ldu(plain: Plain, tokens: Tensor, edits: Mapping[Key, Change] | None = None) -> Tensor:
    """LDu of the plain model."""
    logits = plain.run(tokens, edits)["logits"][:, 0]
    return logits[:, 0] - logits[:, 1]


def z_at_0(label: str, value: Tensor) -> dict[Key, Change]:
    """Give one head of the plain model another output at position 0."""

    def patch(z: Tensor) -> Tensor:
        z = z.clone()
        z[:, 0, int(label[2])] = value
        return z

    return {("z", int(label[0])): patch}


# ------------------------------------------------------------------------------- wrong inputs
@pytest.mark.parametrize("label", ["3.0", "2.2", "x", "", "2", "2.0 ", "-1.0", "02.0"])
def test_an_unknown_head_is_refused_with_those_there_are(
    single: BracketSubject, label: str
) -> None:
    with pytest.raises(BadInput, match=r"unknown head .*0\.0, 0\.1, 1\.0, 1\.1, 2\.0, 2\.1"):
        single.head(label)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (["()", "(()"], r"'\(\(\)' has odd length 3"),
        (["()" * 21], "42 brackets; the model reads at most 40"),
        (["(a"], "character 'a' at position 1 of string 0"),
        ([], "empty batch"),
    ],
)
def test_confidence_of_what_is_no_bracket_string_is_refused(
    single: BracketSubject, batch: Sequence[str], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        single.task.confidence(batch)


# -------------------------------------------------------------------- interventions that do nothing
PLACES = [
    *(site(i) for i in range(3) for site in (sites.Z, sites.V, sites.K, sites.PATTERN)),
    *(sites.Z(2).pick(pos=0, head=h) for h in range(2)),
    *(sites.MLP_OUT(i).pick(pos=1) for i in range(3)),
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("place", PLACES, ids=repr)
def test_patching_a_run_with_its_own_activations_changes_nothing(
    single: BracketSubject, strings: BracketData, place: sites.Place
) -> None:
    tokens = strings.tokens[:60]
    own = single.lens.read(tokens, {"x": place})["x"]
    before = single.lens.run(tokens, batch=25).logits
    after = single.lens.run(tokens, edits=[put_rows(place, own)], batch=25).logits
    assert after.equal(before)
    shifted = single.lens.run(tokens, edits=[put_rows(place, own.roll(1, 0))]).logits
    assert not shifted.equal(before)


@pytest.mark.parametrize("label", LABELS)
def test_copying_and_moving_a_strings_own_values_changes_nothing(
    single: BracketSubject, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    s = fresh(single)
    head, own = parse_head(label), s.task.data.tokens[s.task.B]
    monkeypatch.setattr(s.circuit, "_sources", lambda mask: own)
    assert s.circuit.copied(head) == 0
    clean, _ = s.circuit._first_bracket_pairs
    s.circuit.__dict__["_first_bracket_pairs"] = (clean, clean)
    for site in (sites.K, sites.V):
        assert s.circuit.moved(head, site) == 0


# --------------------------------------------------------------------- interventions by hand
@pytest.mark.sampled(3)
@pytest.mark.parametrize("label", LABELS)
def test_copying_is_the_patch_it_says(exact: BracketSubject, plain: Plain, label: str) -> None:
    base = exact.task.data.subset(exact.task.B)
    donors = exact.task.T.nonzero()[:, 0].flip(0)
    donors = donors[torch.arange(len(base)) % len(donors)]
    z = plain.run(exact.task.data.tokens[donors])[f"z {label}"][:, 0]
    rise = ldu(plain, base.tokens, z_at_0(label, z)) - ldu(plain, base.tokens)
    head = parse_head(label)
    assert exact.circuit.copied(head) == pytest.approx(rise.mean().item(), abs=1e-8)
    assert exact.circuit.copied(sibling(head)) != pytest.approx(rise.mean().item(), abs=1e-6)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("site", [sites.V, sites.K])
@pytest.mark.parametrize("label", ["2.0", "2.1", "1.0"])
def test_moving_is_the_patch_it_says(
    exact: BracketSubject, plain: Plain, site: sites.Site, label: str
) -> None:
    head = layer, index = parse_head(label)
    tails = [
        s for s, b in zip(exact.task.data.strings, exact.task.B, strict=True) if b and len(s) <= 38
    ]
    clean, corrupted = (
        BracketData.from_strings([p + t for t in tails]).tokens for p in ("()", "))")
    )
    seen: list[Tensor] = []
    plain.run(corrupted, {(site.name, layer): lambda x: seen.append(x) or x})  # type: ignore[func-returns-value]

    def patch(x: Tensor) -> Tensor:
        x = x.clone()
        x[:, 1, index] = seen[0][:, 1, index]
        return x

    patched = plain.run(clean, {(site.name, layer): patch})["logits"][:, 0]
    rise = (patched[:, 0] - patched[:, 1]) - ldu(plain, clean)
    found = exact.circuit.moved(head, site)
    assert found == pytest.approx(rise.mean().item(), abs=1e-8)
    assert exact.circuit.moved(head, site, 2) != pytest.approx(found, abs=1e-6)
    assert exact.circuit.early_close(head)[site.name] == found


@pytest.mark.parametrize(("head", "rival"), [("2.0", "2.1"), ("2.1", "2.0"), ("1.0", "2.0")])
def test_a_verdict_head_is_compared_with_the_other_one(
    single: BracketSubject, head: str, rival: str
) -> None:
    s = fresh(single, PUBLISHED)
    u = s.task.contributions
    for found, rows in (
        (s.head(head).says_unbalanced(s.task.T), s.task.T),
        (s.head(head).decides(s.task.N), s.task.N),
    ):
        expected = ratio(u[head][rows].mean().item(), u[rival][rows].mean().item())
        assert found["times_the_other_head"] == pytest.approx(expected, nan_ok=True)


def test_lowest_answers_are_of_the_strings_that_open_so(single: BracketSubject) -> None:
    head, data = single.total_head, single.task.data
    closed = head.lowest_answers(first=")")
    assert closed["smallest"] == head.contribution[~data.starts_open].min()
    right = ~data.starts_open & data.only_negative
    assert closed["smallest_total_right"] == head.contribution[right].min()
    open_ = head.lowest_answers(first="(")
    assert set(open_.values()) == {head.contribution[single.task.N].min().item()}
    some = head.lowest_answers(first="(", quantile=0.5)["smallest"]
    assert some == pytest.approx(head.contribution[single.task.N].quantile(0.5).item())


def test_the_weaker_mlp_is_set_against_the_strongest_head(single: BracketSubject) -> None:
    gaps = single.negative_head.input_gaps
    mlps = [gaps[c] for c in gaps if c.startswith("mlp")]
    heads = [gaps[c] for c in gaps if not c.startswith("mlp")]
    found = single.negative_head.input_dominance
    assert found["gap"] == min(mlps)
    assert found["times_the_largest_head"] == pytest.approx(
        ratio(min(mlps), max(map(abs, heads))), nan_ok=True
    )


@pytest.mark.sampled(3)
@pytest.mark.parametrize("label", LABELS)
def test_silencing_is_a_mean_over_balanced_strings(
    exact: BracketSubject, plain: Plain, label: str
) -> None:
    tokens = exact.task.data.tokens
    mean = plain.run(tokens)[f"z {label}"][exact.task.B, 0].mean(0)
    expected = ldu(plain, tokens, z_at_0(label, mean))
    found = exact.task.logit_difference(exact.task.silence(parse_head(label)), exact.task.data)
    assert (found - expected).abs().max() < 1e-8
    assert (found - exact.task.recording.logit_difference).abs().max() > 1e-3
    place = sites.Z(int(label[0])).pick(pos=0, head=int(label[2]))
    manual = exact.lens.run(tokens, edits=[put(place, mean)]).logits[:, 0]
    assert ((manual[:, 0] - manual[:, 1]) - found).abs().max() < 1e-8


@pytest.mark.parametrize(("layer", "index"), HEADS)
def test_silencing_everywhere_leaves_the_other_head_alone(
    exact: BracketSubject, layer: int, index: int
) -> None:
    edits = exact.task.silence_everywhere((layer, index))
    after = exact.lens.read(exact.task.data.tokens, {"z": sites.Z(layer)}, edits)["z"]
    before = exact.lens.read(exact.task.data.tokens, {"z": sites.Z(layer)})["z"]
    assert after[:, :, 1 - index].equal(before[:, :, 1 - index])
    mean = before[exact.task.B][:, :, index].mean(0)
    assert (after[:, :, index] - mean).abs().max() < 1e-12
    assert (exact.task.mean_z((layer, index), balanced=True) - mean).abs().max() < 1e-12
    overall = before[:, :, index].mean(0)
    assert (exact.task.mean_z((layer, index)) - overall).abs().max() < 1e-12


def test_a_rerun_without_edits_is_the_trace_and_edits_do_not_stay(single: BracketSubject) -> None:
    before = single.task.recording.logits.clone()
    single.task.record(single.task.silence_everywhere((2, 0)))
    assert single.task.record().logits.equal(before)
    some = single.task.data.subset(slice(3, 20))
    assert torch.allclose(single.task.logits((), some), before[3:20].double(), atol=1e-5)


def test_lost_contribution_is_what_silencing_removes(exact: BracketSubject) -> None:
    """A head of layer 1 replaced: the total head's contribution, by hand from a run of its own."""
    total = head_label(exact.roles.total)
    u = exact.task.in_unbalanced_direction(
        exact.task.record(exact.task.silence_everywhere(exact.roles.helper or (1, 0)))
    )
    after = dict(zip(exact.task.contributions, u, strict=True))[total]
    for rows, name in ((exact.task.N, "lost_on_N"), (exact.task.T, "change_on_T")):
        share = 1 - (after[rows].mean() / exact.task.contributions[total][rows].mean()).item()
        found = exact.circuit.without(exact.roles.helper or (1, 0))[name]
        assert found == pytest.approx(share if name == "lost_on_N" else abs(share), abs=1e-8)


def test_everything_is_measured_once(
    single: BracketSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    s, runs = fresh(single), 0
    run = Lens._run

    def counted(self: Lens, *args: object, **options: object) -> object:
        nonlocal runs
        runs += 1
        return run(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Lens, "_run", counted)
    edits: list[Sequence[Edit]] = []
    for _ in range(3):
        edits.append(s.task.silence(s.roles.total))
        assert s.behaviour.correct() >= 0
        assert s.task.contributions is s.task.contributions
        assert s.head("2.0") is s.head("2.0")
    assert runs == 1


# ------------------------------------------------------------------------------ quicker ways
def test_verdicts_on_many_strings_are_those_of_the_lens(exact: BracketSubject) -> None:
    data = brackets.data.generate(60, seed=5)
    expected = exact.task.lens.run(data.tokens).logits[:, 0].argmax(-1) == 1
    assert exact.task.verdicts(data.tokens).equal(expected)
    edit = put(sites.Z(1).pick(head=0, pos=0), torch.ones(28, dtype=torch.float64))
    edited = exact.task.with_lens(exact.lens.with_edits([edit]))
    expected = edited.lens.run(data.tokens).logits[:, 0].argmax(-1) == 1
    assert edited.verdicts(data.tokens).equal(expected)


@pytest.mark.parametrize("affine", [True, False])
def test_the_fit_of_the_first_layernorm_is_that_over_all_positions(
    exact: BracketSubject, affine: bool
) -> None:
    task = exact.task if affine else exact.task.before_scale_and_bias()
    found, expected = task.layernorm_fit(0), task._fit(*task.layernorm(0))
    torch.testing.assert_close(found.coef, expected.coef, rtol=1e-6, atol=1e-9)
    assert found.r_squared == pytest.approx(expected.r_squared)
    assert found.rank == expected.rank


def test_mean_outputs_are_those_of_the_whole_run(exact: BracketSubject) -> None:
    task = exact.task
    for layer, head in HEADS:
        z = task.lens.read(task.data.tokens, {"z": sites.Z(layer).pick(head=head)}, batch=7)["z"]
        torch.testing.assert_close(task.mean_z((layer, head)), z.double().mean(0))
        balanced = z[task.B].double().mean(0)
        torch.testing.assert_close(task.mean_z((layer, head), balanced=True), balanced)
