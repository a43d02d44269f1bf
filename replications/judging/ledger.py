"""The ledger: one run as schema-versioned JSON.  Every report is rendered from ledgers alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from replications import files
from replications.errors import BadInput
from replications.judging.claim import Claim
from replications.judging.values import to_json
from replications.judging.verdict import Row

SCHEMA = 1
_CLAIM_KEYS = {
    *("says", "document", "section", "url", "tier", "system", "published", "parts"),
    *("because", "expectation", "note", "no_control", "observe", "gating"),
    *("holds_in", "because_not_all"),
}


@dataclass(frozen=True)
class Ledger:
    """Environment, fixture digests, and a row per claim × subject.

    `claims` maps the id of each claim, in claim order, to what a report says about it (see
    `describe`).  Rows are kept in claim order, then by subject.
    """

    environment: Mapping[str, Any]
    fixtures: Mapping[str, str]
    claims: Mapping[str, Mapping[str, Any]]
    rows: tuple[Row, ...]
    schema: int = field(default=SCHEMA)

    def __post_init__(self) -> None:
        unknown = sorted({r.claim for r in self.rows} - set(self.claims))
        if unknown:
            raise BadInput(f"the ledger has rows of claims it does not describe: {unknown}")
        order = {name: i for i, name in enumerate(self.claims)}
        rows = sorted(self.rows, key=lambda row: (order[row.claim], row.subject))
        object.__setattr__(self, "rows", tuple(rows))

    def write(self, path: str | Path) -> None:
        """Write to `path`, whole or not at all.  OSError if that is not possible."""
        content = {
            "schema": self.schema,
            "environment": dict(self.environment),
            "fixtures": dict(sorted(self.fixtures.items())),
            "claims": {name: dict(entry) for name, entry in self.claims.items()},
            "rows": [asdict(row) for row in self.rows],
        }
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        files.put(Path(path), text.encode("utf-8"))

    @classmethod
    def read(cls, path: str | Path) -> Ledger:
        """The ledger in a file.  BadInput if it is missing, truncated or not a ledger."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as exc:
            raise BadInput(f"cannot read the ledger {path}: {exc.strerror}") from exc
        except ValueError as exc:
            raise BadInput(
                f"{path} is not whole JSON ({exc}); write it again with --claims-json {path}"
            ) from exc
        return cls._from_json(content, path)

    @classmethod
    def _from_json(cls, content: Any, path: str | Path) -> Ledger:
        keys = ("environment", "fixtures", "claims")
        if not isinstance(content, dict) or "schema" not in content:
            raise BadInput(f"{path} is not a ledger: it has no 'schema'")
        if content["schema"] != SCHEMA:
            raise BadInput(
                f"{path} has ledger schema {content['schema']!r}, this version reads {SCHEMA}; "
                "write it again with this version"
            )
        if any(not isinstance(content.get(k), dict) for k in keys) or not isinstance(
            content.get("rows"), list
        ):
            raise BadInput(f"{path} is not a ledger: it needs the objects {keys} and a list 'rows'")
        for name, entry in content["claims"].items():
            if not isinstance(entry, dict) or _CLAIM_KEYS - set(entry):
                raise BadInput(f"{path}: claim {name!r} needs the keys {sorted(_CLAIM_KEYS)}")
        try:
            rows = tuple(Row.from_json(entry) for entry in content["rows"])
            return cls(content["environment"], content["fixtures"], content["claims"], rows)
        except BadInput as exc:
            raise BadInput(f"{path}: {exc}") from exc


def describe(claim: Claim, gating: Iterable[str] = ()) -> dict[str, Any]:
    """What a ledger keeps of a claim; `gating` names the subjects that can fail a run."""
    return {
        "says": claim.says,
        "document": claim.source.document,
        "section": claim.source.section,
        "url": claim.source.url,
        "tier": claim.tier,
        "system": claim.system,
        "published": to_json(claim.published),
        "parts": list(claim.parts) if claim.parts else None,
        "because": {group: e.because for group, e in claim.expect.items() if e.because},
        "expectation": {group: str(e) for group, e in claim.expect.items()},
        "note": claim.note,
        "no_control": claim.no_control,
        "observe": claim.observe,
        "gating": sorted(gating),
        "holds_in": claim.holds_in,
        "because_not_all": claim.because_not_all,
    }
