"""The seeds that a manifest lists beyond those that are shipped."""

from __future__ import annotations

import pytest

from replications import fixtures
from replications.systems.seeds import with_listed


def test_listed_seeds_follow_the_shipped_ones_and_no_other_file_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = ["17", "1", "6", "07", "x", "8.loss", "one-layer-9"]
    names = [*(f"s/seed{seed}.w" for seed in listed), "s/one-layer-seed9.w", "t/seed12.w"]
    monkeypatch.setattr(fixtures, "manifest", lambda: dict.fromkeys(names))
    assert with_listed(range(3), "s/seed{seed}.w") == (0, 1, 2, 6, 17)


def test_the_shipped_manifest_lists_no_others() -> None:
    assert with_listed(range(5), "list_update/seed{seed}.safetensors") == tuple(range(5))
    assert with_listed(range(9), "brackets/retrained-seed{seed}.safetensors") == tuple(range(9))
    assert with_listed(range(3), "name_recall/seed{seed}.safetensors") == (0, 1, 2)
