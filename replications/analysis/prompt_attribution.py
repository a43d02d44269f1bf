"""Direct logit attribution of one prompt: what each component adds to a logit difference.

The last residual stream is the sum of the embeddings and of what each head and MLP writes. With the
scale of the last norm as it is in this run, each has a share in the difference of two logits, and
the shares add up to it. `gap` says how exactly.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import sites
from replications.models.network import Network
from replications.models.sites import Place
from replications.plotting.tabular import Tabular, imported

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

COLUMNS = ("component", "layer", "head", "value", "share")


@dataclass(frozen=True)
class Component:
    """One part of the residual stream and what it adds to the logit difference, in logits."""

    name: str
    """embedding, position, head, attention bias, MLP or constant"""
    layer: int | None
    head: int | None
    value: float


@dataclass(frozen=True, eq=False)
class PromptAttribution(Tabular):
    """Shares in logit(answer) - logit(against) at one position of a prompt, float64."""

    heads: Tensor
    """[layer head]"""
    attention_biases: Tensor
    """[layer]"""
    mlps: Tensor
    """[layer], with their biases; no layers in a model without MLPs"""
    embedding: float
    position: float
    """0 where no position is added to the stream."""
    constant: float
    """Biases of the last norm and of the unembedding."""
    logit_difference: float
    """As the model computes it; before a soft cap of the logits, if it has one."""

    @cached_property
    def components(self) -> list[Component]:
        """Every component, in the order of the model."""
        found = [
            Component("embedding", None, None, self.embedding),
            Component("position", None, None, self.position),
        ]
        for layer, heads in enumerate(self.heads.tolist()):
            found += [Component("head", layer, head, value) for head, value in enumerate(heads)]
            bias = self.attention_biases[layer].item()
            found.append(Component("attention bias", layer, None, bias))
            if len(self.mlps):
                found.append(Component("MLP", layer, None, self.mlps[layer].item()))
        return [*found, Component("constant", None, None, self.constant)]

    @property
    def total(self) -> float:
        """The sum of all shares."""
        return sum(component.value for component in self.components)

    @property
    def gap(self) -> float:
        """How far the sum is from the logit difference."""
        return self.total - self.logit_difference

    def kinds(self) -> dict[str, float]:
        """The sum of each kind of component."""
        found: dict[str, float] = {}
        for component in self.components:
            found[component.name] = found.get(component.name, 0.0) + component.value
        return found

    def layers(self) -> list[tuple[float, float]]:
        """What attention, its bias included, and the MLP of each layer add."""
        attention = self.heads.sum(1) + self.attention_biases
        mlps = self.mlps if len(self.mlps) else torch.zeros_like(attention)
        return list(zip(attention.tolist(), mlps.tolist(), strict=True))

    def strongest_heads(self, n: int) -> list[Component]:
        """The n heads that add most, in either direction."""
        heads = [component for component in self.components if component.head is not None]
        return sorted(heads, key=lambda component: -abs(component.value))[:n]

    def csv(self) -> str:
        """A row for each component, with `COLUMNS`; `share` is that of the logit difference."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(COLUMNS)
        for each in self.components:
            whole = self.logit_difference
            share = f"{each.value / whole:.9g}" if whole else ""
            rows.writerow([each.name, each.layer, each.head, f"{each.value:.9g}", share])
        return text.getvalue()

    @property
    def index(self) -> tuple[str, ...]:
        """What names a component."""
        return ("component", "layer", "head")

    def columns(self) -> dict[str, list[Any]]:
        """A row for each component; layer and head are None where it has none."""
        parts = {"component": "name", "layer": "layer", "head": "head", "value": "value"}
        return {
            column: [getattr(each, field) for each in self.components]
            for column, field in parts.items()
        }

    def to_xarray(self) -> xr.Dataset:
        """Heads [layer head], attention biases and MLPs [layer], and the numbers without axes.

        Raises BadInput if xarray is not installed.
        """
        numbers = ("embedding", "position", "constant", "logit_difference")
        layers = {"attention_biases": self.attention_biases}
        layers |= {"mlps": self.mlps} if len(self.mlps) else {}
        found: xr.Dataset = imported("xarray").Dataset(
            {"heads": (("layer", "head"), self.heads.numpy())}
            | {name: (("layer",), value.numpy()) for name, value in layers.items()}
            | {name: ((), getattr(self, name)) for name in numbers}
        )
        return found

    def figure(self) -> Figure:
        """Heads, and the MLP, of each layer as a heatmap. Call it inside `charts.style()`.

        Raises BadInput without matplotlib.
        """
        from replications.plotting import charts

        columns = [self.heads, *([self.mlps[:, None]] if len(self.mlps) else [])]
        names = [str(head) for head in range(self.heads.shape[1])] + ["MLP"] * bool(len(self.mlps))
        return charts.heatmaps(
            {"direct contribution": torch.cat(columns, 1)}, charts.CONTRIBUTION,
            x="head", y="layer", x_ticks=names,
        )  # fmt: skip


