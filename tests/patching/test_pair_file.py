"""Files of prompt pairs: what is read, and the line that an error names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from replications.errors import BadInput
from replications.patching.pair_file import Pair, read_pairs

HEADER = "clean,corrupted,answer,against\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pairs.csv"
    path.write_bytes(text.encode())
    return path


def test_csv_and_json_lines_are_the_same(tmp_path: Path) -> None:
    expected = [
        Pair(2, " a b", " c b", " x", " y"),
        Pair(3, 'say "a, b"\nc', "d", None, None),
        Pair(5, "é", "ü", "x", None),
    ]
    table = HEADER + ' a b, c b, x, y\n"say ""a, b""\nc",d,,\né,ü,x,\n'
    assert read_pairs(written(tmp_path, table)) == expected
    assert read_pairs(written(tmp_path, "\ufeff" + table.replace("\n", "\r\n")))[0] == expected[0]
    names = ("clean", "corrupted", "answer", "against")
    rows = [{name: getattr(pair, name) for name in names} for pair in expected]
    lines = "\n\n" + "\n".join(map(json.dumps, rows))
    read = read_pairs(written(tmp_path, lines))
    assert [(p.clean, p.answer) for p in read] == [(p.clean, p.answer) for p in expected]
    assert [pair.line for pair in read] == [3, 4, 5]


def test_columns_may_stand_in_any_order_beside_others(tmp_path: Path) -> None:
    text = "id,Corrupted, clean \n7,b,a\n\n8,d,c\n"
    assert read_pairs(written(tmp_path, text)) == [Pair(2, "a", "b"), Pair(4, "c", "d")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no pairs"),
        (HEADER, "has no pairs"),
        ("clean,wrong\na,b\n", "line 1: the header lacks corrupted; columns are clean, corrupted"),
        ("a,b\n", "line 1: the header lacks clean and corrupted"),
        (HEADER + "a,b,c\n", "line 2: 3 cells, but the header has 4; a text with a comma"),
        (HEADER + "a,b,,\na,b,c,d,e\n", "line 3: 5 cells"),
        (HEADER + "a,,c,d\n", "line 2: there is no corrupted prompt"),
        (HEADER + 'a,"b"x,c,d\n', "line 2: this is no CSV"),
        ('{"clean": "a", "corrupted": "b"}\n{"clean": "a"}', "line 2: there is no corrupted"),
        ('{"clean": "a", "corrupted": "b"}\n\n{"clean"', "line 3: this is no JSON"),
        ('{"clean": "a", "corrupted": "b"}\n[1]', "line 2: this is no JSON object"),
        ('{"clean": "a", "corrupted": 3}', "line 1: corrupted is 3, not a text"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=said):
        read_pairs(written(tmp_path, text))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read"):
        read_pairs(tmp_path / "none.csv")
