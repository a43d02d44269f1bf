"""The gallery of the documentation asks models that the repository ships, of every system."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from replications import fixtures
from replications.systems.registry import SYSTEMS, load, pictures_of

pytest.importorskip("mkdocs")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "docs" / "gallery.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_system_has_models_that_are_shipped(gallery: ModuleType) -> None:
    assert set(gallery.SUBJECTS) == set(SYSTEMS)
    for system, names in gallery.SUBJECTS.items():
        listed = {info.name: info for info in load(system).SUBJECTS}
        for name in names:
            assert all(not fixtures.manifest()[each].sources for each in listed[name].fixtures)


@pytest.mark.slow  # `make docs` draws them all
def test_every_picture_has_its_image_or_its_reason(gallery: ModuleType, tmp_path: Path) -> None:
    found = list(gallery._drawn("list_update", tmp_path))
    pictures = pictures_of("list_update")
    assert len(found) == len(pictures)
    for (place, content, text), picture in zip(found, pictures, strict=True):
        assert place == f"gallery/list_update-{picture.name}.png"
        assert picture.title in text
        assert content is None or (content.startswith(b"\x89PNG") and f"({place})" in text)
    assert sum(content is not None for _, content, _ in found) > 5
