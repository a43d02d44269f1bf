"""One training loop for every system, and the recipe that the GPT-2-style toys share.

Equal weights, batches and options give equal bits on one machine with one number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from replications.errors import ReplicationError
from replications.models.parameters import is_matrix


def descend(
    loss: Callable[[int], Tensor],
    optimizer: torch.optim.Optimizer,
    steps: int,
    *,
    rate: Callable[[int], float] | None = None,
    clip: tuple[Sequence[Tensor], float] | None = None,
    label: str = "training",
) -> Tensor:
    """Minimise `loss(step)`, a scalar with gradients; the loss before every step, float64 [step].

    `loss` draws its own batches. `rate(step)` is the learning rate, constant if it is None; `clip`
    holds parameters and the norm that their gradient is clipped to. `label` stands beside the
    progress bar and in errors. Raises ReplicationError at the first loss that is not finite.
    """
    losses = torch.empty(steps, dtype=torch.float64)
    # disable=None: a progress bar on a terminal only
    for step in tqdm(range(steps), desc=label, unit="step", disable=None):
        if rate is not None:
            for group in optimizer.param_groups:
                group["lr"] = rate(step)
        value = loss(step)
        losses[step] = value.detach()
        if not losses[step].isfinite():
            raise ReplicationError(
                f"{label}: the loss is not finite at step {step}; try a smaller learning rate"
            )
        optimizer.zero_grad()
        value.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(*clip)
        optimizer.step()
    return losses


def learn(
    weights: Mapping[str, Tensor],
    loss: Callable[[Mapping[str, Tensor], int], Tensor],
    steps: int,
    *,
    learning_rate: float,
    weight_decay: float = 0.01,
    warmup: int = 100,
    label: str = "training",
) -> tuple[dict[str, Tensor], Tensor]:
    """Train with AdamW on `loss(weights, step)`: the new weights, and the losses as in `descend`.

    The learning rate rises over `warmup` steps and falls to zero along a cosine; gradients are
    clipped to norm 1; only matrices decay. The weights given stay as they are. Raises
    ReplicationError when a loss is not finite.
    """
    learned = {name: w.detach().clone().requires_grad_() for name, w in weights.items()}
    groups = [
        {"params": [w for n, w in learned.items() if is_matrix(n)], "weight_decay": weight_decay},
        {"params": [w for n, w in learned.items() if not is_matrix(n)], "weight_decay": 0.0},
    ]
    losses = descend(
        lambda step: loss(learned, step),
        torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), fused=True),
        steps,
        rate=lambda step: learning_rate * _schedule(step, steps, warmup),
        clip=(list(learned.values()), 1.0),
        label=label,
    )
    return {name: w.detach() for name, w in learned.items()}, losses


def _schedule(step: int, steps: int, warmup: int) -> float:
    rising = min(1.0, (step + 1) / warmup)
    return rising * 0.5 * (1 + math.cos(math.pi * step / steps))
