"""The check command: what it says of sound folders, and that each line can turn red."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from replications import cli
from replications.models import huggingface, sites
from replications.models.edits import Edit
from replications.models.network import Network
from tests import model_folders as folders
from tests.model_folders import Change, made, settings

TRANSFORMERS_5 = int(transformers.__version__.partition(".")[0]) >= 5
Captured = pytest.CaptureFixture[str]
QUESTIONS = [
    *("finite", "model", "tensors", "tokenizer", "BOS"),
    *("tokens", "head", "residual stream", "logits", "edits"),
]


def check(folder: Path, *options: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit status, and the state and words of each question."""
    out = folder / "check.json"
    status = cli.main(["check", "--model", str(folder), "--json", str(out), *options])
    found = json.loads(out.read_text())
    assert found["sound"] == (status == 0)
    return status, {each["question"]: (each["state"], each["says"]) for each in found["checks"]}


def test_a_sound_folder_is_all_right(tmp_path: Path, capsys: Captured) -> None:
    status, found = check(made(tmp_path / "model"))
    assert status == 0
    assert list(found) == QUESTIONS
    assert {state for state, _ in found.values()} == {"ok"}
    lines = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()) for line in lines[:10]] == [
        f"{question} {state} {says}" for question, (state, says) in found.items()
    ]


@pytest.mark.parametrize(
    ("changes", "question", "state", "said"),
    [
        ((folders.sharded, folders.slow_tokenizer), "logits", "ok", "those of transformers"),
        ((folders.spoilt("h.1.mlp.c_fc.weight", float("nan")),), "finite", "wrong",
         "NaN or infinity in h.1.mlp.c_fc.weight"),
        ((folders.config(tie_word_embeddings=False),), "model", "wrong", "lack lm_head.weight"),
        ((folders.extra("score.weight"),), "tensors", "wrong", "1 tensors of the file: score"),
        ((folders.tokenizer(lambda t: t.enable_truncation(6)),), "tokenizer", "note",
         "saved with truncation to 6 tokens, which is off here"),
        ((folders.tokenizer(lambda t: t.enable_padding(length=9)),), "tokenizer", "note",
         "padding to 9 tokens"),
        ((folders.tokenizer(lambda t: t.add_tokens(["<new>"])),), "tokenizer", "note",
         "the model 292"),
        ((settings(add_bos_token=True),), "BOS", "ok", "opens prompts: add_bos_token"),
        ((folders.file("config.json", None),), "model", "wrong", "lacks config.json"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_its_line(
    changes: Sequence[Change], question: str, state: str, said: str, tmp_path: Path
) -> None:
    status, found = check(made(tmp_path / "model", *changes))
    assert found[question][0] == state
    assert said in found[question][1]
    assert status == (state == "wrong")
    others = [name for name, (found_state, _) in found.items() if found_state == "wrong"]
    assert set(others) <= {question, "model"}


def test_unused_tensors_are_a_note_if_allowed(tmp_path: Path) -> None:
    status, found = check(made(tmp_path / "model", folders.extra("x.weight")), "--allow-unused")
    assert (status, found["tensors"][0]) == (0, "note")


def opened_with(edit: Callable[[Network], Network]) -> Callable[[Path], huggingface.Folder]:
    right = huggingface.open_folder

    def open_folder(path: Path) -> huggingface.Folder:
        found = right(path)
        return replace(found, network=edit(found.network))

    return open_folder


@pytest.mark.parametrize(
    ("edit", "first"),
    [
        (lambda n: replace(n, eps=1e-6), "resid_pre[layer=1]"),
        (lambda n: replace(n, W_E=n.W_E * (1 + 1e-6)), "resid_pre[layer=0]"),
        (lambda n: replace(n, shape=replace(n.shape, act_fn="gelu")), "resid_pre[layer=1]"),
        (lambda n: replace(n, ln_final_b=n.b_out[0]), "ln_final"),
    ],
)
def test_a_model_that_is_not_that_of_transformers_is_found(
    edit: Callable[[Network], Network], first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface, "open_folder", opened_with(edit))
    status, found = check(made(tmp_path / "model"))
    assert status == 1
    assert found["residual stream"][0] == found["logits"][0] == "wrong"
    assert f"not that of transformers at {first} (" in found["residual stream"][1]


def test_a_head_that_is_not_that_of_transformers_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        huggingface, "open_folder", opened_with(lambda n: replace(n, W_U=n.W_U.flip(1)))
    )
    status, found = check(made(tmp_path / "model"))
    assert (status, found["residual stream"][0], found["logits"][0]) == (1, "ok", "wrong")


def test_a_tokenizer_that_transformers_cannot_read_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*given: object, **options: object) -> None:
        raise ValueError("no such tokenizer")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", unreadable)
    status, found = check(made(tmp_path / "model"))
    assert (status, found["tokens"][0]) == (1, "wrong")
    assert "transformers cannot read the tokenizer: no such tokenizer" in found["tokens"][1]


def test_an_edit_that_changes_nothing_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Network.forward

    def forward(self: Network, tokens: Tensor, edits: Sequence[Edit] = ()) -> Tensor:
        return right(self, tokens, [edit for edit in edits if edit.place.site is not sites.PATTERN])

    monkeypatch.setattr(Network, "forward", forward)
    status, found = check(made(tmp_path / "model"))
    assert (status, found["edits"][0]) == (1, "wrong")
    assert "2 of 29 change nothing: pattern[layer=0], pattern[layer=1]" in found["edits"][1]


def test_a_folder_that_transformers_cannot_run_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: Any) -> None:
        raise OSError("no such model\nmore")

    monkeypatch.setattr("replications.models.own_check._their_model", fail)
    status, found = check(made(tmp_path / "model"))
    assert (status, found["transformers"]) == (
        1,
        ("wrong", "cannot open the folder: no such model"),
    )


