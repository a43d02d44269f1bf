"""What one run of the classifier wrote to the residual stream, component by component.

A head is written "2.0": layer 2, head 0. The components, in the order in which they write:
emb, 0.0, 0.1, mlp0, 1.0, 1.1, mlp1, 2.0, 2.1, mlp2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import einops
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens, Read, Run, Weights
from replications.models import Head, Place, sites
from replications.systems.brackets.model import BALANCED, SHAPE, UNBALANCED

LAYERS = range(SHAPE.n_layers)
HEADS: tuple[Head, ...] = tuple((i, head) for i in LAYERS for head in range(SHAPE.n_heads))


MeanZ = Mapping[bool, Sequence[Tensor]]
"""Means over strings of z of each layer, [pos head d_head]: over balanced strings, over all."""


def head_label(head: Head) -> str:
    """(2, 0) -> "2.0"."""
    return f"{head[0]}.{head[1]}"


def parse_head(label: str) -> Head:
    """ "2.0" -> (2, 0). Raises BadInput for a head the classifier does not have."""
    names = {head_label(head): head for head in HEADS}
    if label not in names:
        raise BadInput(f"unknown head {label!r}; the classifier has {', '.join(names)}")
    return names[label]


def sibling(head: Head) -> Head:
    """The other head of the same layer."""
    return head[0], 1 - head[1]


COMPONENTS = (
    "emb",
    *(name for i in LAYERS for name in (head_label((i, 0)), head_label((i, 1)), f"mlp{i}")),
)


def components_before(layer: int) -> tuple[str, ...]:
    """The components that have written when the heads of a layer read."""
    return COMPONENTS[: 1 + 3 * layer]


class Recording:
    """One run on n strings: its logits, and what was written at positions 0, 1 and 2."""

    def __init__(self, run: Run, weights: Weights) -> None:
        self.run = run
        """The activations of `recorded_places`, by name."""
        self.logits = run.logits[:, 0]
        """Logits at position 0, [n 2]: unbalanced, then balanced."""
        self.components = _components(run, weights)
        """What each component wrote, [component n pos=3 d_model], without the biases b_O."""

    @property
    def logit_difference(self) -> Tensor:
        """LDu, the logit of "unbalanced" less that of "balanced": float64 [n]."""
        return logit_difference(self.logits)

    @property
    def calls_balanced(self) -> Tensor:
        """Whether the verdict is "balanced": bool [n]."""
        return self.logits.argmax(-1) == BALANCED

    def written_at(self, component: str, position: int) -> Tensor:
        """What a component wrote at position 0, 1 or 2: float64 [n d_model]."""
        return self.components[COMPONENTS.index(component), :, position].double()


def logit_difference(logits: Tensor) -> Tensor:
    """LDu of logits [n 2]: float64 [n]."""
    logits = logits.double()
    return logits[:, UNBALANCED] - logits[:, BALANCED]


def recorded_places() -> dict[str, Place]:
    """The activations that a `Recording` keeps, by name."""
    first = {"pos": slice(0, 3)}
    reads = {
        "embed": sites.EMBED().pick(**first),
        "pos_embed": sites.POS_EMBED().pick(**first),
        "resid_final": sites.RESID_POST(LAYERS[-1]).pick(pos=0),
        "ln_final": sites.LN_FINAL().pick(pos=0),
    }
    for layer in LAYERS:
        reads[f"z{layer}"] = sites.Z(layer).pick(**first)
        reads[f"mlp{layer}"] = sites.MLP_OUT(layer).pick(**first)
        reads[f"neurons{layer}"] = sites.MLP_POST(layer).pick(pos=1)
        reads[f"resid_pre{layer}"] = sites.RESID_PRE(layer).pick(pos=1)
        reads[f"ln1_{layer}"] = sites.LN1(layer).pick(pos=1)
        reads[f"pattern{layer}"] = sites.PATTERN(layer).pick(query=0)
    return reads


class _Sums:
    """Reduces what is read of one batch after another to its sums over some rows, and over all."""

    def __init__(self, rows: Tensor) -> None:
        self._rows = rows
        self._done = 0

    def __call__(self, value: Tensor) -> Tensor:
        """float64 [1 2 …] from [batch …]."""
        rows = self._rows[self._done : self._done + len(value)].to(value.device)
        self._done += len(value)
        value = value.double()
        return torch.stack([value[rows].sum(0), value.sum(0)])[None]


def record_with_means(lens: Lens, tokens: Tensor, balanced: Tensor) -> tuple[Recording, MeanZ]:
    """The run of tokens [n pos], and the means of its attention outputs, from one pass."""
    sums = {f"sum{layer}": Read(sites.Z(layer), _Sums(balanced)) for layer in LAYERS}
    run = lens.run(tokens, {**recorded_places(), **sums})
    totals = [run[name].sum(0) for name in sums]
    means = {
        True: [total[0] / balanced.sum() for total in totals],
        False: [total[1] / len(balanced) for total in totals],
    }
    kept = {name: value for name, value in run.reads.items() if name not in sums}
    return Recording(Run(run.logits, kept), lens.weights), means


def _components(run: Run, weights: Weights) -> Tensor:
    parts = [run["embed"] + run["pos_embed"]]
    for layer in LAYERS:
        heads = einops.einsum(
            run[f"z{layer}"],
            weights.W_O[layer],
            "n pos head d_head, head d_head d_model -> head n pos d_model",
        )
        parts += [*heads, run[f"mlp{layer}"]]
    return torch.stack(parts)
