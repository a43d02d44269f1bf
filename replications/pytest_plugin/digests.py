"""Which files a run was measured with."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress


def digests(names: Iterable[str]) -> dict[str, str]:
    """The sha256 of each fixture file; empty for one that the manifest does not list."""
    found = dict.fromkeys(sorted(names), "")
    if not found:
        return found
    from replications import fixtures
    from replications.errors import ReplicationError

    for name in found:
        with suppress(ReplicationError):  # its claims are skips or errors already
            found[name] = fixtures.digest(name)
    return found
