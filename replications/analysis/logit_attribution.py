"""Direct logit attribution: what each head, MLP and embedding adds to a difference of logits.

The final residual stream is a sum of parts. Centred, divided by the scale of the final LayerNorm
and multiplied by its weights, each part has a share in the difference of two logits; the shares
and a constant add up to it exactly. `residual` says how exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens, as_network
from replications.models.edits import Edit
from replications.models.sites import EMBED, MLP_OUT, POS_EMBED, RESID_POST, Place, Z


@dataclass(frozen=True)
class LogitAttribution:
    """Shares in logit(first answer) - logit(second answer), float64, for each example."""

    heads: Tensor
    """[layer head batch]"""
    mlps: Tensor
    """[layer batch]; no layers in a model without MLPs"""
    embedding: Tensor
    """Token and position: [batch]"""
    biases: Tensor
    """Biases of all attention outputs: [batch]"""
    constant: Tensor
    """Biases of the final LayerNorm and of the unembedding, which nothing divides: [batch]"""
    scale: Tensor
    """What the final LayerNorm divides by: [batch]"""
    logit_difference: Tensor
    """As the model computes it: [batch]"""

    @property
    def total(self) -> Tensor:
        """The sum of all shares: [batch]."""
        parts = self.heads.sum((0, 1)) + self.mlps.sum(0)
        return parts + self.embedding + self.biases + self.constant

    @property
    def residual(self) -> float:
        """The largest error of `total` over the examples, in logits."""
        return (self.total - self.logit_difference).abs().max().item()


def logit_attribution(
    lens: Lens,
    tokens: Tensor,
    at: Tensor,
    answers: Tensor,
    edits: Sequence[Edit] = (),
    *,
    scale: Tensor | None = None,
) -> LogitAttribution:
    """The shares in logit(first) - logit(second) of `answers` [batch 2], at positions `at` [batch].

    `tokens` are [batch pos], run with `edits`. Parts are divided by `scale` [batch] if it is given,
    instead of the run's own scale; the shares then no longer add up.

    Raises BadInput for a model without LayerNorms, or for shapes that do not agree.
    """
    if lens.shape.normalization is None:
        raise BadInput("direct logit attribution is for models with a final LayerNorm")
    if at.shape != tokens.shape[:1] or answers.shape != (len(tokens), 2):
        raise BadInput(
            f"{len(tokens)} examples need positions [batch] and answers [batch 2], not "
            f"{[*at.shape]} and {[*answers.shape]}"
        )
    layers = range(lens.shape.n_layers)
    places: dict[str, Place] = {"embed": EMBED(), "pos_embed": POS_EMBED()}
    places |= {"final": RESID_POST(layers[-1])} | {f"z{i}": Z(i) for i in layers}
    places |= {} if lens.shape.attn_only else {f"mlp{i}": MLP_OUT(i) for i in layers}
    run = lens.run(tokens, places, edits)
    rows = torch.arange(len(tokens))
    there = {name: run[name].expand(len(tokens), *run[name].shape[1:]) for name in places}
    there = {name: value[rows, at].double() for name, value in there.items()}
    own = (there["final"].var(-1, correction=0) + _epsilon(lens)).sqrt()
    used = own if scale is None else scale.double()
    direction, constant = directions(lens, answers)
    logits = run.logits[rows, at].double().gather(1, answers)
    found = _project(lens, there, direction / used[:, None])
    return LogitAttribution(
        **found,
        constant=constant,
        scale=own,
        logit_difference=logits[:, 0] - logits[:, 1],
    )


def _epsilon(lens: Lens) -> float:
    """What the model's LayerNorms add to the variance."""
    return as_network(lens).eps


def _project(lens: Lens, there: Mapping[str, Tensor], directions: Tensor) -> dict[str, Tensor]:
    """The shares of heads, MLPs, embedding and biases, with one direction for each example."""
    W_O, b_O = (w.double().to(directions.device) for w in (lens.weights.W_O, lens.weights.b_O))
    z = torch.stack([there[f"z{i}"] for i in range(lens.shape.n_layers)])
    mlps = [(there[name] * directions).sum(-1) for name in there if name.startswith("mlp")]
    return {
        "heads": torch.einsum("lbhk,lhkd,bd->lhb", z, W_O, directions),
        "mlps": torch.stack(mlps) if mlps else directions.new_zeros(0, len(directions)),
        "embedding": ((there["embed"] + there["pos_embed"]) * directions).sum(-1),
        "biases": directions @ b_O.sum(0),
    }


def directions(lens: Lens, answers: Tensor) -> tuple[Tensor, Tensor]:
    """What to project on, [batch d_model], and what the last biases add, [batch].

    Centring a part and projecting it is projecting it on the centred direction. What is projected
    must still be divided by the scale of the final LayerNorm.
    """
    W_U, b_U = (w.double().to(answers.device) for w in (lens.weights.W_U, lens.weights.b_U))
    first, second = answers.unbind(1)
    direction = (W_U[:, first] - W_U[:, second]).T
    # A folded LayerNorm has no weights of its own.
    w, b = (lens.state_dict.get(f"ln_final.{name}") for name in "wb")
    constant = b_U[first] - b_U[second]
    if b is not None:
        constant = constant + direction @ b.double().to(answers.device)
    if w is not None:
        direction = direction * w.double().to(answers.device)
    return direction - direction.mean(-1, keepdim=True), constant
