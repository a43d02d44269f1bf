"""Causal scrubbing: a network's output, with every input computed as a hypothesis allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from replications.circuits.scrubbing import drawing
from replications.circuits.scrubbing.clean import Clean, Pool
from replications.circuits.scrubbing.drawing import Drawn
from replications.circuits.scrubbing.hypothesis import Component, DirectPath, Estimate, Output
from replications.circuits.scrubbing.values import Values
from replications.errors import BadInput, Unsupported
from replications.models import Edit, Network
from replications.patching.execution import DEFAULT, Execution


@dataclass(frozen=True)
class Scrubbed:
    """The scrubbed output of n reference strings."""

    references: Tensor
    """Which strings they are: long [n]."""
    logits: Tensor
    """Where the output is read: [n d_vocab_out]."""


def scrub(
    network: Network,
    tokens: Tensor,
    hypotheses: Mapping[str, Output],
    *,
    references: int = 4000,
    seeds: Sequence[int] = (0,),
    reads_at: int = 0,
    edits: Sequence[Edit] = (),
    execution: Execution = DEFAULT,
) -> dict[str, list[Scrubbed]]:
    """Scrub the strings `tokens` [string pos] by several hypotheses: name → one result per seed.

    The reference strings, and all others, are drawn from `tokens`; there are as many references as
    asked for, or all strings if these are fewer. The output is read at position `reads_at`. `edits`
    are made in every run. Hypotheses that are scrubbed together share their references and the
    unedited runs, so they are quicker together than one by one. `execution.progress` is called with
    the number of unedited runs that are done, and of all. Raises BadInput if a hypothesis does not
    fit the network or the strings, and Unsupported for a network that normalises what its layers
    write: there no head has a path of its own.
    """
    if network.shape.post_norms:
        raise Unsupported(
            "scrubbing: this network normalises the sum of what its heads write, so no head has a "
            "path of its own (Gemma 2 and 3)"
        )
    pool = Pool.of(network, tokens, tuple(edits), execution)
    for name, hypothesis in hypotheses.items():
        _check(name, hypothesis, pool, reads_at)
    drawn = {
        (name, seed): _draw(hypothesis, len(tokens), references, seed)
        for name, hypothesis in hypotheses.items()
        for seed in seeds
    }
    with torch.no_grad(), execution.precision(pool.network):
        values = Values(pool, reads_at)
        values.clean = Clean(pool, (w for tree in drawn.values() for w in values.wanted(tree[1])))
        results: dict[str, list[Scrubbed]] = {name: [] for name in hypotheses}
        for seed in seeds:
            values.forget()
            for name, found in results.items():
                chosen, tree = drawn[name, seed]
                found.append(Scrubbed(chosen, values.logits(tree).to(tokens.device)))
        return results


def _draw(hypothesis: Output, strings: int, n: int, seed: int) -> tuple[Tensor, Drawn]:
    chosen = drawing.references(strings, n, seed)
    return chosen, drawing.draw(hypothesis, chosen, strings, seed)


def _check(name: str, hypothesis: Output, pool: Pool, reads_at: int) -> None:
    shape, (strings, length) = pool.network.shape, pool.tokens.shape
    for node in hypothesis.walk():
        if node.on is not None and len(node.on.values) != strings:
            raise BadInput(f"{name}: {node.on!r} is not of these {strings} strings")
        if isinstance(node, Estimate) and len(node.values) != strings:
            raise BadInput(f"{name}: an estimate needs a value for each of {strings} strings")
        at = getattr(node, "at", reads_at)
        if not 0 <= at < length:
            raise BadInput(f"{name}: there is no position {at} in {length} tokens")
        heads = [getattr(node, part, None) for part in ("source", "head")]
        for layer, head in (h if isinstance(h, tuple) else (h, 0) for h in heads if h is not None):
            if not (0 <= layer < shape.n_layers and 0 <= head < shape.n_heads):
                raise BadInput(f"{name}: the network has no {node.name}")
        if isinstance(node, DirectPath):
            _check_below(name, node)


def _check_below(name: str, node: DirectPath) -> None:
    for below in node.walk():
        if isinstance(below, Component) and below.head[0] >= node.layer:
            raise BadInput(f"{name}: {below.name!r} does not lie before {node.name!r}")
