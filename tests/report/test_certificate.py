"""The certificate says what was checked and what was not, from the ledger alone."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from replications.cli import main
from replications.judging.ledger import LEFT_OUT, LOST, Ledger, NotRun
from replications.report.certificate import certificate
from tests.sample_ledger import BIG, SIDES, ledger, row

FAILED = row(BIG, "arena", "fail", measured=0.1, margin=-0.4, holds=False, reason="too small")


def page(of: Ledger, by: str = "") -> str:
    return certificate(of, name="claims.json", sha256="0" * 64, by=by)


def test_it_counts_what_was_judged_by_system_and_kind() -> None:
    text = page(ledger())
    assert "4 rows were judged, each one claim on one model. None failed." in text
    assert "| toys | original | 1 | 2 | 2 pass |" in text
    assert "| toys | retrained | 2 | 1 | 1 replicates, 1 does not replicate |" in text
    assert "What failed" not in text


def test_it_names_what_failed_what_is_missing_and_what_was_left_out() -> None:
    lost, left = NotRun(SIDES.id, "arena", LOST), NotRun(BIG.id, "retrained/seed5", LEFT_OUT)
    text = page(replace(ledger(FAILED), not_run=(lost, left)))
    assert "**1 failed.** **The run did not finish: 1 rows are missing.**" in text
    assert f"| `{BIG.id}` | arena | fail | 0.1 | too small |" in text
    assert f"- lost, 1 rows: toys/arena: {LOST}" in text
    assert f"- left out, 1 rows: toys/retrained/seed5: {LEFT_OUT}" in text


def test_controls_that_were_not_run_are_said() -> None:
    text = page(ledger(replace(row(BIG, "arena", "pass"), controls=None)))
    assert "controls were not run on 1 rows" in text


@pytest.mark.parametrize(("by", "said"), [("", "not stated"), ("Ada", "Ada")])
def test_it_says_who_ran_it_and_on_which_files(by: str, said: str) -> None:
    text = page(ledger(), by)
    assert f"Run by: {said}." in text
    assert f"| `toys/weights.pt` | `{'0' * 64}` |" in text


def test_the_command_writes_it_with_the_digest_of_the_ledger(tmp_path: Path) -> None:
    file, out = tmp_path / "claims.json", tmp_path / "certificate.md"
    ledger().write(file)
    assert main(["certificate", str(file), "--by", "Ada", "--out", str(out)]) == 0
    assert hashlib.sha256(file.read_bytes()).hexdigest() in out.read_text()
    ledger(FAILED).write(file)
    assert main(["certificate", str(file), "--out", str(out)]) == 1
