"""The commands on a folder of each family: checked, swept and attributed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import tokenizers
from tokenizers import pre_tokenizers

from replications import cli
from tests import hf_models, model_folders
from tests.model_folders import CONFIG, of_family

Captured = pytest.CaptureFixture[str]

SENTENCES = [
    (f" {a} and {b} to the {c}", f" {b} and {a} to the {c}")
    for a in ("Mary", "John", "Bob", "Alice")
    for b in ("Mary", "John", "Bob", "Alice")
    for c in ("John", "Mary", "to", "the", "and")
    if a != b
][:50]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("family", hf_models.FAMILIES)
def test_what_is_computed_is_what_transformers_computes(
    family: str, tmp_path: Path, capsys: Captured
) -> None:
    folder = of_family(tmp_path / "model", family)
    capsys.readouterr()
    assert cli.main(["check", "--model", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "logits           ok" in said
    assert "residual stream  ok" in said
    assert "tensors          ok" in said


@pytest.mark.sampled(3)
@pytest.mark.parametrize("family", hf_models.FAMILIES)
def test_every_family_can_be_swept_and_attributed(
    family: str, tmp_path: Path, capsys: Captured
) -> None:
    folder = str(of_family(tmp_path / "model", family))
    capsys.readouterr()
    clean, corrupted = SENTENCES[0]
    answers = ["--answer", " the", "--against", " and"]
    pair = ["--clean", clean, "--corrupted", corrupted, *answers]
    assert cli.main(["sweep", "--model", folder, *pair, "--kind", "z"]) == 0
    assert cli.main(["attribute", "--model", folder, "--prompt", clean, *answers]) == 0
    assert "gap" in capsys.readouterr().out


def test_fifty_pairs_of_a_llama(tmp_path: Path, capsys: Captured) -> None:
    folder = of_family(tmp_path / "model", "llama")
    pairs, out = tmp_path / "pairs.jsonl", tmp_path / "out"
    names = ("clean", "corrupted", "answer", "against")
    rows = [dict(zip(names, (*pair, " the", " and"), strict=True)) for pair in SENTENCES]
    pairs.write_text("\n".join(map(json.dumps, rows)))
    arguments = ["sweep", "--model", str(folder), "--pairs", str(pairs), "--out", str(out)]
    assert cli.main(arguments) == 0
    capsys.readouterr()
    with (out / "sweep.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert {row["pairs"] for row in found} == {"50"}
    assert all(
        float(row["value_low"]) <= float(row["value"]) <= float(row["value_high"]) for row in found
    )
    assert (out / "sweep.png").is_file()


def test_an_unknown_family_is_refused_by_name(tmp_path: Path, capsys: Captured) -> None:
    folder = model_folders.made(tmp_path / "model", model_folders.config(model_type="mamba"))
    assert cli.main(["check", "--model", str(folder)]) == 1
    assert "models of type 'mamba' are not known here" in capsys.readouterr().out


def test_a_pre_tokenizer_that_transformers_replaces_is_a_note(
    tmp_path: Path, capsys: Captured
) -> None:
    """transformers 5 builds a GPT2Tokenizer with its own pre-tokenizer; we keep the file's."""

    def by_digit(inner: tokenizers.Tokenizer) -> None:
        inner.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(" ", "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False),
        ])  # fmt: skip

    folder = model_folders.made(
        tmp_path / "model", model_folders.tokenizer(by_digit),
        model_folders.settings(tokenizer_class="GPT2Tokenizer"),
    )  # fmt: skip
    assert json.loads((folder / CONFIG).read_text())["model_type"] == "gpt2"
    assert cli.main(["check", "--model", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "tokens           note  transformers cuts" in said
