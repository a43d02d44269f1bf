"""Every family of models, measured: how far each computation is from its plain definition.

`python -m tests.architectures --out docs/reference/architectures.md` puts the table into the page.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from replications.circuits import Edge, Graph, eap, edge_sweep, patch_edge_sets
from replications.circuits.reference import Activations, edge_logits, edge_set_logits
from replications.models import huggingface, sites
from replications.models.edits import put_rows
from replications.models.network import Network
from replications.models.sites import Place
from replications.patching import (
    SWEPT_SITES,
    Grid,
    HeadInputs,
    attribute,
    every_head,
    path_patch,
    sweeps,
)
from replications.patching.paths import MLPs, Receiver
from replications.patching.reference import patch_by_hooks
from replications.patching.reference_paths import path_logits_by_hooks
from tests import hf_models

BOUND = 1e-9
ANSWERS = torch.tensor([[0, 1], [3, 2], [4, 5]])
AT = torch.tensor([6, 4, 5])
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


class Measured:
    """One model of transformers. Each method is the largest absolute error in float64.

    With `thin` n, every n-th place, sender or edge is compared.
    """

    def __init__(self, name: str, thin: int = 1) -> None:
        self.name, self._thin = name, thin
        self.network: Network = huggingface.from_pretrained(hf_models.model(name))
        self._base, self._source = hf_models.tokens(seed=1), hf_models.tokens(seed=2)
        self._source[:, :2] = self._base[:, :2]
        self._graph = Graph(self.network.shape)

    def _metric(self, logits: Tensor) -> Tensor:
        chosen = logits[torch.arange(3), AT].gather(1, ANSWERS)
        return chosen[:, 0] - chosen[:, 1]

    def logits(self) -> float:
        """Logits against those of transformers."""
        return _error(self.network.forward(self._base), hf_models.logits(self.name, self._base))

    def _grids(self) -> list[Grid]:
        found = [
            s for s in SWEPT_SITES if not (self.network.shape.parallel and s.name == "resid_mid")
        ]
        return [Grid(s, "layer head pos" if "head" in s.axes else "layer pos") for s in found]

    def _places(self, grid: Grid) -> list[Place]:
        return grid.places(self.network, self._base.shape[1])[:: self._thin]

    def sweep(self) -> float:
        """Every site, layer, head and position against one forward pass each."""
        runs, worst = (self.network, self._base, self._source), 0.0
        for grid, found in zip(
            self._grids(), sweeps(*runs, self._grids(), ANSWERS, at=AT), strict=True
        ):
            slow = [patch_by_hooks(*runs, self._metric, place) for place in self._places(grid)]
            worst = max(
                worst, _error(found.values.flatten(0, -2)[:: self._thin], torch.stack(slow))
            )
        return worst

    def paths(self) -> float:
        """Heads into the logits and into q, k and v of two heads, against one or two runs each."""
        model, runs, worst = self.network, (self._base, self._source), 0.0
        last = model.shape.n_heads - 1
        ends = [HeadInputs(site, [(2, last), (1, 1)]) for site in (sites.Q, sites.K, sites.V)]
        senders = [*every_head(model), [(0, 0), (1, 1), (1, 0)]][:: self._thin]
        receivers: list[Receiver] = ["logits", *ends]
        kinds: tuple[MLPs, ...] = ("frozen", "recomputed")
        for end in receivers:
            for mlps in kinds:
                found = path_patch(model, *runs, senders, end, answers=ANSWERS, at=AT, mlps=mlps)
                slow = [
                    self._metric(path_logits_by_hooks(model, *runs, sender, end, mlps=mlps))
                    for sender in senders
                ]
                worst = max(worst, _error(found.values, torch.stack(slow)))
        return worst

    def _edges(self) -> list[Edge]:
        return list(self._graph.edges[:: self._thin])

    def edges(self) -> float:
        """Every edge alone against one forward pass each."""
        model, runs = self.network, (self._base, self._source)
        found = edge_sweep(model, *runs, self._edges(), answers=ANSWERS, at=AT)
        kept = (model.cache(self._base), model.cache(self._source))
        slow = [self._metric(edge_logits(model, *runs, edge, kept)) for edge in self._edges()]
        return _error(found.values, torch.stack(slow))

    def edge_sets(self) -> float:
        """Random sets of edges, and all, against a forward pass of node after node."""
        generator = torch.Generator().manual_seed(0)
        every = self._graph.edges
        order = torch.randperm(len(every), generator=generator).tolist()
        sets = [[every[i] for i in order[:n]] for n in (3, len(every) // 2, len(every))]
        runs = self.network, self._base, self._source
        found = patch_edge_sets(*runs, sets, answers=ANSWERS, at=AT)
        slow = [self._metric(edge_set_logits(*runs, set(some))) for some in sets]
        whole = _error(found.values[-1], self._metric(self.network.forward(self._source)))
        return max(_error(found.values, torch.stack(slow)), whole)

    def attribution(self) -> float:
        """The estimate of every place against the derivative along its patch."""
        runs, worst = (self.network, self._base, self._source), 0.0
        theirs = self.network.cache(self._source)
        ours = self.network.cache(self._base)
        for grid in self._grids():
            found = attribute(*runs, grid, ANSWERS, at=AT)
            slow = [self._place_slope(place, ours, theirs) for place in self._places(grid)]
            effects = (found.values - found.base).flatten(0, -2)[:: self._thin]
            worst = max(worst, _error(effects, torch.stack(slow)))
        return worst

    def _place_slope(self, place: Place, ours: Activations, theirs: Activations) -> Tensor:
        whole = place.site(place.layer)
        low, high = ours[whole][place.index], theirs[whole][place.index]

        def metric(share: Tensor) -> Tensor:
            way = share.view(-1, *[1] * (low.ndim - 1)) * (high - low)
            return self._metric(self.network.forward(self._base, [put_rows(place, low + way)]))

        return _slope(metric)

    def edge_attribution(self) -> float:
        """EAP of every edge against the derivative along its patch."""
        model, runs = self.network, (self._base, self._source)
        found = eap(model, *runs, self._edges(), answers=ANSWERS, at=AT)
        kept = (model.cache(self._base), model.cache(self._source))
        slow = [self._edge_slope(edge, kept) for edge in self._edges()]
        return _error(found.values - found.base, torch.stack(slow))

    def _edge_slope(self, edge: Edge, kept: tuple[Activations, ...]) -> Tensor:
        runs = self.network, self._base, self._source
        return _slope(lambda share: self._metric(edge_logits(*runs, edge, kept, share)))


COLUMNS: dict[str, Callable[[Measured], float]] = {
    "logits": Measured.logits,
    "sweep": Measured.sweep,
    "paths": Measured.paths,
    "edges": Measured.edges,
    "sets of edges": Measured.edge_sets,
    "attribution": Measured.attribution,
    "edge attribution": Measured.edge_attribution,
}


def _slope(metric: Callable[[Tensor], Tensor]) -> Tensor:
    """The derivative of each example's metric by its own share t of a patch, at 0: [batch]."""
    t = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    values = metric(t)
    if not values.requires_grad:
        return torch.zeros(3, dtype=torch.float64)
    (found,) = torch.autograd.grad(values.sum(), t, allow_unused=True)
    return torch.zeros_like(t) if found is None else found


def _error(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).detach().abs().max())


def table(names: Sequence[str], thin: int = 1) -> str:
    """Markdown: a row for each model of `hf_models.MODELS` that is named."""
    lines = [
        "| model | " + " | ".join(COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    for name in names:
        model = Measured(name, thin)
        errors = [measure(model) for measure in COLUMNS.values()]
        lines.append(f"| {name} | " + " | ".join(f"{error:.0e}" for error in errors) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure all models, and write the table between the marks of a page."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--out", type=Path, required=True, help="a page with both marks")
    out = command.parse_args().out
    text = out.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    made = table(list(hf_models.MODELS))
    out.write_text(f"{head}{BEGIN}\n{made}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
