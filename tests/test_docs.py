"""The documents say what is so: tutorials, commands and snippets are carried out as written."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from replications import cli
from replications.commands.train import recipe_module
from replications.errors import FixtureMissing
from replications.systems import brackets, list_update
from replications.systems.brackets.measure import BracketSubject
from replications.systems.list_update.data import printed_pair
from replications.systems.list_update.measure import ListUpdateSubject
from replications.training import runs as training
from tests import docs_runner, model_folders
from tests.docs_runner import NotAsWritten

ROOT = Path(__file__).parents[1]
TUTORIALS = ("docs/adding-a-claim.md", "docs/adding-a-system.md")
DOCUMENTS = tuple(
    str(path.relative_to(ROOT))
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted(ROOT.glob("docs/*.md")),
        *sorted(ROOT.glob("fixtures/*/README.md")),
    )
    if str(path.relative_to(ROOT)) not in TUTORIALS  # what is in them is run, not only read
)


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


# ---- tutorials ----------------------------------------------------------------------------------


@pytest.mark.tutorial
@pytest.mark.parametrize("path", TUTORIALS)
def test_a_tutorial_works_as_written(path: str, tmp_path: Path) -> None:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("tutorials are carried out on a copy of a git checkout, which this is not")
    folder = docs_runner.copy_of(ROOT, tmp_path)
    try:
        docs_runner.run(text_of(path), folder)
    except NotAsWritten as problem:
        pytest.fail(f"{path}: {problem}", pytrace=False)


RIGHT = """
Create `a/b.txt`, which is new:

```python
one
two
```

In `a/b.txt`, after the line `one`, add:

```python
between
```

In `a/b.txt`, replace the line `two` by:

```python
2
```

At the end of `a/b.txt`, add:

```python
three 3.14159
```

It ends with exit status 1:

```sh
cat a/b.txt
false
```

```text
one
between
…
three   3.14…
```
"""


def test_a_tutorial_may_create_edit_and_run(tmp_path: Path) -> None:
    docs_runner.run(RIGHT, tmp_path)
    assert (tmp_path / "a/b.txt").read_text() == "one\nbetween\n2\nthree 3.14159\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("three   3.14", "three   3.15", "not printed"),
        ("one\nbetween\n…", "between\none\n…", "not printed"),
        ("exit status 1", "success", "exit status 1, not 0"),
        ("\nfalse", "", "exit status 0, not 1"),
        ("after the line `one`", "after the line `four`", "'four' 0 times"),
        ("At the end of `a/b.txt`, add", "Create `a/b.txt`", "exists"),
        ("Create `a/b.txt`, which is new:", "Here is a file:", "nothing says what"),
    ],
)
def test_a_tutorial_that_is_not_as_it_says_is_found(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in RIGHT
    with pytest.raises(NotAsWritten, match=said):
        docs_runner.run(RIGHT.replace(old, new), tmp_path)


# ---- commands -----------------------------------------------------------------------------------


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of every `python -m replications …`; "x a | b" are two, N is a number."""
    for found in re.findall(r"python -m replications ([^`\n]*)", text.replace("\\\n", " ")):
        words = [re.sub(r"^N$", "1", word) for word in shlex.split(found, comments=True)]
        first = words.index("|") if "|" in words else len(words)
        yield words[:first]
        yield from ([*words[: first - 1], word] for word in words[first:] if word != "|")


class Parsed(Exception):
    """The options of a command were understood; nothing was done."""


def understand(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse a command with the real parsers.  SystemExit or BadInput where it is refused."""
    args = cli.parser().parse_args(words)
    if words[0] != "train":
        return

    def start(argv: Sequence[str], system: str, about: str, recipe: type[Any], *_: Any) -> None:
        training.recipe_of(training.parser(system, about, recipe, "").parse_args(argv), recipe)
        raise Parsed

    monkeypatch.setattr(training, "start", start)
    recipe = recipe_module(args.system)  # BadInput for an unknown one
    with pytest.raises(Parsed):
        recipe.main(args.options)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_every_command_is_understood(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in commands(text_of(path)):
        try:
            understand(words, monkeypatch)
        except SystemExit:
            pytest.fail(f"{path}: `python -m replications {' '.join(words)}` is refused")


def test_the_section_on_a_model_of_one_s_own_works_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = text_of("README.md").partition("## Your own model\n")[2].partition("\n## ")[0]
    monkeypatch.chdir(tmp_path)
    model_folders.made(tmp_path / "my-model")
    rows = "\n".join(f" {a} to and Mary, {a} to and Bob, the, and" for a in ("John", "Alice"))
    (tmp_path / "pairs.csv").write_text(f"clean,corrupted,answer,against\n{rows}\n")
    ran = [words[0] for words in commands(section) if cli.main(words) == 0]
    assert ran == ["check", "sweep", "attribute"]
    assert (tmp_path / "found" / "sweep.csv").is_file()


def test_there_is_something_to_check() -> None:
    assert sum(len(list(commands(text_of(path)))) for path in DOCUMENTS) > 10
    assert any("README.md" in snippet.id for snippet in snippets())


def test_commands_are_found_in_fences_and_in_prose() -> None:
    text = "Run `python -m replications a --b N`.\n\n```\nX=1 python -m replications c d | e  # f\n"
    assert list(commands(text)) == [["a", "--b", "1"], ["c", "d"], ["c", "e"]]


@pytest.mark.parametrize(
    "words", [["nothing"], ["train", "list_update"], ["train", "list_update", "--seeds", "1"]]
)
def test_a_wrong_command_is_noticed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        understand(words, monkeypatch)


# ---- snippets -----------------------------------------------------------------------------------


def given() -> dict[str, Any]:
    """What the snippets speak of without making it."""
    pair = printed_pair()
    classifier, updater = brackets.subject("retrained/seed0"), list_update.subject("seed1")
    assert isinstance(classifier, BracketSubject)
    assert isinstance(updater, ListUpdateSubject)
    return {
        "weights": classifier.lens.state_dict,
        "lens": updater.lens,
        "clean": pair.clean,
        "corrupted": pair.corrupted,
        "answers": torch.tensor([[26, 23]]),
    }


def snippets() -> list[Any]:
    """Every Python block of the documents, named by its place."""
    return [
        pytest.param(block.content, id=f"{path}:{block.line}")
        for path in DOCUMENTS
        for block in docs_runner.blocks(text_of(path))
        if block.language == "python"
    ]


@pytest.mark.parametrize("snippet", snippets())
def test_a_snippet_runs(snippet: str) -> None:
    try:
        exec(snippet, given())
    except FixtureMissing as missing:
        pytest.skip(str(missing))
