"""What needs no model: the data sets of exchanged names, and an argument in numbers."""

from __future__ import annotations

import torch

from replications.systems.ioi.data import (
    POSITION,
    RULES,
    SEED,
    TOKEN,
    generate,
    share_realised,
    signals_of,
)

PROMPTS = 48


class Arithmetic:
    """The texts, and the numbers of the document's arguments."""

    def signals_realised(self, *, two_exchanged: bool = False) -> float:
        """Share of prompts in which both signals are those of the table `data.RULES`.

        With `two_exchanged`, two of the six rules are exchanged.
        """
        rules = dict(RULES)
        if two_exchanged:
            rules[1, 0], rules[2, 0] = rules[2, 0], rules[1, 0]
        return share_realised(generate(PROMPTS, SEED), rules, SEED)

    @property
    def printed_example(self) -> float:
        """1 if the sentence printed for a random token and inverted position has these signals.

        It is 0: its second clause repeats the second name, as the original sentence does.
        """
        before = "When Mary and John went to the store, John gave a drink to"
        after = "When Paul and Emma went to the store, Emma gave a drink to"
        return float(signals_of(before, after) == (TOKEN[1], POSITION[1]))

    def softmax(self, *, linear: bool = False) -> dict[str, float]:
        """Attention to the second of two tokens with scores 0 and -8 after heads add to the -8.

        One head adds 4, both together add 8. With `linear`, attention is linear in the scores, with
        the slope that softmax has at -8. Section "Aside - a lesson in nonlinearity".
        """
        if not linear:
            return {"one_head": _attention(-4.0), "both_heads": _attention(0.0)}
        start = _attention(-8.0)
        slope = start * (1 - start)
        return {"one_head": start + 4 * slope, "both_heads": start + 8 * slope}


def _attention(score: float) -> float:
    return torch.tensor([0.0, score], dtype=torch.float64).softmax(0)[1].item()
