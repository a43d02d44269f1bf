"""Linear probes on what heads 0.1 and 0.2 write at C2: is the sum digit of A3 and B3 there?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from replications.models import sites
from replications.systems.algorithmic.data.addition import DIGITS, NAMES, PLACES, generate, pairs
from replications.systems.algorithmic.task import Task
from replications.training import descend

ROWS, SEED = 30_000, 42
BATCH, EPOCHS = 300, 75
RATE, DECAY = 1e-3, 5e-3
LAST = PLACES - 1
AT = NAMES.index("C2")


class Probe:
    """Linear probes, trained side by side."""

    def __init__(self, task: Task) -> None:
        self._task = task

    @cached_property
    def _data(self) -> tuple[Tensor, Tensor, Tensor]:
        """What heads 0.1 and 0.2 write at C2, what 0.0 writes there, and sequences [n pos]."""
        tokens = generate(ROWS, SEED).tokens
        z = self._task.prepared.read(tokens, {"z": sites.Z(0).pick(pos=AT)})["z"]
        W_O = self._task.network.W_O[0].float()
        written = torch.einsum("nhk,hkd->hnd", z.float(), W_O)
        return written[1] + written[2], written[0], tokens

    @cached_property
    def _trained(self) -> Mapping[str, tuple[Tensor, float]]:
        """Weights [48 10] and accuracies of the probes.

        `sum`: the sum digit of the last place from 0.1 and 0.2. `digit`: A3 from the same.
        `head_0.0`: the sum digit from 0.0. `shuffled`: the sum digits in another order.
        """
        both, first, tokens = self._data
        total = pairs(tokens)[:, LAST] % DIGITS
        generator = torch.Generator().manual_seed(SEED)
        shuffled = total[torch.randperm(ROWS, generator=generator)]
        names = ("sum", "digit", "head_0.0", "shuffled")
        inputs = torch.stack([both, both, first, both])
        labels = torch.stack([total, tokens[:, LAST], total, shuffled])
        return dict(zip(names, self._train(inputs, labels, generator), strict=True))

    @staticmethod
    def _train(
        inputs: Tensor, labels: Tensor, generator: torch.Generator
    ) -> list[tuple[Tensor, float]]:
        """The probes of inputs [probe n d_model] and labels [probe n], from one start.

        Losses are added up, so that each probe is trained as if it were alone.
        """
        probes, n, d_model = inputs.shape
        edge = d_model**-0.5
        start = (2 * torch.rand(d_model + 1, DIGITS, generator=generator) - 1) * edge
        W, b = (s.expand(probes, -1, -1).clone().requires_grad_() for s in (start[1:], start[:1]))
        batches = _batches(inputs, labels, generator)

        def loss(_: int) -> Tensor:
            rows, wanted = next(batches)
            logits = torch.baddbmm(b, rows, W)
            return probes * functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())

        optimizer = torch.optim.Adam([W, b], lr=RATE, weight_decay=DECAY, fused=True)
        descend(loss, optimizer, EPOCHS * n // BATCH, label="probe")
        with torch.no_grad():
            right = torch.baddbmm(b, inputs, W).argmax(-1) == labels
        return [
            (w.double(), share.item())
            for w, share in zip(W.detach(), right.double().mean(1), strict=True)
        ]

    def found(
        self, of_sum: str = "sum", of_digit: str = "digit"
    ) -> Mapping[str, float | list[float]]:
        """The singular values of the probes for the sum digit and for A3.

        `sum` and `digit` are the first three; `two_sum` and `two_digit` the shares of the first two
        in the squared sum. Other probes may take their places in controls.
        """
        found: dict[str, float | list[float]] = {}
        for name, probe in {"sum": of_sum, "digit": of_digit}.items():
            values = torch.linalg.svdvals(self._trained[probe][0])
            share = values[:2].square().sum() / values.square().sum()
            found |= {name: values[:3].tolist(), f"two_{name}": share.item()}
        return found

    def accuracies(self) -> Mapping[str, float]:
        """The share of right answers of each probe, on what it was trained on."""
        return {name: share for name, (_, share) in self._trained.items()}


def _batches(
    inputs: Tensor, labels: Tensor, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """All batches of all epochs: inputs [probe row d_model] and labels [probe row]."""
    orders = [torch.randperm(inputs.shape[1], generator=generator) for _ in range(EPOCHS)]
    for order in orders:
        # Rows are gathered once an epoch, which is faster than once a batch.
        parts = (whole[:, order].split(BATCH, 1) for whole in (inputs, labels))
        yield from zip(*parts, strict=True)
