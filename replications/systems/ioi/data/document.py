"""The 25 prompts that the document measures on, and the same prompts with their names exchanged.

They come from a public generator, whose recipe is followed here to the word: which numbers are
drawn from Python's and NumPy's generators, and in which order.  Names, places, objects and
templates are its data.  The document's seed is 1.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from replications.errors import BadInput
from replications.systems.ioi.data.prompts import ABC, parse

SEED = 1
COUNT = 25
NAMES = (
    "Aaron", "Adam", "Alan", "Alex", "Alice", "Amy", "Anderson", "Andre", "Andrew", "Andy",
    "Anna", "Anthony", "Arthur", "Austin", "Blake", "Brandon", "Brian", "Carter", "Charles",
    "Charlie", "Christian", "Christopher", "Clark", "Cole", "Collins", "Connor", "Crew",
    "Crystal", "Daniel", "David", "Dean", "Edward", "Elizabeth", "Emily", "Eric", "Eva", "Ford",
    "Frank", "George", "Georgia", "Graham", "Grant", "Henry", "Ian", "Jack", "Jacob", "Jake",
    "James", "Jamie", "Jane", "Jason", "Jay", "Jennifer", "Jeremy", "Jessica", "John",
    "Jonathan", "Jordan", "Joseph", "Joshua", "Justin", "Kate", "Kelly", "Kevin", "Kyle",
    "Laura", "Leon", "Lewis", "Lisa", "Louis", "Luke", "Madison", "Marco", "Marcus", "Maria",
    "Mark", "Martin", "Mary", "Matthew", "Max", "Michael", "Michelle", "Morgan", "Patrick",
    "Paul", "Peter", "Prince", "Rachel", "Richard", "River", "Robert", "Roman", "Rose", "Ruby",
    "Russell", "Ryan", "Sarah", "Scott", "Sean", "Simon", "Stephen", "Steven", "Sullivan",
    "Taylor", "Thomas", "Tyler", "Victoria", "Warren", "William",
)  # fmt: skip
PLACES = ("store", "garden", "restaurant", "school", "hospital", "office", "house", "station")
OBJECTS = ("ring", "kiss", "bone", "basketball", "computer", "necklace", "drink", "snack")
TEMPLATES = (
    "Then, {B} and {A} went to the {P}. {B} gave a {O} to {A}",
    "Then, {B} and {A} had a lot of fun at the {P}. {B} gave a {O} to {A}",
    "Then, {B} and {A} were working at the {P}. {B} decided to give a {O} to {A}",
    "Then, {B} and {A} were thinking about going to the {P}. {B} wanted to give a {O} to {A}",
    "Then, {B} and {A} had a long argument, and afterwards {B} said to {A}",
    "After {B} and {A} went to the {P}, {B} gave a {O} to {A}",
    "When {B} and {A} got a {O} at the {P}, {B} decided to give it to {A}",
    "When {B} and {A} got a {O} at the {P}, {B} decided to give the {O} to {A}",
    "While {B} and {A} were working at the {P}, {B} gave a {O} to {A}",
    "While {B} and {A} were commuting to the {P}, {B} gave a {O} to {A}",
    "After the lunch, {B} and {A} went to the {P}. {B} gave a {O} to {A}",
    "Afterwards, {B} and {A} went to the {P}. {B} gave a {O} to {A}",
    "Then, {B} and {A} had a long argument. Afterwards {B} said to {A}",
    "The {P} {B} and {A} went to had a {O}. {B} gave it to {A}",
    "Friends {B} and {A} found a {O} at the {P}. {B} gave it to {A}",
)
"""The subject comes first.  A is the indirect object, B the subject, P a place, O an object."""
MIXED = 7
"""The document's prompts are of the first templates only, as many as this."""


