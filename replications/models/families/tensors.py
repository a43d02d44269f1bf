"""The tensors of a checkpoint, taken by name, with a record of which were used."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models.parameters import Size


class Tensors:
    """Tensors by name, as one kind of model is saved.

    `prefix` begins the names in a file with a head, and is absent in one without. Names that match
    `buffers` are no parameters. `dtype` None leaves all tensors as they are.
    """

    def __init__(
        self,
        given: Mapping[str, Tensor],
        prefix: str = "",
        buffers: str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self._given = {name.removeprefix(prefix): name for name in given}
        self._tensors, self._buffers, self._dtype = given, buffers, dtype
        self._taken: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def take(self, name: str, *size: int) -> Tensor:
        """A tensor, in `dtype`. Raises BadInput if it is missing or has another size."""
        found = self._stored(name, size)
        return found if self._dtype is None else found.to(self._dtype)

    def _stored(self, name: str, size: Size) -> Tensor:
        if name not in self._given:
            raise BadInput(f"the weights lack {name}, of shape {size}")
        whole = self._given[name]
        found = self._tensors[whole]
        if tuple(found.shape) != size:
            raise BadInput(
                f"{whole} has shape {tuple(found.shape)}; by its config.json it has {size}"
            )
        if not found.is_floating_point():
            raise BadInput(f"{whole} has numbers of type {found.dtype}, not floating point")
        self._taken.add(name)
        return found

    def linear(self, name: str, out: int, into: int, *, bias: bool) -> dict[str, Tensor]:
        """`weight` [in out], which acts on rows, and with `bias` also `bias` [out].

        In the precision of the file: the network that is made of them is in that of the embedding,
        and a second copy of all matrices would take much memory.
        """
        found = {"weight": self._stored(f"{name}.weight", (out, into)).T}
        return found | {"bias": self._stored(f"{name}.bias", (out,))} if bias else found

    @property
    def unused(self) -> tuple[str, ...]:
        """The names in the file of what was not taken and is no buffer."""
        return tuple(
            whole
            for name, whole in self._given.items()
            if name not in self._taken and not (self._buffers and re.search(self._buffers, name))
        )


def heads(linear: Mapping[str, Tensor], name: str, n_heads: int, size: Size) -> dict[str, Tensor]:
    """W_Q and b_Q, say, from queries of all heads side by side; `size` is (d_model, d_head).

    [head d_model d_head] and [head d_head]
    """
    d_model, d_head = size
    matrix = linear["weight"].reshape(d_model, n_heads, d_head).transpose(0, 1)
    found = {f"attn.W_{name}": matrix}
    if "bias" in linear:
        found[f"attn.b_{name}"] = linear["bias"].view(n_heads, d_head)
    return found


def unembedding(
    tensors: Tensors, embedding: Tensor, *, tied: bool, name: str = "lm_head.weight"
) -> Tensor:
    """W_U [d_model d_vocab] of a model whose configuration says whether its head is tied.

    `name` is that of the head's own weight. Raises BadInput if an untied head is missing, or a tied
    one is not the embedding.
    """
    if not tied and name not in tensors:
        raise BadInput(
            "config.json says that the unembedding is no copy of the embedding "
            f"(tie_word_embeddings is false), but the weights lack {name}"
        )
    if name not in tensors:
        return embedding.T
    head = tensors.take(name, *embedding.shape)
    if tied and not head.equal(embedding):
        raise BadInput(
            "config.json says that the unembedding is the embedding (tie_word_embeddings), but "
            f"{name} differs from it"
        )
    return embedding.T if tied else head.T
