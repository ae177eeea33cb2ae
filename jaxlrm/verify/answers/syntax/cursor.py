"""A place among the tokens of an answer, and what may be read from there.

`Reader` declares what the parts of the grammar ask of each other; `grammar`
defines it. So commands, functions, numbers and variables have files of their
own, and none of them imports the grammar.
"""

from __future__ import annotations

import abc
from collections.abc import Collection
from typing import NoReturn

from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.syntax.nodes import Tree
from jaxlrm.verify.answers.syntax.tokens import tokenize

# Budgets.
DEPTH = 48  # of brackets, signs and exponents
ITEMS = 64  # of a list or matrix


class Cursor:
    """The next token, for all that read tokens.

    Attributes:
        tokens: of the text; the last one is empty.
        starts: the index in the text of each.
        index: of the next token.
        depth: how deep the reader is in brackets, signs and exponents.
        bars: how many `|` are open here.
    """

    def __init__(self, text: str):
        self.tokens, self.starts = tokenize(text)
        self.index = 0
        self.depth = 0
        self.bars = 0

    def refuse(self) -> NoReturn:
        """Says that the next token does not fit."""
        token = self.tokens[min(self.index, len(self.tokens) - 1)]
        raise NotParsed(
            f"unexpected {token[:80]!r} as token {self.index + 1}"
            if token
            else "the text ends too early"
        )

    def deeper(self) -> None:
        """Enters a bracket, sign or exponent; the reader leaves it itself."""
        self.depth += 1
        if self.depth > DEPTH:
            raise NotParsed(f"nested deeper than {DEPTH}")

    def close(self, closing: str) -> None:
        """Reads a closing bracket."""
        if self.tokens[self.index] != closing:
            self.refuse()
        self.index += 1

    def is_unit(self) -> bool:
        """Is it the `sec` of `5 sec`, not of `5 sec x`?"""
        following = self.tokens[self.index + 1 : self.index + 2]
        return self.after_number() and (
            not following or following[0] in ("", ",", "/", "^", ";", "and")
        )

    def after_number(self) -> bool:
        """Is the token before this one the end of a number?"""
        before = self.tokens[self.index - 1] if self.index else ""
        return before[-1:].isdigit() or before in ("}", ")", r"\pi")


class Reader(Cursor, abc.ABC):
    """Reads a part of an answer from the next token on, each method one.

    Raises:
        NotParsed: it is not there, or over a budget.
    """

    @abc.abstractmethod
    def items(self, closing: Collection[str]) -> Tree:
        """Items between separators, up to a token in `closing`."""

    @abc.abstractmethod
    def item(self) -> Tree:
        """An expression with its unit, or a chain of relations."""

    @abc.abstractmethod
    def quantity(self) -> Tree:
        """An expression with its unit or currency."""

    @abc.abstractmethod
    def expression(self, minimum: int) -> Tree:
        """Operands with operators that bind more tightly than `minimum`."""

    @abc.abstractmethod
    def prefix(self) -> Tree:
        """One operand with the signs before it."""

    @abc.abstractmethod
    def argument(self) -> Tree:
        r"""An argument in braces; or one digit, letter or command."""

    @abc.abstractmethod
    def group(self, opening: str) -> Tree:
        """What stands behind a bracket, and the bracket that closes it."""

    @abc.abstractmethod
    def between(self, bar: str, name: str) -> Tree:
        """The function that two bars write, behind the first of them."""

    @abc.abstractmethod
    def is_factor(self, token: str) -> bool:
        """Can the next token begin a factor without a sign before it?"""