@dataclass(frozen=True)
class Sentence:
    """One prompt with its answer: `text` ends in the name that is due.

    `template` tells which sentences are averaged together; `io` and `s` are the names whose logits
    are compared.
    """

    text: str
    template: int
    io: str
    s: str

    @property
    def prompt(self) -> str:
        """The text without the answer."""
        return self.text.rsplit(" ", 1)[0]

    @cached_property
    def slots(self) -> tuple[int, ...]:
        """The places of the first three names among the words of the text."""
        words = self.text.split(" ")
        return tuple(i for i, word in enumerate(words) if word in NAMES)[:3]

    @property
    def pattern(self) -> str:
        """ABB where the indirect object comes first, else BAB."""
        return "ABB" if self.text.index(self.io) < self.text.index(self.s) else "BAB"


def sentences(count: int = COUNT, seed: int = SEED) -> tuple[Sentence, ...]:
    """The prompts of the document, with the answers.

    Half of the templates name the subject first and half the indirect object.  Names are drawn
    until the three of a sentence differ; the third is not used, but its draw is part of the recipe,
    and so are a place and an object where the template has none.
    """
    draw = random.Random(seed)
    first = TEMPLATES[:MIXED]
    templates = [*first, *map(_subject_second, first)]
    draw.shuffle(templates)
    return _drawn(draw, templates, count)


def of_template(index: int, pattern: str, count: int, seed: int = 0) -> tuple[Sentence, ...]:
    """Prompts of one template, with pattern ABB or BAB, by the same recipe."""
    template = TEMPLATES[index]
    chosen = template if pattern == "BAB" else _subject_second(template)
    return _drawn(random.Random(seed), [chosen], count)


def _drawn(draw: random.Random, templates: Sequence[str], count: int) -> tuple[Sentence, ...]:
    made = []
    for _ in range(count):
        template = draw.choice(templates)
        io, s, _ = _three_names(draw)
        place, thing = draw.choice(PLACES), draw.choice(OBJECTS)
        text = template.format(A=io, B=s, P=place, O=thing)
        made.append(Sentence(text, templates.index(template), io, s))
    return tuple(made)


def _subject_second(template: str) -> str:
    return template.replace("{B} and {A}", "{A} and {B}", 1)


def _three_names(draw: random.Random) -> tuple[str, ...]:
    while True:
        names = tuple(draw.choice(NAMES) for _ in range(3))
        if len(set(names)) == 3:
            return names


def flipped(given: Sequence[Sentence], rule: str = ABC, seed: int = SEED) -> tuple[Sentence, ...]:
    """The prompts with their names exchanged by a rule such as "ABB->CDD, BAB->DCD".

    The seed of the draws is `seed` plus the codes of all characters of `rule`, so its spelling
    matters, spaces included.  New names are drawn independently of each other, so two letters may
    get one name.  The answer stays the last word of the text.  BadInput for another form of rule.
    """
    rules = parse(rule)
    draw = np.random.RandomState(seed + sum(map(ord, rule)))
    return tuple(_flip(sentence, rules[sentence.pattern], draw) for sentence in given)


def _flip(sentence: Sentence, target: str, draw: np.random.RandomState) -> Sentence:
    words = sentence.text.split(" ")
    own = {words[slot] for slot in sentence.slots}
    candidates = [name for name in NAMES if name not in own]
    letters = {"A": sentence.io, "B": sentence.s}
    for letter in target:
        if letter not in letters:
            letters[letter] = str(draw.choice(candidates))
    names = [letters[letter] for letter in target]
    for slot, name in zip(sentence.slots, names, strict=True):
        words[slot] = name
    return Sentence(" ".join(words), sentence.template, _odd_one(names), names[2])


def _odd_one(names: Sequence[str]) -> str:
    """The first of the two leading names that occurs once, else the second."""
    return next((name for name in names[:2] if names.count(name) == 1), names[1])


def answers_of(flipped: Sequence[Sentence], given: Sequence[Sentence]) -> tuple[Sentence, ...]:
    """Flipped prompts scored with the answers of the prompts they were made from.

    BadInput if there are not equally many.
    """
    if len(flipped) != len(given):
        raise BadInput(f"{len(flipped)} flipped prompts for {len(given)} prompts")
    return tuple(
        Sentence(new.text, new.template, old.io, old.s)
        for new, old in zip(flipped, given, strict=True)
    )
