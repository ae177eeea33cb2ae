"""What the sentence around a claim says about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from jaxlrm.verify.steps.claims import Claim
from jaxlrm.verify.steps.readings import Sentence
from jaxlrm.verify.steps.tokens import Token
from jaxlrm.verify.steps.words import (
    CORRECTS,
    DENIES,
    NOT,
    PERCENT,
    ROUNDS,
    SCALES,
    SUPPOSES,
    TRIES,
)

BEFORE, BEHIND = 5, 8  # tokens beside a claim that may say `about`
# Numbers in other bases and residues look like others.
_BASES = re.compile(
    r"\bbase[- ]?\$?(?:[0-9]|two|three|four|five|six|seven|eight|nine|ten|b\b)"
    r"|\bin base\b|\bbinary\b|\boctal\b|\bhexadecimal\b|[0-9]_\{?[0-9]",
    re.IGNORECASE,
)


class Setting(NamedTuple):
    """How a claim is made.

    Attributes:
        claimed: is it said to be so, neither denied, tried nor asked?
        sentence: what helps to read it.
    """

    claimed: bool
    sentence: Sentence


_MODULUS = re.compile(
    r"\bmod(?:ulo|ulus)?\b[ $(\\{]*([0-9]{1,6})|mod\{?[ $]*([0-9]{1,6})"
)
_RESIDUES = re.compile(r"\bmod(?:ulo|ular|ulus)\b|\\[bp]?mod\b|\bcongruen")


def uses_bases(*texts: str) -> bool:
    """May numbers be written in another base than ten?"""
    return any(_BASES.search(text) for text in texts)


def moduli(*texts: str) -> frozenset[int]:
    """The numbers modulo which a text computes; 0 for one not given."""
    found = set()
    for text in texts:
        numbers = [int(a or b) for a, b in _MODULUS.findall(text)]
        found.update(number for number in numbers if number)
        if not numbers and _RESIDUES.search(text):
            found.add(0)
    return frozenset(found)


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
    thousands = not SCALES.isdisjoint(words)
    sentence = Sentence(_is_rounded(tokens, start, claim), percent, thousands)
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
    return Setting(claimed, sentence)


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
    before = [t.text for t in tokens[start : claim.start] if t.kind != "edge"]
    if not NOT.isdisjoint(before[-1:]):
        return True
    for index in range(start, end - 1):
        if tokens[index].text == "not":
            following = [token.text for token in tokens[index + 1 : index + 3]]
            if following[0] in _TRUE or following == ["the", "case"]:
                return True
    behind = [t.text for t in tokens[claim.end : end] if t.kind != "edge"]
    return behind[1:2] == ["not"] and behind[0] in ("is", "was", "does")


_TRUE = frozenset(
    """true correct right possible equal valid hold work allowed satisfy
    satisfied consistent""".split()
)


def _is_supposed(tokens: tuple[Token, ...], start: int, stop: int) -> bool:
    """Does a word of the clause before a claim only suppose it?"""
    behind_colon = False
    for index in range(stop - 1, start - 1, -1):
        token = tokens[index]
        if token.kind == "word":
            if (
                token.text in TRIES
                or (token.text in SUPPOSES and not behind_colon)
            ) and tokens[index + 1].text not in ("that", "to"):
                return True
            if token.text in ("then", "so", "because", "get", "have"):
                return False
        elif token.kind == "break":
            if token.text != ":":
                return False
            behind_colon = True
    return False


def _is_rounded(tokens: tuple[Token, ...], start: int, claim: Claim) -> bool:
    """Does a word beside a claim say that its numbers are near ones?"""
    beside = (
        *tokens[max(start, claim.start - BEFORE) : claim.start],
        *tokens[claim.end : claim.end + BEHIND],
    )
    return any(token.text in ROUNDS for token in beside)
