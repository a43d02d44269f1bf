"""The examples in docstrings do what they say."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

from replications.errors import FixtureMissing

ROOT = Path(__file__).parents[1]


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# Only modules with an example are imported: some are slow to import.
MODULES = sorted(
    _module(path)
    for path in (ROOT / "replications").rglob("*.py")
    if re.search(r"^\s*>>> ", path.read_text(encoding="utf-8"), re.MULTILINE)
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    module = import_module(name)
    try:
        doctest.testmod(module, optionflags=doctest.ELLIPSIS, raise_on_error=True)
    except doctest.UnexpectedException as exc:
        if isinstance(exc.exc_info[1], FixtureMissing):  # published weights, not reached here
            pytest.skip(str(exc.exc_info[1]))
        raise


def test_an_example_that_does_not_hold_is_found() -> None:
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    runner = doctest.DocTestRunner(verbose=False)
    assert runner.run(wrong, out=lambda _: None).failed == 1
