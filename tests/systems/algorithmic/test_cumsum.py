"""Measurements of the running-sum model on random weights, against slow copies."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from replications import fixtures
from replications.errors import FixtureMissing
from replications.models import Network, put, sites
from replications.systems import algorithmic
from replications.systems.algorithmic.data.cumsum import values_of
from replications.systems.algorithmic.measure import CumsumSubject
from replications.systems.algorithmic.model import CUMSUM
from replications.systems.algorithmic.roles import CumsumRoles, cumsum_roles


def test_without_the_mlp(numbers: CumsumSubject) -> None:
    network, labels = numbers.task.network, numbers.task.examples.labels
    edit = put(sites.MLP_POST(0), torch.zeros((), dtype=torch.float64))
    logits = network.forward(numbers.tokens, [edit])
    found = numbers.behaviour.without_mlp()
    assert found["loss"] == pytest.approx(F.cross_entropy(logits.flatten(0, 1), labels.flatten()))
    right = (logits.argmax(-1) == labels).double().mean().item()
    share = max((labels == output).double().mean().item() for output in range(3))
    assert found["gain"] == pytest.approx(right - share)


def test_some_neurons_off(numbers: CumsumSubject) -> None:
    network, labels = numbers.task.network, numbers.task.examples.labels
    off = [
        put(sites.MLP_POST(0).pick(neuron=n), torch.zeros((), dtype=torch.float64)) for n in (2, 7)
    ]
    before, after = (network.forward(numbers.tokens, e).softmax(-1) for e in ([], off))
    found = numbers.behaviour.to_zero((2, 7))
    zeros = labels == 1
    rise = after[~zeros][:, 1].mean() / before[~zeros][:, 1].mean()
    assert found["rise"] == pytest.approx(rise.item())
    assert found["right"] == pytest.approx((after[zeros].argmax(-1) == 1).double().mean().item())


def test_by_size_of_the_sum(numbers: CumsumSubject) -> None:
    right = numbers.task.log_probability().exp()
    close = [
        right[row, position].item()
        for row, values in enumerate(values_of(numbers.tokens).tolist())
        for position in range(14, 20)
        if abs(sum(values[: position + 1])) <= 1
    ]
    assert numbers.behaviour.near_zero()["close"] == pytest.approx(sum(close) / len(close))


def test_the_mean_so_far(numbers: CumsumSubject) -> None:
    """On a line that was put there, the fit is perfect; the mean of nothing else fits."""
    found = numbers.attention.mean_so_far()
    assert 0 <= found["r2"] <= 1
    assert numbers.attention.mean_so_far("sum")["r2"] != found["r2"]
    means = numbers.attention._quantity("mean")
    values = values_of(numbers.tokens).tolist()
    assert means[3, 6].item() == pytest.approx(sum(values[3][:7]) / 7)


@pytest.mark.parametrize("control", ["", "raised", "exchanged"])
def test_what_keeps_the_sum(numbers: CumsumSubject, control: str) -> None:
    seen: list[torch.Tensor] = []
    attention = numbers.attention
    original = attention._last
    try:
        attention._last = lambda values: seen.append(values) or original(values)  # type: ignore
        attention.order_free(control)  # type: ignore[arg-type]
    finally:
        attention._last = original  # type: ignore[method-assign]
    clean, *changed = seen
    for values in changed:
        assert values.abs().max() <= 5
        assert not values.equal(clean)
        rises = (values.sum(1) - clean.sum(1)).unique().tolist()
        assert rises == ([1] if control == "raised" else [0])
        assert values[:, -1].equal(clean[:, -1]) or control == "exchanged"


def test_coordinates_are_those_of_the_singular_vector(numbers: CumsumSubject) -> None:
    circuits = numbers.circuits
    found = circuits.line()
    along = circuits.numbers @ circuits.direction
    assert [abs(c) for c in found["coordinates"]] == pytest.approx(along.abs().tolist())  # type: ignore[union-attr]
    assert found["coordinates"][0] > 0  # type: ignore[index]
    assert circuits.direction @ numbers.task.network.W_U[:, 2] > 0


def test_a_neuron_off_is_a_rise_in_loss(numbers: CumsumSubject) -> None:
    network, labels = numbers.task.network, numbers.task.examples.labels
    off = put(sites.MLP_POST(0).pick(neuron=3), torch.zeros((), dtype=torch.float64))
    losses = [
        F.cross_entropy(network.forward(numbers.tokens, e).flatten(0, 1), labels.flatten())
        for e in ([off], [])
    ]
    rises = numbers.neurons.rises()
    assert rises[3].item() == pytest.approx((losses[0] - losses[1]).item())
    order = numbers.neurons.ablated()["order"]
    assert str(order)[0] == str(int(rises.argmax()))


def test_responses_are_the_largest_over_multiples(numbers: CumsumSubject) -> None:
    network, u = numbers.task.network, numbers.circuits.direction
    found = numbers.neurons.responses()
    for neuron in (0, 5):
        effects = []
        for step in range(100):
            stream = (-4 + 8 * step / 99) * u
            post = (stream @ network.W_in[0, :, neuron] + network.b_in[0, neuron]).relu()
            effects.append(post * network.W_out[0, neuron] @ network.W_U)
        for output in range(3):
            largest = max((e[output].item() for e in effects), key=abs)
            assert found[neuron, output].item() == pytest.approx(largest)


def test_sets_of_neurons(numbers: CumsumSubject) -> None:
    fires = numbers.neurons._fires
    post = numbers.task.activation(sites.MLP_POST(0))
    negative = numbers.task.examples.labels == 0
    assert fires[0, 2].item() == pytest.approx((post[negative][:, 2] > 0).double().mean().item())
    positive = {i for i in range(8) if fires[2, i] > fires[0, i]}
    assert numbers.neurons.positive_set() == "".join(str(i) for i in sorted(positive - {5, 6}))


def test_what_useful_neurons_do_to_zero(numbers: CumsumSubject) -> None:
    found, neurons = numbers.neurons.push_on_zero(), (0, 1, 2, 3, 4, 7)
    responses = numbers.neurons.responses()
    assert found["zero"] == min(responses[i, 1].item() for i in neurons)
    share = max(abs(responses[i, 1].item()) / responses[i].abs().max().item() for i in neurons)
    assert found["share"] == pytest.approx(share)


def test_nothing_left_out_is_the_headline(numbers: CumsumSubject) -> None:
    assert numbers.behaviour.without_mlp("nothing")["loss"] == numbers.behaviour.headline()["loss"]


# ------------------------------------------------------------------------------- roles
def test_neurons_by_the_sign_they_serve() -> None:
    rises = torch.tensor([0.5, 0.004, -0.1, 0.02, 0.005, 0.3])
    assert cumsum_roles(rises, [2, 0, 0, 0, 2, 2]) == CumsumRoles((0, 5), (3,), (1, 2, 4))
    assert cumsum_roles(rises, [2, 0, 0, 0, 2, 0]) == CumsumRoles((3, 5), (0,), (1, 2, 4))
    assert cumsum_roles(rises[:2], [2, 2]) == CumsumRoles((0,), (), (1,))
    tied = cumsum_roles(rises[[0, 5]], [2, 0])
    assert tied == CumsumRoles((1,), (0,), ())
    assert tied.exchanged == ((0,), (1,))


def test_a_set_without_neurons_serves_nothing(numbers: CumsumSubject) -> None:
    found = numbers.neurons.sets(smaller=())
    assert (found["own"], found["apart"]) == (0.0, 0)


def test_the_rules_find_the_published_neurons() -> None:
    subject, _ = original()
    by_role = CumsumSubject("found", subject.lens, by_role=True)
    assert by_role.roles == CumsumRoles() == subject.roles
    assert CumsumRoles().exchanged == ((0, 1, 3, 7), (2, 4))


def test_variants_keep_the_roles_of_the_model(numbers: CumsumSubject) -> None:
    by_role = CumsumSubject("found", numbers.lens, examples=numbers.task.examples, by_role=True)
    assert by_role.untrained.roles is by_role.roles
    assert by_role.roles != CumsumRoles()
    assert sorted(by_role.roles.useful + by_role.roles.idle) == list(range(8))


# ------------------------------------------------------------------------------- tier 3
def original() -> tuple[CumsumSubject, bytes]:
    try:
        found, content = algorithmic.subject("cumsum"), fixtures.read_bytes(CUMSUM.fixture)
    except FixtureMissing as missing:
        pytest.skip(str(missing))
    assert isinstance(found, CumsumSubject)
    return found, content


def test_tokens_in_order_are_the_published_model() -> None:
    """Shifted tokens with turned rows are exactly the file fed with negative indices."""
    subject, content = original()
    raw = CUMSUM.read(content, CUMSUM.fixture)
    values = values_of(subject.tokens)
    theirs = Network.from_state_dict(CUMSUM.shape, raw).forward(values % 11)
    ours = Network.from_state_dict(CUMSUM.shape, CUMSUM.published(content)).forward(subject.tokens)
    assert ours.equal(theirs)
    unturned = Network.from_state_dict(CUMSUM.shape, raw).forward(subject.tokens)
    six = raw | {"embed.W_E": raw["embed.W_E"].roll(6, 0)}
    wrong = Network.from_state_dict(CUMSUM.shape, six).forward(subject.tokens)
    assert not unturned.equal(theirs)
    assert not wrong.equal(theirs)


def test_centring_changes_a_model_without_layernorms() -> None:
    subject, _ = original()
    whole, raw = subject.task.logits().log_softmax(-1), subject.raw.task.logits().log_softmax(-1)
    assert (whole - raw).abs().max() > 0.01
