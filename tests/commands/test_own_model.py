"""A model folder of one's own at the command line: what public reports were about."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import pytest
import tokenizers
import torch

from replications import cli
from replications.models.folder import open_model
from replications.patching.token_texts import apart
from tests import model_folders as folders
from tests.model_folders import Change, config, made

Captured = pytest.CaptureFixture[str]

CLEAN = " Mary gave the bag to the shops and John went to Paris"
CORRUPTED = CLEAN.replace(" Mary", " John")
ANSWERS = ["--answer", " the", "--against", " and"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound folder whose prompts may be long."""
    return folder(tmp_path_factory.mktemp("plain") / "model")


def folder(path: Path, *changes: Change) -> Path:
    """A folder with more positions than the stand-in has."""

    def longer(found: dict[str, torch.Tensor]) -> None:
        generator = torch.Generator().manual_seed(1)
        found["wpe.weight"] = torch.randn(64, 12, generator=generator)

    return made(path, config(n_positions=64, n_ctx=64), folders.weights(longer), *changes)


def sweep(model: Path, *arguments: str | Path) -> int:
    return cli.main(["sweep", "--model", str(model), *map(str, arguments)])


def pair(clean: str = CLEAN, corrupted: str = CORRUPTED) -> list[str]:
    return ["--clean", clean, "--corrupted", corrupted]


def said(captured: Captured) -> str:
    return " ".join(captured.readouterr().out.split())


