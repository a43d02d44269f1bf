"""The ledger: one run as schema-versioned JSON.  Every report is rendered from ledgers alone."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from replications import files
from replications.errors import BadInput
from replications.judging import schema1
from replications.judging.claim import EVERY_GROUP, Claim
from replications.judging.row import Row
from replications.judging.values import to_json

SCHEMA = 2
_KEYS = ("environment", "fixtures", "claims")
_CLAIM_KEYS = {
    *("says", "document", "section", "url", "tier", "version", "system", "published", "parts"),
    *("expect", "controls", "note", "no_control", "not_asserted", "gating"),
    *("derived", "no_lesion", "file"),
}


LOST = "the run ended before it was measured, or the process that measured it died"
LEFT_OUT = "a costly claim on a further model of its group, left to --thorough"


@dataclass(frozen=True)
class NotRun:
    """A row that a run has not: its claim, its subject, and why: LOST or LEFT_OUT."""

    claim: str
    subject: str
    reason: str

    @classmethod
    def from_json(cls, entry: Any) -> NotRun:
        """The entry of a ledger.  BadInput if it has other keys."""
        if not isinstance(entry, dict) or set(entry) != {"claim", "subject", "reason"}:
            raise BadInput(f"not_run needs claim, subject and reason, not {entry!r}")
        return cls(**entry)


@dataclass(frozen=True)
class Ledger:
    """Environment, fixture digests, and a row per claim × subject.

    `claims` maps the id of each claim, in claim order, to what `describe` says about it.  Rows are
    kept in claim order, then by subject.  `not_run` names the rows that the run set out to measure
    and did not, or left out.
    """

    environment: Mapping[str, Any]
    fixtures: Mapping[str, str]
    claims: Mapping[str, Mapping[str, Any]]
    rows: tuple[Row, ...]
    not_run: tuple[NotRun, ...] = ()
    schema: int = field(default=SCHEMA)
    read_as: int = field(default=SCHEMA, compare=False)
    """The schema of the file that this was read from."""

    def __post_init__(self) -> None:
        unknown = sorted({r.claim for r in self.rows} - set(self.claims))
        if unknown:
            raise BadInput(f"the ledger has rows of claims it does not describe: {unknown}")
        order = {name: i for i, name in enumerate(self.claims)}
        rows = sorted(self.rows, key=lambda row: (order[row.claim], row.subject))
        object.__setattr__(self, "rows", tuple(rows))

    @classmethod
    def merged(cls, ledgers: Sequence[Ledger]) -> Ledger:
        """Several ledgers with different rows as one, in the environment of the first."""
        return cls(
            ledgers[0].environment,
            {name: digest for ledger in ledgers for name, digest in ledger.fixtures.items()},
            {name: entry for ledger in ledgers for name, entry in ledger.claims.items()},
            tuple(row for ledger in ledgers for row in ledger.rows),
        )

    def write(self, path: str | Path) -> None:
        """Write to `path`, whole or not at all, compressed if it ends in .gz.

        OSError if that is not possible.
        """
        content = {
            "schema": self.schema,
            "environment": dict(self.environment),
            "fixtures": dict(sorted(self.fixtures.items())),
            "claims": {name: dict(entry) for name, entry in self.claims.items()},
            "rows": [asdict(row) for row in self.rows],
            "not_run": [asdict(entry) for entry in self.not_run],
        }
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        written = text.encode("utf-8")
        if Path(path).suffix == ".gz":
            written = gzip.compress(written, mtime=0)  # equal ledgers are equal bytes
        files.put(Path(path), written)

    @classmethod
    def read(cls, path: str | Path) -> Ledger:
        """The ledger in a file, maybe a .gz; one of schema 1 is converted to this schema.

        BadInput if the file is missing, truncated, not a ledger, or of an unknown schema.
        """
        try:
            content = json.loads(_text(Path(path)))
        except (gzip.BadGzipFile, EOFError, zlib.error) as exc:
            raise BadInput(f"{path} is not a whole .gz file ({exc}); write it again") from exc
        except OSError as exc:
            raise BadInput(f"cannot read the ledger {path}: {exc.strerror}") from exc
        except ValueError as exc:
            raise BadInput(
                f"{path} is not whole JSON ({exc}); write it again with --claims-json {path}"
            ) from exc
        try:
            return cls._from_json(content)
        except BadInput as exc:
            raise BadInput(f"{path}: {exc}") from exc

    @classmethod
    def _from_json(cls, content: Any) -> Ledger:
        if not isinstance(content, dict) or "schema" not in content:
            raise BadInput("not a ledger: it has no 'schema'")
        if content["schema"] not in (schema1.SCHEMA, SCHEMA):
            raise BadInput(
                f"ledger schema {content['schema']!r} is unknown, this version reads "
                f"{schema1.SCHEMA} and {SCHEMA}; write the ledger again with this version"
            )
        if not all(isinstance(content.get(key), dict) for key in _KEYS) or not isinstance(
            content.get("rows"), list
        ):
            raise BadInput(f"not a ledger: it needs the objects {_KEYS} and a list 'rows'")
        read_as = content["schema"]
        if read_as == schema1.SCHEMA:
            content = schema1.converted(content)
        for name, entry in content["claims"].items():
            if not isinstance(entry, dict) or _CLAIM_KEYS - set(entry):
                raise BadInput(f"claim {name!r} needs the keys {sorted(_CLAIM_KEYS)}")
        rows = tuple(Row.from_json(entry) for entry in content["rows"])
        described = (content["environment"], content["fixtures"], content["claims"])
        not_run = tuple(NotRun.from_json(entry) for entry in content.get("not_run", ()))
        return cls(*described, rows, not_run, read_as=read_as)


def describe(claim: Claim, gating: Iterable[str] = (), file: str | None = None) -> dict[str, Any]:
    """What a ledger keeps of a claim.

    `gating` names the subjects on which it is asserted, unless it says `not_asserted`; `file` is
    the module it is written in, relative to where the run began.
    """
    return {
        "says": claim.says,
        "document": claim.source.document,
        "section": claim.source.section,
        "url": claim.source.url,
        "tier": claim.tier,
        "version": claim.version,
        "system": claim.system,
        "published": to_json(claim.published),
        "parts": list(claim.parts) if claim.parts else None,
        "expect": {group: expectation.data() for group, expectation in claim.expect.items()},
        "controls": [
            {"name": c.name, "only": c.only, "accepted_if": c.accepted_if} for c in claim.controls
        ],
        "note": claim.note,
        "no_control": claim.no_control,
        "not_asserted": claim.not_asserted,
        "gating": sorted(gating),
        "derived": claim.derived,
        "no_lesion": claim.no_lesion,
        "file": file,
    }


def control_names(entry: Mapping[str, Any], group: str | None) -> list[str]:
    """The names of the controls that a claim has for the subjects of a group, from its entry."""
    return [c["name"] for c in entry["controls"] if c["only"] in ("", group)]


def expectations(entry: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(group, words, reason for the tolerance) of each expectation; group "" for every group."""
    return [
        ("" if group == EVERY_GROUP else group, data["words"], data["because"])
        for group, data in entry["expect"].items()
    ]


def _text(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
