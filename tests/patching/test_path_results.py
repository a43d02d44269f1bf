"""What a path sweep is given and gives: senders, shares and grids, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from replications.errors import BadInput, Unsupported
from replications.lens import Lens
from replications.models import sites
from replications.models.edits import put
from replications.patching.execution import Execution
from replications.patching.paths import HeadInputs, every_head, path_patch
from tests.patching.pairs import ANSWERS, EARLY, JOINT, pair
from tests.random_models import lens, network, tokens


def test_the_result_names_its_senders_and_gives_shares_and_grids() -> None:
    model, runs = network("gpt"), pair("gpt")
    found = path_patch(model, *runs, every_head(model, before=2), answers=ANSWERS)
    assert found.labels["sender"] == ("0.0", "0.1", "0.2", "1.0", "1.1", "1.2")
    assert found.grid(found.mean()).shape == (2, 3)
    assert found.grid(found.mean())[1, 0] == found.values[3].mean()
    low, high = found.base.mean(), found.source.mean()
    assert found.mean_recovery()[4].isclose((found.values[4].mean() - low) / (high - low))
    span = found.source - found.base
    assert found.recovery()[4, 1].isclose((found.values[4, 1] - found.base[1]) / span[1])
    joint = path_patch(model, *runs, JOINT, answers=ANSWERS)
    assert joint.labels == {"sender": ("0.1+1.2", "1.0+0.0+2.1")}
    with pytest.raises(BadInput, match="only single heads make a grid"):
        joint.grid(joint.mean())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"senders": []}, "at least one sender"),
        ({"senders": [[]]}, "at least one head"),
        ({"senders": [[(0, 3)]]}, "head 0.3: the model has 3 layers of 3 heads"),
        ({"senders": [[(0, 1), (0, 1)]]}, "named twice"),
        ({"receiver": "resid"}, "receiver='resid'"),
        ({"receiver": HeadInputs(sites.Q, [(3, 0)])}, "head 3.0"),
        ({"receiver": HeadInputs(sites.Q, EARLY, [6])}, "position 6 is outside prompts of 6"),
        (
            {"receiver": HeadInputs(sites.Q, EARLY, torch.tensor([1, 2]))},
            r"positions \[2, 1\] for 3",
        ),
        ({"mlps": "none"}, "mlps='none'"),
        ({"at": 6}, "position 6 is outside"),
        ({"at": torch.tensor([1, 2])}, "one for each of 3"),
        ({"answers": torch.tensor([0, 1])}, r"tokens \[3 answer\]"),
        ({"answers": ANSWERS + 1}, "output vocabulary of 6"),
        ({"source": tokens("gpt", length=5)}, r"base tokens \[3, 6\], source \[3, 5\]"),
        ({"source": tokens("gpt") + 5}, "outside the vocabulary"),
    ],
)
def test_questions_that_make_no_sense_are_refused(change: dict[str, Any], match: str) -> None:
    base, source = pair("gpt")
    usual: dict[str, Any] = {"source": source, "senders": JOINT, "answers": ANSWERS}
    with pytest.raises(BadInput, match=match):
        path_patch(network("gpt"), base, **(usual | change))


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ((sites.Z, EARLY), "paths into 'z' of 2 heads"),
        ((sites.Q, []), "at least one head"),
        ((sites.Q, EARLY, None, "none"), "softmax='none'"),
    ],
)
def test_ends_of_paths_that_make_no_sense_are_refused(given: Any, match: str) -> None:
    with pytest.raises(BadInput, match=match):
        HeadInputs(*given)


def test_progress_counts_every_sender_in_every_example() -> None:
    seen: list[tuple[int, int]] = []
    options = Execution(memory_mb=0.01, progress=lambda done, total: seen.append((done, total)))
    path_patch(network("gpt"), *pair("gpt"), JOINT, answers=ANSWERS, execution=options)
    assert len(seen) > 1
    assert seen[-1] == (6, 6)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_lens_with_standing_edits_is_refused() -> None:
    edited: Lens = lens("gpt").with_edits([put(sites.Z(0), torch.tensor(0.0))])
    with pytest.raises(Unsupported, match="without them"):
        path_patch(edited, *pair("gpt"), JOINT, answers=ANSWERS)
