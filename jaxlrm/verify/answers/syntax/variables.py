"""Variables: subscripts, primes, and what makes a letter a function."""

from __future__ import annotations

from jaxlrm.verify.answers.syntax.cursor import Cursor, Reader
from jaxlrm.verify.answers.syntax.names import CALLED, GREEK
from jaxlrm.verify.answers.syntax.nodes import Tree, literal


def read_variable(parser: Reader, name: str) -> Tree:
    """The variable or call that starts with a letter, which is read."""
    tokens = parser.tokens
    if tokens[parser.index] == "_":
        name += _subscript(parser)
    if tokens[parser.index][:1] == "'":
        name += tokens[parser.index]
        parser.index += 1
    if tokens[parser.index] in ("(", "^"):
        name += _called(parser)
    if name == "C" and _is_choice_of(parser):
        numbers = tokens[parser.index + 1], tokens[parser.index + 3]
        parser.index += 5
        return ("f", "binomial", tuple(map(literal, numbers)))
    if name[0] in CALLED and tokens[parser.index] == "(":
        parser.index += 1
        arguments = parser.items((")",))
        parser.close(")")
        return ("f", name, (arguments,))
    return ("v", name)


def _is_choice_of(cursor: Cursor) -> bool:
    """Is it the `(10, 3)` of `C(10, 3)`?"""
    opening, top, comma, bottom, closing = (
        cursor.tokens[cursor.index : cursor.index + 5] + [""] * 5
    )[:5]
    return (
        (opening, comma, closing) == ("(", ",", ")")
        and top.isdigit()
        and bottom.isdigit()
    )


def _called(cursor: Cursor) -> str:
    """The `(x)` of `y(x) =` and `f^{-1}(x) =`: a part of the name."""
    tokens = cursor.tokens
    start = end = cursor.index
    if tokens[start : start + 5] == ["^", "{", "-", "1", "}"]:
        end += 5
    if tokens[end] != "(":
        return ""
    end += 1
    while tokens[end].isalpha() or tokens[end] in GREEK:
        end += 1
        if tokens[end] != ",":
            break
        end += 1
    if tokens[end] != ")" or tokens[end + 1] not in ("=", r"\approx"):
        return ""
    cursor.index = end + 1
    return "".join(tokens[start : end + 1])


def _subscript(cursor: Cursor) -> str:
    """`_1`, `_{ij}`, `_{n+1}` as a part of a name."""
    cursor.index += 1
    token = cursor.tokens[cursor.index]
    cursor.index += 1
    if token != "{":
        return "_" + token.removeprefix(r"\text{")
    parts, depth = [], 1
    while depth and len(parts) < 16:
        token = cursor.tokens[cursor.index]
        cursor.index += 1
        if not token:
            cursor.index -= 1
            cursor.refuse()
        depth += (token == "{") - (token == "}")
        parts.append(token.removeprefix(r"\text{"))
    if depth:
        cursor.refuse()
    return "_" + "".join(parts[:-1])
