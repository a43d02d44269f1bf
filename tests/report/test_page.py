"""The report page: it says what CLAIMS.md says, and escapes what it is given."""

from __future__ import annotations

import argparse
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from replications.commands import figures, report
from replications.errors import BadInput
from replications.judging.claim import Kind, SubjectInfo
from replications.judging.ledger import LEFT_OUT, LOST, Ledger, NotRun
from replications.judging.row import FAILURES, STATUSES
from replications.report import board, claims_md
from replications.report.page import Page, by_subject, gallery, render
from replications.report.page.answer import answer
from replications.report.page.gallery import chosen, read
from replications.report.page.render import SYMBOLS
from replications.systems import registry
from tests.sample_ledger import BIG, SIDES, ledger, row

NASTY = '<script>alert(1)</script> & "quotes" `x < y`'


class Text(HTMLParser):
    """The text of a page by the id of the claim it stands in ("" outside), and what it loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.claim, self.text = "", {"": ""}
        self.loads: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "tbody":
            self.claim = known.get("id") or self.claim
            self.text.setdefault(self.claim, "")
        self.loads += [
            v or "" for k, v in attrs if k in ("src", "srcset", "action", "data", "href")
        ]

    def handle_endtag(self, tag: str) -> None:
        self.claim = "" if tag == "section" else self.claim

    def handle_data(self, data: str) -> None:
        self.text[self.claim] += " " + " ".join(data.split())


# ---- what the page says -------------------------------------------------------------------------


def test_a_claim_has_the_same_cells_as_in_claims_md() -> None:
    found = Text(render(Page(ledger()))).text["toys/big"]
    for line in board.lines(ledger()):
        if line.id == "toys/big":
            said = [line.entry["says"], claims_md.measured(line), line.replicates, "+0.08"]
            said += [claims_md.group_line(line, g, rows) for g, rows in line.groups.items()]
    for text in [*said, "0.99", "rejected", "untrained", "pass", "original", "tier 1"]:
        assert text in found
    for text in ["1 ± 0.1", "because: spread of two seeds", "Measured twice.", "A document"]:
        assert text in found
    assert "retrained/seed1 retrained 0.25 -0.25 0 rejected △ does not replicate" in found


@pytest.mark.parametrize(
    ("rows", "outcome", "headline"),
    [
        (
            [("arena", "pass", {})],
            "holds",
            "Every row is as asserted or as recorded: 1 row was judged.",
        ),
        (
            [
                ("arena", "fail", {"holds": False}),
                ("two", "vacuous", {"accepted": True}),
                ("three", "error", {"holds": None, "reason": "KeyError: x"}),
                ("four", "pass", {}),
                ("five", "changed", {}),
                ("six", "changed", {}),
            ],
            "fails",
            "Not every row is as asserted or recorded: of 5 rows judged, 1 does not hold, "
            "2 depart from their records, 1 is vacuous, 1 could not be measured.",
        ),
        (
            [("arena", "skip", {"holds": None})],
            "nothing",
            "Nothing was measured, so this run cannot say whether the findings hold.",
        ),
    ],
)
def test_the_headline_answers(rows: list[Any], outcome: str, headline: str) -> None:
    found = answer(ledger(*(row(BIG, name, status, **facts) for name, status, facts in rows)))
    assert (found.outcome, found.headline) == (outcome, headline)
    bad = [name for name, status, _ in rows if status in FAILURES]
    assert [failure.subject for failure in found.failures] == sorted(bad)


def test_what_is_asserted_and_what_is_recorded_are_counted_apart() -> None:
    assert answer(ledger()).more == (
        "Of 2 rows asserted, 2 pass.",
        "Of 2 rows only recorded, the finding replicates in 1.",
        "Every control rejected.",
    )


def test_every_status_has_a_symbol_and_is_explained() -> None:
    assert set(SYMBOLS) == set(STATUSES)
    text = Text(render(Page(ledger()))).text[""]
    legend = text[text.index("How to read a claim") :]
    assert [status for status in STATUSES if f" {status} " not in legend] == []


def test_a_changed_row_counts_among_the_failures() -> None:
    page = render(Page(ledger(row(BIG, "arena", "changed", reason="the value moved"))))
    assert '<td class="n bad">1</td>' in page
    said = " ".join(Text(page).text[""].split())
    assert "≠ changed toys/big on arena (original): the value moved" in said


def test_what_was_not_reached_names_the_command() -> None:
    gone: dict[str, Any] = {"holds": None, "measured": None, "margin": None, "reason": "no copy"}
    skipped = row(BIG, "arena", "skip", **gone, remedy="python -m replications x y")
    (missing,) = answer(ledger(skipped)).not_reached
    assert (missing.subjects, missing.command) == ("toys/arena", "python -m replications x y")
    assert "<code>python -m replications x y</code>" in render(Page(ledger(skipped)))


def test_a_run_that_did_not_finish_does_not_hold() -> None:
    gone = (NotRun("toys/big", "arena", LOST), NotRun("toys/big", "seed1", LEFT_OUT))
    unfinished = replace(ledger(), not_run=gone)
    found = answer(unfinished)
    assert found.outcome == "fails"
    assert found.headline.startswith("The run did not finish: 1 row was lost. Every row is")
    assert "1 row was left to a thorough run." in found.more
    said = " ".join(Text(render(Page(unfinished))).text[""].split())
    assert "lost: toys/arena (1 row) pytest claims/ --resume LEDGER" in said
    assert "left out: toys/seed1 (1 row) pytest claims/ --thorough" in said
    assert "Every row of this ledger was measured" not in said
    only_left_out = answer(replace(ledger(), not_run=gone[1:]))
    assert (only_left_out.outcome, len(only_left_out.not_run)) == ("holds", 1)


def test_what_a_ledger_says_is_escaped_and_nothing_is_loaded() -> None:
    claim = replace(BIG, source=replace(BIG.source, url="javascript:alert(1)"), note=NASTY)
    made = ledger(
        row(claim, "arena", "error", holds=None, reason=NASTY, measured=NASTY), claims=(claim,)
    )
    made = replace(made, environment={"cpu": NASTY}, fixtures={NASTY: NASTY})
    page = render(Page(made, made_from=[(NASTY, NASTY)], command=NASTY))
    assert page.count("<script>") == 1
    assert "alert(1)</script>" not in page
    assert NASTY.replace("`", "") in Text(page).text["toys/big"].replace("  ", " ")
    assert all(load.startswith(("#", "data:")) for load in Text(page).loads)


# ---- lesions, tables by subject, versions -------------------------------------------------------


def test_lesions_and_claims_side_by_side_have_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_subject, "TABLES", {"Self-repair": ("toys/self-repair", "toys/none")})
    repair = replace(BIG, id="toys/self-repair", says="It repairs itself.")
    base = ledger(row(repair, "arena", "pass"), claims=(repair, SIDES))
    lesions = ledger(
        row(repair, "arena~cut", "does not replicate", holds=False), claims=(repair, SIDES)
    )
    text = Text(render(Page(base, lesions=lesions))).text
    everything = " ".join(" ".join(part.split()) for part in text.values())
    assert "arena~cut 1 of 1 0 of 0 self-repair" in everything
    assert "Self-repair by subject" in everything
    assert "arena original 0.98 ○ replicates" in everything


def test_the_claims_of_the_tables_by_subject_exist() -> None:
    path = Path(__file__).parents[2] / "CLAIMS.md"
    known = path.read_text(encoding="utf-8")
    names = [name for claims in by_subject.TABLES.values() for name in claims]
    assert [name for name in names if f"<br>`{name}`" not in known] == []


Write = Callable[[str, Ledger], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a ledger into the working folder."""
    monkeypatch.chdir(tmp_path)

    def to(name: str, content: Ledger) -> Path:
        content.write(name)
        return Path(name)

    return to