def table(path: Path) -> list[dict[str, str]]:
    with (path / "sweep.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---- tokenizers ---------------------------------------------------------------------------------


def cut(inner: tokenizers.Tokenizer) -> None:
    inner.enable_truncation(6)


def pad(inner: tokenizers.Tokenizer) -> None:
    inner.enable_padding(length=40, pad_token=folders.BOS)


@pytest.mark.parametrize("edit", [cut, pad])
def test_a_saved_setting_of_the_tokenizer_changes_nothing(
    edit: object, plain: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert sweep(plain, *pair(), *ANSWERS) == 0
    sound = said(capsys)
    other = folder(tmp_path / "saved", folders.tokenizer(edit))  # type: ignore[arg-type]
    assert sweep(other, *pair(), *ANSWERS) == 0
    words = said(capsys)
    assert "tokenizer.json was saved with " in words
    assert words.partition("BOS")[2] == sound.partition("BOS")[2]


@pytest.mark.parametrize(
    ("clean", "corrupted"),
    [("the cat 😀 to", "the cat 😃 to"), ("太郎と花子 to", "太郎と葉子 to"), ("né to", "nè to")],
)
def test_parts_of_a_character_are_told_apart(
    clean: str, corrupted: str, plain: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert sweep(plain, *pair(clean, corrupted), *ANSWERS, "--out", tmp_path) == 0
    words = said(capsys)
    differ = words.partition("differ at ")[2].partition(" measured")[0]
    assert "�" not in words
    assert r"\x" in differ
    assert all("|" in each for each in differ.split(", "))
    tokenizer = open_model(plain).tokenizer
    ids = tokenizer.encode(clean), tokenizer.encode(corrupted)
    for row in table(tmp_path):
        pos = int(row["pos"])
        assert (int(row["token_id"]), int(row["corrupted_token_id"])) == (ids[0][pos], ids[1][pos])
        assert (row["token"] == row["corrupted_token"]) == (ids[0][pos] == ids[1][pos])


@pytest.mark.parametrize(
    ("texts", "ids", "shown"),
    [
        (("John", "Mary"), (1, 2), ("John", "Mary")),
        ((" John", " John"), (1, 1), ("John", "John")),
        ((" John", "John"), (1, 2), ("' John'", "'John'")),
        (("\u00e9", "e\u0301"), (1, 2), (r"'\xe9'", r"'e\u0301'")),
        (("\n", "\n\n"), (1, 2), (r"'\n'", r"'\n\n'")),
        (("a", "a"), (1, 2), ("a (token 1)", "a (token 2)")),
    ],
)
def test_different_tokens_look_different(
    texts: tuple[str, str], ids: tuple[int, int], shown: tuple[str, str]
) -> None:
    assert apart(texts, ids) == shown


def test_a_token_that_the_model_lacks_is_named(tmp_path: Path, capsys: Captured) -> None:
    more = folders.tokenizer(lambda inner: inner.add_tokens(["<new>"]))
    model = folder(tmp_path / "model", more)
    number = len(open_model(model).tokenizer) - 1
    assert sweep(model, *pair("<new> to", "<|endoftext|> to"), *ANSWERS) == 2
    assert f"the token {number} ('<new>') is outside the vocabulary" in capsys.readouterr().err
    assert sweep(model, *pair(), "--answer", "<new>", "--against", " the") == 2
    assert f"the answer '<new>' is the token {number}, outside" in capsys.readouterr().err


# ---- BOS ----------------------------------------------------------------------------------------

TEMPLATE = folders.tokenizer(folders.opened_by_post_processor)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("command", ["sweep", "circuit"])
@pytest.mark.parametrize("asked", [None, "--bos", "--no-bos"])
@pytest.mark.parametrize("configured", [False, True])
def test_the_output_says_whether_there_is_bos(
    command: str, asked: str | None, configured: bool, tmp_path: Path, capsys: Captured
) -> None:
    model = folder(tmp_path / "model", *([TEMPLATE] if configured else []))
    bare = len(open_model(model).tokenizer.encode(CLEAN))
    options = [asked] if asked else []
    arguments = ["--model", str(model), *pair(), *ANSWERS, *options]
    if command == "circuit":
        arguments += ["--method", "eap"]
    assert cli.main([command, *arguments]) == 0
    opens = configured if asked is None else asked == "--bos"
    words = said(capsys)
    assert f"{bare + opens} tokens" in words
    assert ("BOS yes, prompts begin with <|endoftext|>" in words) == opens
    assert ("BOS no (--bos puts <|endoftext|> first)" in words) == (not opens)


def test_bos_of_a_subject_can_be_left_out(capsys: Captured) -> None:
    prompts = pair(
        "Mary and John met. John gave a ring to", "Mary and John met. Mary gave a ring to"
    )
    for option, begins in (("--no-bos", "BOS no (--bos puts <bos>"), ("--bos", "BOS yes")):
        assert cli.main(["sweep", "--subject", "ioi/plain/seed0", *prompts, option,
                         "--answer", "Mary", "--against", "John"]) == 0  # fmt: skip
        assert begins in said(capsys)
    lists = pair("14 23 48 NL 1 26 NL 14", "14 23 48 NL 2 26 NL 14")
    assert cli.main(["sweep", "--subject", "list_update/seed0", *lists, "--bos"]) == 2
    assert "are for models of text" in capsys.readouterr().err


# ---- weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["sweep", "circuit"])
def test_a_damaged_folder_is_one_line_and_can_be_allowed_where_that_makes_sense(
    command: str, tmp_path: Path, capsys: Captured
) -> None:
    model = folder(tmp_path / "model", folders.extra("score.weight"))
    arguments = [command, "--model", str(model), *pair(), *ANSWERS]
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "score.weight (--allow-unused ignores that)" in err
    assert cli.main([*arguments, "--allow-unused"]) == 0


# ---- text streams -------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437", "latin-1"])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_no_stream_breaks_a_command(
    encoding: str, stream: str, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    monkeypatch.setattr(sys, stream, shown)
    assert sweep(plain, *pair("é 😀 to", "é 😃 to"), *ANSWERS) == 0
    assert sweep(plain, *pair(), "--answer", "太郎", "--against", " the") == 2
    with pytest.raises(SystemExit) as caught:
        cli.main(["sweep", "--help"])
    assert caught.value.code == 0
    shown.flush()
    assert "?" in shown.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("command", [c.__name__.rpartition(".")[2] for c in cli.COMMANDS])
def test_every_help_prints_in_ascii(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", shown)
    try:
        status: object = cli.main([command, "--help"])
    except SystemExit as caught:  # argparse; `claims` returns pytest's status
        status = caught.code
    assert status == 0


def test_drift_prints_its_arrows_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.sample_ledger import ledger

    for name in ("a.json", "b.json"):
        ledger().write(tmp_path / name)
    shown = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", shown)
    assert cli.main(["drift", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 0
    shown.flush()
    assert b"a.json ? " in shown.buffer.getvalue()


# ---- paths and prompts --------------------------------------------------------------------------


def test_the_home_folder_is_found_behind_an_equals_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder(tmp_path / "model")
    assert cli.main(["sweep", "--model=~/model", *pair(), *ANSWERS, "--out=~/found"]) == 0
    assert (tmp_path / "found" / "sweep.csv").is_file()


@pytest.mark.parametrize(
    ("clean", "corrupted"),
    [
        ("-5 and John", "-5 and Mary"),
        ("$5 and $John_{", "$5 and $Mary_{"),
        ('Mary,"and"\nJohn', 'John,"and"\nJohn'),
    ],
)
def test_pictures_and_tables_survive_any_prompt(
    clean: str, corrupted: str, plain: Path, tmp_path: Path
) -> None:
    prompts = [f"--clean={clean}", f"--corrupted={corrupted}"]
    tokenizer = open_model(plain).tokenizer
    if len(tokenizer.encode(clean)) != len(tokenizer.encode(corrupted)):
        prompts[1] = f"--corrupted={clean[:-1]}!"
    assert sweep(plain, *prompts, *ANSWERS, "--out", tmp_path) == 0
    rows = table(tmp_path)
    assert "".join(row["token"] for row in rows if row["layer"] == "0") == clean
    assert (tmp_path / "sweep.svg").read_bytes().startswith(b"<?xml")


def test_bytes_of_another_encoding_are_one_line(plain: Path, capsys: Captured) -> None:
    assert sweep(plain, *pair("caf\udce9 to", "the to")) == 2
    out, err = capsys.readouterr()
    assert "is no Unicode text" in err
    assert (out, err.count("\n")) == ("", 1)


def test_every_path_that_is_typed_may_begin_with_the_home_folder() -> None:
    sources = Path(cli.__file__).parent.rglob("*.py")
    plain = [path.name for path in sources if "type=Path" in path.read_text(encoding="utf-8")]
    assert plain == []
