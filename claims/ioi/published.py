"""What the claims on published figures share: sources, tolerances, and the controls of sweeps.

Every figure that public notebooks printed of GPT-2 small on this task is compared as a whole: the
largest distance of any of its numbers from what is measured here must be within what independent
runs of the same notebooks agree to. A distance names the place where it is largest. The arrays are
in replications/systems/ioi/published/, with their prompts.

No original weights could be had when this was written: the numbers have not been compared with a
measurement on them. tests/systems/ioi/test_published.py runs all of it on random weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from replications.judging.claim import Control, Measure, Source, claim, instead
from replications.judging.expectation import Expectation, at_most

GROUP = "gpt2-small"
TRANSFORMER_LENS = Source(
    "TransformerLens, demo notebooks", "https://github.com/TransformerLensOrg/TransformerLens"
)
NNSIGHT = Source("nnsight, tutorial notebooks", "https://github.com/ndif-team/nnsight")
EXPLORATORY = TRANSFORMER_LENS / "Exploratory_Analysis_Demo.ipynb @ df1d7cf4"
EXACT = TRANSFORMER_LENS / "Activation_Patching_in_TL_Demo.ipynb @ 0899f3c5"
ESTIMATES = TRANSFORMER_LENS / "Attribution_Patching_Demo.ipynb @ 29cd7f7d"
MAIN = TRANSFORMER_LENS / "Main_Demo.ipynb @ 403c6d8b"
DIRECT = TRANSFORMER_LENS / "Direct_Logit_Attribution_Demo.ipynb @ bb150199"
TESTS = TRANSFORMER_LENS / "tests/acceptance/test_hooked_transformer.py"
NNSIGHT_EXACT = NNSIGHT / "activation_patching.ipynb @ d1c436ca"
NNSIGHT_ESTIMATES = NNSIGHT / "attribution_patching.ipynb @ 5e8e860e"

BY_LAYER = "12 × 15 values"
BY_HEAD = "144 values"
BY_POSITION = "144 × 15 values"

PATCHED = at_most(
    1e-5, because="independent runs of one sweep, from 2023 to 2026, agree to 2.5e-6 of the gap"
)
ESTIMATED = at_most(
    1e-5,
    because="as for exact patching in the same notebook: no second run of the estimates is known",
)
AGREES = "runs of this notebook from 2022 to 2026 agree to 2e-4, on CPU, CUDA and MPS"
LOGITS = at_most(5e-4, because=AGREES)
SCORES = at_most(0.02, because="the seed of the random tokens is not stated, so ours are others")
WEIGHTS = at_most(
    1e-6, because="runs of 2023 and 2025 agree to 1e-9 in the mean; each score is in float32"
)

NO_ATTENTION_TO_BOS = "A model that does not attend to the token before a text."
LINEAR = "A model whose logit difference is linear in what is patched."
NOT_BOTH_WAYS = (
    "Patching from the corrupted prompts into the clean ones is no control: each prompt is both, "
    "so the numbers are the same."
)
AT = "The largest distance from the printed values, in shares of the gap between the prompts."


def expected(expectation: Expectation) -> dict[str, Expectation]:
    """An expectation of GPT-2 small."""
    return {GROUP: expectation}


def without_bos(measure: Measure) -> Control:
    """The published procedure on prompts that no token opens."""
    return instead("no token before the prompts", measure, accepted_if=NO_ATTENTION_TO_BOS)


def sweep(
    key: str,
    id: str,
    *,
    says: str,
    source: Source,
    published: str,
    other: tuple[str, str] | None = None,
    note: str = "",
) -> Callable[[Measure], Measure]:
    """A claim on a published sweep, exact or estimated as `source` says.

    The controls take the other method, and another site where `other` gives its name and what it is
    called; else, prompts that no token opens.
    """
    estimated = source is ESTIMATES
    words = "exact patching" if estimated else "the first-order estimate"
    controls = [
        instead(words, _patched(key, estimated=not estimated), accepted_if=LINEAR),
    ]
    if other is None:
        controls.append(without_bos(_patched(key, bos=False)))
    else:
        site, name = other
        accepted = f"A model in which it makes no difference to take {name}."
        controls.append(instead(name, _patched(key, site=site), accepted_if=accepted))
    return claim(
        id,
        says=says,
        source=source,
        tier=2,
        published=published,
        expect=expected(ESTIMATED if estimated else PATCHED),
        control=tuple(controls),
        note=f"{AT} {note}".strip(),
    )


def _patched(key: str, **changes: Any) -> Measure:
    return lambda subject: subject.published.patched(key, **changes)
