"""Each helper against a plain reimplementation, on random weights; each check can fail."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.analysis import linear_fits as linear
from replications.analysis import statistics as stats
from replications.models import sites
from replications.models.edits import apply
from replications.systems.brackets import BracketData, BracketSubject, tokenize
from replications.systems.brackets.measurements.behaviour import EXAMPLES
from replications.systems.brackets.measurements.elevation_head import ElevationHead
from replications.systems.brackets.recording import parse_head
from tests.systems.brackets.plain import (
    COMPONENTS,
    HEADS,
    Plain,
    assert_each_is_its_own,
    centred,
    close,
    least_squares,
)

EXACT = 1e-8
LAYERS = range(3)


# ------------------------------------------------------------------------------ the whole run
def test_logits_are_those_of_a_plain_forward_pass(
    exact: BracketSubject, single: BracketSubject, reference: dict[str, Tensor]
) -> None:
    logits = reference["logits"][:, 0]
    assert close(exact.task.recording.logits, logits, EXACT)
    assert close(single.task.recording.logits, logits, 1e-4)
    assert exact.task.recording.logits.dtype == torch.float64
    assert not close(exact.task.recording.logits.flip(1), logits, 1e-2)


def test_pads_change_nothing_and_would_without_the_mask(single: BracketSubject) -> None:
    masked = single.behaviour.padding_effect()
    assert masked["logit_shift"] < 1e-4
    assert masked["attention_to_pads"] == 0
    bare = single.behaviour.padding_effect(masked=False)
    assert bare["logit_shift"] > 0.1
    assert bare["attention_to_pads"] > 0.1


def test_two_class_softmax_is_a_sigmoid_of_the_logit_difference(single: BracketSubject) -> None:
    logits = single.lens.run(tokenize(EXAMPLES)).logits[:, 0].double()
    p_balanced = single.task.confidence(EXAMPLES)
    assert close(1 - p_balanced, (logits[:, 0] - logits[:, 1]).sigmoid(), 1e-6)
    assert not close(1 - p_balanced, logits[:, 0].sigmoid(), 0.01)


# ----------------------------------------------------------------------- the final LayerNorm
def test_logit_difference_is_a_dot_product_after_the_final_layernorm(
    exact: BracketSubject, plain: Plain
) -> None:
    s, b_U = exact, plain.w["unembed.b_U"]
    constant = b_U[0] - b_U[1]
    ldu = s.task.recording.logit_difference
    assert close(s.task.unbalanced_after_final, plain.unbalanced(), EXACT)
    after = s.task.recording.run["ln_final"]
    assert close(after @ s.task.unbalanced_after_final + constant, ldu, EXACT)
    assert not close(-(after @ s.task.unbalanced_after_final) + constant, ldu, 0.01)
    elsewhere = s.lens.read(s.task.data.tokens, {"x": sites.LN_FINAL().pick(pos=1)})["x"]
    assert not close(elsewhere @ s.task.unbalanced_after_final + constant, ldu, 0.01)


def test_layernorm_fits_are_least_squares(
    exact: BracketSubject, reference: dict[str, Tensor]
) -> None:
    found = [exact.task.final_fit] + [exact.task.input_fit(layer) for layer in (2, 1, 0)]
    pairs = [(reference["resid_final"][:, 0], reference["ln_final"][:, 0])]
    pairs += [
        (reference[f"resid_pre{layer}"][:, 1], reference[f"ln1_{layer}"][:, 1])
        for layer in (2, 1, 0)
    ]
    expected = [least_squares(*pair) for pair in pairs]
    assert_each_is_its_own([f.coef for f in found], [coef for coef, _ in expected], 1e-6)
    for fit, (_, r_squared), (x, y) in zip(found, expected, pairs, strict=True):
        assert fit.r_squared == pytest.approx(r_squared, abs=1e-6)
        assert close(fit.push(x.mean(0)) + fit.intercept, y.mean(0), 1e-6)


def test_the_first_layernorm_is_fitted_at_every_position_pads_included(
    exact: BracketSubject, reference: dict[str, Tensor]
) -> None:
    x, y = (reference[name].flatten(0, 1) for name in ("resid_pre0", "ln1_0"))
    coef, r_squared = least_squares(x, y)
    found = exact.task.layernorm_fit(0)
    assert close(found.coef, coef, 1e-6)
    assert found.r_squared == pytest.approx(r_squared, abs=1e-6)
    real = (exact.task.data.tokens != 1).flatten()
    assert not close(found.coef, least_squares(x[real], y[real])[0], 1e-3)
    assert not close(found.coef, exact.task.layernorm_fit(1).coef, 1e-3)


def test_direction_before_the_final_layernorm_stands_in_for_the_logit_difference(
    exact: BracketSubject, plain: Plain, pf: Tensor, reference: dict[str, Tensor]
) -> None:
    assert close(exact.task.unbalanced_before_final, pf, 1e-6)
    assert exact.components.stands_in_for_logits()["correlation"] > 0.98
    random = exact.components.stands_in_for_logits(exact.components.random_direction)
    assert random["correlation"] < 0.9
    sum_of_columns = exact.task.final_fit.pull_back(plain.w["unembed.W_U"].sum(1))
    along = reference["resid_final"][:, 0] @ sum_of_columns
    assert abs(stats.correlation(along, exact.task.recording.logit_difference)) < 0.9


# --------------------------------------------------------------------------------- components
def test_components_are_what_each_part_wrote(
    exact: BracketSubject, reference: dict[str, Tensor]
) -> None:
    found = exact.task.recording.components
    assert found.shape == (10, len(exact.task.data), 3, 56)
    assert_each_is_its_own(list(found), [reference[c][:, :3] for c in COMPONENTS], EXACT)


def test_components_and_attention_biases_add_up_to_the_final_residual(
    exact: BracketSubject,
) -> None:
    parts, bias = exact.task.recording.components[:, :, 0], exact.task.weights.b_O.sum(0)
    final = exact.task.recording.run["resid_final"]
    assert close(parts.sum(0) + bias, final, EXACT)
    assert not close(parts.sum(0), final, 0.01)
    for dropped in range(len(parts)):
        assert not close(parts.sum(0) - parts[dropped] + bias, final, 0.01)


def test_contributions_are_projections_less_the_balanced_mean(
    exact: BracketSubject, pf: Tensor, reference: dict[str, Tensor]
) -> None:
    u = exact.task.contributions
    assert tuple(u) == COMPONENTS
    expected = [centred(reference[c][:, 0] @ pf, exact.task.B) for c in COMPONENTS[1:]]
    assert_each_is_its_own([u[c] for c in COMPONENTS[1:]], expected, 1e-6)
    assert u["emb"].abs().max() < 1e-6
    assert all(abs(x[exact.task.B].mean().item()) < 1e-4 for x in u.values())
    uncentred = (
        exact.task.recording.components[:, :, 0].double() @ exact.task.unbalanced_before_final
    )
    assert (uncentred[:, exact.task.B].mean(1).abs() > 1e-3).all()


def test_every_measurement_of_a_head_is_that_head(single: BracketSubject) -> None:
    heads = [single.head(name) for name in HEADS]
    attention = single.lens.read(
        single.task.data.tokens, {f"{i}": sites.PATTERN(i) for i in LAYERS}
    )
    rows = [attention[name[0]][:, int(name[2]), 0] for name in HEADS]
    assert_each_is_its_own([h.attention for h in heads], rows, 1e-6)
    assert_each_is_its_own(
        [h.contribution for h in heads], [single.task.contributions[n] for n in HEADS], 0
    )


# ---------------------------------------------------------------------------------- attention
def test_attention_rows_are_probabilities_and_scores_are_not(
    exact: BracketSubject, reference: dict[str, Tensor]
) -> None:
    found = exact.lens.read(exact.task.data.tokens, {f"{i}": sites.PATTERN(i) for i in LAYERS})
    patterns = [found[name[0]][:, int(name[2])] for name in HEADS]
    assert_each_is_its_own(patterns, [reference[f"pattern {h}"] for h in HEADS], EXACT)
    for head, pattern in zip(HEADS, patterns, strict=True):
        one = torch.ones_like(pattern[..., 0])
        assert close(pattern.sum(-1), one, 1e-5)
        assert not close(reference[f"scores {head}"].sum(-1), one, 0.1)


@pytest.mark.parametrize("layer", LAYERS)
def test_queries_and_keys_give_the_attention(exact: BracketSubject, layer: int) -> None:
    tokens = tokenize(["(()())" * 3, "))((" * 4, "((()"])
    reads = {"q": sites.Q(layer), "k": sites.K(layer), "p": sites.PATTERN(layer)}
    run = exact.lens.read(tokens, reads)
    hidden = (tokens == 1)[:, None, None, :]

    def attention(keys: Tensor) -> Tensor:
        scores: Tensor = torch.einsum("nqhd,nkhd->nhqk", run["q"], keys) / 28**0.5
        return scores.masked_fill(hidden, float("-inf")).softmax(-1)

    assert close(attention(run["k"]), run["p"], EXACT)
    assert not close(attention(run["k"].flip(2)), run["p"], 0.01)


def test_the_attention_grid_uses_keys_averaged_over_both_brackets(
    exact: BracketSubject, plain: Plain
) -> None:
    run = plain.run(tokenize(["(" * 40, ")" * 40]))
    expected = []
    for head in ("0.0", "0.1"):
        k = (run[f"k {head}"][0] + run[f"k {head}"][1]) / 2
        for q in run[f"q {head}"]:
            expected.append((q @ k.T / 28**0.5).softmax(-1))
    heads = (ElevationHead(exact.task, (0, 0)), ElevationHead(exact.task, (0, 1)))
    found = [head.grids[bracket] for head in heads for bracket in "()"]
    assert_each_is_its_own(found, expected, EXACT)
    own_keys = run["q 0.0"][0] @ run["k 0.0"][0].T / 28**0.5
    assert not close(found[0], own_keys.softmax(-1), 1e-3)


# --------------------------------------------------------------------------------- OV circuits
def test_OV_is_W_V_then_W_O(exact: BracketSubject, plain: Plain) -> None:
    found = [exact.task.OV(parse_head(name)) for name in HEADS]
    assert_each_is_its_own(found, [plain.OV(name) for name in HEADS], EXACT)
    assert not close(found[0], plain.OV("0.0").T, 0.01)


@pytest.mark.parametrize("head", HEADS)
def test_OV_is_what_a_head_writes_when_each_position_sees_itself(
    exact: BracketSubject, plain: Plain, head: str
) -> None:
    layer, index = int(head[0]), int(head[2])
    tokens = tokenize(["(()())", ")(()(("])
    to_itself = apply(sites.PATTERN(layer), lambda p: torch.eye(p.shape[-1]).to(p).expand_as(p))
    run = exact.lens.read(tokens, {"x": sites.LN1(layer), "z": sites.Z(layer)}, [to_itself])
    W_O = plain.of_head(head, "W_O")
    written = run["z"][:, :, index] @ W_O - plain.of_head(head, "b_V") @ W_O
    assert close(run["x"] @ exact.task.OV((layer, index)), written, 1e-5)
    assert not close(run["x"] @ exact.task.OV((layer, index)).T, written, 0.1)


def test_bracket_vectors_of_the_elevation_head(
    exact: BracketSubject, plain: Plain, reference: dict[str, Tensor]
) -> None:
    coef, _ = least_squares(*(reference[n].flatten(0, 1) for n in ("resid_pre0", "ln1_0")))
    images = [
        coef @ plain.w["embed.W_E"][token] @ plain.OV(head)
        for head in ("0.0", "0.1")
        for token in (3, 4)
    ]
    heads = (ElevationHead(exact.task, (0, 0)), ElevationHead(exact.task, (0, 1)))
    assert_each_is_its_own([v for head in heads for v in (head.v_L, head.v_R)], images, 1e-6)
    assert heads[0].bracket_cosine == pytest.approx(linear.cosine(images[0], images[1]), abs=1e-6)
    assert heads[0].sibling.bracket_cosine == pytest.approx(heads[1].bracket_cosine)
    assert heads[0].bracket_cosine != pytest.approx(heads[1].bracket_cosine, abs=1e-2)
    outputs = [head._output_at(position) for head in heads for position in (1, 5, 30)]
    expected = [reference[head][:, position] for head in ("0.0", "0.1") for position in (1, 5, 30)]
    assert_each_is_its_own(outputs, expected, EXACT)
    assert close(heads[1].output_at_1, reference["0.1"][:, 1], EXACT)


# ------------------------------------------------------------------------------ failure classes
def test_failure_classes_follow_from_a_walk_from_the_right(strings: BracketData) -> None:
    total, negative, from_left = [], [], []
    for string in strings.strings:
        height = [0]
        for symbol in reversed(string):
            height.append(height[-1] + (1 if symbol == ")" else -1))
        total.append(height[-1] != 0)
        negative.append(min(height) < 0)
        depth = [
            string[: i + 1].count("(") - string[: i + 1].count(")") for i in range(len(string))
        ]
        from_left.append(min(depth) < 0)
    assert strings.total_failure.tolist() == total
    assert strings.negative_failure.tolist() == negative
    assert (strings.total_failure | strings.negative_failure).equal(~strings.labels)
    assert strings.only_total.tolist() == [
        t and not n for t, n in zip(total, negative, strict=True)
    ]
    assert strings.only_negative.tolist() == [
        n and not t for t, n in zip(total, negative, strict=True)
    ]
    assert strings.both.tolist() == [t and n for t, n in zip(total, negative, strict=True)]
    assert from_left != negative
