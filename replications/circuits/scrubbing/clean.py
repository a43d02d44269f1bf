"""Activations of unedited runs, computed once for all the hypotheses that are scrubbed together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from replications.circuits.scrubbing import lean
from replications.circuits.scrubbing.slices import edits_within, layers
from replications.models import Edit, Network, Place, sites
from replications.patching.execution import DEFAULT, Execution

Wanted = tuple[Place, Tensor]
"""An activation at one position, and the strings [m] it is wanted on."""


def lengths(network: Network, tokens: Tensor) -> Tensor:
    """The number of tokens of each row up to the last that is no padding: long [row]."""
    if network.shape.pad_token is None:
        return torch.full((len(tokens),), tokens.shape[1])
    column = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    return ((tokens != network.shape.pad_token) * column).amax(1).cpu()


def batches(widths: Tensor, network: Network, execution: Execution) -> Iterator[tuple[Tensor, int]]:
    """Rows of similar width [m], with the largest width among them, as memory allows."""
    shape = network.shape
    order = widths.argsort(stable=True)
    numbers = execution.numbers(network.dtype)
    start = 0
    while start < len(order):
        # Sorted upwards, so the width of a batch is that of its last row: guess, then shrink.
        width = int(widths[order[start]])
        for _ in range(2):
            of_a_token = shape.n_layers * (12 * shape.d_model + 2 * shape.d_mlp)
            of_a_token += 2 * shape.n_layers * shape.n_heads * width
            size = min(MOST_ROWS, max(1, numbers // (width * of_a_token)))
            width = int(widths[order[min(start + size, len(order)) - 1]])
        yield order[start : start + size], width
        start += size


MOST_ROWS = 256
"""More rows at a time do not fit into the processor's cache, and are slower."""


@dataclass(frozen=True)
class Pool:
    """A network and the strings that are drawn from: tokens [string pos]."""

    network: Network
    tokens: Tensor
    edits: Sequence[Edit]
    """Made in every run."""
    execution: Execution
    lengths: Tensor
    """long [string]"""

    @classmethod
    def of(
        cls, network: Network, tokens: Tensor, edits: Sequence[Edit], execution: Execution
    ) -> Pool:
        """The pool on the device and in the precision of the execution."""
        network = execution.place(network)
        tokens = network.check(tokens)
        return cls(network, tokens, edits, execution, lengths(network, tokens))

    def upto(self, layer: int) -> tuple[Network, list[Edit]]:
        """The network before `layer`, of one layer at least, and its edits."""
        stop = max(1, layer)
        return layers(self.network, 0, stop), edits_within(self.edits, 0, stop)


def logits_at(
    network: Network,
    tokens: Tensor,
    position: int = 0,
    *,
    edits: Sequence[Edit] = (),
    execution: Execution = DEFAULT,
) -> Tensor:
    """Logits at one position of runs of many strings [string pos]: [string d_vocab_out].

    Strings of one length run together, without their padding, and the last layer computes this
    position alone. Raises BadInput for tokens that do not fit the network.
    """
    pool = Pool.of(network, tokens, tuple(edits), execution)
    network, last = pool.network, pool.network.shape.n_layers - 1
    widths = pool.lengths.clamp(min=position + 1)
    found = network.W_U.new_empty(len(tokens), network.shape.d_vocab_out)
    with torch.no_grad(), execution.precision(network):
        for some, width in batches(widths, network, execution):
            run = lean.cache(network, pool.tokens[some, :width], pool.edits, only=position)
            found[some] = network.unembed(run[sites.RESID_POST(last)][:, position])
    return found.to(tokens.device)


class Clean:
    """What stands at some places in the unedited runs of some strings."""

    def __init__(self, pool: Pool, wanted: Iterable[Wanted]) -> None:
        self._pool = pool
        self._rows: dict[tuple[object, ...], Tensor] = {}
        self._values: dict[tuple[object, ...], Tensor] = {}
        self._compute(self._gather(wanted))

    def read(self, place: Place, strings: Tensor) -> Tensor:
        """The activation at a place that was wanted on these strings [m]: [m size]."""
        key = _key(place)
        found = torch.searchsorted(self._rows[key], strings)
        return self._values[key][found]

    def _gather(self, wanted: Iterable[Wanted]) -> dict[tuple[object, ...], Place]:
        """The rows of each place, each once; the places by their keys."""
        places, parts = {}, defaultdict(list)
        for place, strings in wanted:
            if not len(strings):
                continue
            places[_key(place)] = place
            parts[_key(place)].append(strings)
        for key, found in parts.items():
            self._rows[key] = torch.cat(found).unique()
        return places

    def _compute(self, places: dict[tuple[object, ...], Place]) -> None:
        depth, width = self._needs(places)
        rows = (depth > 0).nonzero()[:, 0]
        done = 0
        for stop in depth[rows].unique().tolist():
            mine = rows[depth[rows] == stop]
            there = {key: place for key, place in places.items() if _depth(place) <= stop}
            network, edits = self._pool.upto(stop)
            ends = {_position(place) for place in there.values() if _in_last(place, stop)}
            only = ends.pop() if len(ends) == 1 else None
            for some, wide in batches(width[mine], network, self._pool.execution):
                batch = mine[some]
                run = lean.cache(network, self._pool.tokens[batch, :wide], edits, only=only)
                for key, place in there.items():
                    self._keep(key, place, batch, run)
                done += len(batch)
                if self._pool.execution.progress:
                    self._pool.execution.progress(done, len(rows))

    def _needs(self, places: dict[tuple[object, ...], Place]) -> tuple[Tensor, Tensor]:
        """How many layers of each string are run, and how many of its tokens: two long [string]."""
        depth = torch.zeros(len(self._pool.tokens), dtype=torch.long)
        width = self._pool.lengths.clone()
        for key, place in places.items():
            rows, position = self._rows[key], _position(place)
            depth[rows] = depth[rows].clamp(min=_depth(place))
            width[rows] = width[rows].clamp(min=position + 1)
        return depth, width

    def _keep(
        self, key: tuple[object, ...], place: Place, batch: Tensor, run: dict[Place, Tensor]
    ) -> None:
        """Keep the activations of those rows of a batch on which the place is wanted."""
        rows = self._rows[key]
        at = torch.searchsorted(rows, batch).clamp(max=len(rows) - 1)
        hit = rows[at] == batch
        if not hit.any():
            return
        source = place
        if place.site == sites.RESID_PRE and place.layer:  # the slice ends before this layer
            source = Place(sites.RESID_POST, place.layer - 1, place.picks)
        value = run[Place(source.site, source.layer)][source.index][
            hit.to(self._pool.tokens.device)
        ]
        if key not in self._values:
            self._values[key] = value.new_zeros(len(rows), *value.shape[1:])
        self._values[key][at[hit]] = value


def _depth(place: Place) -> int:
    """How many layers are run to reach a place."""
    assert place.layer is not None
    return max(1, place.layer + (place.site != sites.RESID_PRE))


def _position(place: Place) -> int:
    position = dict(place.picks)["pos"]
    assert isinstance(position, int)
    return position


def _in_last(place: Place, stop: int) -> bool:
    """Whether a place is computed by the last of `stop` layers."""
    return _depth(place) == stop and (place.site, place.layer) != (sites.RESID_PRE, 0)


def _key(place: Place) -> tuple[object, ...]:
    return place.site.name, place.layer, *sorted(place.picks)
