"""Opening subjects: by name, from weights of one's own, and what is refused."""

from __future__ import annotations

import pytest

from replications.errors import BadInput
from replications.systems import algorithmic
from replications.systems.algorithmic.lesions import LESIONS
from replications.systems.algorithmic.model import MODELS, PALINDROME, UNIQUE
from replications.systems.algorithmic.subjects import KINDS

from .conftest import random_weights


def test_the_published_models_gate() -> None:
    assert [(i.name, i.group, i.kind, i.gates) for i in algorithmic.SUBJECTS] == [
        ("palindrome", "palindrome", "original", True),
        ("unique", "unique", "original", True),
    ]
    assert set(KINDS) == set(MODELS) == set(LESIONS)
    assert not any(info.gates for info in algorithmic.LESIONS)


@pytest.mark.parametrize("problem", MODELS)
def test_weights_of_ones_own(problem: str) -> None:
    weights = random_weights(MODELS[problem])
    found = algorithmic.subject(problem, state_dict=weights)
    assert found.lens.state_dict["embed.W_E"].equal(weights["embed.W_E"])
    assert f"<{problem} model {problem!r}" in repr(found)


def test_what_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown algorithmic subject 'sum'; there are: palindrome"):
        algorithmic.subject("sum")
    with pytest.raises(BadInput, match="not the weights of the palindrome classifier"):
        algorithmic.subject("palindrome", state_dict=random_weights(UNIQUE))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("W_OV of 0.1 random", {"blocks.0.attn.W_V", "blocks.0.attn.W_O"}),
        ("W_QK of 1.0 random", {"blocks.1.attn.W_Q", "blocks.1.attn.W_K"}),
        ("positions random", {"pos_embed.W_pos"}),
    ],
)
def test_a_lesion_changes_what_it_names(name: str, parameters: set[str]) -> None:
    weights = random_weights(PALINDROME)
    found = algorithmic.subject(f"palindrome~{name}", state_dict=weights)
    assert found.name == f"palindrome~{name}"
    changed = {n for n, w in found.lens.state_dict.items() if not w.equal(weights[n])}
    assert changed == parameters
    for parameter in changed:
        before, after = weights[parameter], found.lens.state_dict[parameter]
        assert after.norm().item() == pytest.approx(before.norm().item(), rel=1e-5)
        if ".attn." in parameter:
            number = int(name.split()[2][-1])
            assert after[1 - number].equal(before[1 - number])


def test_variants_keep_sequences_and_preparation() -> None:
    found = algorithmic.subject("unique", state_dict=random_weights(UNIQUE))
    assert found.untrained.task.examples is found.task.examples
    assert found.raw.untrained.task.preparation == "raw"
    start = UNIQUE.untrained(42)
    assert found.untrained.lens.state_dict["unembed.W_U"].equal(start["unembed.W_U"])
    assert found.prompting.labels(found.prompting.tokens("ab")) == ["?", "a", "b"]
