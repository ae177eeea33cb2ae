"""Sums of products of whole numbers and letters, as they are written.

`12*x*(45*x - 1) + 3` is kept as a tree in the order of the text; nothing is
expanded. Terms that are zero and factors that are one are left out as they are
read.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

LENGTH = 1024  # characters of a line
DEPTH = 32  # nested brackets
DIGITS = 18  # of a number
LEAVES = 256  # terms of an expression, powers written out

# A power is (name, exponent) and a monomial (0, coefficient, powers), with
# the powers sorted by name. A product is (1, integers, powers, sums): at
# least two factors that are no monomial when they are written side by side.
# A sum is a tuple of monomials and products. All are in the order of the
# text, but for the integers and the powers of a product, which are sorted.
Power = tuple[str, int]
Term = tuple
Sum = tuple[Term, ...]
MONOMIAL, PRODUCT = 0, 1


class NotRead(ValueError):
    """The text is no polynomial of this grammar, or over a budget."""


# --- Reading ----------------------------------------------------------------

_TOKEN = re.compile(r"[0-9]+|[a-z]|\*\*|[-+*()]")
_BLANK = re.compile(r"[ \t]*")


@functools.lru_cache(maxsize=4096)
def read_sum(text: str, power_first: bool = False) -> Sum:
    """Reads sums, differences, products and powers of whole numbers.

    Args:
        text: the expression.
        power_first: in a product such as `-x*38` the sign is that of the
            first number: it is -38 times x, and not -x times 38.

    Raises:
        NotRead: outside the grammar or over a budget.
    """
    if len(text) > LENGTH:
        raise NotRead(f"{len(text)} characters; at most {LENGTH} are read")
    tokens = []
    index = _BLANK.match(text).end()
    while index < len(text):
        match = _TOKEN.match(text, index)
        if match is None:
            raise NotRead(f"unexpected {text[index]!a}")
        tokens.append(match.group())
        index = _BLANK.match(text, match.end()).end()
    reader = _Reader([*tokens, ""], power_first)
    terms = reader.sum(0)
    if reader.index != len(tokens):
        raise NotRead(f"unexpected {tokens[reader.index]!r}")
    return terms


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[str], power_first: bool):
        self.tokens = tokens
        self.power_first = power_first
        self.index = 0

    def take(self) -> str:
        token = self.tokens[self.index]
        self.index += 1
        return token

    def sum(self, depth: int) -> Sum:
        if depth > DEPTH:
            raise NotRead(f"nested deeper than {DEPTH}")
        terms: list[Term] = []
        negative = self.tokens[self.index] == "-"
        self.index += negative
        while True:
            terms += self.product(negative, depth)
            if self.tokens[self.index] not in ("+", "-"):
                return tuple(terms)
            negative = self.take() == "-"

    def product(self, negative: bool, depth: int) -> Sum:
        integers: list[int] = []
        powers: list[Power] = []
        sums: list[Sum] = []
        signed = not negative
        while True:
            token = self.take()
            if token.isdigit():
                if len(token) > DIGITS:
                    raise NotRead(f"over {DIGITS} digits")
                number = int(token)
                integers.append(number if signed else -number)
                signed = True
            elif token.isalpha():
                powers.append((token, self.exponent()))
            elif token == "(":
                inner = self.sum(depth + 1)
                if self.take() != ")":
                    raise NotRead("a bracket is not closed")
                exponent = self.exponent()
                if exponent > 1 and exponent * _leaves(inner) > LEAVES:
                    raise NotRead(f"over {LEAVES} terms")
                sums += [inner] * exponent
            else:
                raise NotRead(f"unexpected {token!r}")
            ends = self.tokens[self.index] != "*"
            if not signed and (ends or not self.power_first):
                integers.append(-1)
                signed = True
            if ends:
                return product_of(integers, powers, sums)
            self.index += 1

    def exponent(self) -> int:
        if self.tokens[self.index] != "**":
            return 1
        self.index += 1
        token = self.take()
        if not token.isdigit() or len(token) > 2 or not 0 < int(token):
            raise NotRead(f"the exponent {token[:80]!r}")
        return int(token)


def _leaves(terms: Sum) -> int:
    return 1 + sum(
        sum(map(_leaves, term[3])) if term[0] == PRODUCT else 1
        for term in terms
    )


# --- Making -----------------------------------------------------------------


def product_of(
    integers: Iterable[int], powers: Iterable[Power], sums: Iterable[Sum]
) -> Sum:
    """The terms of a product that need no work; factors of one are left out.

    A monomial, or nothing where it is zero; the terms of a lone sum; else the
    product itself.
    """
    integers, powers, sums = list(integers), list(powers), list(sums)
    kept = []
    for terms in sums:
        if not terms:
            integers.append(0)
        elif len(terms) > 1:
            kept.append(terms)
        elif terms[0][0] == MONOMIAL:
            more, names = atoms(terms[0])
            integers += more
            powers += names
        else:
            integers += terms[0][1]
            powers += terms[0][2]
            kept += terms[0][3]
    integers = [number for number in integers if number != 1]
    powers.sort()
    if not kept:
        names = {name for name, _ in powers}
        if len(integers) <= 1 and len(names) == len(powers):
            coefficient = integers[0] if integers else 1
            monomial = (MONOMIAL, coefficient, tuple(powers))
            return (monomial,) if coefficient else ()
    elif len(kept) == 1 and not integers and not powers:
        return kept[0]
    return ((PRODUCT, tuple(sorted(integers)), tuple(powers), tuple(kept)),)


def atoms(monomial: Term) -> tuple[tuple[int, ...], tuple[Power, ...]]:
    """The integers and powers that a monomial is written with."""
    _, coefficient, powers = monomial
    return (() if coefficient == 1 else (coefficient,)), powers


# --- Writing ----------------------------------------------------------------


def render(polynomial: dict[tuple[Power, ...], int]) -> str:
    """A polynomial as SymPy prints it.

    Descending powers in the order of the names; but two terms `2 - 3*x` begin
    with the constant where it is positive and the other is negative and has
    one name only.
    """
    terms = [pair for pair in polynomial.items() if pair[1]]
    names = sorted({name for powers, _ in terms for name, _ in powers})

    def exponents(pair):
        known = dict(pair[0])
        return [known.get(name, 0) for name in names]

    terms.sort(key=exponents, reverse=True)
    if len(terms) == 2 and not terms[1][0] and len(terms[0][0]) == 1:
        if terms[1][1] > 0 > terms[0][1]:
            terms.reverse()
    text = ""
    for powers, number in terms:
        factors = [
            name if exponent == 1 else f"{name}**{exponent}"
            for name, exponent in powers
        ]
        if abs(number) != 1 or not factors:
            factors.insert(0, str(abs(number)))
        sign = "-" if number < 0 else "+" if text else ""
        text += f" {sign} " if text else sign
        text += "*".join(factors)
    return text or "0"


# --- Sums of monomials ------------------------------------------------------


def is_flat(terms: Sum) -> bool:
    """Is it a sum of monomials?"""
    return all(term[0] == MONOMIAL for term in terms)


def collected(terms: Sum) -> dict[tuple[Power, ...], int]:
    """The polynomial that a sum of monomials is."""
    result: dict[tuple[Power, ...], int] = {}
    for _, coefficient, powers in terms:
        result[powers] = result.get(powers, 0) + coefficient
    return {powers: number for powers, number in result.items() if number}


def is_collected(terms: Sum) -> bool:
    """Is it a sum of monomials no two of which are alike?"""
    return is_flat(terms) and len({term[2] for term in terms}) == len(terms)


def is_same(one: str, other: str) -> bool:
    """Are both expanded polynomials, and equal? False for other text."""
    try:
        sums = read_sum(one), read_sum(other)
    except NotRead:
        return False
    first, second = map(sorted, sums)
    return first == second and all(map(is_collected, sums))
