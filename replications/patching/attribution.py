"""Attribution patching: what an activation patch would do, to first order, for all places at once.

The effect of putting the source run's activation a' in the place of the base run's a is estimated
as (a' - a) · d metric / d a. That takes one run of each prompt and one backward pass, whatever the
number of places (Nanda 2023; Syed, Rager and Conmy 2023, arXiv:2310.10348). `agreement` says how
far the estimate is from an exact sweep of the same places.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.errors import BadInput
from replications.lens import Lens
from replications.lens.networks import as_network
from replications.models import sites
from replications.models.edits import Edit
from replications.models.network import Network
from replications.models.sites import Place
from replications.patching._engine import metric as metrics
from replications.patching._engine.problem import PatchTable
from replications.patching.execution import DEFAULT, Execution
from replications.patching.grid import Grid, list_places
from replications.patching.results import PatchingResult


@dataclass(frozen=True)
class AttributionPatching(PatchingResult):
    """The metric as it is estimated to be with every place patched alone."""


def attribute(
    model: Lens | Network,
    base: Tensor,
    source: Tensor,
    places: Grid | Sequence[Place],
    answers: Tensor,
    *,
    at: int | Tensor = -1,
    execution: Execution = DEFAULT,
) -> AttributionPatching:
    """Estimate what `sweep` with the same arguments finds.

    `base` and `source` are tokens [batch pos], `answers` long [batch 2], correct and incorrect; the
    metric is the difference of their logits at position `at`, one for all or long [batch]. All
    activations of both runs are held at once: only the device and the precision of `execution`
    apply here.

    Raises BadInput for tokens, places, positions or answers that do not fit the model or each
    other, Unsupported for a lens with standing edits.
    """
    network, given_on = execution.place(as_network(model)), base.device
    base, source = metrics.prompt_tokens(network, base, source)
    if answers.shape != (len(base), 2):
        raise BadInput(f"answers {[*answers.shape]}: give two for each of {len(base)} examples")
    answers = metrics.answer_tokens(answers, base, network.shape)
    positions = metrics.metric_positions(at, base).to(base.device)
    listed, labels = list_places(places, network, base.shape[1])
    PatchTable.of(listed, network.shape, base.shape[1])  # raises BadInput for places it lacks
    with execution.precision(network):
        with torch.no_grad():
            theirs = network.cache(source)
            high = _metric(network, theirs, positions, answers)
        with torch.enable_grad():
            ours = network.cache(base, [_WITH_GRADIENT])
            low = _metric(network, ours, positions, answers)
            whole = list(dict.fromkeys(place.site(place.layer) for place in listed))
            slopes = torch.autograd.grad(low.sum(), [ours[place] for place in whole])
    low = low.detach()
    # Summed over the last axis, which no place picks from: d_model, d_head, or a pattern's keys.
    changes = {
        place: (slope * (theirs[place] - ours[place].detach())).sum(-1)
        for place, slope in zip(whole, slopes, strict=True)
    }
    values = torch.stack([low + _change(changes, place) for place in listed])
    values = values.unflatten(0, [len(label) for label in labels.values()])
    return AttributionPatching(
        values.to(given_on), tuple(labels), labels, low.to(given_on), high.to(given_on)
    )


_WITH_GRADIENT = Edit(sites.EMBED(), lambda current, rows: current.requires_grad_())


def _metric(network: Network, seen: Mapping[Place, Tensor], at: Tensor, answers: Tensor) -> Tensor:
    """The logit difference of a run whose activations were kept: [batch]."""
    last = seen[sites.RESID_POST(network.shape.n_layers - 1)]
    stream = last[torch.arange(len(last), device=last.device), at]
    return metrics.of_answers(metrics.answer_logits(network, stream, answers))


def _change(changes: Mapping[Place, Tensor], place: Place) -> Tensor:
    """The change of the metric that a place makes: [batch].

    `changes` has those at every position and head of whole sites, which are summed over the place.
    """
    found = changes[place.site(place.layer)][place.index[:-1]]
    return found.reshape(len(found), -1).sum(1)


# -------------------------------------------------------------------- against the exact sweep
@dataclass(frozen=True)
class MisjudgedPlace:
    """A place, and by how much patching it changes the mean metric."""

    label: str
    """As "layer 3, head 2"."""
    estimate: float
    """The change that was estimated."""
    exact: float
    """The change that the exact sweep finds."""


@dataclass(frozen=True)
class Agreement:
    """How well estimated effects order and size the places."""

    spearman: float
    """Rank correlation of the effects over all places; NaN where all effects are equal."""
    recall: float
    """The share, among the `k` places with the largest exact effects, that the estimate finds."""
    worst: MisjudgedPlace
    """The place whose effect is estimated worst."""


def agreement(estimate: PatchingResult, exact: PatchingResult, *, k: int = 10) -> Agreement:
    """Compare an estimate's mean effects with those of an exact sweep of the same places or edges.

    Raises BadInput for a sweep of other places, or `k` not between 1 and their number.
    """
    if dict(estimate.labels) != dict(exact.labels) or estimate.axes != exact.axes:
        raise BadInput("the sweep is of other places than the attribution: give both one grid")
    if estimate.values.shape != exact.values.shape:
        raise BadInput(
            f"values {[*estimate.values.shape]} and {[*exact.values.shape]}: give both the same "
            "two answers for the same examples"
        )
    # Subtracted before the mean, so that what is exactly zero is not ranked by its rounding.
    guess, truth = (
        (found.values - found.base).double().mean(-1).flatten().cpu() for found in (estimate, exact)
    )
    if not 1 <= k <= len(truth):
        raise BadInput(f"k={k}: give between 1 and the number of places, {len(truth)}")
    largest = (effects.abs().topk(k).indices.tolist() for effects in (guess, truth))
    found = set.intersection(*map(set, largest))
    worst = int((guess - truth).abs().argmax())
    varied = guess.unique().numel() > 1 and truth.unique().numel() > 1
    return Agreement(
        spearman=stats.spearman(guess, truth) if varied else math.nan,
        recall=len(found) / k,
        worst=MisjudgedPlace(_label(exact, worst), guess[worst].item(), truth[worst].item()),
    )


def _label(sweep: PatchingResult, index: int) -> str:
    """What the index of a flattened sweep stands for: "layer 3, head 2"."""
    sizes = [len(sweep.labels[axis]) for axis in sweep.axes]
    indices = torch.unravel_index(torch.tensor(index), sizes)
    named = zip(sweep.axes, indices, strict=True)
    return ", ".join(f"{axis} {sweep.labels[axis][int(i)]}" for axis, i in named)
