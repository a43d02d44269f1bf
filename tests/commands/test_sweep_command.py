"""The sweep command: a user's own prompts, and what is measured, printed, written and refused."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
import torch

from replications import cli
from replications.commands import sweep as command
from replications.lens.networks import as_network
from replications.models import sites
from replications.models.folder import open_folder
from replications.models.prompting import Words
from replications.patching import SWEPT_SITES
from replications.patching import prompt_pair as prompt_sweep
from replications.patching.reference import sweep_by_hooks
from replications.plotting import charts
from replications.systems import ioi, registry
from replications.systems.ioi.measure import IoiSubject
from tests import stand_in, terminal

Captured = pytest.CaptureFixture[str]

CLEAN = "After Mary and John met at the park, John handed a ring to"
CORRUPTED = "After Mary and John met at the park, Mary handed a ring to"
TOY = ["--subject", "ioi/plain/seed0"]
PAIR = ["--clean", CLEAN, "--corrupted", CORRUPTED]


def sweep(*arguments: str | Path) -> int:
    return cli.main(["sweep", *map(str, arguments)])


def table(path: Path) -> list[dict[str, str]]:
    with (path / "sweep.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def _without_originals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPLICATIONS_FIXTURES", raising=False)
    for name in ("REPLICATIONS_CACHE", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


# ---- what is measured ---------------------------------------------------------------------------


def test_the_csv_has_what_patching_by_hooks_gives(tmp_path: Path, capsys: Captured) -> None:
    assert sweep(*TOY, *PAIR, "--out", tmp_path) == 0
    subject = ioi.subject("plain/seed0")
    assert isinstance(subject, IoiSubject)
    clean, corrupted = map(subject.prompting.tokens, (CLEAN, CORRUPTED))
    mary, john = map(subject.prompting.output, ("Mary", "John"))
    by_hooks = sweep_by_hooks(
        subject.lens, corrupted, clean, lambda x: x[:, -1, mary] - x[:, -1, john], sites.RESID_PRE
    )[..., 0]
    rows = table(tmp_path)
    values = torch.tensor([float(row["value"]) for row in rows]).view_as(by_hooks)
    torch.testing.assert_close(values, by_hooks, rtol=0, atol=1e-4)
    base = subject.lens.run(torch.cat([corrupted, clean])).logits[:, -1]
    low, high = (base[:, mary] - base[:, john]).tolist()
    effects = torch.tensor([float(row["effect"]) for row in rows]).view_as(by_hooks)
    torch.testing.assert_close(effects, (by_hooks - low) / (high - low), rtol=0, atol=1e-4)
    said = " ".join(capsys.readouterr().out.split())
    assert f"baselines corrupted {low:.4g}, clean {high:.4g}" in said
    assert "measured logit(Mary) − logit(John), read at 14 to" in said
    assert "what the model says to the clean prompt" in said
    assert list(rows[10].values())[:5] == ["0", "", "10", "John", "Mary"]


@pytest.mark.slow
def test_the_other_direction_exchanges_the_prompts(tmp_path: Path, capsys: Captured) -> None:
    options = ["--kind", "z", "--per", "layer head pos", "--top", "0"]
    assert sweep(*TOY, *PAIR, *options, "--into", "clean", "--out", tmp_path / "a") == 0
    assert "baselines clean" in " ".join(capsys.readouterr().out.split())
    exchanged = ["--clean", CORRUPTED, "--corrupted", CLEAN]
    answers = ["--answer", "Mary", "--against", "John"]
    assert sweep(*TOY, *exchanged, *answers, *options, "--out", tmp_path / "b") == 0
    one, other = (table(tmp_path / folder) for folder in "ab")
    for row in (*one, *other):
        del row["token"], row["corrupted_token"], row["token_id"], row["corrupted_token_id"]
    assert one == other


def test_the_strongest_places_come_first(tmp_path: Path, capsys: Captured) -> None:
    assert sweep(*TOY, *PAIR, "--kind", "z", "--top", "3", "--out", tmp_path) == 0
    shown = capsys.readouterr().out.partition("------\n")[2].splitlines()[:3]
    rows = sorted(table(tmp_path), key=lambda row: -abs(float(row["effect"])))
    expected = [f"{row['layer']}.{row['head']} {float(row['value']):+.4f}" for row in rows[:3]]
    assert [" ".join(line.split()[:2]) for line in shown] == expected


@pytest.mark.parametrize(
    ("subject", "clean", "corrupted", "measured", "n"),
    [
        ("list_update/seed0", "14 23 48 NL 1 26 NL 14", "14 23 48 NL 2 26 NL 14",
         "logit(26) − logit(23), read at 8 14", 18),
        ("brackets/retrained", "(())", "))((",
         "logit(unbalanced) − logit(balanced), read at 0 [start]", 18),
        ("name_recall/toy", "Her name was Alex Hart. Tomorrow at lunch time Alex",
         "Her name was Alex Carroll. Tomorrow at lunch time Alex",
         "logit(Hart) − logit(Carroll), read at 11 Alex", 24),
    ],
)  # fmt: skip
def test_a_subject_of_each_system_can_be_asked(
    capsys: Captured, subject: str, clean: str, corrupted: str, measured: str, n: int
) -> None:
    assert sweep("--subject", subject, "--clean", clean, "--corrupted", corrupted) == 0
    said = capsys.readouterr().out
    assert measured in said
    assert f"{n} places" in said


@pytest.mark.usefixtures("_without_originals")
def test_a_group_means_its_first_subject_that_is_here(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    infos = registry.named("ioi/original") + registry.named("ioi/plain")
    monkeypatch.setattr("replications.systems.registry.named", lambda reference: infos)
    assert sweep("--subject", "ioi/some", *PAIR, "--top", "0") == 0
    said = capsys.readouterr().out
    assert "ioi/plain/seed0 (toy), the first of ioi/some that can be reached" in said


def test_names_are_exact_or_groups_or_kinds() -> None:
    def names(reference: str) -> list[str]:
        return [info.name for info in registry.named(reference)]

    assert names("ioi/plain/seed0") == ["plain/seed0"]
    assert names("ioi/plain") == ["plain/seed0", "plain/seed1"]
    assert names("list_update/seeds") == [f"seed{i}" for i in range(5)]
    assert names("ioi/toy")[0] == "repairing/seed0"
    assert "text" in names("ioi/toy")


# ---- a folder of one's own ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random GPT-2 as Hugging Face has it on disk."""
    folder = tmp_path_factory.mktemp("gpt2")
    for name, content in stand_in.files("gpt2-small").items():
        (folder / name).write_bytes(content)
    return folder


