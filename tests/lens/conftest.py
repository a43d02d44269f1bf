"""Published models as tiny stand-ins on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import stand_in


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Stand-ins on disk, listed by a manifest of their own; no other copy is in sight."""
    found = tmp_path_factory.mktemp("published")
    stand_in.write(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPLICATIONS_MANIFEST", str(found / "manifest.toml"))
        patch.setenv("REPLICATIONS_FIXTURES", str(found / "right"))
        patch.setenv("REPLICATIONS_CACHE", str(found / "cache"))
        for name, content in stand_in.files("gelu-2l").items():
            digest = found / "cache" / "gelu-2l" / f"{name}.sha256"
            digest.parent.mkdir(parents=True, exist_ok=True)
            digest.write_text(stand_in.digest(content))
        yield found
