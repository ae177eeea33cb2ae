"""Where a step claims that something equals something, and how certainly.

A claim is a chain of sides with relations between them, found among the tokens
of a step: `24 + 27 = 51 = 3 * 17`. Its boundaries are what stands before the
first side and behind the last one: `half of 3 + 4 = 7` and `4 / 3 = 1 and 1/3`
say something else than what stands between them.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from jaxlrm.verify.steps.boundaries import begins, ends, is_whole
from jaxlrm.verify.steps.sides import Side, SideReader, is_plain
from jaxlrm.verify.steps.tokens import Token, tokenize
from jaxlrm.verify.steps.words import EQUALS, LOOSE_EQUALS, STOPS

SIDES = 40


class Claim(NamedTuple):
    """A chain of sides.

    Attributes:
        sides: at least one; None for one that goes on with a name.
        relations: between them, one fewer.
        loose: is a relation the word `is` or the like?
        left: does nothing before the first side belong to it?
        right: does nothing behind the last side belong to it?
        modulus: of `(mod 7)` behind it, else "".
        start: the index of its first token.
        end: the index behind its last token.
        whole: does it stand alone on its line or in its formula?
    """

    sides: tuple[Side | None, ...]
    relations: tuple[str, ...]
    loose: bool
    left: bool
    right: bool
    modulus: str
    start: int
    end: int
    whole: bool


@functools.lru_cache(maxsize=64)
def claims_of(text: str) -> tuple[Claim, ...]:
    """The claims of a step in order, expressions alone among them."""
    tokens = tokenize(text)
    if not tokens:
        return ()
    return tuple(_Scanner(tokens).claims())


class _Scanner:
    def __init__(self, tokens: tuple[Token, ...]):
        self.reader = SideReader(tokens)
        self.tokens = self.reader.tokens
        self.size = len(tokens)

    def claims(self) -> list[Claim]:
        """All claims, in order."""
        found = []
        index = 0
        while index < self.size:
            if self.reader.begins_operand(index) and not self.is_bullet(index):
                claim = self.claim(index)
                if claim is not None:
                    found.append(claim)
                    index = max(claim.end, index + 1)
                    continue
            index += 1
        return found

    def claim(self, start: int) -> Claim | None:
        """The claim that begins here, if any."""
        index = start
        sides: list[Side | None] = []
        relations: list[str] = []
        loose = False
        while True:
            side, after = self.reader.read(index)
            if after < 0:
                if not sides:
                    return None
                sides.append(None)
                break
            sides.append(side)
            index = after
            if self.reader.dangling or len(sides) > SIDES:
                break
            relation, weak, following = self.relation(side, index)
            if not relation:
                break
            relations.append(relation)
            loose = loose or weak
            index = following
        if len(sides) == len(relations):
            sides.append(None)
        modulus, behind = self.modulus(index)
        return Claim(
            tuple(sides),
            tuple(relations),
            loose,
            begins(self.tokens, start),
            not self.reader.dangling and ends(self.tokens, behind),
            modulus,
            start,
            behind,
            is_whole(self.tokens, start, behind),
        )

    def relation(self, side: Side, index: int) -> tuple[str, bool, int]:
        """The relation behind a side, is it loose, and the index behind it."""
        index = self.reader.skip(index, rows=True)
        token = self.tokens[index]
        if token.kind == "relation":
            return token.text, False, self.reader.skip(index + 1, rows=True)
        if token.kind != "word":
            return "", False, index
        following = self.tokens[index + 1]
        plain = token.text != "equals" and _is_literal(side.pieces)
        if token.text in EQUALS:
            to = following.text == "to"
            return "=", plain, index + 1 + to
        if token.text in LOOSE_EQUALS:
            if following.text in EQUALS:
                to = self.tokens[index + 2].text == "to"
                return "=", plain, index + 2 + to
            another = self.reader.begins_operand(index + 1)
            if len(side.pieces) > 1 and another:
                return "=", True, index + 1
        return "", False, index

    def modulus(self, index: int) -> tuple[str, int]:
        """The modulus of `(mod 7)` here, else "", and the index behind it."""
        behind = self.reader.skip(index, rows=False)
        token = self.tokens[behind]
        if token.kind == "modulus":
            return token.text, behind + 1
        if token.kind == "open":
            mod, number, close = self.tokens[behind + 1 : behind + 4]
            if (mod.text, number.kind, close.kind) == (
                r"\bmod",
                "number",
                "close",
            ):
                return number.text, behind + 4
        return "", index

    def is_bullet(self, index: int) -> bool:
        """Is it the sign of a list in the middle of a line?"""
        token = self.tokens[index]
        return (
            token.kind == "operator"
            and not token.maths
            and self.tokens[index + 1].spaced
            and index > 0
            and self.tokens[index - 1].kind not in ("row", "edge", "relation")
            and self.tokens[index - 1].text not in STOPS
        )


def _is_literal(pieces: tuple[str, ...]) -> bool:
    """Is it a number or a fraction of two, with nothing to compute?"""
    if len(pieces) == 3 and pieces[1] == "/":
        return pieces[0].isdigit() and pieces[2].isdigit()
    return is_plain(pieces)
