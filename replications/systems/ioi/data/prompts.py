"""Prompts of the indirect-object task, and the same prompts with their names exchanged.

A sentence names two people, then one of them again, and stops where the other is due: "After Mary
and John met at the park, John handed a ring to". Mary is the indirect object (IO), and the repeated
name, John, is the subject (S). With A for IO and B for S, the pattern of this prompt is ABB. With
the first two names exchanged it is BAB. Patterns also say how to make other prompts from these
(`flip`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models.tokenizers import Tokenizer
from replications.systems.ioi.data.words import NAMES, OBJECTS, PLACES, TEMPLATES, pieces

PATTERNS = ("ABB", "BAB")
ABC = "ABB->XYZ, BAB->XYZ"
"""A rule of `flip`: three different names that the prompt lacks. Mean ablation is over these."""
FRESH = "CDXYZ"
"""Letters of a rule that stand for names the prompt lacks, a different name for each letter."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """n sentences as indices into the lists of `words`."""

    names: Tensor
    """The name in each slot: long [n 3]"""
    template: Tensor
    """long [n]"""
    place: Tensor
    """long [n]"""
    object: Tensor
    """long [n]"""

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def patterns(self) -> list[str]:
        """ABB or BAB for each prompt.

        Raises BadInput unless the third name repeats exactly one of the first two.
        """
        first, second = (self.names[:, :2] == self.names[:, 2:]).unbind(1)
        if not (first ^ second).all():
            row = int((~(first ^ second)).nonzero()[0, 0])
            raise BadInput(f"prompt {row} repeats no name, or has one name twice side by side")
        return [PATTERNS[int(b)] for b in first]

    @property
    def io_slot(self) -> Tensor:
        """Slot of the indirect object, 0 or 1: long [n]."""
        return torch.tensor([pattern.index("A") for pattern in self.patterns])

    @property
    def s_slot(self) -> Tensor:
        """Slot of the first occurrence of the subject, 0 or 1: long [n]."""
        return 1 - self.io_slot

    def names_in(self, slot: Tensor) -> Tensor:
        """The name in one slot of each prompt: long [n]."""
        return self.names.gather(1, slot[:, None])[:, 0]

    def texts(self) -> list[str]:
        """The sentences, without an answer."""
        rows = zip(self.names, self.template, self.place, self.object, strict=True)
        return [
            TEMPLATES[t].format(
                *(NAMES[i] for i in names.tolist()), place=PLACES[p], object=OBJECTS[o]
            )
            for names, t, p, o in rows
        ]


def generate(n: int, seed: int) -> Prompts:
    """n prompts, which depend on the seed alone. BAB and ABB take turns.

    Templates take turns too, so that each occurs with both patterns. Names, place and object are
    drawn uniformly. Raises BadInput for n < 1 or a negative seed.
    """
    rng = _generator(n, seed)
    chosen = torch.from_numpy(_different(rng, n, 2))
    turn = torch.arange(n)
    order = torch.where((turn % 2 == 1)[:, None], torch.tensor([0, 1, 1]), torch.tensor([1, 0, 1]))
    return Prompts(chosen.gather(1, order), turn // 2 % len(TEMPLATES), *_surroundings(rng, n))


def generate_three(n: int, seed: int) -> Prompts:
    """n sentences with three different names, otherwise like those of `generate`."""
    rng = _generator(n, seed)
    names = torch.from_numpy(_different(rng, n, 3))
    return Prompts(names, torch.arange(n) // 2 % len(TEMPLATES), *_surroundings(rng, n))


def _surroundings(rng: np.random.Generator, n: int) -> tuple[Tensor, Tensor]:
    places, objects = (torch.from_numpy(rng.integers(0, len(w), n)) for w in (PLACES, OBJECTS))
    return places, objects


def _different(rng: np.random.Generator, n: int, count: int) -> np.ndarray:
    """`count` different names for each of n prompts, uniform."""
    return rng.random((n, len(NAMES))).argsort(1)[:, :count]


def _generator(n: int, seed: int) -> np.random.Generator:
    if n < 1:
        raise BadInput(f"cannot generate {n} prompts: ask for at least one")
    if seed < 0:
        raise BadInput(f"seed must be at least 0, not {seed}")
    return np.random.default_rng(seed)


# ------------------------------------------------------------------------------------------ flips
def flip(prompts: Prompts, rule: str, seed: int) -> Prompts:
    """The prompts with their names exchanged by a rule such as "ABB->CDD, BAB->DCD".

    Each part of a rule says what becomes of one pattern, slot by slot. A and B are the prompt's own
    IO and S. C, D, X, Y and Z are names that the prompt lacks, drawn for each prompt, a different
    one for each letter. Everything else stays.

    Raises BadInput for a rule of another form, or one without a part for a pattern that occurs.
    """
    rules = parse(rule)
    missing = sorted(set(prompts.patterns) - set(rules))
    if missing:
        raise BadInput(f"the rule {rule!r} has no part for the pattern {missing[0]}")
    rng = _generator(len(prompts), seed)
    io, s = prompts.names_in(prompts.io_slot), prompts.names_in(prompts.s_slot)
    drawn = rng.random((len(prompts), len(NAMES)))
    rows = np.arange(len(prompts))
    drawn[rows, io], drawn[rows, s] = np.inf, np.inf  # last in line, never chosen
    other = torch.from_numpy(drawn.argsort(1)[:, : len(FRESH)])
    # Name of every letter, in the order A B C D X Y Z.
    letters = torch.cat([io[:, None], s[:, None], other], 1)
    where = {pattern: ["AB".find(c) if c in "AB" else 2 + FRESH.find(c) for c in target]
             for pattern, target in rules.items()}  # fmt: skip
    index = torch.tensor([where[pattern] for pattern in prompts.patterns])
    return replace(prompts, names=letters.gather(1, index))


def parse(rule: str) -> Mapping[str, str]:
    """A rule of `flip` as pattern → target.  BadInput naming the part that cannot be read."""
    rules = {}
    for part in rule.split(","):
        pattern, arrow, target = part.strip().partition("->")
        if pattern not in PATTERNS or not arrow:
            raise BadInput(f"{part.strip()!r} is not of the form ABB->… or BAB->…")
        if len(target) != 3 or set(target) - set("AB" + FRESH):
            raise BadInput(f"{target!r} is not three of the letters A B {' '.join(FRESH)}")
        if pattern in rules:
            raise BadInput(f"the rule {rule!r} has two parts for {pattern}")
        rules[pattern] = target
    return rules


# --------------------------------------------------------------------------------------- encoding
@dataclass(frozen=True, eq=False)
class Batch:
    """n prompts as tokens for one model.

    Prompts of one template are aligned. Shorter templates are padded on the right: a causal model
    does not see padding before the end of the prompt.
    """

    tokens: Tensor
    """long [n pos]"""
    slots: Tensor
    """Positions of the three names: long [n 3]"""
    end: Tensor
    """Position of the last token of each prompt, which predicts the answer: long [n]"""
    template: Tensor
    """long [n]"""

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class _Layout:
    """A template in tokens, with token 0 in each slot; `at` has the positions of the slots."""

    tokens: Tensor
    at: Mapping[str, int]


def encode(prompts: Prompts, tokenizer: Tokenizer, *, bos: bool) -> Batch:
    """The prompts in the tokens of this tokenizer, preceded by its opening token if `bos`.

    Raises BadInput for a name, place or object that is not one token, and says which.
    """
    layouts = _layouts(tokenizer, bos)
    length = max(len(layout.tokens) for layout in layouts)
    words = {
        "names": name_tokens(tokenizer),
        "place": _tokens_of(PLACES, tokenizer),
        "object": _tokens_of(OBJECTS, tokenizer),
    }
    rows = torch.stack(
        [torch.nn.functional.pad(x.tokens, (0, length - len(x.tokens))) for x in layouts]
    )
    at = {
        name: torch.tensor([layout.at[name] for layout in layouts])[prompts.template]
        for name in layouts[0].at
    }
    tokens = rows[prompts.template]
    slots = torch.stack([at["0"], at["1"], at["2"]], 1)
    tokens.scatter_(1, slots, words["names"][prompts.names])
    tokens.scatter_(1, at["place"][:, None], words["place"][prompts.place][:, None])
    tokens.scatter_(1, at["object"][:, None], words["object"][prompts.object][:, None])
    lengths = torch.tensor([len(layout.tokens) for layout in layouts])
    return Batch(tokens, slots, lengths[prompts.template] - 1, prompts.template)


def name_tokens(tokenizer: Tokenizer) -> Tensor:
    """The token of every name: long [name].  BadInput for a name that is not one token."""
    return _tokens_of(NAMES, tokenizer)


@cache
def _tokens_of(words: tuple[str, ...], tokenizer: Tokenizer) -> Tensor:
    # After a space, as in a sentence: GPT-2 has other tokens for words without one.
    return torch.tensor([tokenizer.token(f" {word}") for word in words])


@cache
def _layouts(tokenizer: Tokenizer, bos: bool) -> list[_Layout]:
    return [_layout(template, tokenizer, bos) for template in TEMPLATES]


def _layout(template: str, tokenizer: Tokenizer, bos: bool) -> _Layout:
    tokens = tokenizer.encode("", bos=True) if bos else []
    at = {}
    for piece in pieces(template):
        slot = piece.strip().strip("{}")
        if slot in ("0", "1", "2", "place", "object"):
            at[slot] = len(tokens)
            tokens.append(0)
        else:
            tokens.extend(tokenizer.encode(piece))
    return _Layout(torch.tensor(tokens), at)
