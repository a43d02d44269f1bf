"""Which TransformerLens works, and what is seen of a site that changed its meaning."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

import pytest
import torch

from claims import _settings
from replications.errors import BadInput, Unsound, Unsupported
from replications.lens import Lens, Soundness, hooks, lines, open_lens, soundness
from replications.models import sites
from replications.models.edits import apply
from replications.models.parameters import bridge_state_dict
from tests.toy import EXACT, PADDED, PLACES, SHAPES, TOKENS, distance, opened, weights

HERE = lines.installed()
EVERY_MODEL = pytest.mark.parametrize("model", SHAPES)
LAYERNORMS = (sites.LN1, sites.LN2, sites.LN_FINAL)


@pytest.fixture(autouse=True)
def nothing_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_EXAMINED", {})


@pytest.fixture
def version(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Pretends that another TransformerLens is installed."""
    monkeypatch.delenv(lines.KIND, raising=False)
    monkeypatch.delenv(lines.UNTESTED, raising=False)

    def install(number: str) -> None:
        monkeypatch.setattr(metadata, "version", lambda name: number)

    return install


# ---------------------------------------------------------------------------- which is supported
@pytest.mark.parametrize("number", ["2.8.1", "3.0.0", "4.2.0", "4.30.0", "5.0", "5"])
def test_another_version_is_refused_at_once_with_those_that_work(
    number: str, version: Callable[[str], None]
) -> None:
    version(number)
    for run in (lambda: open_lens(PADDED, weights()), lines.installed):
        with pytest.raises(
            Unsupported, match=rf"TransformerLens {number} is not supported; .*4\.3\.x"
        ):
            run()
    with pytest.raises(
        pytest.UsageError, match=r"1\.19\.x \(hooked\), .*3\.9\.x \(hooked or bridge\)"
    ):
        _settings._check_lens(None)
    assert lines.kind_or_none() is None


@pytest.mark.parametrize(
    ("number", "kind"),
    [("1.19.0", "hooked"), ("2.18.0", "hooked"), ("3.9.7", "hooked"), ("4.3.0", "bridge")],
)
def test_each_line_has_a_kind_of_its_own(
    number: str, kind: str, version: Callable[[str], None]
) -> None:
    version(number)
    assert lines.installed() == lines.Line(number, kind, tested=True)
    assert lines.kind_or_none() == kind


@pytest.mark.parametrize(("number", "kind"), [("3.0.0", "hooked"), ("4.2.0", "bridge")])
def test_a_version_that_was_not_tested_can_be_tried(
    number: str, kind: str, version: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    version(number)
    monkeypatch.setenv(lines.UNTESTED, "1")
    assert lines.installed() == lines.Line(number, kind, tested=False)


def test_the_kind_can_be_chosen_where_there_are_two(
    version: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    version("3.9.0")
    monkeypatch.setenv(lines.KIND, "bridge")
    assert lines.installed().kind == "bridge"
    version("2.18.0")
    with pytest.raises(
        Unsupported, match=r"TransformerLens 2\.18\.0 has no bridge model; it has: h"
    ):
        lines.installed()
    monkeypatch.setenv(lines.KIND, "tuned")
    with pytest.raises(BadInput, match="unknown lens 'tuned'; there are: hooked, bridge"):
        lines.installed()


@pytest.mark.skipif(len(lines.kinds()) < 2, reason="this TransformerLens has one kind of model")
@EVERY_MODEL
def test_both_kinds_show_the_same(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    for kind in lines.LENS_KINDS:
        monkeypatch.setenv(lines.KIND, kind)
        lens = open_lens(SHAPES[model], weights(), dtype=torch.float64)
        runs.append(lens.run(TOKENS, {repr(place): place for place in PLACES}))
    hooked, bridge = runs
    assert distance(hooked.logits, bridge.logits) < EXACT
    assert [n for n in hooked.reads if distance(hooked[n], bridge[n]) > EXACT] == []


@pytest.mark.skipif(HERE.number < (4, 0), reason="it has no converter of its own")
def test_the_bridge_s_layout_is_the_one_of_its_own_converter() -> None:
    from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint

    ours = bridge_state_dict(PADDED, weights())
    theirs = convert_tl_checkpoint(dict(weights()), opened("padded").model.cfg)  # type: ignore[attr-defined]
    assert set(ours) == set(theirs)
    assert [name for name in ours if not ours[name].equal(theirs[name])] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("blocks.0.attn.W_Q", torch.zeros(4, 12, 4)), ("blocks.0.x", torch.zeros(1))],
)
def test_a_layout_that_is_not_the_classic_one_is_refused(name: str, value: torch.Tensor) -> None:
    with pytest.raises(BadInput, match=name):
        bridge_state_dict(PADDED, dict(weights()) | {name: value})


# ------------------------------------------------------------------------- what every line shows
@EVERY_MODEL
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["32", "64"])
def test_no_site_is_wrong_and_only_3_9_s_own_bridge_has_a_dead_one(
    model: str, dtype: torch.dtype
) -> None:
    dead = (sites.PATTERN,) if (HERE.number, HERE.kind) == ((3, 9), "bridge") else ()
    lens = opened(model, dtype)
    assert lens.soundness() == Soundness(dead=dead)


