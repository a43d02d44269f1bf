"""Features of strings by plain loops, the elevation head's weights, and the measurement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
import torch

from replications.circuits.scrubbing import DirectPath
from replications.models import Network, sites
from replications.systems.brackets import BracketData, BracketSubject
from replications.systems.brackets.data import generate, tokenize
from replications.systems.brackets.measure import ON_OWN_STRINGS
from replications.systems.brackets.measurements.scrubbing import Scrubbing
from replications.systems.brackets.roles import PUBLISHED, Roles
from replications.systems.brackets.scrubbing import Features, Hypotheses, elevation
from replications.systems.brackets.scrubbing.features import horizon_classes
from tests.systems.brackets.plain import random_weights


@pytest.fixture(scope="module")
def network(exact: BracketSubject) -> Network:
    return Network.from_state_dict(exact.lens.shape, random_weights()).to(dtype=torch.float64)


@pytest.fixture(scope="module")
def features(network: Network, strings: BracketData) -> Features:
    return Features(strings, elevation.attention_weights(network, (0, 0)))


# ---------------------------------------------------------------- features
def share(text: str, position: int) -> float:
    """p_i of a string, with brackets counted from 1."""
    rest = text[max(position, 1) - 1 :]
    return rest.count("(") / len(rest)


def agree(feature: torch.Tensor, expected: Sequence[object]) -> bool:
    """Whether two lists of values are the same partition."""
    pairs = Counter(zip(feature.tolist(), map(str, expected), strict=True))
    return len(pairs) == len(set(feature.tolist())) == len(set(map(str, expected)))


def test_the_simple_features(features: Features, strings: BracketData) -> None:
    texts = strings.strings
    count = [share(s, 0) == 0.5 for s in texts]
    horizon = [all(share(s, i) <= 0.5 for i in range(1, len(s) + 1)) for s in texts]
    opened = [s[0] == "(" for s in texts]
    assert agree(features.count.values, count)
    assert agree(features.horizon.values, horizon)
    assert agree(features.open.values, opened)
    assert agree(features.count_open.values, [c and o for c, o in zip(count, opened, strict=True)])
    assert agree(features.p1_open.values, [share(s, 1) if s[0] == "(" else -1 for s in texts])
    assert agree(features.length.values, [len(s) for s in texts])
    assert agree(features.label.values, [c and h for c, h in zip(count, horizon, strict=True)])


def horizon_class(text: str, position: int) -> str:
    if position > len(text) + 1:
        return "pad"
    if position == len(text) + 1:
        return f"end after {text[-1]}"
    return "above" if share(text, position) > 0.5 else "not above"


@pytest.mark.parametrize("position", [0, 1, 2, 3, 7, 20, 41])
def test_the_horizon_by_position(features: Features, strings: BracketData, position: int) -> None:
    expected = [horizon_class(s, position) for s in strings.strings]
    assert agree(features.horizon_at(position, adjusted=False).values, expected)


def test_the_horizon_of_all_positions(features: Features, strings: BracketData) -> None:
    against = [
        any(horizon_class(s, i) in ("above", "end after (") for i in range(42))
        for s in strings.strings
    ]
    assert agree(features.horizon_all(adjusted=False).values, [not a for a in against])
    # The end after '(' is a share above one half at the last bracket, so both tests are one.
    assert agree(features.horizon_all(adjusted=False).values, features.horizon.values.tolist())


def test_classes_have_the_sign_of_what_they_say() -> None:
    tokens = tokenize("(())", length=42)
    shares = torch.full((1, 42), 0.5).double()
    assert horizon_classes(tokens, shares)[0, :8].tolist() == [2, 2, 2, 2, 2, 1, 0, 0]
    assert horizon_classes(tokens, shares + 0.1)[0, :8].tolist() == [-2, -2, -2, -2, -2, 1, 0, 0]
    assert horizon_classes(tokenize("()((", length=42), shares)[0, 5] == -1


def test_equal_weights_make_the_adjusted_share_that_of_the_whole_string(
    strings: BracketData,
) -> None:
    weights = torch.zeros(41, 42, 42).double()
    for length in range(1, 41):
        weights[length, :, 1 : length + 1] = 1 / length
    features = Features(strings, weights)
    assert torch.allclose(features.adjusted_shares[:, 0], strings.open_share)


# ---------------------------------------------------------------- the elevation head
def test_the_weights_of_brackets(network: Network) -> None:
    """Row by row from the network's own attention, with mixed keys put in by hand."""
    found = elevation.attention_weights(network, (0, 1))
    length = 6
    tokens = {s: tokenize(s * length) for s in "()"}
    runs = {s: network.cache(t) for s, t in tokens.items()}
    keys = (runs["("][sites.K(0)] + runs[")"][sites.K(0)]) / 2
    q = runs["("][sites.Q(0)][0, :, 1]
    pattern = (q @ keys[0, :, 1].T / 28**0.5).softmax(-1)
    for query in range(1, length + 2):
        before = pattern[query, 1:query].mean() if query > 1 else torch.tensor(0.0)
        after = pattern[query, query : length + 1].mean() if query <= length else 0.0
        raw = torch.tensor([float(before if k < query else after) for k in range(1, length + 1)])
        expected = (raw / raw.sum()).double()
        assert torch.allclose(found[length, query, 1 : length + 1], expected, atol=1e-6)
    assert torch.allclose(found[length].sum(-1), torch.ones(42).double())
    assert found[0].isnan().all()


