"""Published arrays as data, and the largest distance from one, with its place."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from replications.analysis.published import Distance, Figure, read
from replications.errors import BadInput
from replications.judging.expectation import at_most, to_json

SOURCE = {"repository": "someone/demos", "path": "demo.ipynb", "commit": "0123abc"}
GRID = [[0.0, 0.5, 1.0], [0.25, -0.5, 2.0]]


def figure(labels: dict[str, list[str]] | None = None) -> Figure:
    values = torch.tensor(GRID, dtype=torch.float64)
    return Figure("grid", ("layer", "pos"), values, labels or {}, SOURCE)


def written(folder: Path, **entry: object) -> Path:
    path = folder / "demo.json"
    content = {"source": SOURCE, "figures": {"grid": {"axes": "layer pos", "values": GRID} | entry}}
    path.write_text(json.dumps(content))
    return path


def test_the_distance_is_the_largest_and_names_its_place() -> None:
    measured = torch.tensor(GRID) + torch.tensor([[0, 0.1, 0], [0, 0, -0.25]])
    found = figure().distance(measured)
    assert found == pytest.approx(0.25)
    assert found.place == "layer 1, pos 2"
    assert (found.measured, found.published) == (1.75, 2.0)
    assert found.detail == "at layer 1, pos 2: 1.75, published 2"


def test_an_axis_may_name_its_indices() -> None:
    named = figure({"layer": ["the first layer", "the last layer"]})
    assert named.distance(torch.zeros(2, 3)).place == "the last layer, pos 2"


def test_a_verdict_says_where() -> None:
    verdict = at_most(0.1).judge(figure().distance(torch.zeros(2, 3)))
    assert not verdict.holds
    assert verdict.margin == pytest.approx(-1.9)
    assert verdict.why == "2 (at layer 1, pos 2: 0, published 2) is outside ≤ 0.1 by 1.9"


def test_in_a_ledger_it_is_a_number() -> None:
    assert json.dumps(to_json(Distance(1.0, 0.5, "pos 3"))) == "0.5"


def test_what_is_not_finite_is_no_small_distance() -> None:
    measured = torch.tensor(GRID)
    measured[0, 1] = math.nan
    found = figure().distance(measured)
    assert math.isnan(found)
    assert found.place == "layer 0, pos 1"
    assert not at_most(1e9).judge(found).holds


def test_another_shape_is_refused() -> None:
    with pytest.raises(BadInput, match=r"published as \[2, 3\], layer pos, and measured as \[6\]"):
        figure().distance(torch.zeros(6))


def test_a_file_is_read_with_its_source(tmp_path: Path) -> None:
    found = read(written(tmp_path, labels={"layer": ["a", "b"]}))["grid"]
    assert found.values.tolist() == GRID
    assert len(found) == 6
    assert found.origin == "someone/demos, demo.ipynb @ 0123abc"
    assert found.label(3) == "b, pos 0"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"axes": "layer"}, "do not lie along"),
        ({"values": [[0.0, math.nan]]}, "finite numbers"),
        ({"values": "none"}, "not a file of published figures"),
        ({"labels": {"layer": ["a"]}}, "one label for each index of layer"),
    ],
)
def test_a_file_that_is_wrong_is_refused(
    tmp_path: Path, entry: dict[str, object], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        read(written(tmp_path, **entry))
