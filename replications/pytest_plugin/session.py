"""What a whole run leaves behind: the ledger file, the closing table, the exit status.

Lives in the one process that sees every report, also under pytest-xdist.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from replications.pytest_plugin.records import record_of

if TYPE_CHECKING:
    from replications.judging.ledger import Ledger


class Board:
    """Gathers the rows of a run and closes it.  Does nothing if there are none."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.records: list[dict[str, Any]] = []
        self.missing = 0
        self.problem = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        record = record_of(report)
        if record is not None:
            self.records.append(record)
        elif report.when == "???":  # pytest-xdist's report of a worker that died
            self.missing += 1

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        ledger = self.ledger() if self.records else None
        if ledger is not None:
            self.write(ledger)
            if self.problem or self._fails(ledger):
                session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
        result = yield  # pytest's own summary comes first, so that ours are the last lines
        if ledger is not None:
            self.show(ledger)
        return result

    def _fails(self, ledger: Ledger) -> bool:
        """Whether the run as a whole fails, although each row may be in order."""
        from replications.report import board

        unreached = any(row.status in board.NOT_REACHED for row in ledger.rows)
        return bool(self.config.option.require_all) and unreached

    def ledger(self) -> Ledger:
        """The ledger of the records gathered so far."""
        from replications.judging.ledger import Ledger
        from replications.judging.row import Row

        ordered = sorted(self.records, key=lambda record: record["order"])
        judged = [record for record in ordered if record["row"]["holds"] is not None]
        return Ledger(
            environment=self._environment(),
            fixtures=_digests({name for record in judged for name in record["fixtures"]}),
            claims=_claims(ordered),
            rows=tuple(Row.from_json(record["row"]) for record in ordered),
        )

    def _environment(self) -> dict[str, Any]:
        """What the run ran on.  What nobody stated is not known, so it is None."""
        from replications.judging.environment import environment

        stated = self.config.hook.pytest_claims_environment(config=self.config)
        if stated is not None:
            return environment(**stated)
        unknown = ("device", "device_name", "dtype", "threads", "tf32")
        return {**environment(lens=None), **dict.fromkeys(unknown)}

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
        from replications.report import closing

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


def _claims(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the ledger says about each claim.

    Only when it is opened does the subject of a fixture say that it does not gate.
    """
    claims: dict[str, dict[str, Any]] = {}
    for record in records:
        row, entry = record["row"], claims.setdefault(record["row"]["claim"], record["claim"])
        if not record["gates"]:
            entry["gating"] = [name for name in entry["gating"] if name != row["subject"]]
    return claims


def _digests(names: set[str]) -> dict[str, str]:
    """The sha256 of each fixture file; empty for one that the manifest does not list."""
    if not names:
        return {}
    from replications import fixtures
    from replications.errors import ReplicationError

    digests = {}
    for name in sorted(names):
        try:
            digests[name] = fixtures.digest(name)
        except ReplicationError:  # its claims are skips or errors already
            digests[name] = ""
    return digests
