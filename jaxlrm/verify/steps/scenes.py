"""What the sentence around a claim says about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from jaxlrm.verify.steps.claims import Claim
from jaxlrm.verify.steps.readings import Scene
from jaxlrm.verify.steps.tokens import Token
from jaxlrm.verify.steps.words import (
    CORRECTS,
    DENIES,
    NOT,
    PERCENT,
    ROUNDS,
    SUPPOSES,
    TRIES,
)

NEAR = 4  # tokens before a claim in which a `not` denies it
# Numbers in other bases and residues look like others.
_BASES = re.compile(
    r"\bbase[- ]?(?:\$|[0-9]|two|three|four|five|six|seven|eight|nine|ten|b\b"
    r"|ten\b)|\bin base\b|\bmod(?:ulo|ular|ulus)?\b|\\[bp]?mod\b|\bbinary\b"
    r"|\boctal\b|\bhexadecimal\b|\\equiv|≡|\bcongruen|[0-9]_\{?[0-9]",
    re.IGNORECASE,
)


class Setting(NamedTuple):
    """How a claim is made.

    Attributes:
        claimed: is it said to be so, neither denied, tried nor asked?
        scene: what helps to read it.
    """

    claimed: bool
    scene: Scene


def uses_bases(*texts: str) -> bool:
    """May numbers be written in another base than ten, or be residues?"""
    return any(_BASES.search(text) for text in texts)


def is_tried(chain: Sequence[str]) -> bool:
    """Does what stands before a step say that it is only a try?"""
    if not chain:
        return False
    before = chain[-1].rstrip()[-200:].lower()
    sentence = re.split(r"[.!?\n]", before.rstrip(":,. "))[-1]
    return before.endswith((":", ",")) and not TRIES.isdisjoint(
        re.findall(r"[a-z']+", sentence)
    )


def setting(tokens: tuple[Token, ...], claim: Claim) -> Setting:
    """How a claim among the tokens of a step is made."""
    start, end = _sentence(tokens, claim)
    words = {token.text for token in tokens[start:end] if token.kind == "word"}
    percent = not PERCENT.isdisjoint(words) or any(
        token.kind == "percent" for token in tokens[start:end]
    )
    scene = Scene(not ROUNDS.isdisjoint(words), percent)
    asked = end < len(tokens) and tokens[end].text == "?"
    claimed = not (
        asked
        or not DENIES.isdisjoint(words)
        or _is_denied(tokens, start, claim, end)
        or _is_supposed(tokens, start, claim.start)
        or any(
            token.kind == "word" and token.text in CORRECTS
            for token in tokens[end:]
        )
    )
    return Setting(claimed, scene)


def _sentence(tokens: tuple[Token, ...], claim: Claim) -> tuple[int, int]:
    start = claim.start
    while start and not _ends(tokens[start - 1]):
        start -= 1
    end = claim.end
    while end < len(tokens) and not _ends(tokens[end]):
        end += 1
    return start, end


def _ends(token: Token) -> bool:
    return token.kind == "stop" or token == Token(
        "row", "\n", token.spaced, False
    )


def _is_denied(
    tokens: tuple[Token, ...], start: int, claim: Claim, end: int
) -> bool:
    """`not 3 * 4 = 13`, `3 * 4 = 13 is not true`."""
    before = tokens[max(start, claim.start - NEAR) : claim.start]
    if any(token.kind == "word" and token.text in NOT for token in before):
        return True
    if any(token.text in ("cannot", "can't") for token in before):
        return True
    for index in range(start, end - 1):
        if tokens[index].text == "not" and tokens[index + 1].text in _TRUE:
            return True
    behind = tokens[claim.end : min(end, claim.end + 6)]
    return any(token.text == "not" for token in behind[:4])


_TRUE = frozenset(
    """true correct right possible equal valid hold work allowed satisfy the
    satisfied consistent so a""".split()
)


def _is_supposed(tokens: tuple[Token, ...], start: int, stop: int) -> bool:
    """Does a word of the clause before a claim only suppose it?"""
    for index in range(stop - 1, start - 1, -1):
        token = tokens[index]
        if token.kind == "word":
            if token.text in SUPPOSES and (
                tokens[index + 1].text not in ("that", "to")
            ):
                return True
            if token.text in ("then", "so", "because"):
                return False
        elif token.text in (",", ";") and token.kind == "break":
            return False
    return False
