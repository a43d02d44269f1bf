"""Finding the heads by what they do, where no published index applies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replications.systems.brackets.checking import CheckingHead
from replications.systems.brackets.data import suffix_counts
from replications.systems.brackets.trace import COMPONENTS, HEADS, Roles, head_label

if TYPE_CHECKING:
    from replications.systems.brackets.measure import BracketSubject


def find_roles(subject: BracketSubject) -> Roles:
    """The head of each role, by one rule for every model.

    total and negative are looked for from layer 1 on: before the first MLP nothing can tell a
    zero tally from one that is not.
    total: the largest mean contribution u on strings whose only fault is the total.
    negative: the largest on strings whose only fault is a negative suffix, the total head left out.
    elevation: the layer-0 head whose output at position 1 moves most with the share of '('.
    helper: the layer-1 head that adds most to the total head's input on negative strings.
    """
    by_head = {head: subject.contributions[head_label(head)] for head in HEADS}
    late = [head for head in HEADS if head[0] > 0]
    total = max(late, key=lambda h: by_head[h][subject.T].mean().item())
    rest = [head for head in late if head != total]
    negative = max(rest, key=lambda h: by_head[h][subject.N].mean().item())
    elevation = max((h for h in HEADS if h[0] == 0), key=lambda h: _tally_slope(subject, h))
    return Roles(elevation, _helper(subject, total), total, negative)


def _tally_slope(subject: BracketSubject, head: tuple[int, int]) -> float:
    """Length of the slope of the head's output at position 1 against the tally per bracket."""
    rows = subject.data.starts_open
    opens, closes = suffix_counts(subject.data.tokens[rows])
    tally = ((opens - closes)[:, 1] / (opens + closes)[:, 1]).double()
    output = subject.trace.components[COMPONENTS.index(head_label(head)), rows, 1].double()
    tally = tally - tally.mean()
    return ((tally @ output) / tally.square().sum()).norm().item()


def _helper(subject: BracketSubject, total: tuple[int, int]) -> tuple[int, int]:
    inputs = CheckingHead(subject, total).inputs
    candidates = [head for head in HEADS if head[0] == 1]
    return max(candidates, key=lambda h: inputs[head_label(h)][subject.N].mean().item())
