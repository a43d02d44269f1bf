"""Where two runs of a model part: the first place whose trace differs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from replications import cli
from replications.commands import OK
from replications.drift import fingerprint
from replications.drift.fingerprint import Mark, began, marks
from replications.errors import BadInput
from replications.lens import hooks, lines
from replications.lens.base import Soundness
from replications.lens.hooks import HookLens
from replications.models import sites
from replications.models.edits import Edit, apply
from replications.systems import registry
from tests import sample_ledger
from tests.sample_ledger import BIG, row
from tests.toy import TOKENS, opened, random

LOGITS = "logits less their mean"


def of(model: str = "padded", edits: tuple[Edit, ...] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {"tokens": "the same"}
    for dtype in fingerprint.DTYPES:
        lens = opened(model, getattr(torch, dtype)).with_edits(edits)
        found[dtype] = [asdict(mark) for mark in marks(lens, TOKENS)]
    return found


def first(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The place after "first differs at" for each dtype, empty for none."""
    return [line.partition("first differs at ")[2].split(",")[0] for line in began(old, new)]


# -------------------------------------------------------------------------------------- marks
def test_the_products_tell_the_size_of_a_difference() -> None:
    value = random(40, 50)
    for size in (1e-1, 1e-6):
        other = value + size * random(40, 50, seed=1)
        true = float((other - value).square().mean().sqrt() / value.square().mean().sqrt())
        assert Mark.of("x", value).apart(Mark.of("x", other)) == pytest.approx(true, rel=0.6)
    assert Mark.of("x", value).apart(Mark.of("x", value.clone())) == 0.0
    one = value.clone()
    one[3, 7] += 10
    assert Mark.of("x", value).apart(Mark.of("x", one)) > 0.1


def test_places_come_in_the_order_they_are_computed() -> None:
    names = [mark.name for mark in marks(opened("padded"), TOKENS)]
    assert names[:5] == ["weights", "embed[]", "pos_embed[]", "resid_pre[layer=0]", "ln1[layer=0]"]
    order = [names.index(f"{name}[layer=0]") for name in ("z", "attn_out", "ln2", "resid_post")]
    assert order == sorted(order)
    assert names[-3:] == ["ln_final[]", LOGITS, "logits"]


# -------------------------------------------------------------------------------------- began
def test_the_same_run_parts_nowhere() -> None:
    assert first(of(), of()) == ["", ""]
    assert began(of(), of())[0] == "float32: nowhere differs by more than 1e-05 (at most 0.0e+00)"


@pytest.mark.parametrize("place", [sites.LN1(0), sites.K(1), sites.MLP_OUT(1)], ids=repr)
def test_a_change_at_one_place_is_found_there(place: sites.Place) -> None:
    edit = apply(place, lambda x: x * 1.001)
    assert first(of(), of(edits=(edit,))) == [repr(place)] * 2


def test_what_only_rounding_changed_shows_in_float32_alone() -> None:
    def jitter(value: Tensor) -> Tensor:
        return value * (1 + 1e-3) if value.dtype == torch.float32 else value

    new = of(edits=(apply(sites.Z(0), jitter),))
    assert first(of(), new) == ["z[layer=0]", ""]


def test_a_constant_at_each_position_is_told_from_other_logits() -> None:
    def raised(found: dict[str, Any]) -> dict[str, Any]:
        lens = opened("padded")
        run = lens.run(TOKENS)
        last = asdict(Mark.of("logits", run.logits + 1))
        return {**found, "float32": [*found["float32"][:-1], last]}

    assert first(of(), raised(of())) == ["logits", ""]


def test_other_tokens_are_said_before_anything_else() -> None:
    assert began(of(), {**of("causal"), "tokens": "other"}) == ["the two runs had different tokens"]


@pytest.mark.skipif(lines.installed().number < (3, 0), reason="there the hook shows the output")
def test_planted_lens_that_reads_layernorms_by_name_parts_at_the_first_layernorm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = of()
    listen = type(opened("padded"))._on_module_output  # type: ignore[attr-defined]

    def by_name(self: HookLens, path: str, action: hooks.Action) -> Any:
        return listen(self, f"{path}.hook_normalized", action)

    monkeypatch.setattr(type(opened("padded")), "_on_module_output", by_name)
    # With the check of meaning off: with it on, the run would have been refused.
    monkeypatch.setattr(hooks, "_EXAMINED", {})
    monkeypatch.setattr(hooks, "examine", lambda lens, run: Soundness())
    assert first(right, of()) == ["ln1[layer=0]"] * 2
    monkeypatch.setattr(hooks, "_EXAMINED", {})  # nothing of this test is left for the next one


# --------------------------------------------------------------------------- files, the command
def test_drift_says_where_it_began_if_both_traces_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edit = apply(sites.LN_FINAL(), lambda x: x + 0.1)
    traces = {"old": of(), "new": of(edits=(edit,))}
    for name, measured in (("old", 0.98), ("new", 0.99)):
        monkeypatch.setattr(fingerprint, "fingerprint", lambda opener, name=name: traces[name])
        sample_ledger.ledger(row(BIG, "arena", "pass", measured=measured)).write(
            tmp_path / f"{name}.json"
        )
        file = str(tmp_path / f"{name}.trace.json")
        assert cli.main(["trace", file, "toys/arena"]) == OK
    assert cli.main(["drift", str(tmp_path / "old.json"), str(tmp_path / "new.json")]) == OK
    out = capsys.readouterr().out
    assert "toys/arena: float32: first differs at ln_final[], by" in out
    assert "toys/arena: float64: first differs at ln_final[], by" in out


def test_a_file_that_is_no_trace_is_refused(tmp_path: Path) -> None:
    for content in ("{}", '{"trace": 99}', "[", '{"schema": 1}'):
        (tmp_path / "x.trace.json").write_text(content)
        with pytest.raises(BadInput, match="trace"):
            fingerprint.read(tmp_path / "x.trace.json")


def taken(system: str, name: str) -> dict[str, Any] | None:
    return fingerprint.fingerprint(lambda dtype: registry.load(system).subject(name, dtype=dtype))


def test_a_shipped_subject_is_traced_in_both_dtypes() -> None:
    found = taken("list_update", "seed0")
    assert found is not None
    assert [mark["name"] for mark in found["float32"]] == [m["name"] for m in found["float64"]]
    assert taken("list_update", "generator") is None


@pytest.mark.slow
def test_a_language_model_is_traced_on_its_prompts() -> None:
    prompts = registry.load("name_recall").subject("toy/seed0").tokens
    found = taken("name_recall", "toy/seed0")
    assert found is not None
    assert found["tokens"] == hashlib.sha256(prompts.numpy().tobytes()).hexdigest()
