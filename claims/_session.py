"""What a whole run leaves behind: the ledger file, the closing table, the exit status.

Lives in the one process that sees every report, also under pytest-xdist.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from replications import fixtures
from replications.errors import ReplicationError
from replications.judging.environment import environment
from replications.judging.ledger import Ledger
from replications.judging.verdict import Row
from replications.lens import lines
from replications.report import board, closing

PROPERTY = "claims-row"


def record_of(report: Any) -> dict[str, Any] | None:
    """The record a claim attached to its call report, None for any other report."""
    if getattr(report, "when", None) != "call":
        return None
    return dict(report.user_properties).get(PROPERTY)


class Board:
    """Gathers the rows of a run and closes it."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.records: list[dict[str, Any]] = []
        self.missing = 0
        self.problem = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        record = record_of(report)
        if record is not None:
            self.records.append(record)
        elif report.failed and not dict(report.user_properties).get(PROPERTY):
            self.missing += 1

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        ledger = self.ledger() if self.records else None
        if ledger is not None:
            self.write(ledger)
            unreached = self.config.option.require_all and _unreached(ledger)
            if self.problem or unreached or any(line.missed for line in board.lines(ledger)):
                session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
        result = yield  # pytest's own summary comes first, so that ours are the last lines
        if ledger is not None:
            self.show(ledger)
        return result

    def ledger(self) -> Ledger:
        """The ledger of the records gathered so far."""
        options = self.config.option
        ordered = sorted(self.records, key=lambda record: record["order"])
        return Ledger(
            environment=environment(
                lens=lines.kind_or_none(),
                device=options.device,
                dtype=options.dtype,
                threads=options.threads,
            ),
            fixtures=_digests(
                {name for r in ordered if r["row"]["holds"] is not None for name in r["fixtures"]}
            ),
            claims={record["row"]["claim"]: record["claim"] for record in ordered},
            rows=tuple(Row.from_json(record["row"]) for record in ordered),
        )

    def write(self, ledger: Ledger) -> None:
        """Write the ledger if asked to; a failure is kept for the last lines."""
        path = self.config.option.claims_json
        try:
            if path:
                ledger.write(path)
        except OSError as exc:
            self.problem = f"the ledger was NOT WRITTEN: {path}: {exc.strerror or exc}"

    def show(self, ledger: Ledger) -> None:
        """Print the closing table and the last lines."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None:
            return
        options = self.config.option
        reporter.write_line("")
        reporter.write_line(closing.table(ledger, verbose=options.verbose > 0))
        reporter.write_line("")
        for line in closing.last_lines(
            ledger, require_all=options.require_all, missing=self.missing
        ):
            reporter.write_line(line)
        if self.problem:
            reporter.write_line(self.problem, red=True)


def _unreached(ledger: Ledger) -> bool:
    return any(row.status in board.NOT_REACHED for row in ledger.rows)


def _digests(names: set[str]) -> dict[str, str]:
    digests = {}
    for name in sorted(names):
        try:
            digests[name] = fixtures.digest(name)
        except ReplicationError:  # not in the manifest: its claims are skips or errors already
            digests[name] = ""
    return digests
