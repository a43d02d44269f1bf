"""Tokens as a table or a picture shows them."""

from __future__ import annotations

import unicodedata


def apart(texts: tuple[str, str], ids: tuple[int, int]) -> tuple[str, str]:
    """Two tokens as a table shows them. They look different if they are different tokens.

    Where a space or an accent composed in another way is all that differs, they are quoted; where
    even that shows no difference, each has its number.
    """
    shown = visible(texts[0]), visible(texts[1])
    if ids[0] == ids[1] or not _look_alike(*shown):
        return shown
    quoted = ascii(texts[0]), ascii(texts[1])
    if quoted[0] != quoted[1]:
        return quoted
    return f"{shown[0]} (token {ids[0]})", f"{shown[1]} (token {ids[1]})"


def _look_alike(first: str, second: str) -> bool:
    one, other = (unicodedata.normalize("NFKC", text) for text in (first, second))
    return one == other


def visible(token: str) -> str:
    """A token as it can stand in a table: no space around it, no line break in it."""
    bare = token.strip()
    return bare if bare.isprintable() and bare else repr(token)
