r"""Lines of mathematics, read as exact values.

The parser computes as it reads. Nothing is evaluated by Python and no line
takes more than its budget: what is too large is `NotParsed`.

Covered: numbers, `+ - * / ^ **`, integer exponents, brackets, chains of signs,
one-letter and Greek variables, implicit products, equations; plain text and
simple LaTeX. For whole answers see `syntax`.
"""

from __future__ import annotations

import functools
import re
from fractions import Fraction
from typing import NamedTuple

from jaxlrm.verify.answers.exact import (
    DIGITS,
    LENGTH,
    ONE,
    Algebra,
    NotParsed,
    Number,
    Polynomial,
    Ratio,
    Value,
    lowest,
    negate,
)
from jaxlrm.verify.inputs import NUMBER

TOKENS = 1024
DEPTH = 64  # nested brackets, signs and exponents


class Line(NamedTuple):
    """A parsed line.

    Attributes:
        sides: the values between the equals signs; one for an expression.
        names: the variables written in it, cancelled or not.
        excluded: denominators that were cancelled, and must not vanish.
    """

    sides: tuple[Value, ...]
    names: frozenset[str]
    excluded: tuple[Polynomial, ...] = ()


# ASCII for what people and models write.
UNICODE = str.maketrans(
    {
        "\N{MINUS SIGN}": "-",
        "\N{EN DASH}": "-",
        "\N{MULTIPLICATION SIGN}": "*",
        "\N{MIDDLE DOT}": "*",
        "\N{DOT OPERATOR}": "*",
        "\N{DIVISION SIGN}": "/",
        "\N{SUPERSCRIPT TWO}": "^2",
        "\N{SUPERSCRIPT THREE}": "^3",
        "\N{GREEK SMALL LETTER PI}": r"\pi ",
        "\N{NO-BREAK SPACE}": " ",
        "\N{THIN SPACE}": " ",
    }
)
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])")
_TOKEN = re.compile(rf"\\[A-Za-z]+|\\.|{NUMBER}|\*\*|\S")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
# Short words that are not products of variables.
_WORDS = frozenset(
    """an and are as at be but by can cos do exp for gcd get has if in is it
    lcm let ln log max min mod no not of or sin so tan the to two we yes you
    """.split()
)
GREEK = frozenset(
    r"""\alpha \beta \gamma \delta \epsilon \theta \lambda \mu \nu \pi \rho
    \sigma \tau \phi \varphi \psi \omega""".split()
)
_COMMANDS = {
    r"\cdot": "*",
    r"\times": "*",
    r"\div": "/",
    r"\dfrac": r"\frac",
    r"\tfrac": r"\frac",
    "**": "^",
} | dict.fromkeys(
    [r"\left", r"\right", r"\,", r"\;", r"\:", r"\!", r"\ ", r"\quad"]
    + [r"\(", r"\)", r"\[", r"\]", r"\displaystyle"],
    "",
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_SUM, _PRODUCT, _EXPONENT = 1, 2, 3
_BINDING = {
    "+": _SUM,
    "-": _SUM,
    "*": _PRODUCT,
    "/": _PRODUCT,
    "^": _EXPONENT,
}


def parse(text: str) -> Line:
    r"""Reads an expression, an equation, or a chain `a = b = c`.

    `2x`, `2(x + 1)`, `xy^2` are products; `1/2x` is ambiguous and refused;
    `2\frac{1}{2}` is the mixed number. Powers bind to the right, before signs.

    Raises:
        NotParsed: outside the grammar or over a budget.
        ZeroDivisionError: it divides by zero.
    """
    if len(text) > LENGTH:
        raise NotParsed(f"{len(text)} characters; at most {LENGTH} are read")
    return _parse(text)


# A line is read when it is written and again when the next one is compared.
@functools.lru_cache(maxsize=4096)
def _parse(text: str) -> Line:
    return _Parser(_tokens(text)).line()


def ungroup(text: str) -> str:
    """`1234567` for `1,234,567`; other commas stay."""
    return _THOUSANDS.sub(lambda match: match.group().replace(",", ""), text)


def _tokens(text: str) -> list[str]:
    if not text.isascii():
        text = text.translate(UNICODE)
        if not text.isascii():
            raise NotParsed(f"characters outside ASCII: {ascii(text[:80])}")
    text = text.strip().removesuffix(".")
    if text[:1] == "$" and text[-1:] == "$":
        text = text[1:-1]
    if "," in text:
        text = ungroup(text)
    for word in _WORD.findall(text):
        if word == "pi":
            text = re.sub(r"(?<![\\A-Za-z])pi(?![A-Za-z])", r"\\pi ", text)
        elif len(word) > 3 or word.lower() in _WORDS:
            raise NotParsed(f"a word, not a product of variables: {word[:80]}")
    tokens = _TOKEN.findall(text)
    if len(tokens) > TOKENS:
        raise NotParsed(f"{len(tokens)} tokens; at most {TOKENS} are read")
    if "\\" in text or "**" in text:
        tokens = [_COMMANDS.get(token, token) for token in tokens]
        tokens = [token for token in tokens if token]
    tokens.append("")
    return tokens


class _Parser:
    """Precedence climbing (Pratt 1973) that computes as it reads."""

    def __init__(self, tokens: list[str]):
        self.tokens = tokens
        self.index = 0
        self.depth = 0
        self.names: set[str] = set()
        self.algebra = Algebra()

    def line(self) -> Line:
        """Reads all tokens."""
        sides = [self.expression(0)]
        while self.tokens[self.index] == "=":
            self.index += 1
            sides.append(self.expression(0))
        if self.tokens[self.index]:
            self.refuse()
        names, excluded = frozenset(self.names), tuple(self.algebra.cancelled)
        return Line(tuple(sides), names, excluded)

    def refuse(self):
        """Says that the next token does not fit."""
        token = self.tokens[self.index]
        raise NotParsed(
            f"unexpected {token[:80]!r} as token {self.index + 1}"
            if token
            else "the line ends too early"
        )

    def expression(self, minimum: int) -> Value:
        """Reads operators that bind more tightly than `minimum`."""
        self.depth += 1
        if self.depth > DEPTH:
            raise NotParsed(f"nested deeper than {DEPTH}")
        tokens = self.tokens
        left = self.prefix()
        divided = False
        while True:
            token = tokens[self.index]
            binding = _BINDING.get(token)
            if binding is None:
                if not token or minimum >= _PRODUCT or not _is_factor(token):
                    break
                if divided:
                    raise NotParsed("1/2x may be (1/2)x or 1/(2x)")
                self.refuse_call()
                left = self.algebra.multiply(left, self.expression(_PRODUCT))
                continue
            if binding <= minimum:
                break
            self.index += 1
            if binding == _EXPONENT:  # binds to the right
                right = self.expression(_PRODUCT)
                left = self.algebra.power(left, right)
                continue
            right = self.expression(binding)
            if token == "+":
                left = self.algebra.add(left, right)
            elif token == "-":
                left = self.algebra.add(left, negate(right))
            elif token == "*":
                left = self.algebra.multiply(left, right)
                divided = False
            else:
                left = self.algebra.divide(left, right)
                divided = True
        self.depth -= 1
        return left

    def prefix(self) -> Value:
        """Reads one operand with the signs before it."""
        token = self.tokens[self.index]
        self.index += 1
        first = token[:1]
        if first.isdigit() or (first == "." and len(token) > 1):
            value = _literal(token)
            if self.tokens[self.index] == r"\frac" and type(value) is int:
                return self.mixed(value)
            return value
        if first.isalpha() or token in GREEK:
            self.names.add(token)
            return Ratio({((token, 1),): 1}, ONE)
        if token == "-":
            return negate(self.expression(_PRODUCT))
        if token == "+":
            return self.expression(_PRODUCT)
        if token in _CLOSING:
            return self.group(_CLOSING[token])
        if token == r"\frac":
            return self.algebra.divide(*self.fraction())
        self.index -= 1
        self.refuse()

    def group(self, closing: str) -> Value:
        """Reads up to a closing bracket, and the bracket."""
        value = self.expression(0)
        if self.tokens[self.index] != closing:
            self.refuse()
        self.index += 1
        return value

    def fraction(self) -> tuple[Value, Value]:
        r"""The two arguments of `\frac`; `\frac12` is one half."""
        token = self.tokens[self.index]
        if len(token) == 2 and token.isdigit():
            self.index += 1
            return int(token[0]), int(token[1])
        return self.argument(), self.argument()

    def argument(self) -> Value:
        """Reads an argument in braces, or one digit."""
        token = self.tokens[self.index]
        self.index += 1
        if token == "{":
            return self.group("}")
        if len(token) == 1 and token.isdigit():
            return int(token)
        self.index -= 1
        self.refuse()

    def mixed(self, whole: int) -> Value:
        r"""`2\frac{1}{3}` is a mixed number, `2\frac{x}{3}` a product."""
        self.index += 1
        top, bottom = self.fraction()
        value = self.algebra.divide(top, bottom)
        if type(top) is int and type(bottom) is int and 0 < top < bottom:
            return self.algebra.add(whole, value)
        return self.algebra.multiply(whole, value)

    def refuse_call(self):
        """`f(x)` is not a product."""
        before, after = self.tokens[self.index - 1 : self.index + 1]
        if after == "(" and before in ("f", "g", "h"):
            raise NotParsed(f"{before}(...) is not a product")


def _is_factor(token: str) -> bool:
    """Can `token` begin the second factor of a product without a sign?"""
    return (
        token.isalpha() or token in "([" or token == r"\frac" or token in GREEK
    )


def _literal(token: str) -> Number:
    if len(token) > DIGITS:
        raise NotParsed(f"{len(token)} digits; at most {DIGITS} are read")
    whole, point, decimals = token.partition(".")
    if not point:
        return int(token)
    return lowest(Fraction(int(whole + decimals), 10 ** len(decimals)))


def difference(line: Line) -> Value:
    """Left side minus right side of an equation.

    Raises:
        NotParsed: over a budget.
    """
    left, right = line.sides
    return Algebra().add(left, negate(right))
