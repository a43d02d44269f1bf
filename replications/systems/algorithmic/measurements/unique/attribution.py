"""The logits of single sequences, split into the paths that lead to them.

The stream before layer 1 is the sum of four parts: the embedding of a token and its position, and
what each head of layer 0 writes. Each part leads to the answer directly, and through each head of
layer 1: 16 paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from replications.models import Head
from replications.systems.algorithmic.data.unique import LETTERS
from replications.systems.algorithmic.roles import UniqueRoles
from replications.systems.algorithmic.task import Task

ROW = 0
"""The sequence that the document explains: ?chgegfaeadieaebcffh."""
REPEAT = 16
"""Where c occurs for the second time in it."""


class Attribution:
    """Paths to the answers of the data set, with the mean over its rows subtracted."""

    def __init__(self, task: Task, roles: UniqueRoles) -> None:
        self._task = task
        self._roles = roles
        self._found: dict[tuple[str, Head | None, Head, int], Tensor] = {}

    # ---------------------------------------------------------------- parts and paths
    @cached_property
    def parts(self) -> Mapping[Head | None, Tensor]:
        """What each head of layer 0 writes, and under None the embeddings: [n pos d_model]."""
        network = self._task.network
        tokens = self._task.tokens
        embedded = network.W_E[tokens] + network.W_pos[: tokens.shape[1]]
        written: dict[Head | None, Tensor] = {
            head: self._task.per_head("z", head) @ network.W_O[head]
            for head in self._task.heads
            if head[0] == 0
        }
        return {None: embedded} | written

    def path(self, early: Head | None, late: Head | None, *, divisor: int = 1) -> Tensor:
        """What a path adds to the logits: [n pos output].

        Either head may be missing. `divisor` is the layer whose LayerNorm divides the part that
        layer 1 reads: 1, or 0 as in the document.
        """
        stream = self.parts[early]
        if late is not None:
            read = stream / self._task.scale(divisor)[..., None]
            stream = self._task.pattern(late) @ (read @ self._task.OV(late))
        return stream / self._task.scale(None)[..., None] @ self._task.network.W_U

    def constant(self, *, divisor: int = 1) -> Tensor:
        """What biases add to the logits: [n pos output]. With all paths, these are the logits."""
        network = self._task.network
        read = network.b_O[0] / self._task.scale(divisor)[..., None]
        stream = network.b_O[0] + network.b_O[1]
        for late in self._roles.domain:
            stream = stream + self._task.pattern(late) @ (read @ self._task.OV(late))
        return stream / self._task.scale(None)[..., None] @ network.W_U + network.b_U

    # ---------------------------------------------------------------- the document's sequence
    def _of(self, letter: str, early: Head | None, late: Head, divisor: int) -> Tensor:
        """What a path adds to a letter in the document's row, less the mean over rows: [pos]."""
        key = (letter, early, late, divisor)
        if key not in self._found:
            found = self.path(early, late, divisor=divisor)[:, :, LETTERS.index(letter)]
            self._found[key] = found[ROW] - found.mean(0)
        return self._found[key]

    def _read(self, divisor: int, c_head: Head | None, g_head: Head | None) -> dict[str, Tensor]:
        """The paths that the document reads in row 0; see `printed`."""
        (first, second), duplicates = self._roles.early, self._roles.duplicates
        own_c, own_g = c_head or self._roles.owners["c"], g_head or self._roles.owners["g"]
        c = [self._of("c", early, own_c, divisor) for early in (first, second, duplicates, None)]
        g = [self._of("g", early, own_g, divisor) for early in (first, None, second)]
        return {
            "c_at_1": torch.stack([values[1] for values in c]),
            "boosts": (c[0] + c[1])[REPEAT:],
            "suppresses": (c[2] + c[3])[REPEAT:],
            "g": g[0][3:5],
            "g_after": (g[1] + g[2])[5:6],
        }

    def printed(
        self, *, divisor: int = 0, c_head: Head | None = None, g_head: Head | None = None
    ) -> Mapping[str, list[float]]:
        """The paths that the document reads in row 0.

        `c_at_1` are the paths of c through 0.0, 0.2, 0.1 and directly into 1.0 at position 1;
        `boosts` and `suppresses` the sums of the first and the last two at 16 to 19. `g` is the
        path 0.0 -> 1.2 of g at positions 3 and 4, before g repeats, and `g_after` the sum of the
        direct path and of 0.2 -> 1.2 at 5. `signs` are the signs of all of these with the divisor
        with which the paths add up to the logits. Other heads of layer 1 may take the place of
        those that c and g belong to.
        """
        found = self._read(divisor, c_head, g_head)
        signs = torch.cat(list(self._read(1, c_head, g_head).values())).sign()
        return {
            **{name: values.tolist() for name, values in found.items()},
            "signs": signs.tolist(),
        }

    def steps_until_suppressed(self, head: Head | None = None) -> int:
        """How long after c repeats, at 16, its suppression outweighs its boost; 4 means not at all.

        Through the head of layer 1 that c belongs to, or through another.
        """
        found = self._read(0, head, None)
        lost = (found["boosts"] + found["suppresses"] < 0).tolist()
        return lost.index(True) if True in lost else len(lost)
