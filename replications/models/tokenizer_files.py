"""The tokenizer of a model folder, and whether its prompts begin with a token of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers

from replications import files
from replications.errors import BadInput, Unsupported
from replications.models import checkpoint
from replications.models.tokenizers import Tokenizer

SETTINGS, SPECIAL = "tokenizer_config.json", "special_tokens_map.json"
BYTE_LEVEL = ("GPT2Tokenizer", "GPT2TokenizerFast")
"""The classes whose vocab.json and merges.txt say all: others cut texts in ways of their own."""


@dataclass(frozen=True)
class Opening:
    """The token that opens a prompt: which one, whether the folder asks for it, and where."""

    token: int | None
    """None if the tokenizer has no such token."""
    by_default: bool
    """Whether the folder asks for it."""
    because: str
    """What in the folder says so."""


def read_tokenizer(folder: Path, config: Mapping[str, Any]) -> tuple[Tokenizer, Opening]:
    """The tokenizer of a folder, from tokenizer.json or from vocab.json and merges.txt.

    `config` is the content of config.json. `bos` of the tokenizer is the token that opens a prompt.
    Raises BadInput if a file is not what its name says, and Unsupported for a vocab.json and
    merges.txt that are not of GPT-2's kind.
    """
    settings = _settings(folder)
    path = folder / checkpoint.TOKENIZER
    if path.is_file():
        checkpoint.check_no_pointer(path)
        try:
            made = Tokenizer.from_json(path.read_bytes())
        except OSError as exc:
            raise BadInput(f"cannot read {path}: {exc.strerror}") from exc
    else:
        made = _from_vocabulary(folder, settings, config)
    opening = _opening(made, settings, config)
    made.bos = opening.token
    return made, opening


def _settings(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json with the special tokens beside it; empty if there is neither."""
    paths = [folder / SPECIAL, folder / SETTINGS]
    found: dict[str, Any] = {}
    for path in paths:
        found |= checkpoint.read_json(path) if path.is_file() else {}
    return found


# ---- what opens a prompt ------------------------------------------------------------------------


def _opening(words: Tokenizer, settings: Mapping[str, Any], config: Mapping[str, Any]) -> Opening:
    before, _ = words.added
    token = before[0] if before else _bos(words, settings, config)
    said = settings.get("add_bos_token")
    if isinstance(said, bool):
        by_default, because = said, f"add_bos_token of {SETTINGS} is {str(said).lower()}"
    elif before:
        by_default, because = True, f"the post-processor of {checkpoint.TOKENIZER} adds it"
    else:
        by_default, because = False, "nothing in the folder asks for it"
    return Opening(token, by_default and token is not None, because)


def _bos(words: Tokenizer, settings: Mapping[str, Any], config: Mapping[str, Any]) -> int | None:
    """The token that the folder calls bos_token, else one that usually opens a text."""
    named = _content(settings.get("bos_token"))
    if named is not None and words.id(named) is not None:
        return words.id(named)
    number = config.get("bos_token_id")
    if isinstance(number, int) and 0 <= number < len(words):
        return number
    return words.bos


def _content(token: object) -> str | None:
    """The text of a special token, which may be written as text or as an object."""
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) else None


# ---- vocab.json and merges.txt ------------------------------------------------------------------


def _from_vocabulary(
    folder: Path, settings: Mapping[str, Any], config: Mapping[str, Any]
) -> Tokenizer:
    """A byte-level BPE tokenizer, as GPT-2 has it."""
    kind = settings.get("tokenizer_class", "GPT2Tokenizer")
    if kind not in BYTE_LEVEL or config.get("model_type", "gpt2") != "gpt2":
        raise Unsupported(
            f"{folder} lacks {checkpoint.TOKENIZER}; vocab.json and merges.txt are known for GPT-2 "
            f"only, not for a {kind} of {config.get('model_type')!r}: save the fast tokenizer with "
            "save_pretrained"
        )
    vocabulary = checkpoint.read_json(folder / "vocab.json")
    checkpoint.check_no_pointer(folder / "merges.txt")
    lines = files.read_text(folder / "merges.txt").split("\n")
    pairs = [line.split() for line in lines if line.strip() and not line.startswith("#version")]
    if any(len(pair) != 2 for pair in pairs):
        raise BadInput(f"{folder / 'merges.txt'} has a line that is not two parts of tokens")
    merges = [(first, second) for first, second in pairs]
    try:
        inner = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    except Exception as exc:  # the library raises nothing narrower
        raise BadInput(f"{folder}: vocab.json and merges.txt do not fit: {exc}") from exc
    spaced = bool(settings.get("add_prefix_space", False))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=spaced)
    inner.decoder = decoders.ByteLevel()
    for text in _added(folder, settings, vocabulary):
        inner.add_special_tokens([AddedToken(text, normalized=False)])
    return Tokenizer(inner)


def _added(folder: Path, settings: Mapping[str, Any], vocabulary: Mapping[str, int]) -> list[str]:
    """Tokens that are cut out of a text before anything else, in the order of their numbers.

    Raises BadInput for one whose number is not the next one after the vocabulary.
    """
    path = folder / "added_tokens.json"
    beside = checkpoint.read_json(path) if path.is_file() else {}
    try:
        listed = settings.get("added_tokens_decoder") or {}
        found = {_content(token): int(number) for number, token in listed.items()}
        found |= {text: int(number) for text, number in beside.items()}
    except (TypeError, ValueError, AttributeError) as exc:
        raise BadInput(f"{folder}: the added tokens have no numbers: {exc}") from exc
    for name in ("bos_token", "eos_token", "unk_token"):
        text = _content(settings.get(name, "<|endoftext|>"))
        if text is not None and text in vocabulary:
            found[text] = vocabulary[text]
    ordered = sorted((number, text) for text, number in found.items() if text is not None)
    following = len(vocabulary)
    for number, text in ordered:
        if vocabulary.get(text, following) != number:
            raise BadInput(f"{folder}: the added token {text!r} is {number}, not {following}")
        following += text not in vocabulary
    return [text for _, text in ordered]
