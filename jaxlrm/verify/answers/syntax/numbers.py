"""Numbers as people write them."""

from __future__ import annotations

from fractions import Fraction

from jaxlrm.verify.answers.exact import DIGITS
from jaxlrm.verify.answers.syntax.cursor import Cursor, Reader
from jaxlrm.verify.answers.syntax.names import BASES
from jaxlrm.verify.answers.syntax.nodes import Tree, literal


def read_number(parser: Reader, token: str) -> Tree:
    """The number that starts with a token; the token itself is read."""
    following = parser.tokens[parser.index]
    if following == "_":
        return _based(parser, token)
    value = literal(token)
    if following in (r"\bar", r"\dot") and "." in token:
        return _repeating(parser, token)
    if type(value[1]) is not int:
        return value
    if following == r"\frac":
        return _mixed(parser, value)
    if following.isdigit() and parser.tokens[parser.index + 1] == "/":
        below = parser.tokens[parser.index + 2]
        if below.isdigit() and int(following) < int(below[:20] or 0):
            parser.index += 3
            fraction = ("/", literal(following), literal(below))
            return ("+", value, fraction)
    return value


def _mixed(parser: Reader, whole: Tree) -> Tree:
    r"""`2\frac{1}{3}` is a mixed number, `2\frac{x}{3}` a product."""
    fraction = parser.prefix()
    top, bottom = fraction[1], fraction[2]
    if (
        top[0] == bottom[0] == "n"
        and type(top[1]) is type(bottom[1]) is int
        and 0 < top[1] < bottom[1]
    ):
        return ("+", whole, fraction)
    return ("*", whole, fraction)


def _repeating(cursor: Cursor, token: str) -> Tree:
    r"""`0.1\overline{6}`."""
    cursor.index += 1
    if cursor.tokens[cursor.index] == "{":
        digits = cursor.tokens[cursor.index + 1]
        cursor.index += 2
        if cursor.tokens[cursor.index] != "}":
            cursor.refuse()
    else:
        digits = cursor.tokens[cursor.index]
    cursor.index += 1
    if not digits.isdigit() or len(digits) + len(token) > 64:
        cursor.refuse()
    whole, _, decimals = token.partition(".")
    head = Fraction(int(whole + decimals), 10 ** len(decimals))
    tail = Fraction(int(digits), 10 ** len(digits) - 1)
    return ("n", head + tail / 10 ** len(decimals), None)


def _based(cursor: Cursor, digits: str) -> Tree:
    cursor.index += 1
    braced = cursor.tokens[cursor.index] == "{"
    cursor.index += braced
    base = cursor.tokens[cursor.index].removeprefix(r"\text{").lower()
    cursor.index += 1
    base = BASES.get(base, base)
    if braced:
        if cursor.tokens[cursor.index] != "}":
            cursor.refuse()
        cursor.index += 1
    if not base.isdigit() or len(base) > 2 or not 2 <= int(base) <= 36:
        cursor.refuse()
    if not digits.isdigit() or len(digits) > DIGITS:
        cursor.refuse()
    if max(digits) >= chr(48 + min(int(base), 10)):
        cursor.refuse()
    return ("base", digits.lstrip("0") or "0", int(base))


def add_minutes(cursor: Cursor, degrees: Tree) -> Tree:
    """Reads the rest of `63° 45' 36''`."""
    for mark, size in (("'", 60), ("''", 3600)):
        token = cursor.tokens[cursor.index]
        if (
            token[:1].isdigit()
            and cursor.tokens[cursor.index + 1] == mark
            and degrees[0] in ("n", "+")
        ):
            cursor.index += 2
            part = ("/", literal(token), ("n", size, None))
            degrees = ("+", degrees, part)
    return degrees
