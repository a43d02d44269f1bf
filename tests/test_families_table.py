"""The table of families in the docs: complete, within its bound, and measured again in part."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from replications.models import huggingface
from replications.models.families import FAMILIES
from tests import architectures, hf_models

PAGE = Path(__file__).parents[1] / "docs/reference/architectures.md"


def test_every_family_has_a_model() -> None:
    assert set(hf_models.FAMILIES) == set(FAMILIES)


def test_the_table_has_all_models_and_no_error_beyond_the_bound() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = text.split(architectures.BEGIN)[1].split(architectures.END)[0].strip().splitlines()
    assert rows[0] == "| model | " + " | ".join(architectures.COLUMNS) + " |"
    cells = [re.split(r" \| ", row.strip("| ")) for row in rows[2:]]
    assert [name for name, *_ in cells] == list(hf_models.MODELS)
    for name, *errors in cells:
        assert len(errors) == len(architectures.COLUMNS)
        assert all(float(error) <= architectures.BOUND for error in errors), name


@pytest.mark.slow
@pytest.mark.parametrize("name", hf_models.FAMILIES)
def test_some_of_every_column_is_measured_again(name: str) -> None:
    model = architectures.Measured(name, thin=23)
    for column, measure in architectures.COLUMNS.items():
        assert measure(model) <= architectures.BOUND, column


def test_an_error_would_be_seen() -> None:
    """A model read with other rotations is far from what transformers computes."""
    model = architectures.Measured("llama")
    settings = hf_models.model("llama").config.to_dict()
    settings["rope_parameters"] = settings["rope_parameters"] | {"rope_theta": 10_001.0}
    model.network = huggingface.read(settings, hf_models.model("llama").state_dict)[0]
    assert model.logits() > 1e3 * architectures.BOUND