def test_a_local_gpt2_gives_the_logits_of_transformers(gpt2: Path) -> None:
    from transformers import GPT2LMHeadModel

    network, tokenizer = open_folder(gpt2)
    tokens = Words(tokenizer, bos=False).tokens("John gave Mary a drink")
    theirs = GPT2LMHeadModel.from_pretrained(gpt2).eval()
    with torch.no_grad():
        torch.testing.assert_close(network.forward(tokens), theirs(tokens).logits)


def test_a_local_gpt2_is_swept(gpt2: Path, tmp_path: Path, capsys: Captured) -> None:
    prompts = ["--clean", "John gave Mary", "--corrupted", "Mary gave John"]
    answers = ["--answer", " John", "--against", " Mary"]
    options = ["--kind", "attn_out", "--position", "-1", "--out", str(tmp_path)]
    assert sweep("--model", gpt2, *prompts, *answers, *options) == 0
    assert "logit(John) − logit(Mary)" in capsys.readouterr().out
    assert len(table(tmp_path)) == 2 * Words(open_folder(gpt2)[1], bos=False).tokens(
        prompts[1]
    ).shape[1]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", None, "lacks config.json"),
        ("config.json", b"{", "as JSON"),
        ("config.json", b'{"model_type": "mamba"}', "models of type 'mamba' are not known here"),
        ("model.safetensors", b"short", "not a whole safetensors file"),
        ("tokenizer.json", b"{}", "not the content of a tokenizer.json"),
    ],
)
def test_a_folder_that_is_none_is_one_line(
    gpt2: Path, tmp_path: Path, capsys: Captured, name: str, content: bytes | None, said: str
) -> None:
    for path in gpt2.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert sweep("--model", tmp_path, "--clean", "a", "--corrupted", "b") == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


# ---- files and progress -------------------------------------------------------------------------


