"""The mutants: each is one change, the file stays valid Python, and a planted one is noticed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests import mutants, mutations


def changed(source: str) -> list[str]:
    return [source[: m.start] + m.new + source[m.stop :] for m in mutations.mutants("x.py", source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", ["x = a >= b"]),
        ("x = (a) == (b)", ["x = (a) != (b)"]),
        ("x = (a + b)", ["x = (a - b)"]),
        ("x = (a) / (b)", ["x = (a) * (b)"]),
        ("x = -a", ["x = a"]),
        ("x = -(a)", ["x = (a)"]),
        ("x = a.mean(0)", ["x = a.sum(0)", "x = a.mean(1)"]),
        ("x = a and b", ["x = a or b"]),
        ("x = True", ["x = False"]),
        ("x = 0.5", ["x = 1.0"]),
        ("x = a if b else c", ["x = a if not (b) else c"]),
        ("x: Literal[3] = 1", ["x: Literal[3] = 2"]),
        ("raise ValueError(f'{a + 1}')", []),
        ("'''Docstring 1 < 2.'''", []),
        ("x = 'é' if a < b else 2", None),
    ],
)
def test_every_change_is_made_where_it_should(source: str, expected: list[str] | None) -> None:
    found = changed(source)
    if expected is None:
        assert "x = 'é' if a >= b else 2" in found
    else:
        assert sorted(found) == sorted(expected)


@pytest.mark.slow
def test_mutants_of_the_package_are_valid_python() -> None:
    paths = mutants.files(mutants.PLACES)
    assert len(paths) > 20
    for m in mutants.draw(mutants.PLACES, 300, 0, None):
        source = (mutants.ROOT / m.path).read_text(encoding="utf-8")
        ast.parse(source[: m.start] + m.new + source[m.stop :])


def test_a_sample_is_the_same_for_one_seed_and_keeps_to_the_reached_lines() -> None:
    first = mutants.draw(("analysis",), 20, 0, None)
    assert first == mutants.draw(("analysis",), 20, 0, None)
    assert first != mutants.draw(("analysis",), 20, 1, None)
    one = first[0]
    reached = {one.path: {one.line: ["claims/x.py::test_x"], one.line + 1: ["tests/x.py::test_x"]}}
    drawn = mutants.draw(("analysis",), 1000, 0, reached)
    assert {(m.path, m.line) for m in drawn} == {(one.path, one.line)}


def test_the_tests_of_the_place_and_the_claims_of_its_system_judge_a_mutant() -> None:
    tests, claims, slow = mutants.commands("replications/systems/ioi/measurements/backup.py")
    assert tests == (
        "tests",
        ["tests/systems/ioi", "-m", "not packaging and not tutorial and not slow"],
    )
    assert claims[1][0] == "claims/ioi"
    assert slow[1] == ["tests/systems/ioi", "-m", "not packaging and not tutorial and slow"]
    assert len(mutants.commands("replications/judging/verdict.py")) == 2 + len(mutants.SUBJECTS)


def test_what_executes_the_line_comes_first() -> None:
    path = "replications/systems/ioi/measurements/backup.py"
    reaching = [
        "tests/systems/ioi/test_a.py::test_b",
        "tests/commands/test_c.py::test_d",
        "claims/ioi/test_e.py::test_f",
        "claims/brackets/test_g.py::test_h",
    ]
    found = mutants.commands(path, reaching)
    assert [(name, arguments[0]) for name, arguments in found] == [
        ("tests", "tests/systems/ioi/test_a.py::test_b"),
        ("claims", "claims/ioi/test_e.py::test_f"),
        ("tests", "tests/systems/ioi"),
        ("claims", "claims/ioi"),
        ("tests", "tests/systems/ioi"),
    ]
    assert found[2:] == mutants.commands(path)


def test_the_report_names_every_survivor() -> None:
    here = mutations.Mutant("replications/analysis/x.py", 3, 0, 1, "<", ">=")
    text = mutants.report(
        [mutants.Result(here, "", 1.0), mutants.Result(here, "tests", 1.0)], "command"
    )
    assert "| analysis | 2 | 1 | 50% |" in text
    assert text.count("replications/analysis/x.py:3") == 1


def test_what_was_written_by_hand_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "mutants.md"
    assert mutants._by_hand(path) == ""
    one = [
        mutants.Result(
            mutations.Mutant("replications/analysis/x.py", 3, 0, 1, "<", ">="), "tests", 1.0
        )
    ]
    path.write_text(mutants.report(one, "old", f"{mutants.LOOKED_AT}\n\nOne is the same.\n"))
    text = mutants.report(one, "new", mutants._by_hand(path))
    assert "old" not in text
    assert text.endswith(f"None.\n\n{mutants.LOOKED_AT}\n\nOne is the same.\n")
