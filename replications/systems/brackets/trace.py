"""What one run of the bracket classifier wrote, component by component.

Components, in the order in which they write to the residual stream:
emb, 0.0, 0.1, mlp0, 1.0, 1.1, mlp1, 2.0, 2.1, mlp2.
"""

from __future__ import annotations

from dataclasses import dataclass

import einops
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Run, Weights
from replications.models import sites
from replications.systems.brackets.model import BALANCED, SHAPE, UNBALANCED

LAYERS = range(SHAPE.n_layers)
HEADS = tuple((layer, head) for layer in LAYERS for head in range(SHAPE.n_heads))
HeadName = tuple[int, int]


def head_label(head: HeadName) -> str:
    """(2, 0) -> "2.0"."""
    return f"{head[0]}.{head[1]}"


COMPONENTS = (
    "emb",
    *(name for i in LAYERS for name in (head_label((i, 0)), head_label((i, 1)), f"mlp{i}")),
)


def parse_head(label: str) -> HeadName:
    """ "2.0" -> (2, 0). Raises BadInput for a head the classifier does not have."""
    names = {head_label(head): head for head in HEADS}
    if label not in names:
        raise BadInput(f"unknown head {label!r}; the classifier has {', '.join(names)}")
    return names[label]


@dataclass(frozen=True)
class Roles:
    """Which head does what. In the published model: 0.0, 1.1, 2.0 and 2.1."""

    elevation: HeadName = (0, 0)
    helper: HeadName = (1, 1)
    total: HeadName = (2, 0)
    negative: HeadName = (2, 1)


PUBLISHED_ROLES = Roles()


class Trace:
    """What one run of the classifier wrote at positions 0, 1 and 2, for n strings."""

    def __init__(self, run: Run, weights: Weights) -> None:
        self.run = run
        self.logits = run.logits[:, 0]
        """[n 2], unbalanced then balanced."""
        self.components = _components(run, weights)
        """[component n pos=3 d_model], the attention output biases left out."""

    @property
    def logit_difference(self) -> Tensor:
        """LDu, float64 [n]."""
        logits = self.logits.double()
        return logits[:, UNBALANCED] - logits[:, BALANCED]

    @property
    def calls_balanced(self) -> Tensor:
        """The verdict, bool [n]."""
        return self.logits.argmax(-1) == BALANCED


def trace_reads() -> dict[str, sites.Place]:
    """The places a `Trace` is made of."""
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
