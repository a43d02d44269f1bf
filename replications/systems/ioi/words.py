"""The words of the sentences: names, places, objects and templates, and the toy vocabulary.

A template has three names, in slots {0} {1} {2}, a place and an object. Every name, place and
object is one token after a space in GPT-2, so that prompts of one template have one length.
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
"""A list of names follows the first words, the same list again the second."""

_SLOT = re.compile(r"( ?\{(?:0|1|2|place|object)\})")


def pieces(template: str) -> list[str]:
    """A template cut at its slots, each with the space before it: ["After", " {0}", " and", …]."""
    return [piece for piece in _SLOT.split(template) if piece]


@cache
def toy_tokenizer() -> Tokenizer:
    """One token for every word and mark that occurs in these sentences."""
    fixed = " ".join((*TEMPLATES, *ROLL_CALL, "."))
    words = re.findall(r"[A-Za-z]+|[,.]", re.sub(r"\{\w+\}", " ", fixed))
    return Tokenizer.from_words([*dict.fromkeys(words), *NAMES, *PLACES, *OBJECTS])
