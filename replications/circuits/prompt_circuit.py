"""Which edges of a model carry what makes two prompts' answers differ?

A `PairCircuit` answers a `Question` of `replications.patching.prompt_pair`: the effect of every
edge, the circuit that a method finds, what the circuit keeps of the difference, a JSON and a
picture. The base run is the clean prompt; patched edges carry the corrupted one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor

from replications.circuits.circuit import Circuit, Effects, edges_over
from replications.circuits.discovery import acdc
from replications.circuits.edges import edge_sweep
from replications.circuits.estimates import eap, eap_ig
from replications.circuits.graph import Edge
from replications.circuits.quality import Faithfulness, Prompts, faithfulness
from replications.errors import BadInput
from replications.patching.execution import Execution, Progress
from replications.patching.prompt_pair import SAME, Question
from replications.plotting.tabular import Tabular

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Method = Literal["exact", "eap", "eap-ig", "acdc"]
"""How edges are chosen: by exact effects, by estimates of them, or greedily by ACDC."""
DRAWN = 60
"""The most edges that a picture shows."""


@dataclass(frozen=True)
class ScoredEdge:
    """One edge: its effect on the logit difference, as a share too, and whether it was kept."""

    edge: Edge
    effect: float
    share: float
    """Of the way from the clean prompt's logit difference (0) to the corrupted one's (1)."""
    kept: bool


@dataclass(frozen=True, eq=False)
class PairCircuit(Tabular):
    """The effects of all edges on the answers to a question, and the circuit they give."""

    question: Question
    method: Method
    threshold: float
    """The share of the difference that an edge must carry to be kept."""
    found: Effects
    """Exact effects for the methods "exact" and "acdc", else their estimates."""
    circuit: Circuit
    kept: Faithfulness
    """The logit difference of the clean prompt, of the circuit, and of the corrupted prompt."""

    @property
    def baselines(self) -> dict[str, float]:
        """The logit difference of each prompt, unpatched."""
        return {"clean": self.kept.whole.item(), "corrupted": self.kept.nothing.item()}

    @property
    def kept_share(self) -> float:
        """What the circuit keeps of the difference: 1 is all, 0 nothing."""
        return self.kept.recovered().mean

    @cached_property
    def edges(self) -> list[ScoredEdge]:
        """Every edge, the largest effect first."""
        effects, chosen = self.found.effects().cpu().double(), set(self.circuit.edges)
        shares = effects / (self.baselines["corrupted"] - self.baselines["clean"])
        order = effects.abs().argsort(descending=True, stable=True).tolist()
        listed = [(self.found.edges[i], effects[i].item(), shares[i].item()) for i in order]
        return [ScoredEdge(edge, effect, share, edge in chosen) for edge, effect, share in listed]

    def json(self) -> str:
        """Everything that was found, edges in the order of their effects."""
        question, labels = self.question, self.question.prompting.labels
        about = {
            "method": self.method,
            "threshold": self.threshold,
            "clean": labels(question.clean),
            "corrupted": labels(question.corrupted),
            "clean_ids": question.clean[0].tolist(),
            "corrupted_ids": question.corrupted[0].tolist(),
            "measured": question.measured,
            "position": question.at,
            "logit_difference": {**self.baselines, "circuit": self.kept.circuit.item()},
            "circuit": {"edges": len(self.circuit), "kept_share": self.kept_share},
            "effects": "estimated" if self.method.startswith("eap") else "exact",
            "edges": [
                {"edge": str(e.edge), "effect": e.effect, "share": e.share, "kept": e.kept}
                for e in self.edges
            ],
        }
        return json.dumps(about, indent=1, ensure_ascii=False) + "\n"

    @property
    def index(self) -> tuple[str, ...]:
        """What names an edge."""
        return ("edge",)

    def columns(self) -> dict[str, list[Any]]:
        """A row for each edge, the largest effect first."""
        return {
            "edge": [str(scored.edge) for scored in self.edges],
            "effect": [scored.effect for scored in self.edges],
            "share": [scored.share for scored in self.edges],
            "kept": [scored.kept for scored in self.edges],
        }

    def figure(self) -> Figure:
        """The circuit as a graph, at most its `DRAWN` largest edges.

        Call it inside `charts.style()`. Raises BadInput without matplotlib.
        """
        from replications.circuits.drawing import draw

        kept = [(e.edge, e.effect) for e in self.edges if e.kept]
        figure = draw(kept[:DRAWN], unit="change of the logit difference")
        shown = f"the largest {DRAWN} of " if len(kept) > DRAWN else ""
        measured = self.question.measured.replace("$", r"\$")
        figure.suptitle(
            f"{measured}\n{shown}{len(kept)} edges ({self.method}) keep {self.kept_share:z.0%}",
            fontsize=10,
        )
        return figure


def find_circuit(
    question: Question,
    method: Method = "exact",
    *,
    threshold: float = 0.05,
    progress: Progress | None = None,
) -> PairCircuit:
    """The effects of all edges, and the circuit of those that carry enough.

    `threshold` is a share of the difference between the prompts. By "exact", "eap" and "eap-ig"
    the circuit has the edges whose effect is more than that in size; by "acdc", those whose removal
    moves the logit difference by as much. Edges on no path from the embedding to the logits are
    left out.

    Raises BadInput for an unknown method, a threshold less than 0, or a logit difference that does
    not tell the prompts apart.
    """
    if method not in get_args(Method):
        raise BadInput(f"method {method!r}: give one of {', '.join(get_args(Method))}")
    if not threshold >= 0:
        raise BadInput(f"threshold {threshold}: give a share of the difference, 0 or more")
    network, base, source = question.network, question.clean, question.corrupted
    answers = torch.tensor([[question.answer, question.against]])
    prompts = Prompts(base, source, answers, question.at)
    over = threshold * _difference(question, prompts)
    execution = Execution(progress=progress)
    found: Effects
    if method.startswith("eap"):
        estimate = eap if method == "eap" else eap_ig
        found = estimate(network, base, source, answers=answers, at=question.at)
    else:
        found = edge_sweep(
            network, base, source, answers=answers, at=question.at, execution=execution
        )
    circuit: Circuit
    if method == "acdc":
        circuit = acdc(
            network, base, source, over, answers=answers, at=question.at, damage="distance",
            execution=execution,
        )  # fmt: skip
    else:
        circuit = edges_over(network, found, over)
    circuit = circuit.connected()
    kept = faithfulness(network, circuit, prompts)
    return PairCircuit(question, method, threshold, found, circuit, kept)


def _difference(question: Question, prompts: Prompts) -> float:
    """By how much the logit differences of the prompts differ."""
    low, high = (_measured(question, tokens) for tokens in (prompts.base, question.corrupted))
    if abs(low - high) < SAME * max(1.0, abs(low), abs(high)):
        raise BadInput(
            f"{question.measured} is {low:.4g} on both prompts, so no edge can carry a "
            "difference; give other prompts, or other answers (--answer and --against)"
        )
    return abs(low - high)


@torch.no_grad()
def _measured(question: Question, tokens: Tensor) -> float:
    logits = question.network.forward(tokens)[0, question.at]
    return (logits[question.answer] - logits[question.against]).item()
