"""The values of the nodes of a drawn hypothesis, from unedited runs and from mixtures of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from replications.circuits.scrubbing import lean
from replications.circuits.scrubbing.clean import Clean, Pool, Wanted, batches
from replications.circuits.scrubbing.drawing import Drawn
from replications.circuits.scrubbing.hypothesis import (
    Along,
    Component,
    DirectPath,
    Embeddings,
    Estimate,
    Mask,
    Position,
)
from replications.circuits.scrubbing.slices import edits_within, layers, one_head
from replications.models import Edit, Place, apply, put_rows, sites


class Values:
    """The values of drawn nodes. `wanted` says what of the unedited runs they need."""

    clean: Clean

    def __init__(self, pool: Pool, reads_at: int) -> None:
        self._pool = pool
        self._reads_at = reads_at
        self._kept: dict[tuple[object, ...], Tensor] = {}
        last = pool.network.shape.n_layers - 1
        self._final = sites.RESID_POST(last).pick(pos=reads_at)

    # ---------------------------------------------------------------- what is needed
    def wanted(self, output: Drawn) -> Iterator[Wanted]:
        """The unedited activations that the value of an output needs."""
        yield self._final, output.rest
        for path in output.inputs:
            place = self._place(path)
            yield place, output.rest
            if not path.inputs:
                yield place, path.strings
            for position, needed in self._positions(path):
                if not position.inputs:
                    yield self._before(path, position), position.strings[needed]
                for component in position.inputs:
                    if isinstance(component.node, Component):
                        place, *parts = _component(component.node), component, *component.inputs
                        yield from ((place, part.strings) for part in parts)
                        yield place, component.rest

    def _place(self, path: Drawn) -> Place:
        assert isinstance(path.node, DirectPath)
        return path.node.place.pick(pos=self._reads_at)

    def _before(self, path: Drawn, position: Drawn) -> Place:
        assert isinstance(path.node, DirectPath)
        assert isinstance(position.node, Position)
        return sites.RESID_PRE(path.node.layer).pick(pos=position.node.at)

    def _positions(self, path: Drawn) -> Iterator[tuple[Drawn, Tensor]]:
        """The named positions of a head, and for which examples its output depends on them."""
        assert isinstance(path.node, DirectPath)
        seen = self._visible(path.node.layer, _mask(path)) if path.inputs else None
        for position in path.inputs:
            if isinstance(position.node, Position):
                assert seen is not None
                yield position, seen[:, position.node.at]

    def _visible(self, layer: int, masks: Tensor) -> Tensor:
        """Which positions a head of a layer reads, as key or query: bool [n pos], on the CPU."""
        network, tokens = self._pool.network, self._pool.tokens[masks]
        keys = network.allowed(tokens, layer)[:, 0]
        query = torch.arange(tokens.shape[1], device=tokens.device) == self._reads_at
        return (keys[:, self._reads_at] | query).expand(len(masks), -1).cpu()

    # ---------------------------------------------------------------- values
    def logits(self, output: Drawn) -> Tensor:
        """[n d_vocab_out]"""
        network = self._pool.network
        x = self.clean.read(self._final, output.rest)
        for path in output.inputs:
            place = self._place(path)
            value = self._head(path) if path.inputs else self.clean.read(place, path.strings)
            x = x + self._written(place, value - self.clean.read(place, output.rest))
        return network.unembed(x)

    def _written(self, place: Place, value: Tensor) -> Tensor:
        """What z of a head adds to the residual stream: [n d_model]; an MLP's output as it is."""
        if place.site != sites.Z:
            return value
        head = dict(place.picks)["head"]
        return value @ self._pool.network.W_O[place.layer, head]

    def _head(self, path: Drawn) -> Tensor:
        """z of a head with named inputs, where the output is read: [n d_head]."""
        assert isinstance(path.node, DirectPath)
        assert isinstance(path.node.source, tuple)
        pool, (layer, head), masks = self._pool, path.node.source, _mask(path)
        named = [
            (d.node.at, self._position(path, d, needed))  # type: ignore[attr-defined]
            for d, needed in self._positions(path)
        ]
        if len(named) < pool.tokens.shape[1]:
            stream = self._stream(layer, path.rest, masks)
        else:
            stream = named[0][1].new_zeros(len(masks), len(named), pool.network.shape.d_model)
        if edits := edits_within(pool.edits, layer, layer + 1):
            one = layers(pool.network, layer, layer + 1)
        else:  # most of the layer is not needed
            one, head = one_head(pool.network, layer, head), 0
        found = stream.new_empty(len(masks), pool.network.shape.d_head)
        for some, width in batches(self._widths(masks), one, pool.execution):
            x = stream[some, :width]
            for at, value in named:
                if at < width:
                    x[:, at] = value[some]
            tokens = pool.tokens[masks[some], :width]
            mixing = [put_rows(sites.RESID_PRE(0), x), *edits]
            run = lean.cache(one, tokens, mixing, only=self._reads_at)
            found[some] = run[sites.Z(0)][:, self._reads_at, head]
        return found

    def _widths(self, masks: Tensor, at: int = 0) -> Tensor:
        """How many positions matter, given the padding and the positions that are read."""
        return self._pool.lengths[masks].clamp(min=1 + max(at, self._reads_at))

    def _stream(self, layer: int, rest: Tensor, masks: Tensor) -> Tensor:
        """The residual stream before a layer on the strings `rest`: [n pos d_model].

        Zero where `masks` has padding.
        """
        shape = self._pool.network.shape
        return self._run(
            ("stream", layer, rest, masks),
            rest,
            self._widths(masks),
            layer,
            shape.d_model,
            lambda run: _before(run, layer),
        )

    def _z(self, node: Component, rest: Tensor, highest: int) -> Tensor:
        """z of a head on the strings `rest`, up to position `highest` at least: [n pos d_head]."""
        layer, head = node.head
        return self._run(
            ("z", node.head, highest, rest),
            rest,
            self._widths(rest, highest),
            layer + 1,
            self._pool.network.shape.d_head,
            lambda run: run[sites.Z(layer)][:, :, head],
        )

    def _run(
        self,
        key: tuple[object, ...],
        strings: Tensor,
        widths: Tensor,
        depth: int,
        size: int,
        read: Callable[[Mapping[Place, Tensor]], Tensor],
    ) -> Tensor:
        """What `read` makes of the first layers' runs: [n pos size]. It is kept until `forget`."""
        known = tuple(k.numpy().tobytes() if isinstance(k, Tensor) else k for k in key)
        if known not in self._kept:
            network, edits = self._pool.upto(depth)
            tokens = self._pool.tokens
            found = network.W_E.new_zeros(len(strings), tokens.shape[1], size)
            for some, width in batches(widths, network, self._pool.execution):
                found[some, :width] = read(
                    lean.cache(network, tokens[strings[some], :width], edits)
                )
            self._kept[known] = found
        return self._kept[known]

    def forget(self) -> None:
        """Forget the runs that hypotheses of one seed share."""
        self._kept.clear()

    def _position(self, path: Drawn, position: Drawn, needed: Tensor) -> Tensor:
        """The residual stream before a head at a named position: [n d_model].

        Zero for examples that do not need it.
        """
        place = self._before(path, position)
        if position.inputs:
            return self._mixed(place, position)
        network = self._pool.network
        found = network.W_O.new_zeros(len(needed), network.shape.d_model)
        if needed.any():
            found[needed] = self.clean.read(place, position.strings[needed])
        return found

    def _mixed(self, place: Place, position: Drawn) -> Tensor:
        """The residual stream at a position, computed from named inputs: [n d_model]."""
        assert place.layer is not None
        assert isinstance(position.node, Position)
        pool, at = self._pool, position.node.at
        before, edits = pool.upto(place.layer)
        embeddings = position.input(Embeddings)
        words = position.rest if embeddings is None else embeddings.strings
        components = [d for d in position.inputs if isinstance(d.node, Component)]
        values = [self._component(d) for d in components]
        highest = max([at, *(d.node.at for d in components)])  # type: ignore[attr-defined]
        found = pool.network.W_O.new_empty(len(position.rest), pool.network.shape.d_model)
        kept = [self._z(d.node, position.rest, highest) for d in components]  # type: ignore[arg-type]
        for some, width in batches(self._widths(position.rest, highest), before, pool.execution):
            embedded = pool.network.W_E[pool.tokens[words[some], :width]]
            mixing = [put_rows(sites.EMBED(), embedded), *edits]
            for drawn, value, z in zip(components, values, kept, strict=True):
                mixing += self._replace(drawn, z[some, :width], value[some])
            tokens = pool.tokens[position.rest[some], :width]
            run = lean.cache(before, tokens, mixing, only=at if place.layer else None)
            found[some] = _before(run, place.layer)[:, at]
        return found

    def _replace(self, drawn: Drawn, z: Tensor, value: Tensor) -> list[Edit]:
        """Edits that give a head the output of z [m pos d_head], but `value` at its position."""
        assert isinstance(drawn.node, Component)
        (layer, head), at = drawn.node.head, drawn.node.at
        more = value - z[:, at] @ self._pool.network.W_O[layer, head]
        return [
            put_rows(sites.Z(layer).pick(head=head), z),
            apply(sites.ATTN_OUT(layer).pick(pos=at), lambda current: current + more),
        ]

    def _component(self, drawn: Drawn) -> Tensor:
        """The output of a head at its named position: [n d_model]."""
        assert isinstance(drawn.node, Component)
        place = _component(drawn.node)

        def output(strings: Tensor) -> Tensor:
            return self._written(place, self.clean.read(place, strings))

        if not drawn.inputs:
            return output(drawn.strings)
        (part,), rest = drawn.inputs, output(drawn.rest)
        if isinstance(part.node, Along):
            v = part.node.direction.to(rest)
            return rest + ((output(part.strings) - rest) @ v)[:, None] * v
        assert isinstance(part.node, Estimate)
        values = part.node.values.to(rest)
        return rest + values[part.strings] - values[drawn.rest]


def _mask(path: Drawn) -> Tensor:
    """The strings whose padding a head with named inputs sees."""
    mask = path.input(Mask)
    return path.rest if mask is None else mask.strings


def _component(node: Component) -> Place:
    return sites.Z(node.head[0]).pick(head=node.head[1], pos=node.at)


def _before(run: Mapping[Place, Tensor], layer: int) -> Tensor:
    """The residual stream before `layer` in a run that ends there: [batch pos d_model]."""
    return run[sites.RESID_PRE(0)] if layer == 0 else run[sites.RESID_POST(layer - 1)]
