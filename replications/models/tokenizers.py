"""Text to tokens and back, for published tokenizers and for toys with one token per word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import tokenizers
from tokenizers import models, pre_tokenizers

from replications import fixtures
from replications.errors import BadInput

BEGINNINGS = ("<|BOS|>", "<bos>", "<|endoftext|>")
"""Tokens that open a text, the most specific first: a vocabulary may hold several."""


class Tokenizer:
    """A vocabulary, and how text is cut into its tokens. Made by `from_json` or `from_words`.

    Every text is encoded whole, alone and always in the same way: truncation, padding and dropout
    of merges, which a `tokenizer.json` may have been saved with, are off. `saved` says what was on.
    """

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        self.saved = tuple(_saved(inner))
        if self.saved:
            inner = tokenizers.Tokenizer.from_str(inner.to_str())  # the caller's stays as it is
            inner.no_truncation()
            inner.no_padding()
            if hasattr(inner.model, "dropout"):
                inner.model.dropout = None
        self._inner = inner
        found = (inner.token_to_id(text) for text in BEGINNINGS)
        self.bos: int | None = next((token for token in found if token is not None), None)

    @classmethod
    def from_json(cls, content: bytes) -> Tokenizer:
        """The tokenizer of a `tokenizer.json`. Raises BadInput if the content is not one."""
        try:
            inner = tokenizers.Tokenizer.from_buffer(content)
        except Exception as exc:  # the library raises nothing narrower
            raise BadInput(f"this is not the content of a tokenizer.json: {exc}") from exc
        return cls(inner)  # outside the `try`: an error of ours is not one of the content

    @classmethod
    def from_words(cls, words: Sequence[str], bos: str = "<bos>") -> Tokenizer:
        """One token per word or punctuation mark: `bos` is token 0, the words follow in order.

        A space before a word makes no difference. Raises BadInput for a repeated word, and for one
        that no text could give because it holds a space or a punctuation mark.
        """
        listed = [bos, *words]
        if len(set(listed)) != len(listed):
            twice = next(word for i, word in enumerate(listed) if word in listed[:i])
            raise BadInput(f"the word {twice!r} is listed twice")
        cut = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("isolated")]
        )
        for word in words:
            if [part for part, _ in cut.pre_tokenize_str(word)] != [word]:
                raise BadInput(f"{word!r} is not one word or one punctuation mark")
        vocabulary = {word: token for token, word in enumerate(listed)}
        inner = tokenizers.Tokenizer(models.WordLevel(vocabulary))
        inner.pre_tokenizer = cut
        inner.add_special_tokens([bos])
        made = cls(inner)
        made.bos = 0
        return made

    def to_json(self) -> bytes:
        """The content of a `tokenizer.json`, which `from_json` reads."""
        content: str = self._inner.to_str()
        return content.encode()

    def encode(self, text: str, *, bos: bool = False) -> list[int]:
        """The tokens of `text`; with `bos` the token that opens a text comes first.

        Raises BadInput for a word the vocabulary lacks, for a text that is no Unicode (the bytes of
        another encoding, at the command line), or if nothing opens a text.
        """
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            raise BadInput(f"{text!r} is no Unicode text: {exc.reason}") from exc
        try:
            tokens = list(self._inner.encode(text, add_special_tokens=False).ids)
        except Exception as exc:  # the library raises nothing narrower
            raise BadInput(f"{self._unknown(text)} is not in the vocabulary") from exc
        if not bos:
            return tokens
        if self.bos is None:
            raise BadInput("this tokenizer has no token that opens a text")
        return [self.bos, *tokens]

    def token(self, text: str) -> int:
        """The one token that `text` is. Raises BadInput if it is none, or several."""
        tokens = self.encode(text)
        if len(tokens) != 1:
            raise BadInput(f"{text!r} is {len(tokens)} tokens, not one: {self.strings(tokens)}")
        return tokens[0]

    def strings(self, ids: Iterable[int]) -> list[str]:
        """The text of each token by itself. Raises BadInput for a number that is no token."""
        found = []
        for token in map(int, ids):
            if token < 0 or self._inner.id_to_token(token) is None:
                raise BadInput(f"{token} is not a token: the vocabulary has {len(self)}")
            found.append(self._inner.decode([token], skip_special_tokens=False))
        return found

    def labels(self, ids: Iterable[int]) -> list[str]:
        r"""The text of each token, or its bytes (`\xf0\x9f`) if they are no whole characters.

        Raises BadInput for a number that is no token.
        """
        ids = list(map(int, ids))
        return [
            _escaped(self._bytes(token)) if "\ufffd" in text else text
            for token, text in zip(ids, self.strings(ids), strict=True)
        ]

    def id(self, text: str) -> int | None:
        """The token whose entry in the vocabulary is `text`, such as "<s>", if any."""
        found: int | None = self._inner.token_to_id(text)
        return found

    @property
    def added(self) -> tuple[list[int], list[int]]:
        """The tokens that the file's own post-processor puts before a text, and after it.

        Raises BadInput where it puts some, and no text was found that shows on which side.
        """
        template = list(self._inner.encode("", add_special_tokens=True).ids)
        for text in ("a", *self._inner.get_vocab()) if template else ():
            try:
                bare = self._inner.encode(text, add_special_tokens=False).ids
            except Exception:  # a word the vocabulary lacks; the library raises nothing narrower
                continue
            if bare and not set(bare) & set(template):
                whole = self._inner.encode(text, add_special_tokens=True).ids
                before = whole.index(bare[0])
                return whole[:before], whole[before + len(bare) :]
        if template:
            names = ", ".join(self.strings(template))
            raise BadInput(f"no text shows whether the tokenizer puts {names} before it or after")
        return [], []

    def _bytes(self, token: int) -> bytes:
        """The bytes that a token stands for, in a byte-level vocabulary or one with byte tokens."""
        entry: str | None = self._inner.id_to_token(token)
        if entry is None or token in self._inner.get_added_tokens_decoder():
            return (entry or "").encode()
        if found := re.fullmatch(r"<0x([0-9A-F]{2})>", entry):
            return bytes([int(found[1], 16)])
        table = _byte_table()
        if set(entry) <= set(table):
            return bytes(table[letter] for letter in entry)
        return entry.encode()

    def __len__(self) -> int:
        """Number of tokens, special ones included."""
        return self._inner.get_vocab_size(with_added_tokens=True)

    def _unknown(self, text: str) -> str:
        cut = self._inner.pre_tokenizer
        parts = [text] if cut is None else [part for part, _ in cut.pre_tokenize_str(text)]
        missing = [part for part in parts if self._inner.token_to_id(part) is None]
        return repr(missing[0] if missing else text)


def _saved(inner: tokenizers.Tokenizer) -> Iterator[str]:
    """What a tokenizer would do to a text, beyond cutting it into tokens."""
    if inner.truncation:
        yield f"truncation to {inner.truncation['max_length']} tokens"
    if inner.padding:
        length = inner.padding["length"]
        yield f"padding to {length} tokens" if length else "padding to the longest text"
    if dropout := getattr(inner.model, "dropout", None):
        yield f"merges left out at random ({dropout:g})"


@cache
def _byte_table() -> dict[str, int]:
    """Letter -> the byte it stands for in a byte-level vocabulary (GPT-2's `bytes_to_unicode`)."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    table = {chr(byte): byte for byte in shown}
    return table | {chr(256 + i): byte for i, byte in enumerate(hidden)}


def _escaped(content: bytes) -> str:
    """Bytes as text: what is UTF-8 as it is, and every other byte as an escape."""
    return content.decode(errors="backslashreplace")


def open_tokenizer(model: str) -> Tokenizer:
    """The tokenizer of a published model ("gpt2-small", "gelu-2l"), from its verified file.

    Raises FixtureMissing or FixtureCorrupt for the file, and BadInput for an unknown model.
    """
    return Tokenizer.from_json(fixtures.read_bytes(f"{model}/tokenizer.json"))
