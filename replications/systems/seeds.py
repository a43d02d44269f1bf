"""Models trained here beyond those that are shipped: the manifest lists their files."""

from __future__ import annotations

import re
from collections.abc import Iterable

from replications import fixtures


def with_listed(shipped: Iterable[int], pattern: str) -> tuple[int, ...]:
    """The shipped seeds, then the others for which the manifest lists a file.

    `pattern` is the name of such a file, with "{seed}" where the seed stands. The manifest of a
    checkout lists no others; that of a model made by `replicate` does (`REPLICATIONS_MANIFEST`).
    """
    before, after = map(re.escape, pattern.split("{seed}"))
    named = [re.fullmatch(rf"{before}(0|[1-9]\d*){after}", name) for name in fixtures.manifest()]
    listed = {int(match[1]) for match in named if match}
    return (*shipped, *sorted(listed - set(shipped)))
