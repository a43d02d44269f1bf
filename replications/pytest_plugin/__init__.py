"""The pytest plugin that judges claims, in any repository.

A test function decorated with `@claim(...)` is measured on each of its subjects and judged.  Its
subjects come from an ordinary fixture named `subject`, or from the systems that a conftest.py
registers with the hook `pytest_claims_systems` (see `hookspecs`).  A session without claims is
left alone: nothing is printed, and nothing beyond the standard library and pytest is imported.
"""

from replications.pytest_plugin.strict import only_claims
from replications.pytest_plugin.systems import System

__all__ = ["System", "only_claims"]
