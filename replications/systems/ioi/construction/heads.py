"""What each head of the construction looks for, and what it moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from replications.models.shape import Head
from replications.systems.ioi.construction import code
from replications.systems.ioi.construction.stream import CONSTANT, read, read_name, write
from replications.systems.ioi.roles import PUBLISHED

ROLES = PUBLISHED
"""The heads as they were written."""
BACKUPS: Mapping[Head, float] = {
    (10, 1): 1.08,
    (10, 2): 1.08,
    (10, 6): 1.08,
    (10, 10): 1.08,
    (11, 2): 0.5,
    (11, 9): 0.5,
}
"""Backup name movers that can see the name movers, with how much each writes when it answers."""
BALLAST: Head = (8, 4)
"""A head outside the circuit that writes the same everywhere, longer than any other head writes."""


@dataclass(frozen=True)
class Match:
    """Attention grows by the inner product of what is read at query and key: each [m d_model]."""

    query: Tensor
    key: Tensor


@dataclass(frozen=True)
class Move:
    """What is read at the key [m d_model] is written at the query, as [m d_model]."""

    read: Tensor
    write: Tensor


Wiring = tuple[Sequence[Match], Sequence[Move]]


def wiring(*, position: float = 1.0, token: float = 1.0) -> dict[Head, Wiring]:
    """Every head that writes something; all others attend everywhere and write nothing.

    The S-inhibition heads write their two signals so many times as long.
    """
    return {
        (0, 1): duplicate(0.216),
        (3, 0): duplicate(0.216),
        (2, 2): previous(0.42),
        (4, 11): previous(0.58),
        (5, 5): induction(0.134),
        (6, 9): induction(0.134),
        (5, 8): fuzzy(0.15),
        (5, 9): fuzzy(0.15),
        (7, 3): inhibition(0.2 * position, 0.0),
        (7, 9): inhibition(0.25 * position, 0.465 * token),
        (8, 6): inhibition(0.3 * position, 0.0),
        (8, 10): inhibition(0.25 * position, 0.465 * token),
        BALLAST: ballast(16.0),
        (9, 9): name_mover(8.0, unread=26.0),
        (9, 6): name_mover(4.0),
        (10, 0): name_mover(2.0),
        # These two stand beside 9.9 and cannot see it: they are weak name movers.
        (9, 0): name_mover(0.3),
        (9, 7): name_mover(0.3),
        **{head: backup(gain) for head, gain in BACKUPS.items()},
        (10, 7): negative(1.6),
        (11, 10): anti_induction(1.4),
    }


# -------------------------------------------------------------------------------- parts of heads
ALWAYS = read("constant") / CONSTANT
NOT_AT_START = ALWAYS - read("start")


def likes(**gains: float) -> Match:
    """Attend from everywhere to keys with these flags (underscores stand for spaces)."""
    return Match(ALWAYS, _sum(gains))


def same(query: str, key: str, gain: float) -> Match:
    """Attend to keys whose word in one block is that of the query in another."""
    return Match(gain * read(query), read(key))


def reports(position: str, gain: float) -> list[Move]:
    """Say that the token is a repeated one, and where it stood: in this block of the key."""
    place = read(position)
    if position == "position":  # the start, at which heads rest, is no finding
        place = place - code.words()[:1].T @ read("start")
    where = Move(place, gain * write("repeated position"))
    return [where, Move(NOT_AT_START, gain * write("repeated"))]


def copies(gain: float, unread: float = 0.0) -> list[Move]:
    """Write the name at the key into the answer, and where only the final LayerNorm notices."""
    return [Move(read("own name"), gain * write("name") + unread * write("unread name"))]


def _sum(gains: Mapping[str, float]) -> Tensor:
    return sum((gain * read(name.replace("_", " ")) for name, gain in gains.items()), 0 * ALWAYS)


# ----------------------------------------------------------------------------------------- heads
def ballast(gain: float) -> Wiring:
    """Writes the same everywhere, where only LayerNorms notice."""
    return [], [Move(ALWAYS, gain * write("ballast"))]


def duplicate(gain: float) -> Wiring:
    """Looks for the same token, but not at the position itself."""
    matches = [same("token", "token", 60.0), same("position", "position", -45.0), likes(start=37.0)]
    return matches, reports("position", gain)


def previous(gain: float) -> Wiring:
    """Looks one position back, and writes down the token there."""
    matches = [same("position before", "position", 40.0)]
    return matches, [Move(read("token"), gain * write("token before"))]


def induction(gain: float) -> Wiring:
    """Looks for the token whose predecessor is the same token."""
    return [same("token", "token before", 18.0), likes(start=9.0)], reports("position before", gain)


def fuzzy(gain: float) -> Wiring:
    """An induction head for names that duplicate-token heads also tell where to look."""
    rest = Match(15.0 * ALWAYS - 7.5 * read("is a name"), read("start"))
    matches = [
        Match(6.0 * read_name("own name"), read("token before")),
        same("repeated position", "position before", 25.0),
        rest,
    ]
    return matches, reports("position before", gain)


def inhibition(position: float, name: float) -> Wiring:
    """Looks for a repeated name, and says which name not to take, or from where."""
    where = Move(read("repeated position"), position * write("inhibited position"))
    which = Move(read_name("own name"), name * write("inhibited name"))
    return [likes(repeated=8.0, is_a_name=6.0, start=10.0)], [where, which]


def name_mover(gain: float, unread: float = 0.0) -> Wiring:
    """Copies the name that is neither repeated nor inhibited."""
    matches = [
        likes(is_a_name=12.0, repeated=-12.0),
        same("inhibited position", "position", -1.3),
        Match(-0.36 * read("inhibited name"), read_name("own name")),
    ]
    return matches, copies(gain, unread)


def backup(gain: float) -> Wiring:
    """A name mover that looks away from names that were written already."""
    unwanted = -1.1 * read("inhibited name") - 0.7 * read_name("name")
    matches = [
        likes(is_a_name=10.5, repeated=-12.0, start=6.0),
        same("inhibited position", "position", -4.0),
        Match(unwanted, read_name("own name")),
    ]
    return matches, copies(gain)


def negative(gain: float) -> Wiring:
    """Looks for names that were written already, not for repeated ones; writes against them."""
    return [_written(0.55), likes(start=4.0, repeated=-12.0)], copies(-gain)


def anti_induction(gain: float) -> Wiring:
    """A negative head that also looks where an induction head does."""
    (written, rest), moves = negative(gain)
    return [written, same("token", "token before", 7.0), rest], moves


def _written(gain: float) -> Match:
    return Match(gain * read_name("name"), read_name("own name"))
