"""The section "General techniques": the document's four techniques as one pipeline."""

from __future__ import annotations

from functools import cached_property

from replications.models import Head, sites
from replications.systems.list_update.measurements.attention import Attention
from replications.systems.list_update.measurements.attribution import Attribution
from replications.systems.list_update.measurements.circuits import Circuits
from replications.systems.list_update.measurements.patching import Patching
from replications.systems.list_update.roles import Roles

FOUND = 0.8
"""A technique gives a finding if its number reaches this and that of its control does not."""


class Techniques:
    """Attribution, attention, patching and circuits of one model, with one number from each."""

    def __init__(
        self,
        roles: Roles,
        attribution: Attribution,
        attention: Attention,
        patching: Patching,
        circuits: Circuits,
    ) -> None:
        self._roles = roles
        self._attribution = attribution
        self._attention = attention
        self._patching = patching
        self._circuits = circuits

    @cached_property
    def findings(self) -> dict[str, float]:
        """The copying head's share, its attention to sources, its key patched, and its copying."""
        return self._numbers(self._roles.copying, sites.K, self._roles.copying)

    @cached_property
    def controls(self) -> dict[str, float]:
        """Four numbers of the same kind from what should not give a finding.

        These are the previous-token head, the copying head's value in place of its key, and both
        heads in the wrong order.
        """
        copying, previous = self._roles.copying, self._roles.previous
        return self._numbers(previous, sites.V, copying, previous)

    def _numbers(self, head: Head, patched: sites.Site, *through: Head) -> dict[str, float]:
        return {
            "share": self._attribution.all_predictions(head)["smallest_share"],
            "attention_to_source": self._attention.to_source(head),
            "patched": self._patching.at_element(patched),
            "copying": self._circuits.copying(*through),
        }

    @cached_property
    def steps_that_survive(self) -> int:
        """How many of the four techniques give a finding that their controls do not give."""
        return sum(self.findings[name] >= FOUND > self.controls[name] for name in self.findings)
