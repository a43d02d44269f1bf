"""What a whole run leaves behind: the ledger file, the closing table, the exit status.

Lives in the one process that sees every report, also under pytest-xdist.
"""

from __future__ import annotations

import signal
import threading
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
        self.plan: dict[str, Any] = {}
        self.known: Ledger | None = None
        self.problem = ""

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Read what --resume keeps.  pytest.UsageError if it does not fit this run."""
        if self.config.option.resume:
            from replications.pytest_plugin import resuming

            self.known = resuming.known(self.config)
            assert self.known is not None
            resuming.check(self.config.option.resume, self.known, self._environment())

    def pytest_runtest_logreport(self, report: Any) -> None:
        record = record_of(report)
        if record is None:
            return
        if not self.records:
            _end_in_order()
        self.plan = record["plan"] or self.plan
        self.records.append(record)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        ledger = self.ledger() if self.records or self.known else None
        if ledger is not None:
            self.write(ledger)
            if self.known and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
                session.exitstatus = pytest.ExitCode.OK  # all of it was known
            if self.problem or self._fails(ledger):
                session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
        result = yield  # pytest's own summary comes first, so that ours are the last lines
        if ledger is not None:
            self.show(ledger)
        return result

    def _fails(self, ledger: Ledger) -> bool:
        """Whether the run as a whole fails, although each test of this session may be in order."""
        from replications.judging.row import FAILURES
        from replications.report import board

        bad = (*FAILURES, *(board.NOT_REACHED if self.config.option.require_all else ()))
        return bool(board.lost(ledger)) or any(row.status in bad for row in ledger.rows)

    def ledger(self) -> Ledger:
        """The ledger of the records gathered so far, and of the rows that were known before."""
        from replications.judging.ledger import Ledger
        from replications.judging.row import Row
        from replications.pytest_plugin import gathering
        from replications.pytest_plugin.digests import digests

        judged = [record for record in self.records if record["row"]["holds"] is not None]
        rows = {(r["row"]["claim"], r["row"]["subject"]): r["row"] for r in self.records}
        earlier = [r for r in self.known.rows if r.key not in rows] if self.known else []
        return Ledger(
            environment=self._environment(),
            fixtures={
                **(self.known.fixtures if self.known else {}),
                **digests({name for record in judged for name in record["fixtures"]}),
            },
            claims=gathering.claims(self.records, self.known, self.plan.get("order", [])),
            rows=(*earlier, *(Row.from_json(row) for row in rows.values())),
            not_run=gathering.not_run(self.plan, rows, self.known),
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
        from replications.pytest_plugin import gathering

        path = self.config.option.claims_json
        if path:
            self.problem = gathering.write(ledger, path)

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
        for line in closing.last_lines(ledger, require_all=options.require_all):
            reporter.write_line(line)
        if self.problem:
            reporter.write_line(self.problem, red=True)


def _end_in_order() -> None:
    """Let SIGTERM, by which time limits end a run, do what Ctrl-C does: the ledger is written."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)
