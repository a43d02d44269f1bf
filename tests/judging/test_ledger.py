"""The ledger file: its keys, its order, whole or not at all, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from replications.errors import BadInput
from replications.judging.environment import environment
from replications.judging.ledger import Ledger, describe
from tests.sample_ledger import BIG, SIDES, ledger, row


def test_a_ledger_survives_being_written_and_read(tmp_path: Path) -> None:
    ledger().write(tmp_path / "claims.json")
    assert Ledger.read(tmp_path / "claims.json") == ledger()
    assert [path.name for path in tmp_path.iterdir()] == ["claims.json"]


def test_the_file_has_exactly_the_documented_keys(tmp_path: Path) -> None:
    ledger().write(tmp_path / "claims.json")
    content = json.loads((tmp_path / "claims.json").read_text())
    assert list(content) == ["schema", "environment", "fixtures", "claims", "rows", "not_run"]
    assert content["schema"] == 2
    assert list(content["rows"][0]) == [
        *("claim", "version", "subject", "group", "kind", "published", "measured"),
        *("expectation", "margin", "controls", "uncontrolled", "outcome", "holds", "status"),
        *("reason", "remedy", "seconds"),
    ]
    assert list(content["rows"][0]["controls"][0]) == [
        *("name", "measured", "accepted", "rejected_parts", "margin"),
    ]
    assert list(content["rows"][1]["outcome"]) == [
        *("claim", "subject", "version", "holds", "measured", "accepted", "uncontrolled", "reason"),
        "noise",
    ]
    assert content["claims"]["toys/sides"]["parts"] == ["left", "right"]
    assert content["claims"]["toys/sides"]["file"] == "test_toys.py"


def test_numbers_keep_their_full_precision(tmp_path: Path) -> None:
    value = -0.997443437576294
    ledger(row(BIG, "arena", "pass", measured=value)).write(tmp_path / "a.json")
    assert Ledger.read(tmp_path / "a.json").rows[0].measured == value


def test_rows_are_in_claim_order_then_by_subject() -> None:
    assert [(r.claim, r.subject) for r in ledger().rows] == [
        ("toys/big", "arena"),
        ("toys/big", "retrained/seed0"),
        ("toys/big", "retrained/seed1"),
        ("toys/sides", "arena"),
    ]


def test_a_row_of_an_unknown_claim_is_refused() -> None:
    with pytest.raises(BadInput, match="toys/sides"):
        ledger(row(SIDES, "arena", "pass"), claims=(BIG,))


def test_a_nan_is_refused_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "claims.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="JSON compliant"):
        ledger(row(BIG, "arena", "pass", measured=float("nan"))).write(path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    path = tmp_path / "claims.json"
    path.write_text("old")
    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        ledger().write(path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def _changed(**changes: Any) -> str:
    content = {
        "schema": 2,
        "environment": {},
        "fixtures": {},
        "claims": {BIG.id: describe(BIG)},
        "rows": [],
        **changes,
    }
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"schema": 2, "environment": {', "not whole JSON"),
        ("[]", "not a ledger"),
        ('{"rows": []}', "not a ledger"),
        (_changed(schema=3), "schema 3 is unknown, this version reads 1 and 2"),
        (_changed(schema="2"), "schema '2' is unknown"),
        (_changed(schema=1), "of schema 1 needs the keys"),
        (_changed(rows={}), "a list 'rows'"),
        (_changed(environment=None), "not a ledger"),
        (_changed(rows=[{"claim": BIG.id}]), "not a ledger row"),
        (_changed(rows=["x"]), "not a ledger row"),
        (_changed(claims={"toys/big": {}}), "toys/big"),
    ],
)
def test_what_is_not_a_ledger_is_refused_by_name(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "claims.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=problem) as caught:
        Ledger.read(path)
    assert "claims.json" in str(caught.value)


def test_a_missing_file_and_an_unknown_status_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read the ledger"):
        Ledger.read(tmp_path / "none.json")
    odd = replace(row(BIG, "arena", "pass"), status="green")
    ledger(odd).write(tmp_path / "odd.json")
    with pytest.raises(BadInput, match="unknown status 'green'"):
        Ledger.read(tmp_path / "odd.json")


def test_the_environment_names_versions_machine_and_settings() -> None:
    found = environment(lens="bridge", device="cpu", dtype="float64", threads=3)
    assert (found["device"], found["dtype"], found["threads"]) == ("cpu", "float64", 3)
    assert found["tf32"] is False
    assert found["date"].endswith("+00:00")
    for name in ("suite", "python", "platform", "cpu", "cores", "torch", "transformer_lens"):
        assert found[name], name
    assert json.dumps(found, allow_nan=False)


def test_reading_ledgers_and_judging_need_no_heavy_import() -> None:
    code = (
        "import sys, replications.judging.ledger, replications.judging.environment as e; "
        "e.environment(lens=None); "
        "sys.exit(bool({'torch', 'numpy', 'transformer_lens'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ledgers_of_different_rows_are_merged() -> None:
    one, two = ledger(row(BIG, "arena", "pass")), ledger(row(BIG, "arena~cut", "replicates"))
    both = Ledger.merged([one, two])
    assert [found.subject for found in both.rows] == ["arena", "arena~cut"]
    assert both.claims == one.claims


def test_a_compressed_ledger_is_the_same_and_equal_ledgers_are_equal_bytes(tmp_path: Path) -> None:
    plain, packed, again = (tmp_path / name for name in ("l.json", "l.json.gz", "again.json.gz"))
    for path in (plain, packed, again):
        ledger().write(path)
    assert Ledger.read(packed) == Ledger.read(plain)
    assert packed.read_bytes() == again.read_bytes()
    assert packed.stat().st_size < plain.stat().st_size / 2


@pytest.mark.parametrize("kept", [0, 5, 100])
def test_a_compressed_ledger_that_is_not_whole_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "l.json.gz"
    ledger().write(path)
    path.write_bytes(path.read_bytes()[:kept] if kept else b"{}")
    with pytest.raises(BadInput, match=r"l\.json\.gz is not a whole \.gz file"):
        Ledger.read(path)
