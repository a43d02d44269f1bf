"""Runs with hooks: what a lens does alike on both kinds of model that TransformerLens has had."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from replications.lens.base import Lens, Read, Run, Soundness, Weights
from replications.lens.soundness import examine
from replications.models.edits import Edit
from replications.models.parameters import network_fields
from replications.models.shape import Shape
from replications.models.sites import RESID_MID, RESID_POST, Place

Action = Callable[..., Any]
"""What a hook does: (value, hook) to a new value, or None to leave it."""
Hooks = list[tuple[str, Action]]


class HookLens(Lens):
    """A lens on a model with hook points and TransformerLens's module names."""

    _model: Any
    dtype: torch.dtype

    @property
    def model(self) -> Any:
        """The model of TransformerLens."""
        return self._model

    def soundness(self) -> Soundness:
        """The sites that are refused, by `soundness.examine`.

        Each architecture, dtype and kind of module it is built from is examined once.
        """
        built_from = type(getattr(self.model, "original_model", self.model))
        key = (type(self), built_from, self.shape, self.dtype)
        if key not in _EXAMINED:
            _EXAMINED[key] = Soundness()  # so that nothing is refused while it is examined
            try:
                _EXAMINED[key] = examine(self, self._run_plainly)
            except BaseException:
                del _EXAMINED[key]
                raise
        return _EXAMINED[key]

    def _run_plainly(self, tokens: Tensor, reads: Mapping[str, Read], edits: Sequence[Edit]) -> Run:
        return self._run_batch(tokens, reads, edits, 0, True, None)

    def with_edits(self, edits: Sequence[Edit]) -> Self:
        other = copy.copy(self)
        other.edits = (*self.edits, *edits)
        return other

    @torch.no_grad()
    def _run_batch(
        self,
        tokens: Tensor,
        reads: Mapping[str, Read],
        edits: Sequence[Edit],
        start: int,
        masked: bool,
        stop: int | None,
    ) -> Run:
        tokens = tokens.to(self.device)
        rows = slice(start, start + len(tokens))
        kept: dict[str, Tensor] = {}
        hooks: Hooks = []
        removers = []
        # Edits come before reads, so that a read shows what the rest of the model sees.
        actions = [(e.place, self._editor(e, rows)) for e in edits]
        actions += [(r.place, _reader(name, r, kept)) for name, r in reads.items()]
        mask = self._mask(tokens) if masked else None
        try:
            for place, action in actions:
                if place.site.via == "hook":
                    hooks.append((self._hook(place), action))
                else:
                    removers.append(self._on_module_output(place.path, action))
            output = self._forward(tokens, hooks, mask, stop)
        finally:
            for remover in removers:
                remover.remove()
        # Stopped early, the output is a residual stream, not logits.
        return Run(output if stop is None else output[:0], kept)

    @abstractmethod
    def _forward(
        self, tokens: Tensor, hooks: Hooks, mask: Tensor | None, stop: int | None
    ) -> Tensor:
        """Logits, or the stream before layer `stop`; keys where `mask` is 0 are not seen."""

    @staticmethod
    @abstractmethod
    def _editor(edit: Edit, rows: slice) -> Action:
        """The hook that makes the edit, in the way the model's hook points need."""

    def _hook(self, place: Place) -> str:
        if self.shape.attn_only and place.site is RESID_MID:
            # One tensor, which TransformerLens names once.
            return RESID_POST(place.layer).path
        return place.path

    def _mask(self, tokens: Tensor) -> Tensor | None:
        """1 for a token and 0 for padding, [batch pos]; None for a model without padding."""
        if self.shape.pad_token is None:
            return None
        return (tokens != self.shape.pad_token).long()

    def _on_module_output(self, path: str, action: Action) -> Any:
        module = self.model.get_submodule(path)
        return module.register_forward_hook(lambda _module, _inputs, output: action(output))


_EXAMINED: dict[object, Soundness] = {}
"""What `HookLens.soundness` found, for the life of the process."""


def stacked_weights(model: Any, shape: Shape) -> Weights:
    """The parameters of a model, on the CPU."""
    none: dict[str, Tensor] = {}
    if shape.attn_only:
        layers, wide = shape.n_layers, shape.d_model
        none = {
            "W_in": model.W_Q.new_empty(layers, wide, 0),
            "b_in": model.W_Q.new_empty(layers, 0),
            "W_out": model.W_Q.new_empty(layers, 0, wide),
            "b_out": model.W_Q.new_zeros(layers, wide),
        }
    # By way of its module: the bridge of 3.9 has no W_pos of its own.
    found = none | {"W_pos": model.pos_embed.W_pos}
    names = [name for name in Weights.__dataclass_fields__ if name not in found]
    found |= {name: getattr(model, name) for name in names}
    return Weights(**{name: value.detach().cpu() for name, value in found.items()})


def stacked_state_dict(lens: HookLens) -> dict[str, Tensor]:
    """The classic layout without LayerNorms, as views of `lens.weights`: nothing is held twice.

    For models with MLPs, whose parameters outside the layers come first.
    """
    names = {
        field: name
        for field, (name, _) in network_fields(lens.shape).items()
        if not field.startswith("ln")
    }
    biases = {name: getattr(lens.model, name).detach().cpu() for name in ("b_Q", "b_K", "b_V")}
    values = vars(lens.weights) | biases
    found = {name: values[field] for field, name in names.items() if "{layer}" not in name}
    for layer in range(lens.shape.n_layers):
        for field, name in names.items():
            if "{layer}" in name:
                found[name.format(layer=layer)] = values[field][layer]
    return found


def _reader(name: str, read: Read, kept: dict[str, Tensor]) -> Action:
    def keep(value: Tensor, hook: object = None) -> None:
        part = value[read.place.index]
        # Cloned, because `reduce` may return a view, and a later edit changes the model's tensor.
        kept[name] = (part if read.reduce is None else read.reduce(part)).clone()

    return keep
