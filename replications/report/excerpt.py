"""Keeps rows of CLAIMS.md that another page shows, such as README.md, equal to the original."""

from __future__ import annotations

import re

from replications.errors import BadInput

_ROW = re.compile(r"^\| .*<br>`(?P<id>[a-z_]+/[^`]+)` \| .*$", re.MULTILINE)


def refresh(page: str, claims_md: str) -> str:
    """`page` with each row of a claim replaced by the row in `claims_md`.

    BadInput if `claims_md` has no such claim.
    """
    rows = {found["id"]: found[0] for found in _ROW.finditer(claims_md)}

    def current(found: re.Match[str]) -> str:
        if found["id"] not in rows:
            raise BadInput(f"CLAIMS.md has no claim {found['id']!r}; take its row out of the page")
        return rows[found["id"]]

    return _ROW.sub(current, page)
