"""How a row travels from where a claim is judged to where the rows are gathered.

A record is attached to the report of its item in JSON types, so it also crosses from a worker of
pytest-xdist to the controller.
"""

from __future__ import annotations

from typing import Any

PROPERTY = "claims-row"


def record_of(report: Any) -> dict[str, Any] | None:
    """The record of a claim in the report that settles it, None in any other report."""
    if getattr(report, "when", None) not in ("setup", "call"):
        return None
    found = dict(report.user_properties).get(PROPERTY)
    return found if isinstance(found, dict) else None
