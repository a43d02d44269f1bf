"""The lines of TransformerLens that were tested, and which kind of model a lens opens on each.

"hooked" is a `HookedTransformer`, "bridge" a `TransformerBridge`. Only the standard library is
imported, so that a run can be refused before anything heavy is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

from replications.errors import BadInput, ReplicationError, Unsupported

LENS_KINDS = ("hooked", "bridge")
KIND = "REPLICATIONS_LENS"
"""Environment variable: which kind to open, if the installed line has both."""
UNTESTED = "REPLICATIONS_UNTESTED"
"""Environment variable: 1 to try a TransformerLens that is not in `SUPPORTED`."""

SUPPORTED: Mapping[str, tuple[str, ...]] = {
    "1.19": ("hooked",),
    "2.18": ("hooked",),
    "3.9": ("hooked", "bridge"),
    "4.3": ("bridge",),
}
"""The kinds of each line that was tested; the first is opened unless another is asked for."""

DROPS_EDITS: Mapping[tuple[str, str], tuple[str, ...]] = {("3.9", "bridge"): ("pattern",)}
"""Sites at which small models of a tested line and kind are known to drop edits."""


@dataclass(frozen=True)
class Line:
    """The installed TransformerLens, and the kind of model that is opened with it."""

    version: str
    kind: str
    tested: bool

    @property
    def number(self) -> tuple[int, int]:
        """Major and minor."""
        return _number(self.version)


def installed() -> Line:
    """The line in use.

    Raises Unsupported, with the list of those that work, for a version that was not tested (unless
    `REPLICATIONS_UNTESTED=1`) and for a kind the version lacks; BadInput for an unknown kind.
    """
    version = metadata.version("transformer-lens")
    tested = _name(version) in SUPPORTED
    if not tested and os.environ.get(UNTESTED, "") in ("", "0"):
        raise Unsupported(
            f"TransformerLens {version} is not supported; supported: {supported()} "
            f"(pip install 'transformer_lens>=4.3,<4.4'; {UNTESTED}=1 tries it all the same)"
        )
    has = kinds()
    kind = os.environ.get(KIND) or has[0]
    if kind not in LENS_KINDS:
        raise BadInput(f"unknown lens {kind!r}; there are: {', '.join(LENS_KINDS)}")
    if kind not in has:
        raise Unsupported(
            f"TransformerLens {version} has no {kind} model; it has: {', '.join(has)}; "
            f"lines and kinds that work: {supported()}"
        )
    return Line(version, kind, tested)


def drops_edits(site: str) -> bool:
    """Whether the line in use is known to drop edits at the site of this name."""
    line = installed()
    return site in DROPS_EDITS.get((_name(line.version), line.kind), ())


def kind_or_none() -> str | None:
    """The kind of model that lenses open here, None if they cannot."""
    try:
        return installed().kind
    except (ReplicationError, metadata.PackageNotFoundError):
        return None


def kinds() -> tuple[str, ...]:
    """The kinds of model that the installed version has, the usual one first."""
    version = metadata.version("transformer-lens")
    return SUPPORTED.get(_name(version)) or _likely(_number(version))


def supported() -> str:
    """The tested lines in words: "2.18.x (hooked), 3.9.x (hooked or bridge), …"."""
    return ", ".join(f"{line}.x ({' or '.join(kinds)})" for line, kinds in SUPPORTED.items())


def _name(version: str) -> str:
    return ".".join(str(part) for part in _number(version))


def _number(version: str) -> tuple[int, int]:
    major, minor, *_ = [*version.split("."), "0"]
    return int(major), int(minor)


def _likely(number: tuple[int, int]) -> tuple[str, ...]:
    """The kinds of a line that was not tested, by what is known of its neighbours."""
    if number >= (4, 0):
        return ("bridge",)
    return ("hooked", "bridge") if number >= (3, 9) else ("hooked",)
