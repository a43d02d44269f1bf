"""The attribute command: what is printed and written, and that it adds up."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from replications import cli
from replications.analysis import prompt_attribution
from replications.models.folder import open_model
from tests.model_folders import made

Captured = pytest.CaptureFixture[str]

PROMPT = " John and Mary to"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("model") / "model")


def attribute(model: Path, *options: str | Path) -> int:
    arguments = ["attribute", "--model", str(model), "--prompt", PROMPT, *map(str, options)]
    return cli.main(arguments)


def logits(model: Path, *, bos: bool = False) -> torch.Tensor:
    opened = open_model(model)
    return opened.network.forward(opened.prompting(bos).tokens(PROMPT))[0, -1]


def difference(said: str) -> float:
    return float(said.partition("logit difference ")[2].split()[0])


def test_the_shares_add_up_to_the_logit_difference(
    model: Path, tmp_path: Path, capsys: Captured
) -> None:
    answers = ["--answer", " the", "--against", " and"]
    assert attribute(model, *answers, "--out", tmp_path) == 0
    words = open_model(model).tokenizer
    found = logits(model)
    expected = (found[words.token(" the")] - found[words.token(" and")]).item()
    with (tmp_path / "attribution.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(float(row["value"]) for row in rows) == pytest.approx(expected, abs=1e-4)
    said = " ".join(capsys.readouterr().out.split())
    assert "measured logit(the) − logit(and), read at 3 to" in said
    assert difference(said) == pytest.approx(expected, abs=1e-4)
    assert "(gap " in said
    assert all(name in said for name in ("embedding", "position", "heads", "MLPs", "constant"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"attribution.{form}" for form in ("csv", "png", "svg")
    ]


def test_without_answers_it_is_what_the_model_says_and_the_mean(
    model: Path, capsys: Captured
) -> None:
    assert attribute(model, "--bos") == 0
    found = logits(model, bos=True)
    said = " ".join(capsys.readouterr().out.split())
    assert difference(said) == pytest.approx((found.max() - found.mean()).item(), abs=1e-4)
    assert "− the mean logit, read at 4 to" in said
    assert "BOS yes" in said


def test_a_sum_that_is_not_the_difference_is_status_1(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    right = prompt_attribution._attention_bias
    monkeypatch.setattr(prompt_attribution, "_attention_bias", lambda *a: right(*a) * 1.01)
    assert attribute(model, "--answer", " the", "--against", " and") == 1
    assert "(gap " in capsys.readouterr().out


@pytest.mark.parametrize("subject", ["ioi/plain/seed0", "list_update/seed0", "brackets/retrained"])
def test_subjects_can_be_asked(subject: str, capsys: Captured) -> None:
    prompts = {
        "ioi/plain/seed0": "Mary and John met. John gave a ring to",
        "list_update/seed0": "14 23 48 NL 1 26 NL 14",
        "brackets/retrained": "(()",
    }
    assert cli.main(["attribute", "--subject", subject, "--prompt", prompts[subject]]) == 0
    assert "sum of the shares" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--answer", " the", "--against", " the"], "both answers are ' the'"),
        (["--answer", " the park"], "is 5 tokens"),
        (["--position", "9"], "position 9 is outside prompts of 4 tokens"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    options: list[str], said: str, model: Path, capsys: Captured
) -> None:
    assert attribute(model, *options) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert (out, err.count("\n")) == ("", 1)