@pytest.mark.parametrize("per", command.PER)
def test_a_cell_of_the_picture_is_the_effect(per: str) -> None:
    subject = ioi.subject("plain/seed0")
    assert isinstance(subject, IoiSubject)
    network = as_network(subject.lens)
    question = prompt_sweep.ask(network, subject.prompting, CLEAN, CORRUPTED)
    patched = prompt_sweep.patch(question, sites.Z, per)
    with charts.style():
        figure = patched.figure()
        content = charts.encode(figure, "svg")
    shown = []
    for image in (axes.images[0] for axes in figure.axes if axes.images):
        values = image.get_array()
        assert values is not None
        shown.append(torch.tensor(values.data).flatten())
    begin = 10 if per == "layer head pos" else 0  # nothing changes before the word that does
    cells = torch.tensor([p.effect for p in patched.places if p.pos is None or p.pos >= begin])
    assert torch.cat(shown).float().equal(cells)
    assert b"10 John|Mary" in content or per == "layer head"
    assert b"effect (1: clean)" in content


def test_the_picture_is_the_same_every_time(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        assert sweep(*TOY, *PAIR, "--kind", "z", "--top", "0", "--out", tmp_path / folder) == 0
    names = ["sweep.csv", "sweep.png", "sweep.svg"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_without_matplotlib_there_is_a_csv_and_the_remedy(
    no_matplotlib: None, tmp_path: Path, capsys: Captured
) -> None:
    assert sweep(*TOY, *PAIR, "--out", tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.csv"]
    assert "no picture: pictures need matplotlib" in capsys.readouterr().out


@pytest.mark.parametrize("in_terminal", [True, False], ids=["terminal", "pipe"])
def test_progress_shows_on_a_terminal_only(
    in_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with terminal.stream(terminal=in_terminal) as (stderr, shown):
        monkeypatch.setattr(sys, "stderr", stderr)
        assert sweep(*TOY, *PAIR) == 0
        stderr.flush()
        said = terminal.read(shown)
    assert bool(said) == in_terminal


def test_the_kinds_are_those_of_the_engine() -> None:
    assert tuple(site.name for site in SWEPT_SITES) == command.SITES


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*TOY, "--clean", CLEAN, "--corrupted", "Zebra"], "'Zebra' is not in the vocabulary"),
        ([*TOY, "--clean", "Mary", "--corrupted", "Mary and"], "2 (<bos>·Mary) and 3 (<bos>·Mary·"),
        ([*TOY, "--clean", CLEAN, "--corrupted", CLEAN], "the two prompts are the same"),
        ([*TOY, "--clean", CLEAN, "--corrupted", CLEAN.replace("park", "store")],
         "the model says to both prompts 'Mary'"),
        ([*TOY, *PAIR, "--answer", "John", "--against", "John"], "both answers are 'John'"),
        ([*TOY, *PAIR, "--answer", "Mary John"], "is 2 tokens"),
        ([*TOY, *PAIR, "--position", "1"], "the model says to both prompts"),
        ([*TOY, *PAIR, "--position", "1", "--answer", "Mary", "--against", "John"],
         "on both prompts, so no place"),
        ([*TOY, *PAIR, "--position", "15"], "position 15 is outside prompts of 15 tokens"),
        ([*TOY, *PAIR, "--per", "layer head"], "axes 'layer head' of 'resid_pre'"),
        (["--subject", "ioi/text", *PAIR], "ioi/text is no model"),
        (["--subject", "ioi/none", *PAIR], "no subject 'none' of ioi; there are: gpt2-small"),
        (["--subject", "ioi", *PAIR], "no subject '' of ioi"),
        (["--subject", "ioi/gpt2-small", *PAIR], "fixtures fetch"),
        ([*TOY, *PAIR, "--out", "/dev/null/x"], "cannot make the folder /dev/null/x"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("_without_originals")
def test_what_makes_no_sense_is_one_line(arguments: list[str], said: str, capsys: Captured) -> None:
    assert sweep(*arguments) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1
    assert out == ""


@pytest.mark.parametrize("extra", [[], [*TOY, "--model", "x"], [*TOY, "--top", "-1"]])
def test_wrong_usage_is_status_2(extra: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        sweep(*PAIR, *extra)
    assert caught.value.code == 2
