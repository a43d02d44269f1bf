"""The model with random weights, for the files that have no subject of their own."""

from __future__ import annotations

import pytest

from replications.systems.list_update import ListUpdateSubject
from tests.systems.list_update.random_model import random_subject


@pytest.fixture(scope="module")
def subject() -> ListUpdateSubject:
    return random_subject()