def test_the_prompt_fits_the_model(tmp_path: Path) -> None:
    def short(found: dict[str, Tensor]) -> None:
        found["wpe.weight"] = torch.ones(3, 12)

    folder = made(tmp_path / "model", folders.config(n_positions=3), folders.weights(short))
    status, found = check(folder)
    assert status == 0
    assert "on 3 tokens" in found["logits"][1]


def words(*, unknown: str | None) -> Change:
    """A tokenizer whose vocabulary has none of the words of the text that is run."""
    entries = {"[U]": 0, **{f"word{i}": i for i in range(1, 292)}}
    model = {"type": "WordLevel", "vocab": entries, "unk_token": unknown or "none"}
    content = {
        "version": "1.0", "added_tokens": [], "model": model,
        "pre_tokenizer": {"type": "Whitespace"},
    }  # fmt: skip
    return folders.file("tokenizer.json", json.dumps(content).encode())


@pytest.mark.parametrize("unknown", [None, "[U]"])
def test_a_vocabulary_without_the_words_of_the_text_is_run_on_others(
    unknown: str | None, tmp_path: Path
) -> None:
    status, found = check(made(tmp_path / "model", words(unknown=unknown)))
    assert (status, found["edits"][0], found["logits"][0]) == (0, "ok", "ok")
    assert "on 12 tokens" in found["logits"][1]
    assert found["tokens"][0] == "note"  # transformers builds a GPT2Tokenizer of its own


def test_a_text_that_transformers_opens_otherwise_is_a_note(tmp_path: Path) -> None:
    template = folders.tokenizer(folders.opened_by_post_processor)
    assert check(made(tmp_path / "a", template))[1]["tokens"] == ("ok", "those of transformers")
    # With a tokenizer.json, transformers 5 does not read add_bos_token.
    status, found = check(made(tmp_path / "b", template, settings(add_bos_token=False)))
    assert found["BOS"][1].endswith("add_bos_token of tokenizer_config.json is false")
    assert status == 0
    assert found["tokens"][0] == ("note" if TRANSFORMERS_5 else found["tokens"][0])


def test_without_a_folder_there_is_nothing_to_check(tmp_path: Path, capsys: Captured) -> None:
    assert cli.main(["check", "--model", str(tmp_path / "none")]) == 2
    assert "does not exist" in capsys.readouterr().err