def test_the_hook_of_a_normalised_stream_changed_its_meaning_in_3_0() -> None:
    lens = opened("padded")
    reads = {"output": sites.LN1(0), "hook": _by_name(sites.LN1)(0)}
    run = lens.run(TOKENS, reads)
    apart = distance(run["output"], run["hook"])
    w = weights()
    if HERE.number < (3, 0):
        assert apart < EXACT
    else:
        assert apart > 0.1
        scaled = run["hook"] * w["blocks.0.ln1.w"] + w["blocks.0.ln1.b"]
        assert distance(run["output"], scaled) < EXACT


def _by_name(site: sites.Site) -> sites.Site:
    return sites.Site(site.name, site.axes, f"{site.path}.hook_normalized")


# --------------------------------------------------------------------- a site that fails is refused
@pytest.fixture
def layernorm_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lens that reads LayerNorms at the hook, as one written for 2.18 would."""
    kind = type(opened("padded"))
    listen = kind._on_module_output  # type: ignore[attr-defined]

    def by_name(self: Any, path: str, action: hooks.Action) -> Any:
        return listen(self, f"{path}.hook_normalized", action)

    monkeypatch.setattr(kind, "_on_module_output", by_name)


@pytest.mark.skipif(HERE.number < (3, 0), reason="there the hook shows the output")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["32", "64"])
@pytest.mark.usefixtures("layernorm_by_name")
def test_planted_lens_that_reads_layernorms_by_name_is_refused(dtype: torch.dtype) -> None:
    lens = opened("padded", dtype)
    assert lens.soundness().wrong == LAYERNORMS
    for place in (sites.LN1(1), sites.LN_FINAL()):
        with pytest.raises(Unsound, match=r"ln.*shows there is not what the weights give.*4\.3"):
            lens.run(TOKENS, {"x": place})
        with pytest.raises(Unsound, match="drops edits there"):
            lens.run(TOKENS, edits=[apply(place, torch.zeros_like)])
    lens.run(TOKENS, {"x": sites.Z(0)})


def test_planted_edit_that_is_dropped_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lens = opened("causal")
    editor = type(lens)._editor  # type: ignore[attr-defined]

    def drops_z(edit: Any, rows: slice) -> hooks.Action:
        return (lambda value, hook=None: None) if edit.place.site is sites.Z else editor(edit, rows)

    monkeypatch.setattr(type(lens), "_editor", staticmethod(drops_z))
    assert sites.Z in lens.soundness().dead
    with pytest.raises(Unsound, match=r"z\[layer=1\].*drops edits there; use --lens hooked"):
        lens.run(TOKENS, edits=[apply(sites.Z(1), torch.zeros_like)])
    lens.run(TOKENS, {"z": sites.Z(1)})


def test_a_reopened_model_is_examined_with_its_sister(monkeypatch: pytest.MonkeyPatch) -> None:
    examined = []
    examine = soundness.examine

    def noted(lens: Lens, run: soundness.RunBatch) -> Soundness:
        examined.append(lens)
        return examine(lens, run)

    monkeypatch.setattr(hooks, "examine", noted)
    lens = open_lens(PADDED, weights())
    lens.run(TOKENS)
    lens.reopen(weights(seed=1)).run(TOKENS)
    lens.with_edits([apply(sites.Z(0), torch.zeros_like)]).run(TOKENS)
    assert examined == [lens]


@pytest.mark.parametrize(
    ("version", "kind", "site", "known"),
    [
        ("3.9.0", "bridge", "pattern", True),
        ("3.9.0", "bridge", "z", False),
        ("3.9.0", "hooked", "pattern", False),
        ("4.3.1", "bridge", "pattern", False),
    ],
)
def test_what_a_tested_line_is_known_to_drop(
    version: str, kind: str, site: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: version)
    monkeypatch.setenv(lines.KIND, kind)
    assert lines.drops_edits(site) is known
