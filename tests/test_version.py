"""The version is said once, and everything that repeats it agrees."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import replications

ROOT = Path(__file__).parents[1]
VERSION = re.compile(r"\d+\.\d+\.\d+")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_package_takes_its_version_from_the_code() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "replications/__init__.py"
    assert VERSION.fullmatch(replications.__version__)


def test_the_citation_and_the_changelog_have_this_version_and_one_date() -> None:
    cited = dict(
        re.findall(r'^(version|date-released): "?([^"\n]+)"?$', read("CITATION.cff"), re.M)
    )
    sections = re.findall(r"^## \[([^\]]+)\](?: – (\S+))?$", read("CHANGELOG.md"), re.M)
    released = [section for section in sections if section[0] != "Unreleased"]
    assert released[0] == (replications.__version__, cited["date-released"])
    assert cited["version"] == replications.__version__
