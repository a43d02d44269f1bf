"""What measurements become when a control calls them with other arguments."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.systems import brackets
from replications.systems.brackets import BracketData, BracketSubject
from replications.systems.brackets.data import CLOSE, OPEN, PAD
from replications.systems.brackets.measurements.elevation_head import ElevationHead, within
from replications.systems.brackets.recording import head_label, parse_head
from replications.systems.brackets.roles import PUBLISHED, find_roles
from tests.systems.brackets.plain import Plain, centred, least_squares, random_weights


# ---------------------------------------------------------------------------------- the tally
@pytest.fixture
def planted() -> ElevationHead:
    """A head that writes, along v_L, the tally of the suffix and something that only the length
    of the string decides. 2,000 strings, so that short suffixes are there at every position."""
    data = brackets.data.generate(2000, seed=3)
    subject = brackets.subject(state_dict=random_weights(), data=data)
    assert isinstance(subject, BracketSubject)
    return ElevationHead(subject.task, (0, 0))


def write(head: ElevationHead, along: Tensor) -> None:
    """Make the head write this much [n pos] along v_L at each position."""
    read_out = head._W_O @ head.v_L / head.v_L.norm()
    head.__dict__["_outputs_everywhere"] = along[..., None] * read_out / read_out.square().sum()


def per_bracket(counts: tuple[Tensor, Tensor]) -> Tensor:
    opens, closes = counts
    return (opens - closes).double() / (opens + closes).clamp(min=1)


def test_what_the_length_alone_decides_does_not_blur_the_tally(planted: ElevationHead) -> None:
    data = planted.task.data
    lengths = data.lengths.double()[:, None]
    write(planted, per_bracket(data.suffix_counts) + 5 * (lengths / 7).sin())
    assert planted.lowest_tally_correlation() == pytest.approx(1, abs=1e-9)
    assert planted.suffix_against_prefix["highest_with_prefix"] < 0.3
    assert planted.suffix_against_prefix["smallest_lead"] > 0.6


def test_a_head_that_fails_on_short_suffixes_only_is_seen(planted: ElevationHead) -> None:
    """Version 1 left these out."""
    data = planted.task.data
    opens, closes = data.suffix_counts
    suffix, prefix = per_bracket(data.suffix_counts), per_bracket(data.prefix_counts)
    write(planted, torch.where(opens + closes < 5, prefix, suffix))
    assert planted.tally_correlation(20) < 0.999
    assert planted.lowest_tally_correlation() < 0.5


def test_a_head_that_tallies_the_prefix_is_told_apart(planted: ElevationHead) -> None:
    before = per_bracket(planted.task.data.prefix_counts).roll(1, dims=1)
    write(planted, before)
    found = planted.suffix_against_prefix
    assert found["highest_with_prefix"] == pytest.approx(1, abs=1e-9)
    assert found["smallest_lead"] < 0
    assert planted.lowest_tally_correlation(prefix=True) == pytest.approx(1, abs=1e-9)


def test_within_takes_off_the_mean_of_each_group() -> None:
    values = torch.tensor([1.0, 2.0, 10.0, 30.0, 5.0])
    groups = torch.tensor([4, 4, 2, 2, 9])
    assert within(values, groups).tolist() == [-0.5, 0.5, -10, 10, 0]


# ------------------------------------------------------------------------------------ vectors
def test_cosines_of_other_tokens_and_vectors(exact: BracketSubject) -> None:
    head = exact.elevation_head
    assert head.image_cosine(OPEN, CLOSE) == head.bracket_cosine
    assert head.image_cosine(OPEN, PAD) != pytest.approx(head.bracket_cosine, abs=1e-3)
    of_v_L = head.mean_squared_cosine(0, head.v_L)
    assert of_v_L == pytest.approx(head.squared_cosines(0, head.v_L).mean().item())
    assert of_v_L != pytest.approx(head.mean_squared_cosine(0), abs=1e-6)


def test_the_same_string_appended_twice_is_one_response(exact: BracketSubject) -> None:
    head = exact.elevation_head
    assert head.response_cosine("(", "(") == pytest.approx(1)
    assert head.response_cosine("(", ")") == head.response_cosine()
    assert head.response_cosine("()", ")(") != pytest.approx(head.response_cosine(), abs=1e-3)


# --------------------------------------------------------------------------------- behaviour
def test_examples_with_exchanged_brackets_are_mirror_images(single: BracketSubject) -> None:
    plain = single.behaviour.example_confidences()
    exchanged = single.behaviour.example_confidences(exchanged=True)
    assert exchanged[1] == pytest.approx(plain[2], abs=1e-3)  # "(())" and "))(("
    assert exchanged[2] == pytest.approx(plain[1], abs=1e-3)
    assert single.behaviour.example_confidences(masked=False) != pytest.approx(plain, abs=1e-2)
    expected = sum((p > 50) != (i in (2, 5)) for i, p in enumerate(exchanged))
    assert single.behaviour.examples_right(exchanged=True) == expected


def test_data_is_counted_as_it_says() -> None:
    data = BracketData.from_strings(["()", "()", "(((("])
    subject = brackets.subject(state_dict=random_weights(), data=data)
    assert isinstance(subject, BracketSubject)
    profile = subject.behaviour.data_profile
    assert list(profile().values()) == pytest.approx([3, 2 / 3, 4])
    assert list(profile(distinct=True).values()) == [2, 0.5, 4]
    assert list(profile(in_tokens=True).values()) == pytest.approx([3, 2 / 3, 6])


def test_a_table_of_another_layout_is_far_from_the_sinusoids() -> None:
    weights = random_weights()
    weights["pos_embed.W_pos"] = brackets.model.sinusoid()
    subject = brackets.subject(state_dict=weights, data=BracketData.from_strings(["()"]))
    assert isinstance(subject, BracketSubject)
    assert subject.behaviour.distance_from_sinusoid() < 1e-6
    assert subject.behaviour.distance_from_sinusoid(interleaved=False) > 0.5


# ---------------------------------------------------------------------------------- components
def test_pads_left_out_of_the_fit_of_layer_1(
    exact: BracketSubject, reference: dict[str, Tensor]
) -> None:
    real = (exact.task.data.tokens != PAD).flatten()
    x, y = (reference[name].flatten(0, 1)[real] for name in ("resid_pre1", "ln1_1"))
    found = exact.components.layer1_layernorm_r_squared(pads=False)
    assert found == pytest.approx(least_squares(x, y)[1], abs=1e-6)
    assert found != pytest.approx(exact.components.layer1_layernorm_r_squared(), abs=1e-6)


def test_roles_on_shuffled_classes_are_those_of_other_strings(single: BracketSubject) -> None:
    s = BracketSubject("fresh", single.lens, single.task.data)
    u = {label: torch.zeros(len(s.task.data)).double() for label in s.task.contributions}
    u["2.0"] += 5.0 * s.task.T
    u["1.0"] += 1.0  # answers every string, so that any class will do
    s.task.__dict__["contributions"] = u
    assert find_roles(s.task).total == (2, 0)
    assert find_roles(s.task, shuffled_classes=True).total == (1, 0)


# ------------------------------------------------------------------------------------- circuit
@pytest.mark.parametrize("position", [1, 2])
def test_the_residual_stream_is_carried_over_at_one_position(
    exact: BracketSubject, plain: Plain, position: int
) -> None:
    s = BracketSubject("fresh", exact.lens, exact.task.data, roles=PUBLISHED)
    base, sources = s.circuit._balanced_strings, s.circuit._sources(s.task.T)
    donor = plain.run(sources)["resid_pre2"][:, position]

    def patch(x: Tensor) -> Tensor:
        x = x.clone()
        x[:, position] = donor
        return x

    logits = plain.run(base.tokens, {("resid_pre", 2): patch})["logits"][:, 0]
    before = plain.run(base.tokens)["logits"][:, 0]
    rise = (logits[:, 0] - logits[:, 1]) - (before[:, 0] - before[:, 1])
    assert s.circuit.carried_by(position) == pytest.approx(rise.mean().item(), abs=1e-8)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_inputs_at_a_position_are_what_was_written_there(
    exact: BracketSubject, reference: dict[str, Tensor], position: int
) -> None:
    s = BracketSubject("fresh", exact.lens, exact.task.data, roles=PUBLISHED)
    direction, B = s.task.direction_before((2, 0)), s.task.B
    components = ("emb", "0.0", "0.1", "mlp0", "1.0", "1.1", "mlp1")
    w = {c: centred(reference[c][:, position] @ direction, B) for c in components}
    summed = torch.stack(list(w.values())).sum(0)
    expected = stats.auroc(summed[s.task.T], summed[B])
    assert s.circuit.known_at(position) == pytest.approx(expected, abs=1e-3)
    means = {c: x[~B].mean().item() for c, x in w.items()}
    found = s.circuit.mlp_inputs("0.0", "1.0", position)
    assert found["largest"] == pytest.approx(means["0.0"], abs=1e-6)
    ranked = sorted(means, key=lambda c: -means[c])
    assert found["rank_of_the_second"] == ranked.index("1.0") + 1


def test_shuffled_shares_stay_among_strings_that_start_open(single: BracketSubject) -> None:
    """A component that writes the same on all of these strings gives the same mean on each side."""
    s = BracketSubject("fresh", single.lens, single.task.data, roles=PUBLISHED)
    flat = {"mlp1": s.task.data.starts_open.double(), "mlp0": s.task.data.starts_open.double()}
    s.task._inputs[2, 0] = flat
    assert set(s.circuit.inputs_by_open_share(shuffled=True).values()) == {1.0}
    s.task._inputs[2, 0] = {c: s.task.data.open_share.double() for c in flat}
    found = [s.circuit.inputs_by_open_share(shuffled=shuffled) for shuffled in (False, True)]
    assert found[0]["first_at_half"] == 0.5
    assert found[1]["first_at_half"] != 0.5


@pytest.mark.parametrize("label", ["0.0", "2.1"])
def test_the_loss_rises_by_what_silencing_the_named_heads_does(
    single: BracketSubject, label: str
) -> None:
    circuit, head = single.circuit, parse_head(label)
    found = circuit.loss_rise(head, head)
    assert found["rise_on_T"] == circuit._loss_rise(head, single.task.T)[0]
    assert found["rise_on_N"] == circuit._loss_rise(head, single.task.N)[0]
    roles = single.roles
    assert circuit.loss_rise() == circuit.loss_rise(roles.negative, roles.total)


def test_an_mlp_may_be_asked_whether_it_tells_of_negative_suffixes(single: BracketSubject) -> None:
    s = BracketSubject("fresh", single.lens, single.task.data, roles=PUBLISHED)
    w = s.task.inputs((2, 0))
    for component in ("mlp1", "1.0", "1.1"):
        ratio = w[component][s.task.N].mean() / w[component][s.task.T].mean()
        assert s.circuit.carries_negative(component)["N_over_T"] == pytest.approx(ratio.item())
    assert s.circuit.carries_negative() == s.circuit.carries_negative("1.1")
    lost = s.circuit.carries_negative("mlp1")["lost_on_N"]
    assert lost == s.circuit._lost([s.circuit._mlp_mean(1, 1)], s.task.N)


# -------------------------------------------------------------------------- heads and neurons
def test_attention_is_averaged_over_the_strings_given(single: BracketSubject) -> None:
    head, rows = single.total_head, single.task.N
    to_1 = head.attention[:, 1].double()
    assert head.attention_by_class(rows)["unbalanced"] == to_1[rows].mean()
    assert head.attention_by_class()["unbalanced"] == to_1[single.task.T].mean()
    closed = ~single.task.data.starts_open
    assert head.closed_starts()["attention_closed_first"] == to_1[closed].mean()
    assert head.closed_starts(rows)["attention_closed_first"] == to_1[rows].mean()


def test_neurons_along_another_head_and_on_other_strings(single: BracketSubject) -> None:
    roles = single.roles
    same, other = (single.neurons_before(head) for head in (roles.total, roles.negative))
    assert same.high.equal(single.neurons.high)
    assert not other.high.equal(single.neurons.high)
    mean = single.neurons.contributions[:, single.task.N].mean(1)
    found = single.neurons.detectors(single.task.N)
    assert list(found.values()) == (mean.abs() > 0.3).sum(-1).tolist()


def test_the_other_head_of_layer_1(single: BracketSubject) -> None:
    circuit = BracketSubject("x", single.lens, single.task.data, roles=PUBLISHED).circuit
    assert head_label(circuit.other_of_layer_1) == "1.0"
