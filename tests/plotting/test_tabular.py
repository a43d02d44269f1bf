"""Results as data frames, data sets, pictures and in notebooks."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch

from replications.analysis.prompt_attribution import attribute_logits
from replications.circuits.prompt_circuit import find_circuit
from replications.errors import BadInput
from replications.models import sites
from replications.models.network import Network
from replications.models.prompting import Words
from replications.models.tokenizers import Tokenizer
from replications.patching import Grid, every_head, path_patch, sweep
from replications.patching.pair_sweeps import sweep_pairs
from replications.patching.prompt_pair import ask, patch
from replications.patching.results import PatchingResult
from replications.plotting.tabular import Tabular
from tests import random_models

WORDS = Words(Tokenizer.from_words(["a", "b", "c", "d"]), bos=False)
PAIRS = (("a b c", "a b d"), ("b b c", "b b d"), ("c a c", "c a d"))


def network() -> Network:
    shape = random_models.SHAPES["gpt"]
    return Network.from_state_dict(shape, random_models.state_dict(shape))


def results() -> dict[str, Tabular]:
    """One of each kind."""
    model = network()
    questions = [ask(model, WORDS, *pair, answer="a", against="b") for pair in PAIRS]
    base = torch.cat([question.corrupted for question in questions])
    source = torch.cat([question.clean for question in questions])
    answers = torch.tensor([[1, 2]] * 3)
    return {
        "sweep": sweep(model, base, source, Grid(sites.Z, "layer head pos"), answers),
        "places": sweep(model, base, source, [sites.Z(0), sites.MLP_OUT(1)], answers),
        "paths": path_patch(model, base, source, every_head(model), answers=answers),
        "pair": patch(questions[0], sites.Z, "layer head pos"),
        "heads of a pair": patch(questions[0], sites.Z, "layer head"),
        "pairs": sweep_pairs(questions, sites.RESID_PRE, "layer pos"),
        "attribution": attribute_logits(model, source[:1], 1, 2),
        "circuit": find_circuit(questions[0], "eap"),
    }


RESULTS = results()


@pytest.mark.parametrize("name", RESULTS)
def test_a_data_frame_has_a_row_for_each_thing(name: str) -> None:
    pytest.importorskip("pandas")
    result = RESULTS[name]
    frame = result.to_dataframe()
    columns = result.columns()
    assert list(frame.columns) == list(columns)
    assert len(frame) == len(next(iter(columns.values())))
    assert not frame.set_index(list(result.index)).index.duplicated().any()


@pytest.mark.parametrize("name", RESULTS)
def test_a_data_set_has_the_axes(name: str) -> None:
    pytest.importorskip("xarray")
    found = RESULTS[name].to_xarray()
    expected = ("layer", "head") if name == "attribution" else RESULTS[name].index
    assert set(found.dims) == set(expected)


def test_the_numbers_are_those_of_the_result() -> None:
    pytest.importorskip("xarray")
    found = RESULTS["sweep"]
    assert isinstance(found, PatchingResult)
    data = found.to_xarray()
    assert torch.from_numpy(data["value"].values).equal(found.values.to(torch.float64))
    one = data["effect"].sel(layer=1, head=0, pos=2, example=1).item()
    assert one == pytest.approx(found.recovery()[1, 0, 2, 1].item())
    frame = found.to_dataframe()
    row = frame[(frame.layer == 0) & (frame["head"] == 1) & (frame.pos == 2) & (frame.example == 2)]
    assert row["value"].item() == pytest.approx(found.values[0, 1, 2, 2].item())
    assert row["base"].item() == pytest.approx(found.base[2].item())


def test_answers_are_an_axis_of_their_own() -> None:
    pytest.importorskip("pandas")
    model = network()
    tokens = torch.tensor([[1, 2, 3], [2, 2, 3]])
    answers = torch.tensor([[0, 1, 2]] * 2)
    many = sweep(model, tokens.flip(1), tokens, Grid(sites.Z, "layer"), answers)
    frame = many.to_dataframe()
    assert list(frame.columns)[:3] == ["layer", "example", "answer"]
    assert len(frame) == many.values.numel()
    with pytest.raises(BadInput, match="makes no heatmap"):
        many.plot()


def test_attribution_adds_up_in_a_frame_too() -> None:
    pytest.importorskip("pandas")
    found = RESULTS["attribution"]
    total: Any = found.to_dataframe()["value"].sum()
    assert total == pytest.approx(found.logit_difference, abs=1e-9)  # type: ignore[attr-defined]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", RESULTS)
def test_every_result_draws_itself_and_shows_itself(name: str) -> None:
    figure = RESULTS[name].plot()
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    shown = RESULTS[name]._repr_html_()
    assert shown.startswith('<img src="data:image/png;base64,')
    assert "<table>" in shown


def test_a_table_is_cut_and_escaped() -> None:
    shown = RESULTS["sweep"]._repr_html_()
    rows = len(next(iter(RESULTS["sweep"].columns().values())))
    assert f"10 of {rows} rows" in shown
    assert shown.count("<tr>") == 11
    circuit = RESULTS["circuit"]._repr_html_()
    assert "-&gt;" in circuit or "→" in circuit


def test_an_example_without_a_difference_leaves_the_picture_alone() -> None:
    found = RESULTS["sweep"]
    assert isinstance(found, PatchingResult)
    base = found.base.clone()
    base[0] = found.source[0]
    image = replace(found, base=base).plot().axes[0].images[0].get_array()
    assert image is not None
    assert math.isfinite(float(image.max()))


@pytest.mark.parametrize(
    ("module", "method"), [("pandas", "to_dataframe"), ("xarray", "to_xarray")]
)
def test_without_the_library_the_remedy_is_named(
    module: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadInput, match=rf"needs {module}.*pip install 'interp-claims\[frames\]'"):
        getattr(RESULTS["pair"], method)()


def test_without_matplotlib_a_notebook_shows_the_table(no_matplotlib: None) -> None:
    assert RESULTS["pair"]._repr_html_().startswith("<table>")
    with pytest.raises(BadInput, match="pictures need matplotlib"):
        RESULTS["pair"].plot()
