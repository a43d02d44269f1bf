"""What the model is and how well it does: architecture, accuracy, loss, training curve."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from replications.lens import Lens, open_lens
from replications.models import sites
from replications.models.shape import Shape
from replications.systems.list_update import model
from replications.systems.list_update.data import answers, generate_mixed

if TYPE_CHECKING:
    from replications.systems.list_update.measure import ListUpdateSubject


FRESH, FRESH_SEED = 10_000, 3_000_000


class Behaviour:
    """Accuracies and losses of one subject on its prompts."""

    def __init__(self, subject: ListUpdateSubject) -> None:
        self._s = subject

    # ---------------------------------------------------------------- architecture
    @cached_property
    def architecture(self) -> dict[str, object]:
        """Sizes, parameters, which of them training left alone, and where positions go.

        `left_alone` counts the parameters that are as they were before training,
        `left_alone_are_biases` is the share of biases among them; `positions_in_the_stream` is the
        largest entry of layer 0's input that is not the embedding.
        """
        return self._architecture(self._s.lens)

    @cached_property
    def architecture_standard_positions(self) -> dict[str, object]:
        """The same weights with positions added to the residual stream."""
        lens = self._s.lens
        shape = replace(lens.shape, positions="standard")
        return self._architecture(open_lens(shape, lens.state_dict))

    @cached_property
    def architecture_with_biases(self) -> dict[str, object]:
        """What would be measured if training had moved one bias by 0.1."""
        found = dict(self.architecture)
        return found | {"left_alone": len(self._frozen(self._s.lens)) - 1, "largest_bias": 0.1}

    def _architecture(self, lens: Lens) -> dict[str, object]:
        weights, frozen = lens.state_dict, self._frozen(lens)
        tokens = self._s.tokens[:10]
        stream = lens.read(tokens, {"stream": sites.RESID_PRE(0)})["stream"]
        added = stream.double() - self._s.weights.W_E[tokens].double()
        biases = [weights[name] for name in weights if model.is_bias(name)]
        return {
            "parameters": len(weights),
            "sizes": _sizes(lens.shape),
            "left_alone": len(frozen),
            "left_alone_are_biases": sum(map(model.is_bias, frozen)) / max(len(frozen), 1),
            "largest_bias": max(bias.abs().max().item() for bias in biases),
            "positions_in_the_stream": added.abs().max().item(),
        }

    def _frozen(self, lens: Lens) -> list[str]:
        """Names of the parameters that training did not change."""
        start = model.untrained_state_dict(self._s.seed, self._s.layers, self._s.task)
        return [name for name in start if torch.equal(start[name], lens.state_dict[name].cpu())]

    # ---------------------------------------------------------------- accuracy
    @cached_property
    def accuracy(self) -> float:
        """Share of the answers that have the largest logit."""
        return self._right.mean().item()

    @cached_property
    def fresh_accuracy(self) -> float:
        """The accuracy on 10,000 other prompts: rare mistakes need more than the rest."""
        tokens = generate_mixed(FRESH, FRESH_SEED, self._s.task)
        logits = self._s.lens.run(tokens).logits[:, self._s.predicting]
        return (logits.argmax(-1) == answers(tokens, self._s.task)).double().mean().item()

    @cached_property
    def batch_accuracy(self) -> float:
        """The accuracy on the first 256 prompts, as many as a batch of the document."""
        return self._right[:256].mean().item()

    @cached_property
    def accuracy_by_prediction(self) -> list[float]:
        return [share.item() for share in self._right.mean(0)]

    @cached_property
    def worst_accuracy(self) -> float:
        """The accuracy of the worst prediction."""
        return min(self.accuracy_by_prediction)

    @cached_property
    def _right(self) -> torch.Tensor:
        return (self._s.logits().argmax(-1) == self._s.answers).double()

    @cached_property
    def by_layers(self) -> dict[str, float]:
        """Accuracy with two layers, and the best of the models with one."""
        return {"two_layers": self.accuracy, "one_layer": self._best_with_one_layer}

    @cached_property
    def by_layers_with_two_for_one(self) -> dict[str, float]:
        """The same, had the model with one layer been as good as the one with two."""
        return {"two_layers": self.accuracy, "one_layer": self.accuracy}

    @cached_property
    def _best_with_one_layer(self) -> float:
        return max(small.behaviour.accuracy for small in self._s.one_layer_models)

    # ---------------------------------------------------------------- loss
    @cached_property
    def loss(self) -> float:
        """Mean cross-entropy of the answers, in nats."""
        log_probs = self._s.logits().log_softmax(-1)
        return -log_probs.gather(-1, self._s.answers[..., None]).mean().item()

    @cached_property
    def initial_loss(self) -> dict[str, float]:
        """The loss before training: on our prompts, and as the first step of training saw it."""
        return {
            "on_our_prompts": self._s.untrained.behaviour.loss,
            "first_step": self._s.loss_curve[0],
        }

    @cached_property
    def final_loss(self) -> dict[str, float]:
        """The same after training."""
        return {"on_our_prompts": self.loss, "first_step": self._s.loss_curve[-1]}

    @cached_property
    def curve(self) -> dict[str, float]:
        """The training loss at steps 0, 300 and 900."""
        curve = self._s.loss_curve
        return {
            "step_0": curve[0],
            "step_300": curve[300],
            "step_900": curve[900],
        }


def _sizes(shape: Shape) -> str:
    norm = "no LayerNorm" if shape.normalization is None else shape.normalization
    return (
        f"L{shape.n_layers} H{shape.n_heads} d_model {shape.d_model} d_head {shape.d_head} "
        f"d_mlp {shape.d_mlp} context {shape.n_ctx} tokens {shape.d_vocab} "
        f"numbers {shape.d_vocab_out} {norm}"
    )
