"""Strings that fool the model, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import torch
from torch import Tensor

from replications.analysis.statistics import ratio
from replications.models import Head, sites
from replications.systems.algorithmic.data.unique import (
    ADVERSARIAL,
    LETTERS,
    SYMBOLS,
    of_text,
    of_tokens,
    rounds,
)  # fmt: skip
from replications.systems.algorithmic.roles import UniqueRoles
from replications.systems.algorithmic.task import Task

ONCE, SECOND = "h", "a"
"""The letters that occur once in the document's string; from position 7 on the answer is h."""
FROM, AFTER = 7, 9
"""Where the first of them stands, and where the repeated letters go on."""
REPEATS = (2, 4, 6)
"""Where the repeated letters stand for the second time."""


class Adversarial:
    """The document's string, and others that are built like it."""

    def __init__(self, task: Task, roles: UniqueRoles) -> None:
        self._task = task
        self._roles = roles

    def _probabilities(self, *texts: str) -> Tensor:
        """[text pos output]"""
        tokens = torch.cat([of_text(text) for text in texts])
        return self._task.prepared.run(tokens).logits.double().softmax(-1)

    # ---------------------------------------------------------------- the document's string
    def answers(
        self, text: str = ADVERSARIAL, once: str = ONCE, second: str = SECOND
    ) -> Mapping[str, float | str]:
        """Probabilities of h and a, and the answers from position 7 on, for the document's string.

        `text` may be another string, with other letters in the place of h and a; the answers are
        then written as h and a all the same.
        """
        probability = self._probabilities(text)[0]
        first = probability[:, LETTERS.index(once)]
        renamed = str.maketrans(once + second, ONCE + SECOND)
        found = [SYMBOLS.name(output) for output in probability.argmax(-1)[FROM:].tolist()]
        return {
            "h_at_7": first[FROM].item(),
            "h_at_8": first[FROM + 1].item(),
            "h_after": first[AFTER:].max().item(),
            "a_at_8": probability[FROM + 1, LETTERS.index(second)].item(),
            "answers": "".join(found).translate(renamed),
        }

    def exchanged(self) -> Mapping[str, float | str]:
        """The same with h and a exchanged in the string."""
        text = ADVERSARIAL.translate(str.maketrans("ha", "ah"))
        return self.answers(text, SECOND, ONCE)

    def other_letters(self) -> Mapping[str, float | str]:
        """The same with three letters of 1.1 for g, b and i: the choice with the most errors."""
        replaced = [
            ADVERSARIAL.translate(str.maketrans("gbi", "".join(letters)))
            for letters in permutations(self._letters_of(1), 3)
        ]
        return self.answers(max(replaced, key=self.share_wrong))

    def _letters_of(self, number: int) -> str:
        return self._roles.domain[(1, number)]

    # ---------------------------------------------------------------- overload
    def on_repeats(self, head: Head) -> float:
        """How much more a head looks at the second g, b and i than at h, from positions 9 to 19.

        A ratio of mean weights, on the document's string.
        """
        place = sites.PATTERN(head[0]).pick(head=head[1])
        tokens = of_text(ADVERSARIAL)
        weights = self._task.prepared.read(tokens, {"pattern": place})["pattern"][0].double()
        means = weights[AFTER:].mean(0)
        return ratio(means[list(REPEATS)].mean().item(), means[FROM].item())

    def share_wrong(self, *texts: str) -> float:
        """The share of wrong answers from position 9 on, over some strings."""
        probability = self._probabilities(*texts)
        right = of_tokens(torch.cat([of_text(text) for text in texts])).labels
        wrong = probability.argmax(-1)[:, AFTER:] != right[:, AFTER:]
        return wrong.double().mean().item()

    def overload(self, repeated: Sequence[str] | None = None) -> Mapping[str, float]:
        """`share_wrong` for each letter of 1.2 as the single letter, by letter.

        The other three letters of 1.2 are repeated, in all orders, and a or c follows; `repeated`
        are others to choose the three from.
        """
        return {
            once: self.share_wrong(*self._built(once, repeated)) for once in self._letters_of(2)
        }

    def _built(self, once: str, repeated: Sequence[str] | None) -> Iterator[str]:
        pool = repeated or [letter for letter in self._letters_of(2) if letter != once]
        for letters in permutations(pool, 3):
            for second in self._letters_of(0):
                yield rounds(once, letters, second)

    def overload_by_others(self) -> Mapping[str, float]:
        """The same with letters of 1.1 repeated."""
        return self.overload(self._letters_of(1))