def run(*words: str) -> int:
    """The command, as the command line runs it."""
    parser = argparse.ArgumentParser()
    report.add(parser.add_subparsers())
    args = parser.parse_args(["report", *words])
    return int(args.run(args))


def test_further_ledgers_are_compared_to_the_first(write: Write) -> None:
    first = ledger()
    moved = replace(first.rows[0], measured=0.95, margin=0.05)
    write("a.json", first)
    write("b.json", replace(first, rows=(moved, *first.rows[1:])))
    assert run("a.json", "b.json", "--no-figures", "--out", "page.html") == 0
    text = Text(Path("page.html").read_text(encoding="utf-8")).text
    said = " ".join(text.values())
    assert "toys/big arena 0.98 0.95 0.03 +0.08 +0.05 drift" in " ".join(said.split())


def test_what_does_not_compare_or_has_no_folder_is_refused_before_anything_is_drawn(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "draw_all", None)
    write("a.json", ledger())
    write("b.json", ledger(row(BIG, "arena", "pass")))
    with pytest.raises(BadInput, match="cannot be compared"):
        run("a.json", "b.json")
    with pytest.raises(BadInput, match="there is no folder gone"):
        run("a.json", "--out", "gone/page.html")
    assert not Path("report.html").exists()


def test_the_same_ledger_gives_the_same_page(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.json", ledger())
    pages = []
    for _ in range(2):
        assert run("a.json", "--no-figures") == 0
        pages.append(Path("report.html").read_bytes())
    assert pages[0] == pages[1]
    assert "report.html: Every row is as asserted or as recorded" in capsys.readouterr().out


# ---- pictures -----------------------------------------------------------------------------------


def draw(folder: Path, *, digest: str = "0" * 64, why_not: str = "") -> Path:
    """A folder as `figures` writes it, with one picture of 300 × 150 dots."""
    folder.mkdir(parents=True, exist_ok=True)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 300, 150)
    (folder / "one.png").write_bytes(png)
    who = {"system": "toys", "subject": "arena", "kind": "original"}
    entry = {**who, "fixtures": {"toys/weights.pt": digest}, "why_not": ""}
    said = {"name": "one", "title": "One", "says": "It is one.", "why_not": why_not}
    picture = {**who, **said, "files": [] if why_not else ["one.svg", "one.png"]}
    missing = {"system": "toys", "plot": "slider", "why_not": "it moves"}
    index = {"schema": 1, "subjects": [entry], "pictures": [picture], "not_drawn": [missing]}
    (folder / "figures.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def test_pictures_go_into_the_page_with_their_size_and_what_is_missing(tmp_path: Path) -> None:
    found = read(draw(tmp_path), ledger())
    page = render(Page(ledger(), gallery=found))
    assert '<img src="data:image/png;base64,iVBOR' in page
    assert 'alt="One (arena)" width="192" height="96"' in page
    assert "It is one." in page
    assert "slider: it moves" in page


def test_pictures_of_other_files_are_not_shown(tmp_path: Path) -> None:
    found = read(draw(tmp_path, digest="1" * 64), ledger())
    assert found.albums == {}
    assert "drawn from other files than this ledger: toys/weights.pt" in found.missing["toys"][0]


def test_a_picture_that_is_gone_is_one_clear_error(tmp_path: Path) -> None:
    draw(tmp_path)
    (tmp_path / "one.png").unlink()
    with pytest.raises(BadInput, match=r"one\.png.*draw the pictures again"):
        read(tmp_path, ledger())
    with pytest.raises(BadInput, match="cannot read"):
        read(tmp_path / "nowhere", ledger())


def test_one_subject_is_chosen_that_says_most(monkeypatch: pytest.MonkeyPatch) -> None:
    known: tuple[tuple[str, Kind, bool], ...] = (
        ("text", "toy", True),
        ("seed1", "toy", False),
        ("seed0", "toy", False),
        ("gone", "original", True),
    )
    infos = [SubjectInfo("toys", name, name, kind, gates, ()) for name, kind, gates in known]
    monkeypatch.setattr(registry, "SYSTEMS", ("toys",))
    monkeypatch.setattr(registry, "load", lambda name: SimpleNamespace(SUBJECTS=infos))
    rows = [row(c, s, "replicates") for s in ("seed0", "seed1") for c in (BIG, SIDES)]
    skipped = row(BIG, "gone", "skip", holds=None)
    assert chosen(ledger(row(BIG, "text", "pass"), skipped, *rows)) == ["toys/seed1"]


def test_pictures_that_cannot_be_drawn_are_told_on_the_page(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(*_: Any, **__: Any) -> Path:
        raise BadInput("pictures need matplotlib")

    monkeypatch.setattr(gallery, "chosen", lambda ledger: ["toys/arena"])
    monkeypatch.setattr(figures, "draw_all", none)
    write("a.json", ledger())
    assert run("a.json") == 0
    assert "no pictures of toys: pictures need matplotlib" in capsys.readouterr().out
    assert "pictures need matplotlib" in Path("report.html").read_text(encoding="utf-8")


def test_without_a_folder_pictures_are_drawn(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(names: list[str], out: Path, formats: list[str], *, progress: bool) -> Path:
        assert (names, formats) == (["toys/arena"], ["png"])
        return draw(out) / "figures.json"

    monkeypatch.setattr(gallery, "chosen", lambda ledger: ["toys/arena"])
    monkeypatch.setattr(figures, "draw_all", drawn)
    write("a.json", ledger())
    assert run("a.json") == 0
    assert "data:image/png" in Path("report.html").read_text(encoding="utf-8")
