"""Spreading claims over pytest-xdist's workers, so that a run outlives a worker that is killed.

pytest-xdist 3.8 hands the whole load of a dead worker out again, what was done included, and a
worker that is given nothing new then waits for ever (its issues 1323, 1327 and 1378).
"""

from __future__ import annotations

from xdist.scheduler import LoadGroupScheduling
from xdist.workermanage import WorkerController


class ClaimScheduling(LoadGroupScheduling):  # type: ignore[misc]
    """The groups of `xdist_group` go to one worker each; what a dead worker left is given on."""

    def remove_node(self, node: WorkerController) -> str | None:
        """Take a worker away.  The item on which it died, if it did, is not tried again."""
        crashed = next(iter(self._unfinished(node)), None)
        for scope, unit in self.assigned_work[node].items():
            rest = {item: False for item, done in unit.items() if not done and item != crashed}
            if rest:
                self.workqueue[scope] = rest
        self.assigned_work[node] = {}
        super().remove_node(node)
        for other in self.nodes:
            self._reschedule(other)
        return crashed

    def _unfinished(self, node: WorkerController) -> list[str]:
        units = self.assigned_work[node].values()
        return [item for unit in units for item, done in unit.items() if not done]

    def _reschedule(self, node: WorkerController) -> None:
        """Keep two items with a worker: it runs one only when it knows the next, or the end."""
        if node.shutting_down or node not in self.registered_collections:
            return
        while self.workqueue and self._pending_of(self.assigned_work[node]) < 2:
            self._assign_work_unit(node)
        if not self.workqueue:
            node.shutdown()