def test_the_open_direction(network: Network) -> None:
    """Half the difference of the mean outputs of a head that would look at one position alone."""
    outputs = []
    for symbol in "()":
        v = network.cache(tokenize(symbol * 40))[sites.V(0)][0, 1:41, 0]
        outputs.append((v @ network.W_O[0, 0]).mean(0))
    found = elevation.open_direction(network, (0, 0))
    assert torch.allclose(found, (outputs[0] - outputs[1]) / 2, atol=1e-10)


# ---------------------------------------------------------------- hypotheses and the measurement
def test_there_is_every_hypothesis_that_is_scrubbed_on_own_strings(features: Features) -> None:
    assert set(ON_OWN_STRINGS) <= set(Hypotheses(features, PUBLISHED, torch.ones(56)).names)


def heads(hypotheses: Hypotheses, name: str) -> dict[object, str]:
    return {
        path.source: "" if path.on is None else path.on.name
        for path in hypotheses[name].inputs
        if isinstance(path, DirectPath)
    }


def test_hypotheses_name_the_heads_of_the_document(features: Features) -> None:
    hypotheses = Hypotheses(features, PUBLISHED, torch.ones(56))
    assert heads(hypotheses, "1a") == {(1, 0): "count", (2, 0): "count", (2, 1): "horizon"}
    assert heads(hypotheses, "other heads") == {
        (1, 0): "count(", (0, 1): "count(", (1, 1): "horizon",
    }  # fmt: skip
    assert set(heads(hypotheses, "1-direct-00")) == {(1, 0), (2, 0), (2, 1), (0, 0)}


@pytest.mark.parametrize(
    "roles",
    [
        Roles(helper=None, total=(1, 0), negative=(1, 1)),
        Roles((0, 1), (1, 0), (2, 1), (1, 1)),
        Roles((0, 1), None, (1, 1), (2, 0)),
    ],
)
def test_no_head_is_named_twice(roles: Roles, features: Features) -> None:
    hypotheses = Hypotheses(features, roles, torch.ones(56))
    for name in hypotheses.names:
        named = heads(hypotheses, name)
        assert roles.total in named or name in ("0a", "0b", "other heads")


def test_every_experiment_runs_on_any_model(exact: BracketSubject) -> None:
    found = Scrubbing(exact.task, PUBLISHED, generate(300, seed=3), seeds=(0,))
    for name in found.hypotheses.names:
        (loss,) = found.loss(name)
        assert loss.mean > 0
    model = exact.task.lens.run(found.data.tokens[found.references()[0]]).logits[:, 0]
    labels = found.data.labels[found.references()[0]].long()
    expected = torch.nn.functional.cross_entropy(model, labels)
    assert found.loss("0a")[0].mean == pytest.approx(expected.item())
    assert found.recovered("0a")[0].mean == pytest.approx(1)
    assert found.recovered("0b")[0].mean == pytest.approx(0)
    assert found.advantage("1a", "0b") == pytest.approx(-found.advantage("0b", "1a"))
    by_class = found.by_class("0a")
    share = found.data.balanced[found.references()[0]].double().mean().item()
    mixed = share * by_class["balanced"] + (1 - share) * by_class["unbalanced"]
    assert mixed == pytest.approx(expected.item())
    assert found.intervals("1a")[0].mean == pytest.approx(found.recovered("1a")[0].mean)
    alone = Scrubbing(exact.task, PUBLISHED, found.data, seeds=(0,)).by_class_of("1a", "0a")
    for name, losses in alone.items():
        assert losses == pytest.approx(found.by_class(name))
    model_right = (model.argmax(-1) == labels).double().mean().item()
    assert found.accuracy("0a") == [pytest.approx(model_right)]


def test_hypotheses_apart_are_scrubbed_as_together(exact: BracketSubject) -> None:
    data, names = generate(300, seed=3), ("0a", "2b", "1a")
    both = [
        Scrubbing(exact.task, PUBLISHED, data, seeds=(0, 1), together=together)
        for together in (names, ("0a",))
    ]
    for name in names:
        apart = zip(*(found.losses(name) for found in both), strict=True)
        for one, other in apart:
            torch.testing.assert_close(one, other)
    assert set(both[1]._losses) == set(names), "others were scrubbed too"
