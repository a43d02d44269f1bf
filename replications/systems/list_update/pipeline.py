"""The document's four techniques as one pipeline, run unchanged on any task of the family."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from replications.models import sites

if TYPE_CHECKING:
    from replications.systems.list_update.measure import ListUpdateSubject


class Pipeline:
    """Attribution, attention, patching and circuits of one subject, a number from each."""

    def __init__(self, subject: ListUpdateSubject) -> None:
        self._s = subject

    @cached_property
    def findings(self) -> dict[str, float]:
        """The last head's share, its attention to sources, the key patched, and copying."""
        s = self._s
        return {
            "last_head_share": s.attribution.all_predictions["smallest_share"],
            "attention_to_source": s.attention.last_to_source,
            "key_patched": s.pairs.at_element(sites.K, s.layers - 1),
            "copying": s.circuits.copying,
        }

    @cached_property
    def steps_that_survive(self) -> int:
        """How many of the four steps give a finding that its own control does not give."""
        s = self._s
        found = self.findings
        controls = {
            "last_head_share": s.attribution.all_predictions_by_first_head["smallest_share"],
            "attention_to_source": s.attention.first_to_source,
            "key_patched": s.pairs.at_element(sites.V, s.layers - 1),
            "copying": s.circuits.virtual_copying_wrong_order,
        }
        return sum(found[name] >= 0.8 > controls[name] for name in found)

    @cached_property
    def circuits(self) -> dict[str, object]:
        """The K-composition square and copying, for tasks of any size."""
        return _circuits(self._s.circuits.k_composition, self._s.circuits.copying)

    @cached_property
    def circuits_of_wrong_layers(self) -> dict[str, object]:
        """The same with the layers exchanged."""
        circuits = self._s.circuits
        return _circuits(circuits.k_composition_last_ov, circuits.virtual_copying_wrong_order)


def _circuits(square: dict[str, object], copying: float) -> dict[str, object]:
    return {
        "least_diagonal": square["least_diagonal"],
        "right_rows": square["right_rows"],
        "copying": copying,
    }
