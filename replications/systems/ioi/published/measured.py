"""The published figures on one model: how far each is from what was printed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch

from replications.analysis.published import Distance
from replications.lens import Lens
from replications.models import Head, Tokenizer
from replications.systems.ioi.measurements.faithfulness import Faithfulness
from replications.systems.ioi.published.arrays import figure
from replications.systems.ioi.published.behaviour import Behaviour
from replications.systems.ioi.published.copying import Circuit, Copying
from replications.systems.ioi.published.direct import Direct
from replications.systems.ioi.published.patching import RECIPES, Patching
from replications.systems.ioi.published.prompts import EIGHT, FIRST, MAIN, Texts, encode
from replications.systems.ioi.published.scores import HeadScores, Steps

NAME_MOVERS: tuple[Head, ...] = ((9, 9), (10, 0), (9, 6))
NEGATIVE: tuple[Head, ...] = ((10, 7), (11, 10))


class Published:
    """What is compared with published figures. Keys are those of `arrays.figures`.

    Distances are in the unit of the figure and name the place where they are largest. Arguments
    beside the key change one thing in the published procedure, for controls.
    """

    def __init__(self, lens: Lens, tokenizer: Tokenizer) -> None:
        self._lens = lens
        self._tokenizer = tokenizer
        self._percents: dict[tuple[object, ...], float] = {}
        self._direct: dict[tuple[Texts, bool], Direct] = {}

    @cached_property
    def patching(self) -> Patching:
        """Activation patching and its estimate."""
        return Patching(self._lens, self._tokenizer)

    @cached_property
    def behaviour(self) -> Behaviour:
        """Logits and losses."""
        return Behaviour(self._lens, self._tokenizer)

    @cached_property
    def copying(self) -> Copying:
        """Scores of the weights."""
        return Copying(self._lens, self._tokenizer)

    @cached_property
    def heads(self) -> HeadScores:
        """Scores on repeated random tokens."""
        return HeadScores(self._lens)

    def direct(self, *, bos: bool = True, texts: Texts = EIGHT) -> Direct:
        """Direct logit attribution on some prompts."""
        if (texts, bos) not in self._direct:
            pair = encode(texts, self._tokenizer, bos=bos)
            self._direct[texts, bos] = Direct(self._lens, pair)
        return self._direct[texts, bos]

    # ---------------------------------------------------------------- patching
    def patched(self, key: str, *, exchanged: bool = False, **changes: Any) -> Distance:
        """A figure of patching. `changes` are fields of its `Recipe`.

        With `exchanged`, patches go from corrupted prompts into clean ones.
        """
        wanted, recipe = figure(key), replace(RECIPES[key], **changes)
        if exchanged:
            recipe = replace(recipe, texts=recipe.texts.exchanged)
        length = wanted.values.shape[-1] if wanted.axes[-1] == "pos" else None
        return wanted.distance(self.patching.aligned(recipe, length))

    def agreement(self, kind: str, *, other: bool = False) -> Distance:
        """How estimates compare with exact values, in one number for each sweep.

        With `other`, the exact values are those of the next sweep of equal shape.
        """
        wanted = figure(f"attribution_patching/{kind}")
        names = wanted.labels["sweep"]
        nexts = [_next_alike(name, names) if other else name for name in names]
        found = [
            self.patching.agreement(name, kind, swept=swept)
            for name, swept in zip(names, nexts, strict=True)
        ]
        return wanted.distance(torch.tensor(found))

    # ---------------------------------------------------------------- logits
    def logit_differences(self, *, bos: bool = True) -> Distance:
        """The eight prompts, one by one."""
        found = self.behaviour.differences(EIGHT, bos=bos)
        return figure("exploratory/logit_differences").distance(found)

    def mean_difference(self, *, bos: bool = True) -> float:
        """The mean over the eight prompts."""
        return self.behaviour.differences(EIGHT, bos=bos).mean().item()

    def main_differences(self, *, bos: bool = True, texts: Texts = MAIN) -> dict[str, float]:
        """John's logit less Mary's on the clean prompt and on the corrupted one."""
        both = {"clean": texts, "corrupted": texts.exchanged}
        return {k: self.behaviour.differences(t, bos=bos).item() for k, t in both.items()}

    def next_tokens(self, *, bos: bool = True, mary_gives: bool = False) -> dict[str, Any]:
        """The ten largest logits: their tokens in order, and how far the printed ones are off.

        Also the probability of the first printed token. John gives, or with `mary_gives` Mary.
        """
        wanted = figure("main/next_token_logits")
        tokens = [self._tokenizer.token(word) for word in wanted.labels["token"]]
        (text,) = MAIN.clean if mary_gives else MAIN.corrupted
        logits = self.behaviour.next_token(text, bos=bos)
        largest = logits.topk(len(tokens)).indices.tolist()
        return {
            "tokens": self._tokenizer.strings(largest),
            "logits": wanted.distance(logits[tokens]),
            "probability": logits.softmax(-1)[tokens[0]].item(),
        }

    # ---------------------------------------------------------------- direct attribution
    def by_part(self, *, bos: bool = True) -> Distance:
        """Embeddings, and attention and MLP of each layer."""
        return figure("exploratory/attribution_by_part").distance(self.direct(bos=bos).by_part)

    def logit_lens(self, *, bos: bool = True, own_scale: bool = False) -> Distance:
        """The stream along the layers."""
        found = self.direct(bos=bos).logit_lens(own_scale=own_scale)
        return figure("exploratory/logit_lens").distance(found)

    def by_head(self, *, bos: bool = True, ablated: bool = False) -> Distance:
        """Each head; with `ablated`, as it is without head 9.9."""
        direct = self.direct(bos=bos)
        found = direct.ablated.heads.mean(-1) if ablated else direct.by_head
        return figure("exploratory/attribution_by_head").distance(found)

    def after_ablation(self, *, ablated: bool = True, old_scale: bool = False) -> Distance:
        """Each head without head 9.9; without `ablated`, as it is in the whole model."""
        direct = self.direct()
        found = direct.ablated.heads.mean(-1) if ablated else direct.by_head
        if old_scale:
            found = direct.after_on_the_old_scale
        return figure("exploratory/attribution_after_ablation").distance(found)

    def scales(self, *, bos: bool = True, everywhere: bool = False) -> Distance:
        """The final LayerNorm's scales."""
        found = self.direct(bos=bos).scales(everywhere=everywhere)
        return figure("exploratory/scales").distance(found)

    def first_prompt(self, *, bos: bool = True, mean: bool = False) -> Distance:
        """Eight heads on the first prompt alone, or in the mean over all eight prompts."""
        wanted = figure("direct_logit_attribution/heads")
        heads = [tuple(map(int, name.split("."))) for name in wanted.labels["head"]]
        found = self.direct(texts=EIGHT if mean else FIRST, bos=bos).by_head
        return wanted.distance(torch.stack([found[head] for head in heads]))

    # ---------------------------------------------------------------- the circuit
    def circuit_percent(self, templates: Sequence[int] | None = None, **changes: Any) -> Distance:
        """What the circuit of 26 heads keeps, for each template.

        `changes` are those of `Faithfulness.percent`. With `templates`, only these are measured,
        which is enough to see that another procedure gives other numbers.
        """
        wanted = figure("auto_circuit/circuit_percent")
        found, patterns = wanted.values.clone(), wanted.labels["pattern"]
        places = itertools.product(
            (0, 1), range(len(patterns)), templates or range(found.shape[-1])
        )
        for bos, pattern, template in places:
            found[bos, pattern, template] = self._percent(
                template, patterns[pattern], **{"bos": bos == 0, **changes}
            )
        return wanted.distance(found)

    def _percent(self, template: int, pattern: str, **changes: Any) -> float:
        key = (template, pattern, *(f"{name} {value}" for name, value in changes.items()))
        if key not in self._percents:
            measured = Faithfulness(self._lens, self._tokenizer)
            self._percents[key] = measured.percent(template, pattern, **changes)
        return self._percents[key]

    # ---------------------------------------------------------------- heads
    def score(self, key: str, *, steps: Steps | None = None, repeated: bool = True) -> Distance:
        """Attention scores; `steps` takes another diagonal than the figure's."""
        notebook, name = key.split("/")
        chosen: Any = steps or name
        found = self.heads.score(chosen, main=notebook == "main", repeated=repeated)
        return figure(key).distance(found)

    def eigenvalues(self, key: str, circuit: Circuit) -> Distance:
        """Eigenvalue scores of all heads."""
        return figure(key).distance(self.copying.eigenvalue_scores(circuit))

    def name_movers_copy(
        self, *, spaced: bool = False, mlp: bool = True, shift: int = 0
    ) -> dict[str, float]:
        """The names that 9.9, 10.0 and 9.6 copy, and the mean of all heads.

        With `shift`, other heads of the same layers take the places of the three.
        """
        return self._copied(NAME_MOVERS, shift, negative=False, spaced=spaced, mlp=mlp)

    def negative_heads_copy(self, *, mlp: bool = True, shift: int = 0) -> dict[str, float]:
        """The names that 10.7 and 11.10 copy with the sign reversed, and the mean of all heads."""
        return self._copied(NEGATIVE, shift, negative=True, mlp=mlp)

    def _copied(self, heads: Sequence[Head], shift: int, **how: bool) -> dict[str, float]:
        n = self._lens.shape.n_heads
        others = [(layer, (head + shift) % n) for layer, head in heads]
        found = self.copying.copied(others, **how)
        return dict(zip([*map(_name, heads), "mean"], found, strict=True))

    def biases(self, *, space: str = " ") -> dict[str, float]:
        """The unembedding's bias for John and for Mary, and how many times likelier it makes John.

        `space` is what stands before the names.
        """
        John, Mary = self.copying.biases([f"{space}John", f"{space}Mary"])
        return {"John": John, "Mary": Mary, "ratio": math.exp(John - Mary)}


def _name(head: Head) -> str:
    return "head_{}_{}".format(*head)


def _next_alike(name: str, names: Sequence[str]) -> str:
    """The next sweep whose places lie along the same axes, in a circle."""
    kind = [n for n in names if RECIPES[f"activation_patching/{n}"].axes == _axes(name)]
    return kind[(kind.index(name) + 1) % len(kind)]


def _axes(name: str) -> str:
    return RECIPES[f"activation_patching/{name}"].axes