@torch.no_grad()
def attribute_logits(
    network: Network, tokens: Tensor, answer: int, against: int | None, *, at: int = -1
) -> PromptAttribution:
    """The shares in logit(answer) - logit(against) at position `at` of tokens [1 pos], in float64.

    `against` is another output, or None for the mean of all logits. A soft cap of the logits is
    left out: it is no sum. Raises BadInput for tokens or outputs that the model does not have.
    """
    network = network.to(dtype=torch.float64)
    tokens = network.check(tokens)
    size = network.shape.d_vocab_out
    for output in (answer, answer if against is None else against):
        if not 0 <= output < size:
            raise BadInput(f"the output {output} is outside the {size} of the model")
    cache = network.cache(tokens)
    seen = {place: value[0, at] for place, value in cache.items() if "pos" in place.site.axes}
    last = seen[sites.RESID_POST(network.shape.n_layers - 1)]
    unembedding = network.W_U[:, answer] - _other(network.W_U, against)
    bias = network.b_U[answer] - _other(network.b_U, against)
    direction, constant = _through_last_norm(network, last, unembedding)
    return PromptAttribution(
        heads=torch.stack([_heads(network, i, seen) @ direction for i in _layers(network)]),
        attention_biases=torch.stack(
            [_attention_bias(network, i, seen) @ direction for i in _layers(network)]
        ),
        mlps=_mlps(network, seen, direction),
        embedding=(seen[sites.EMBED()] @ direction).item(),
        position=_position(network, seen, direction),
        constant=(constant + bias).item(),
        logit_difference=_difference(network, tokens, last, at, (answer, against)),
    )


def _difference(
    network: Network, tokens: Tensor, last: Tensor, at: int, outputs: tuple[int, int | None]
) -> float:
    """From the logits of a forward pass; a soft cap is not applied."""
    if network.shape.logit_cap is None:
        logits = network.forward(tokens)[0, at]
    else:
        logits = network.norm("ln_final", None, last) @ network.W_U + network.b_U
    return (logits[outputs[0]] - _other(logits, outputs[1])).item()


def _layers(network: Network) -> range:
    return range(network.shape.n_layers)


def _other(of_outputs: Tensor, against: int | None) -> Tensor:
    """What is subtracted: a value [… output] of one output, or the mean of all."""
    return of_outputs.mean(-1) if against is None else of_outputs[..., against]


def _through_last_norm(network: Network, x: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """What to project a part of the stream x [d_model] on, [d_model], and what the norm's b adds.

    A part is centred, divided by the scale and multiplied by w; the projection does all three.
    """
    kind, w, b = network.shape.normalization, network.ln_final_w, network.ln_final_b
    constant = direction.new_zeros(()) if b is None else b @ direction
    direction = direction if w is None else direction * w
    if kind is None:
        return direction, constant
    if kind == "RMS":
        return direction / (x.square().mean() + network.eps).sqrt(), constant
    centred = direction - direction.mean()
    return centred / (x.var(correction=0) + network.eps).sqrt(), constant


def _heads(network: Network, layer: int, seen: dict[Place, Tensor]) -> Tensor:
    """What each head of a layer writes to the stream: [head d_model]."""
    each = torch.einsum("hk,hkd->hd", seen[sites.Z(layer)], network.W_O[layer])
    return each * _written(network, layer, each)


def _attention_bias(network: Network, layer: int, seen: dict[Place, Tensor]) -> Tensor:
    each = torch.einsum("hk,hkd->hd", seen[sites.Z(layer)], network.W_O[layer])
    return network.b_O[layer] * _written(network, layer, each)


def _written(network: Network, layer: int, each: Tensor) -> Tensor | float:
    """What a norm behind attention multiplies its parts by; 1 without such a norm."""
    if not network.shape.post_norms:
        return 1.0
    return network.post_scale(layer, each.sum(0) + network.b_O[layer])


def _mlps(network: Network, seen: dict[Place, Tensor], direction: Tensor) -> Tensor:
    if network.shape.attn_only:
        return direction.new_zeros(0)
    return torch.stack([seen[sites.MLP_OUT(i)] @ direction for i in _layers(network)])


def _position(network: Network, seen: dict[Place, Tensor], direction: Tensor) -> float:
    if network.shape.positions != "standard":
        return 0.0
    return (seen[sites.POS_EMBED()] @ direction).item()
