"""The interface of a lens: what the suite asks of a model, whatever TransformerLens is installed.

A lens holds one model and its weights. It runs tokens through it, reads activations at places
(`models.sites`) and edits them on the way; a place means the same on every supported version.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from replications.errors import BadInput, Unsound, Unsupported
from replications.lens import lines
from replications.models.edits import Edit
from replications.models.shape import Shape
from replications.models.sites import LN1, LN2, LN_FINAL, MLP_OUT, MLP_POST, Place, Site


@dataclass(frozen=True)
class Weights:
    """A model's parameters, on the CPU, all layers stacked: W_Q is [layer head d_model d_head].

    Axes are those of TransformerLens. In a model without MLPs, W_in and W_out have no neurons.
    """

    W_E: Tensor
    W_pos: Tensor
    W_Q: Tensor
    W_K: Tensor
    W_V: Tensor
    W_O: Tensor
    b_O: Tensor
    W_in: Tensor
    b_in: Tensor
    W_out: Tensor
    b_out: Tensor
    W_U: Tensor
    b_U: Tensor

    def OV(self, layer: int, head: int) -> Tensor:
        """W_V @ W_O of one head, [d_model d_model], applied to row vectors: x @ OV."""
        return self.W_V[layer, head] @ self.W_O[layer, head]

    def QK(self, layer: int, head: int) -> Tensor:
        """W_Q @ W_K^T of one head, [d_model d_model]: scores are query @ QK @ key, unscaled."""
        return self.W_Q[layer, head] @ self.W_K[layer, head].T


@dataclass(frozen=True)
class Read:
    """A place to read. `reduce`, if given, maps what stands there to what is kept in its stead.

    It is applied batch by batch, and so saves memory.
    """

    place: Place
    reduce: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Run:
    """The logits [batch pos d_vocab_out] of a run, and what was read, by the caller's names."""

    logits: Tensor
    reads: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Tensor:
        return self.reads[name]


@dataclass(frozen=True)
class Soundness:
    """The sites that a lens refuses: those it reads wrongly, and those where edits are dropped."""

    wrong: tuple[Site, ...] = ()
    """What the installed TransformerLens shows there is not what the weights give."""
    dead: tuple[Site, ...] = ()
    """An edit there does not do to the logits what it should."""


class Lens(ABC):
    """A model seen through one version of TransformerLens; opened by `open_lens`.

    `run` and `read` are the whole of what can be asked of it; `with_edits` and `reopen` make other
    lenses of it.
    """

    shape: Shape
    state_dict: Mapping[str, Tensor]
    """What the model was opened with, in TransformerLens's classic layout."""
    weights: Weights
    device: torch.device
    """Where the model computes; sweeps over it compute there too."""
    edits: tuple[Edit, ...] = ()
    """Made in every run, before those of the run itself."""

    def soundness(self) -> Soundness:
        """The sites that are refused. The first call for an architecture runs the model."""
        return Soundness()

    def run(
        self,
        tokens: Tensor,
        read: Mapping[str, Place | Read] | None = None,
        edits: Sequence[Edit] = (),
        *,
        masked: bool = True,
        batch: int = 250,
    ) -> Run:
        """Run `tokens` [batch pos], reading and editing places on the way.

        Padding keys are masked unless `masked=False` (only to show that the mask matters). `batch`
        is how many examples run at a time. Results come back on the device of `tokens`, without
        gradients. Raises BadInput for a place in a layer, MLP or LayerNorm that the model lacks,
        and Unsound for one that the installed TransformerLens shows wrongly or cannot edit: plain
        Unsupported where a tested line is known to drop edits there.
        """
        return self._run(tokens, read or {}, edits, masked, batch, stop=None)

    def read(
        self,
        tokens: Tensor,
        read: Mapping[str, Place | Read],
        edits: Sequence[Edit] = (),
        *,
        batch: int = 250,
    ) -> Mapping[str, Tensor]:
        """What `run` reads, but the model stops after the last layer that is read."""
        layers = [(r.place if isinstance(r, Read) else r).layer for r in read.values()]
        known = [layer for layer in layers if layer is not None]
        # A place outside the layers (the final LayerNorm, say) needs the whole run.
        stop = max(known) + 1 if known and len(known) == len(layers) else None
        return self._run(tokens, read, edits, True, batch, stop).reads

    def _run(
        self,
        tokens: Tensor,
        read: Mapping[str, Place | Read],
        edits: Sequence[Edit],
        masked: bool,
        batch: int,
        stop: int | None,
    ) -> Run:
        reads = {n: r if isinstance(r, Read) else Read(r) for n, r in read.items()}
        edits = (*self.edits, *edits)
        for place in [r.place for r in reads.values()] + [e.place for e in edits]:
            self.check(place)
        self._check_sound(reads.values(), edits)
        runs = [
            self._run_batch(tokens[start : start + batch], reads, edits, start, masked, stop)
            for start in range(0, len(tokens), batch)
        ]
        logits = torch.cat([run.logits for run in runs]).to(tokens.device)
        joined = {name: torch.cat([run[name] for run in runs]) for name in reads}
        return Run(logits, {name: value.to(tokens.device) for name, value in joined.items()})

    def check(self, place: Place) -> None:
        """Raise BadInput if the model has no such place."""
        if place.layer is not None and not 0 <= place.layer < self.shape.n_layers:
            raise BadInput(f"{place!r}: the model has {self.shape.n_layers} layers, from 0")
        if self.shape.attn_only and place.site in (LN2, MLP_POST, MLP_OUT):
            raise BadInput(f"{place!r}: the model has attention only, no MLP")
        if self.shape.normalization is None and place.site in (LN1, LN2, LN_FINAL):
            raise BadInput(f"{place!r}: the model has no LayerNorm")

    def _check_sound(self, reads: Iterable[Read], edits: Iterable[Edit]) -> None:
        sound = self.soundness()
        for place in [r.place for r in reads]:
            if place.site in sound.wrong:
                raise Unsound(
                    f"{place!r}: what the installed TransformerLens shows there is not what the "
                    f"weights give; install a version that was tested: {lines.supported()}"
                )
        for place in [e.place for e in edits]:
            if place.site in (*sound.wrong, *sound.dead):
                known = lines.drops_edits(place.site.name)
                raise (Unsupported if known else Unsound)(
                    f"{place!r}: this kind of model of the installed TransformerLens drops "
                    "edits there; use --lens hooked, or TransformerLens 4.3"
                )

    @abstractmethod
    def _run_batch(
        self,
        tokens: Tensor,
        reads: Mapping[str, Read],
        edits: Sequence[Edit],
        start: int,
        masked: bool,
        stop: int | None,
    ) -> Run:
        """One batch, whose first row is row `start`; only the first `stop` layers, if given."""

    @abstractmethod
    def with_edits(self, edits: Sequence[Edit]) -> Lens:
        """This model with `edits` made in every run, after its own and before those of the run."""

    @abstractmethod
    def reopen(self, state_dict: Mapping[str, Tensor]) -> Lens:
        """This architecture with other weights, on the same device and in the same dtype.

        `state_dict` is in TransformerLens's classic layout.
        """
