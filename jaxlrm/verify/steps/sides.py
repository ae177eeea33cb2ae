"""Reads one side of a claim: an expression with its units, among tokens.

What ends it decides where the claim goes on: `24 + 27` of `24 + 27 = 51`, with
`apples` of `24 apples + 27 pears` in it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from jaxlrm.verify.steps.tokens import END, Token
from jaxlrm.verify.steps.words import (
    ARTICLES,
    EQUALS,
    FRACTIONS,
    STOPS,
    WITH_BY,
)

DEPTH = 10  # nested brackets
UNIT_WORDS = 5
_VALUES = frozenset(("number", "atom"))
_OF = frozenset(("per", "/", "of", "a", "an", "each", "every", "for", "left"))
_OPERATING = WITH_BY.keys() | EQUALS


class Side(NamedTuple):
    """One side of a claim.

    Attributes:
        pieces: what it consists of; `20%` for a percentage.
        units: the words and signs of currencies behind and before numbers.
        plain: is it one number, with its sign?
    """

    pieces: tuple[str, ...]
    units: frozenset[str]
    plain: bool

    @property
    def text(self) -> str:
        """As it is written."""
        return " ".join(self.pieces)


class SideReader:
    """Reads sides anywhere among the tokens of a step.

    Attributes:
        tokens: of the step, and a few that end it.
        pieces: of the side that is being read, or was read last.
        units: of it.
        dangling: did it end in an operator, with a name behind it?
    """

    def __init__(self, tokens: tuple[Token, ...]):
        self.tokens = (*tokens, END, END, END)
        self.pieces: list[str] = []
        self.units: set[str] = set()
        self.dangling = False

    def read(self, index: int) -> tuple[Side | None, int]:
        """The side that begins here, and the index behind it.

        None stands for a side that goes on with a name; the index is −1 where
        none begins.
        """
        self.pieces, self.units, self.dangling = [], set(), False
        end = self.expression(index, 0)
        if end < 0:
            return None, -1
        if self.dangling:
            return None, end
        pieces = tuple(self.pieces)
        return Side(pieces, frozenset(self.units), is_plain(pieces)), end

    def skip(self, index: int, rows: bool) -> int:
        """The index behind the edges of formulas here, and new rows."""
        kind = self.tokens[index].kind
        while kind == "edge" or (rows and kind == "row"):
            index += 1
            kind = self.tokens[index].kind
        return index

    def begins_operand(self, index: int) -> bool:
        """May an operand begin here?"""
        token = self.tokens[index]
        kind = token.kind
        if kind in ("number", "atom", "open", "function", "currency"):
            return True
        if kind == "letter":
            if token.maths or token.text not in "aAI":
                return True
            following = self.tokens[index + 1]
            return following.kind in ("relation", "operator", "script")
        if kind == "operator" and token.text in "+-":
            following = self.tokens[index + 1]
            return following.kind in _VALUES | {"currency", "open"} or (
                following.kind in ("letter", "function")
            )
        if kind == "word" and token.text in FRACTIONS:
            return self.tokens[index + 1].text == "of" and self.begins_operand(
                self.after_of(index + 2)
            )
        return False

    def after_of(self, index: int) -> int:
        """The index behind an article that follows `of`."""
        return index + (self.tokens[index].text in ARTICLES)

    def expression(self, index: int, depth: int) -> int:
        """Reads operands and operators; the index behind them, or −1."""
        index = self.operand(index, depth)
        while index >= 0:
            index = self.unit(index, depth)
            operator, following = self.operator(index)
            if following < 0:
                return index
            mark = len(self.pieces)
            if operator:
                self.pieces.append(operator)
            after = self.operand(following, depth)
            if after < 0:
                del self.pieces[mark:]
                if operator:
                    self.dangling = True
                return index
            if not operator and self.is_aside(index, following, after):
                del self.pieces[mark:]
                return index
            index = after
        return index

    def is_aside(self, index: int, following: int, after: int) -> bool:
        """Is `(3 + 4)` in prose a remark, and no factor?"""
        token = self.tokens[following]
        if token.kind != "open" or token.maths or not token.spaced:
            return False
        behind = self.tokens[after].kind
        return behind not in ("operator", "relation")

    def operand(self, index: int, depth: int) -> int:
        """Reads one operand with its signs; the index behind it, or −1."""
        tokens = self.tokens
        token = tokens[index]
        if depth > DEPTH:
            return -1
        while token.kind == "edge" or (
            token.kind == "operator" and token.text in "+-"
        ):
            if token.kind == "operator":
                if token.text == "+" and self.pieces and not token.maths:
                    return -1  # 1 meat * + 1 vegetable
                self.pieces.append(token.text)
                depth += 1
                if depth > DEPTH:
                    return -1
            index += 1
            token = tokens[index]
        if token.kind == "currency":
            self.units.add(token.text)
            index = self.skip(index + 1, rows=False)
            token = tokens[index]
            if token.text == "-" and tokens[index + 1].kind == "number":
                self.pieces.append("-")
                index += 1
                token = tokens[index]
        kind = token.kind
        if kind == "number":
            self.pieces.append(token.text)
            index = self.mixed(index + 1)
        elif kind in ("atom", "letter"):
            self.pieces.append(token.text)
            index += 1
        elif kind == "function":
            self.pieces.append(token.text)
            index = self.operand(index + 1, depth + 1)
            if index < 0:
                return -1
        elif kind == "open":
            self.pieces.append("(")
            inner = self.expression(index + 1, depth + 1)
            if inner < 0 or self.dangling:
                self.dangling = False
                return -1
            inner = self.skip(inner, rows=False)
            if tokens[inner].kind != "close":
                return -1
            self.pieces.append(")")
            index = inner + 1
        elif kind == "word" and token.text in FRACTIONS:
            if not self.begins_operand(index):
                return -1
            self.pieces.append(FRACTIONS[token.text])
            index += 1
        elif kind == "dots":
            self.pieces.append("...")
            return index + 1
        else:
            return -1
        return self.postfix(index)

    def mixed(self, index: int) -> int:
        """`1 1/2` and `1 and 1/2`."""
        tokens = self.tokens
        joined = index + (tokens[index].text == "and")
        first, slash, second = tokens[joined : joined + 3]
        if (
            first.kind == second.kind == "number"
            and slash.text == "/"
            and first.spaced
            and first.text.isdigit()
            and second.text.isdigit()
            and int(first.text[:9]) < int(second.text[:9])
            and "." not in self.pieces[-1]
        ):
            self.pieces[-1] = f"({self.pieces[-1]} {first.text}/{second.text})"
            return joined + 3
        return index

    def postfix(self, index: int) -> int:
        """Reads exponents, `!` and `%` behind an operand."""
        while True:
            token = self.tokens[index]
            kind = token.kind
            if kind in ("script", "degree"):
                self.pieces.append(token.text)
            elif kind == "bang" and not (token.spaced and not token.maths):
                self.pieces.append("!")
            elif kind == "percent" and self.is_remainder(index):
                return index
            elif kind == "percent" or (
                kind == "word" and token.text in ("percent", "pct")
            ):
                if self.pieces[-1][-1].isdigit() or self.pieces[-1] == ")":
                    self.pieces[-1] += "%"
                else:
                    return index
            else:
                return index
            index += 1

    def is_remainder(self, index: int) -> bool:
        """Is it the `%` of `17 % 5`, as in programs?"""
        token, after = self.tokens[index : index + 2]
        return token.spaced and after.spaced and after.kind == "number"

    def operator(self, index: int) -> tuple[str, int]:
        """The operator here ("" before a factor) and the index behind it.

        −1 where the expression ends.
        """
        tokens = self.tokens
        token = tokens[index]
        behind = index
        if token.kind in ("edge", "row"):
            behind = self.skip(index, rows=True)
            token = tokens[behind]
            if token.kind != "operator" or (
                not token.maths and tokens[behind - 1].kind == "row"
            ):
                return "", -1
        kind, text = token.kind, token.text
        if kind == "operator":
            following = tokens[behind + 1]
            if text == "/" and following.kind == "word":
                return "", -1
            joined = not (token.spaced or following.spaced)
            if text == "/" and joined and tokens[behind - 1].kind == "word":
                self.units.add("/")  # 2 degrees/10 minutes
            return text, behind + 1
        if kind == "percent" and self.is_remainder(behind):
            return r"\bmod", behind + 1
        if kind == "word":
            if text in WITH_BY and tokens[behind + 1].text == "by":
                return WITH_BY[text], behind + 2
            if text == "of" and self.is_fraction():
                return "*", self.after_of(behind + 1)
            return "", -1
        if kind == "letter":
            if text in "xX" and self.is_times(behind):
                return "*", behind + 1
            if token.maths or not token.spaced:
                return "", behind
            return "", -1
        if kind in ("open", "atom", "function") or (
            kind == "number" and self.pieces[-1] == "!" and token.maths
        ):
            if kind == "open" or token.maths or not token.spaced:
                return "", behind
        return "", -1

    def is_times(self, index: int) -> bool:
        """Is the letter x between two operands a sign of a product?"""
        before, token, after = self.tokens[index - 1 : index + 2]
        if after.kind not in ("number", "currency", "open", "atom"):
            return False
        if before.kind == "letter" and not token.spaced:
            return False
        if after.kind in ("open", "atom") and not after.spaced:
            return token.spaced and after.kind != "open"
        return (
            token.spaced == after.spaced
            or after.kind == "currency"
            or before.kind == after.kind == "number"
        )

    def is_fraction(self) -> bool:
        """Is what was read last a part of something, as `of` needs?"""
        pieces = self.pieces
        if pieces[-1][-1] == "%" or pieces[-1] in FRACTIONS.values():
            return True
        if pieces[-1].startswith(r"\frac"):
            return True
        return (
            len(pieces) > 2
            and pieces[-2] == "/"
            and pieces[-1].isdigit()
            and pieces[-3].isdigit()
        ) or (pieces[-1] == ")" and "/" in pieces[-4:])

    def unit(self, index: int, depth: int) -> int:
        """Reads the words behind an operand, where the formula goes on."""
        tokens = self.tokens
        token = tokens[index]
        if token.kind not in ("word", "operator", "currency"):
            return index
        if token.kind == "operator" and token.text != "/":
            return index
        end, words = index, []
        while len(words) < UNIT_WORDS:
            token = tokens[end]
            if token.kind == "word":
                if token.text in STOPS or token.text in WITH_BY:
                    break
                if token.text == "of" and not words and self.is_fraction():
                    break
                words.append(token.text)
            elif token.text == "/" and tokens[end + 1].kind == "word":
                words.append("/")
            elif token.kind == "letter" and words and words[-1] in "/of":
                words.append(token.text)  # per a
            elif token.kind == "currency" and not words and not token.spaced:
                words.append(token.text)
            else:
                break
            end += 1
        if not words:
            return index
        if tokens[end].kind == "script":
            end += 1  # cm^2
        token = tokens[self.skip(end, rows=True)]
        goes_on = (
            token.kind in ("operator", "relation")
            or (token.kind == "close" and depth)
            or (token.kind == "letter" and self.is_times(end))
            or (token.kind == "word" and token.text in _OPERATING)
        )
        for word in words[:3]:
            if word in _OF:
                if word in ("per", "/"):
                    self.units.add("/")
                break
            self.units.add(word.removesuffix("s"))
        if token.kind == "operator" and tokens[end].kind in ("row",):
            goes_on = token.maths
        return end if goes_on else index


_PLAIN = re.compile(
    r"\d+(?:\.\d+)?%?|\.\d+%?|\(\d+(?: \d+)?/\d+\)|\\frac\{\d+\}\{\d+\}"
)


def is_plain(pieces: tuple[str, ...]) -> bool:
    """Are they one number, with its sign or in brackets?"""
    if len(pieces) == 2 and pieces[0] in "+-":
        pieces = pieces[1:]
    if len(pieces) == 3 and pieces[0] == "(" and pieces[2] == ")":
        pieces = pieces[1:2]  # \boxed{12}
    return len(pieces) == 1 and _PLAIN.fullmatch(pieces[0]) is not None
