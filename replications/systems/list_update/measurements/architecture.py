"""The section "Load model": what the model is, and what training left alone."""

from __future__ import annotations

import torch

from replications.models import Shape, sites
from replications.systems.list_update import model
from replications.systems.list_update.task import Task


class Architecture:
    """The sizes and parameters of one model, which was trained with `seed`."""

    def __init__(self, task: Task, seed: int) -> None:
        self._task = task
        self._seed = seed

    def describe(self) -> dict[str, object]:
        """Sizes, parameters, which of them training left alone, and where positions go.

        `frozen` names the parameters that are as they were before training, and `largest_bias` is
        the largest entry, in size, of any bias. `positions_in_the_stream` is the largest entry, in
        size, by which the input of layer 0 differs from the token embedding.
        """
        lens, tokens = self._task.lens, self._task.tokens[:10]
        weights = lens.state_dict
        stream = lens.read(tokens, {"stream": sites.RESID_PRE(0)})["stream"]
        added = stream.double() - lens.weights.W_E[tokens].double()
        biases = [weights[name] for name in weights if model.is_bias(name)]
        return {
            "parameters": len(weights),
            "sizes": _sizes(lens.shape),
            "frozen": self._frozen(),
            "largest_bias": max(bias.abs().max().item() for bias in biases),
            "positions_in_the_stream": added.abs().max().item(),
        }

    def _frozen(self) -> list[str]:
        """Names of the parameters that training did not change, sorted."""
        lens = self._task.lens
        start = model.untrained_state_dict(self._seed, lens.shape.n_layers, self._task.format)
        return [
            name for name in sorted(start) if torch.equal(start[name], lens.state_dict[name].cpu())
        ]


def _sizes(shape: Shape) -> str:
    norm = "no LayerNorm" if shape.normalization is None else shape.normalization
    return (
        f"L{shape.n_layers} H{shape.n_heads} d_model {shape.d_model} d_head {shape.d_head} "
        f"d_mlp {shape.d_mlp} context {shape.n_ctx} tokens {shape.d_vocab} "
        f"numbers {shape.d_vocab_out} {norm}"
    )
