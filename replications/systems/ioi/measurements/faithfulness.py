"""How much of the task the published circuit of 26 heads does alone.

Every other head gives its mean over ABC prompts, by position; the heads of the circuit are kept at
the position where they act, and give their mean elsewhere. MLPs are kept. One template at a time,
by the prompts of `data.document.of_template`: then all prompts are aligned. The source is the
indirect-object paper (arXiv:2211.00593); the numbers to compare with are printed in the tests of
auto-circuit, which agree with the paper's own code.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from replications.analysis.statistics import ratio
from replications.lens import Lens
from replications.models import Edit, Head, Tokenizer, sites
from replications.patching import logit_difference
from replications.systems.ioi.data import ABC, Batch, Document, document
from replications.systems.ioi.roles import Heads

CIRCUIT: Mapping[str, tuple[Head, ...]] = {
    "end": (
        (9, 9), (10, 0), (9, 6),
        (10, 10), (10, 6), (10, 2), (10, 1), (11, 2), (9, 7), (9, 0), (11, 9),
        (10, 7), (11, 10),
        (7, 3), (7, 9), (8, 6), (8, 10),
    ),
    "S2": ((5, 5), (5, 8), (5, 9), (6, 9), (0, 1), (0, 10), (3, 0)),
    "S1+1": ((2, 2), (4, 11)),
}  # fmt: skip
"""Position → the heads that act there: 26 heads. Roles.PUBLISHED lacks 0.10, which is a
duplicate-token head of this circuit."""
PROMPTS = 50
"""Of each template; the means are over as many ABC prompts."""


class Faithfulness:
    """What is left of the logit difference when only a circuit does its work."""

    def __init__(self, lens: Lens, tokenizer: Tokenizer) -> None:
        self._lens = lens
        self._tokenizer = tokenizer

    def percent(
        self,
        template: int,
        pattern: str,
        *,
        bos: bool,
        circuit: Mapping[str, Heads] = CIRCUIT,
        everywhere: bool = False,
        prompts: int = PROMPTS,
    ) -> float:
        """Mean logit difference of the circuit as a percentage of the model's.

        On prompts of one template with pattern ABB or BAB, after an opening token if `bos`. With
        `everywhere`, heads of the circuit are kept at all positions.
        """
        sample = Document(document.of_template(template, pattern, prompts))
        names = document.flipped(sample.sentences, ABC, seed=0)
        partners = Document(document.answers_of(names, sample.sentences))
        batch, abc = (s.encode(self._tokenizer, bos=bos) for s in (sample, partners))
        answers = sample.io_and_s(self._tokenizer)
        edits = self._ablate(batch, abc, circuit, everywhere)
        whole, alone = (
            logit_difference(
                self._lens.run(batch.tokens, edits=some).logits, batch.end, *answers.unbind(1)
            )
            for some in ((), edits)
        )
        return 100 * ratio(alone.mean().item(), whole.mean().item())

    def _ablate(
        self, batch: Batch, abc: Batch, circuit: Mapping[str, Heads], everywhere: bool
    ) -> list[Edit]:
        """Mean ablation of all but the circuit: one edit for each layer."""
        layers, heads = self._lens.shape.n_layers, self._lens.shape.n_heads
        places = {str(layer): sites.Z(layer) for layer in range(layers)}
        z = self._lens.read(abc.tokens, places)
        keep = torch.zeros(layers, batch.tokens.shape[1], heads, dtype=torch.bool)
        for name, chosen in circuit.items():
            at = slice(None) if everywhere else int(_position(batch, name))
            for layer, head in chosen:
                keep[layer, at, head] = True
        return [_mean_except(keep[layer], z[str(layer)].mean(0), layer) for layer in range(layers)]


def _mean_except(keep: Tensor, mean: Tensor, layer: int) -> Edit:
    """Put `mean` [pos head d_head] wherever `keep` [pos head] is false."""
    kept = keep[:, :, None]

    def change(current: Tensor, rows: slice) -> Tensor:
        return torch.where(kept.to(current.device), current, mean.to(current))

    return Edit(sites.Z(layer), change)


def _position(batch: Batch, name: str) -> Tensor:
    """Where heads act: the same in every prompt of a template."""
    # S1 is whichever of the first two names is said again.
    said = batch.tokens.gather(1, batch.slots)
    s1 = torch.where(said[:, 0] == said[:, 2], batch.slots[:, 0], batch.slots[:, 1])
    found = {"end": batch.end, "S2": batch.slots[:, 2], "S1+1": s1 + 1}[name]
    assert (found == found[0]).all()
    return found[0]
