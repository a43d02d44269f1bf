"""Attribution patching: what an activation patch would do, to first order, for all places at once.

The effect of putting the donor's activation a' in the place of the receiver's a is estimated as
(a' - a) · d metric / d a: one run of each prompt and one backward pass, whatever the number of
places (Nanda 2023; Syed, Rager and Conmy 2023, arXiv:2310.10348). `agreement` says how far the
estimate is from an exact sweep of the same places.
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
from replications.patching._engine import metric as asked
from replications.patching._engine.problem import Sites
from replications.patching.activation import Grid, Sweep


@dataclass(frozen=True)
class Attribution:
    """The metric as it is estimated to be with every place patched alone; laid out as a Sweep."""

    values: Tensor
    """[*axes batch]"""
    axes: tuple[str, ...]
    """Names of the axes before batch."""
    labels: Mapping[str, tuple[object, ...]]
    """What each index of an axis stands for."""
    receiver: Tensor
    """The metric of the unpatched receiver run: [batch]."""
    donor: Tensor
    """Of the donor run."""

    def mean(self) -> Tensor:
        """Mean over the examples: [*axes]."""
        return self.values.mean(-1)

    def recovery(self) -> Tensor:
        """The share of the way from the receiver's metric (0) to the donor's (1): [*axes batch]."""
        return (self.values - self.receiver) / (self.donor - self.receiver)


def attribute(
    model: Lens | Network,
    receiver: Tensor,
    donor: Tensor,
    places: Grid | Sequence[Place],
    answers: Tensor,
    *,
    at: int | Tensor = -1,
) -> Attribution:
    """Estimate what `sweep` with the same arguments finds.

    `receiver` and `donor` are tokens [batch pos], `answers` long [batch 2], correct and incorrect;
    the metric is the difference of their logits at position `at`, one for all or long [batch].

    Raises BadInput for tokens, places, positions or answers that do not fit the model or each
    other, Unsupported for a lens with standing edits.
    """
    network = as_network(model)
    receiver, donor = network.check(receiver), network.check(donor)
    if receiver.shape != donor.shape:
        raise BadInput(f"receiver tokens {[*receiver.shape]}, donor {[*donor.shape]}")
    if answers.shape != (len(receiver), 2):
        raise BadInput(f"answers {[*answers.shape]}: give two for each of {len(receiver)} examples")
    answers = asked.answer_tokens(answers, receiver, network.shape)
    where = asked.metric_positions(at, receiver).to(receiver.device)
    length = receiver.shape[1]
    labels: dict[str, tuple[object, ...]] = {}
    if isinstance(places, Grid):
        labels |= places.labels(network, length)
        places = places.places(network, length)
    labels = labels or {"place": tuple(places)}
    if not places:
        raise BadInput("no places: give a Grid, or at least one place")
    Sites.of(places, network.shape, length)  # for its errors
    with torch.no_grad():
        theirs = network.cache(donor)
        high = _difference(network, theirs, where, answers)
    with torch.enable_grad():
        ours = network.cache(receiver, [_WITH_GRADIENT])
        low = _difference(network, ours, where, answers)
        whole = list(dict.fromkeys(place.site(place.layer) for place in places))
        slopes = torch.autograd.grad(low.sum(), [ours[place] for place in whole])
    low = low.detach()
    # Summed over the last axis, which no place picks from: d_model, d_head, or a pattern's keys.
    changes = {
        place: (slope * (theirs[place] - ours[place].detach())).sum(-1)
        for place, slope in zip(whole, slopes, strict=True)
    }
    values = torch.stack([low + _within(changes, place) for place in places])
    values = values.unflatten(0, [len(label) for label in labels.values()])
    return Attribution(values, tuple(labels), labels, low, high)


_WITH_GRADIENT = Edit(sites.EMBED(), lambda current, rows: current.requires_grad_())


def _difference(
    network: Network, seen: Mapping[Place, Tensor], where: Tensor, answers: Tensor
) -> Tensor:
    """logit(correct) less logit(incorrect) of a run, [batch]."""
    last = seen[sites.RESID_POST(network.shape.n_layers - 1)]
    x = network.norm("ln_final", None, last[torch.arange(len(last), device=last.device), where])
    logits = torch.einsum("bd,bad->ba", x, network.W_U.T[answers]) + network.b_U[answers]
    return logits[:, 0] - logits[:, 1]


def _within(changes: Mapping[Place, Tensor], place: Place) -> Tensor:
    """The change of the metric that a place makes, of the changes at every position and head."""
    found = changes[place.site(place.layer)][place.index[:-1]]
    return found.reshape(len(found), -1).sum(1)


# -------------------------------------------------------------------- against the exact sweep
@dataclass(frozen=True)
class Miss:
    """A place, and by how much patching it changes the mean metric."""

    label: str
    estimate: float
    exact: float


@dataclass(frozen=True)
class Agreement:
    """How well estimated effects order and size the places."""

    spearman: float
    """Rank correlation of the effects over all places; NaN where all effects are equal."""
    recall: float
    """Of the `k` places with the exact effects largest in size, the share the estimate finds."""
    worst: Miss
    """The place whose effect is estimated worst."""


def agreement(estimate: Attribution, exact: Sweep, *, k: int = 10) -> Agreement:
    """The estimate's mean effects against those of an exact sweep of the same places.

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
        (found.values - found.receiver).double().mean(-1).flatten().cpu()
        for found in (estimate, exact)
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
        worst=Miss(_label(exact, worst), guess[worst].item(), truth[worst].item()),
    )


def _label(sweep: Sweep, index: int) -> str:
    """What the index of a flattened sweep stands for: "layer 3, head 2"."""
    sizes = [len(sweep.labels[axis]) for axis in sweep.axes]
    indices = torch.unravel_index(torch.tensor(index), sizes)
    named = zip(sweep.axes, indices, strict=True)
    return ", ".join(f"{axis} {sweep.labels[axis][int(i)]}" for axis, i in named)
