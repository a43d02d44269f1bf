"""The inputs of the indirect-object task, as pure functions of their arguments.

`words` lists names, places, objects and templates; `prompts` makes sentences and exchanges their
names; `document` makes the 25 prompts of the document; a model is measured on one of the `samples`;
`signals` says which exchanges carry which signal; `corpus` and `running` make what toys read.
"""

from replications.systems.ioi.data.corpus import CONTEXT, Text, text
from replications.systems.ioi.data.prompts import (
    ABC,
    Batch,
    Prompts,
    encode,
    flip,
    generate,
    generate_three,
    name_tokens,
    parse,
)
from replications.systems.ioi.data.samples import SEED, Document, Own, Sample, draw
from replications.systems.ioi.data.signals import (
    POSITION,
    PRINTED,
    RULES,
    TOKEN,
    share_realised,
    signals_of,
)
from replications.systems.ioi.data.words import NAMES, OBJECTS, PLACES, TEMPLATES, toy_tokenizer

__all__ = [
    "ABC",
    "CONTEXT",
    "NAMES",
    "OBJECTS",
    "PLACES",
    "POSITION",
    "PRINTED",
    "RULES",
    "SEED",
    "TEMPLATES",
    "TOKEN",
    "Batch",
    "Document",
    "Own",
    "Prompts",
    "Sample",
    "Text",
    "draw",
    "encode",
    "flip",
    "generate",
    "generate_three",
    "name_tokens",
    "parse",
    "share_realised",
    "signals_of",
    "text",
    "toy_tokenizer",
]
