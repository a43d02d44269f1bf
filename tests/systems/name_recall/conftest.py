"""Random models of three kinds: a toy, and stand-ins for the two originals."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers, trainers
from torch import Tensor

from replications.lens import Lens, open_lens
from replications.models import sites
from replications.models.edits import put_rows
from replications.models.shape import Shape
from replications.models.tokenizers import Tokenizer
from replications.systems.name_recall import model
from replications.systems.name_recall.data import (
    COMMON_WORDS,
    DOCUMENT,
    FIRST_NAMES,
    LAST_NAMES,
    OPEN_AND_CLOSED,
    SENTENCE,
    Corruption,
    tokenizer,
)
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.roles import PUBLISHED, Roles
from replications.training import transformer as gpt

EXACT = 1e-9


def random_weights(shape: Shape, seed: int = 0) -> dict[str, Tensor]:
    """Weights far from the start of training: large, with biases and LayerNorms that matter."""
    generator = torch.Generator().manual_seed(seed)
    start = gpt.untrained_state_dict(shape, seed)
    noise = {n: torch.randn(w.shape, generator=generator).double() for n, w in start.items()}
    return {n: 2.5 * w.double() + 0.3 * noise[n] * (".W_" not in n) for n, w in start.items()}


@cache
def random_lens() -> Lens:
    return model.open_model(random_weights(model.shape()), dtype="float64")


@pytest.fixture(scope="package")
def subject() -> NameRecallSubject:
    """A toy with random weights; its heads are found by what they do."""
    text = torch.randint(0, 127, (3000,), generator=torch.Generator().manual_seed(0))
    one_layer = model.open_model(random_weights(model.shape(1)), 1, dtype="float64")
    return NameRecallSubject(
        "random",
        random_lens(),
        tokenizer(),
        one_layer=lambda: (NameRecallSubject("one layer", one_layer, tokenizer()),),
        sample=lambda: text,
    )


@cache
def subword_tokenizer() -> Tokenizer:
    """A byte-level BPE tokenizer like GPT-2's, with the words of the prompts as tokens."""
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=3000,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    names = " ".join((*FIRST_NAMES, *LAST_NAMES, *COMMON_WORDS))
    brackets = [text for pair in OPEN_AND_CLOSED for text in pair]
    famous = ["Famous computer scientist Alan", "Famous pianist Alan"]
    shorter = "Her name was Alex Hart. When Alex was Hart died came's Hello world!"
    text = [f"{SENTENCE} {names}", *famous, *brackets, shorter]
    inner.train_from_iterator(text * 3, trainer)
    return Tokenizer.from_json(inner.to_str().encode())


def stand_in(layers: int, heads: int) -> Lens:
    """A random model with the stand-in's vocabulary and LayerNorms folded as in the originals."""
    words = len(subword_tokenizer())
    shape = replace(
        model.shape(layers), n_heads=heads, d_head=6, d_model=24, d_mlp=20,
        d_vocab=words, d_vocab_out=words,
    )  # fmt: skip
    weights = {n: w for n, w in random_weights(shape).items() if "ln" not in n}
    return open_lens(shape, weights, dtype=torch.float64)


@pytest.fixture(scope="package")
def originals() -> dict[str, NameRecallSubject]:
    """Random models with the depth of the originals, set up like them."""
    words = subword_tokenizer()
    text = torch.randint(0, len(words), (5000,), generator=torch.Generator().manual_seed(0))
    large = NameRecallSubject(
        "gpt2-small", stand_in(12, 2), words, names=[DOCUMENT], stored_after=6, sample=lambda: text
    )
    small = NameRecallSubject(
        "gelu-2l", stand_in(2, 8), words, names=[DOCUMENT], roles=PUBLISHED, sample=lambda: text
    )
    return {"gpt2-small": large, "gelu-2l": small}


GIVEN = Roles(
    previous=((0, 4),), duplicate=((0, 3),), copying=((1, 6),), second=((1, 1),), by_index=True
)


@pytest.fixture
def given(subject: NameRecallSubject) -> NameRecallSubject:
    """The toy with heads named from outside."""
    return NameRecallSubject("given", subject.lens, subject.task.tokenizer, roles=GIVEN)


def difference(subject: NameRecallSubject, logits: Tensor) -> float:
    """Mean logit difference at the last token of logits [n pos d_vocab_out]."""
    rows, prompts = torch.arange(len(logits)), subject.task.prompts
    last = logits[:, -1]
    return (last[rows, prompts.correct] - last[rows, prompts.incorrect]).mean().item()


def patched(subject: NameRecallSubject, corruption: Corruption, place: sites.Place) -> float:
    """The metric with one place patched, by hooks."""
    value = subject.lens.read(subject.task.prompts.tokens(corruption), {"v": place})["v"]
    edits = [put_rows(place, value)]
    return difference(subject, subject.lens.run(subject.task.prompts.clean, edits=edits).logits)
