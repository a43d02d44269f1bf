"""Costly claims leave the further models of a group to a thorough run, and the run says so."""

from __future__ import annotations

import json

import pytest

from tests.fake_runs import MODULE, Run, statuses

pytest_plugins = ["pytester"]

SEEDS = """
@claim("fake/cheap", says="It is not negative.", source=SOURCE, expect={"seeds": at_least(0)},
       control=instead("its negative", lambda subject: -1.0 - subject.value))
def test_cheap(subject):
    return subject.value

@claim("fake/costly", says="It is not negative.", source=SOURCE, expect={"seeds": at_least(0)},
       control=instead("its negative", lambda subject: -1.0 - subject.value), costly=True)
def test_costly(subject):
    return subject.value
"""
EVERY = {(claim, f"seed{i}"): "pass" for claim in ("cheap", "costly") for i in range(3)}
FURTHER = {("costly", "seed1"), ("costly", "seed2")}


def left_out(pytester: pytest.Pytester) -> set[tuple[str, str]]:
    found = json.loads((pytester.path / "claims.json").read_text())["not_run"]
    return {(row["claim"].removeprefix("fake/"), row["subject"]) for row in found}


def test_costly_claims_leave_out_the_further_models(run: Run, pytester: pytest.Pytester) -> None:
    result = run(SEEDS, outcomes=())
    assert result.ret == 0
    assert statuses(pytester.path) == {key: EVERY[key] for key in EVERY if key not in FURTHER}
    assert left_out(pytester) == FURTHER
    result.stdout.fnmatch_lines(
        ["left out: 2 rows, costly claims * (fake/seed1, fake/seed2); --thorough measures them too"]
    )


@pytest.mark.sampled(2)
@pytest.mark.parametrize("option", ["--thorough", f"{MODULE}::test_costly"])
def test_a_thorough_run_or_an_address_leaves_nothing_out(
    run: Run, pytester: pytest.Pytester, option: str
) -> None:
    result = run(SEEDS, option, outcomes=())
    assert result.ret == 0
    wanted = EVERY if option == "--thorough" else {k: v for k, v in EVERY.items() if "costly" in k}
    assert statuses(pytester.path) == wanted
    assert left_out(pytester) == set()
    result.stdout.no_fnmatch_line("left out:*")
