"""The command-line options of the plugin."""

from __future__ import annotations

from pathlib import Path

import pytest


def add(parser: pytest.Parser) -> None:
    """Add the options.  None of them has any effect on ordinary tests."""
    group = parser.getgroup("claims", "judging claims")
    group.addoption("--claims-json", metavar="PATH", help="write the ledger of this run to PATH")
    group.addoption(
        "--resume",
        metavar="LEDGER",
        help="measure only what LEDGER lacks, and write all of it to LEDGER or to --claims-json",
    )
    flags = {
        "--require-all": "fail if any claim was skipped or is unsupported",
        "--thorough": "judge the costly claims on the further models of each group too",
        "--no-controls": "do not run the controls; every report then says so",
        "--lesions": "measure the lesioned subjects; nothing is asserted or compared with a record",
    }
    for flag, text in flags.items():
        group.addoption(flag, action="store_true", help=text)


def check(config: pytest.Config) -> None:
    """Refuse a place where no ledger can be written.  pytest.UsageError."""
    if config.option.resume and not config.option.claims_json:
        config.option.claims_json = config.option.resume
    path = config.option.claims_json
    if path and (Path(path).is_dir() or not Path(path).absolute().parent.is_dir()):
        raise pytest.UsageError(f"--claims-json {path}: not a file in a folder that exists")
