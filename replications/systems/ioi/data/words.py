"""The words of the sentences: names, places, objects and templates, and the toy vocabulary.

A template has slots for three names ({0}, {1} and {2}), a place and an object. After a space, every
name, place and object is one token in GPT-2, so all prompts of one template have the same length.
"""

from __future__ import annotations

import re
from functools import cache

from replications.models.tokenizers import Tokenizer

NAMES = (
    "Mary", "John", "Emma", "Paul", "Adam", "Alice", "Anna", "Brian", "Charles", "Daniel", "David",
    "Emily", "Eric", "George", "Jack", "James", "Jason", "Kate", "Kevin", "Laura", "Lisa", "Mark",
    "Michael", "Peter", "Rachel", "Richard", "Robert", "Ryan", "Sarah", "Simon", "Tom", "William",
)  # fmt: skip
PLACES = (
    "store", "school", "park", "office", "house", "garden", "station", "hospital", "library",
    "restaurant", "beach", "museum",
)  # fmt: skip
OBJECTS = (
    "book", "ring", "drink", "ball", "letter", "key", "phone", "camera", "gift", "map", "cup",
    "coat",
)  # fmt: skip
TEMPLATES = (
    "After {0} and {1} met at the {place}, {2} handed a {object} to",
    "While {0} and {1} were waiting near the {place}, {2} offered a {object} to",
    "Then {0} and {1} walked to the {place} and {2} passed a {object} to",
    "Because {0} and {1} had work at the {place}, {2} brought a {object} to",
    "Yesterday {0} and {1} visited the {place}, so {2} gave a {object} to",
    "When {0} and {1} left the {place} together, {2} sold a {object} to",
)
ROLL_CALL = ("Today we saw", ", then again")
"""The same list of names follows both of these."""

_SLOT = re.compile(r"( ?\{(?:0|1|2|place|object)\})")


def pieces(template: str) -> list[str]:
    """A template cut at its slots and the space before each: ["After", " {0}", " and", …]."""
    return [piece for piece in _SLOT.split(template) if piece]


@cache
def toy_tokenizer() -> Tokenizer:
    """A tokenizer with one token for every word and punctuation mark of these sentences."""
    fixed = " ".join((*TEMPLATES, *ROLL_CALL, "."))
    words = re.findall(r"[A-Za-z]+|[,.]", re.sub(r"\{\w+\}", " ", fixed))
    return Tokenizer.from_words([*dict.fromkeys(words), *NAMES, *PLACES, *OBJECTS])
