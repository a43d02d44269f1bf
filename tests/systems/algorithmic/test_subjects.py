"""Opening subjects: by name, from weights of one's own, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch

from replications import fixtures
from replications.errors import BadInput
from replications.systems import algorithmic
from replications.systems.algorithmic import infos, subjects
from replications.systems.algorithmic.lesions import LESIONS
from replications.systems.algorithmic.model import CUMSUM, MODELS, PALINDROME, UNIQUE
from replications.systems.algorithmic.subjects import KINDS

from .conftest import random_weights


def test_the_published_models_gate() -> None:
    assert [
        (i.name, i.group, i.kind, i.gates) for i in algorithmic.SUBJECTS if i.kind == "original"
    ] == [
        ("palindrome", "palindrome", "original", True),
        ("unique", "unique", "original", True),
        ("sum", "sum", "original", True),
        ("sorted", "sorted", "original", True),
        ("cumsum", "cumsum", "original", True),
    ]
    assert set(KINDS) == {*MODELS, "sum-one-layer"}
    assert set(MODELS) == set(LESIONS)
    assert not any(info.gates for info in algorithmic.LESIONS)


@pytest.mark.parametrize("problem", MODELS)
def test_weights_of_ones_own(problem: str) -> None:
    weights = random_weights(MODELS[problem])
    found = algorithmic.subject(problem, state_dict=weights)
    assert found.lens.state_dict["embed.W_E"].equal(weights["embed.W_E"])
    assert f"<{problem} model {problem!r}" in repr(found)


def test_what_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown algorithmic subject 'primes'; there are: pal"):
        algorithmic.subject("primes")
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


# ------------------------------------------------------------------------------ trained here
def test_every_file_of_weights_trained_here_is_a_subject() -> None:
    files = [
        "algorithmic/sum_model.pt",
        "algorithmic/cumsum-seed10.safetensors",
        "algorithmic/cumsum-seed10.loss.csv",
        "algorithmic/cumsum-seed2.safetensors",
        "algorithmic/palindrome-seed42.safetensors",
        "algorithmic/sum-one-layer-seed3.safetensors",
        "algorithmic/primes-seed1.safetensors",
        "brackets/sum-seed1.safetensors",
    ]
    found = infos.retrained(files)
    assert [(info.name, info.group) for info in found] == [
        ("palindrome-retrained/seed42", "palindrome-published-start"),
        ("cumsum-retrained/seed2", "cumsum-retrained"),
        ("cumsum-retrained/seed10", "cumsum-retrained"),
        ("sum-one-layer-retrained/seed3", "sum-one-layer-retrained"),
    ]
    assert {(info.kind, info.gates) for info in found} == {("retrained", False)}
    assert [info.further for info in found] == [False, True, True, True]
    assert found[1].fixtures == ("algorithmic/cumsum-seed2.safetensors",)
    assert found[1].remedy == "python -m replications train algorithmic/cumsum --seed 2"


def test_weights_trained_here_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = random_weights(CUMSUM)
    file = tmp_path / "cumsum-seed2.safetensors"
    safetensors.torch.save_file(weights, file)
    (info,) = infos.retrained([f"algorithmic/{file.name}"])
    monkeypatch.setattr(subjects, "SUBJECTS", (info,))
    monkeypatch.setattr(
        fixtures, "read_bytes", lambda name: (tmp_path / Path(name).name).read_bytes()
    )
    found = algorithmic.subject("cumsum-retrained/seed2")
    assert found.seed == 2
    assert found.by_role
    assert found.name == "cumsum-retrained/seed2"
    # Files of our own have tokens in order: nothing is turned.
    assert found.lens.state_dict["embed.W_E"].equal(weights["embed.W_E"])
    assert found.untrained.lens.state_dict["unembed.W_U"].equal(CUMSUM.untrained(2)["unembed.W_U"])
