"""Functions, sums and products with the arguments they take."""

from __future__ import annotations

from jaxlrm.verify.answers.syntax.cursor import Reader
from jaxlrm.verify.answers.syntax.names import (
    FUNCTIONS,
    INVERSE,
    LOOSE,
    POWER,
    SUM,
    SYMMETRIC,
)
from jaxlrm.verify.answers.syntax.nodes import Tree, determinant, literal


def read_function(parser: Reader, name: str) -> Tree:
    r"""`\sin^2 2x`, `\log_2(x)`, `\sin(x) y`, `sqrt(2)`."""
    tokens = parser.tokens
    base = exponent = None
    for _ in range(2):
        if tokens[parser.index] == "_" and base is None:
            parser.index += 1
            base = parser.argument()
        elif tokens[parser.index] in ("^", "**") and exponent is None:
            parser.index += 1
            exponent = _exponent(parser)
    if tokens[parser.index] == "(" or tokens[parser.index] == "[":
        opening = tokens[parser.index]
        parser.index += 1
        argument = parser.group(opening)
        if argument[0] == "group":
            arguments = argument[2]
        else:
            arguments = (argument,)
    elif tokens[parser.index] == r"\{" and name in SYMMETRIC:
        arguments = parser.prefix()[1]  # of a set
    elif tokens[parser.index] == "{" and name in ("sqrt", "cbrt", "abs"):
        arguments = (parser.argument(),)
    elif name in LOOSE:
        arguments = (_loose_argument(parser),)
    else:
        parser.refuse()
    if name in SYMMETRIC:
        arguments = tuple(sorted(arguments, key=repr))
    if name in ("sqrt", "cbrt"):
        degree = ("n", 2 if name == "sqrt" else 3, None)
        return ("f", "root", (arguments[0], degree))
    if name == "det" and arguments[0][0] == "matrix":
        tree = determinant(arguments[0])
    elif name == "exp":
        tree = ("^", ("v", "e"), arguments[0])
    elif name == "log" and base is not None:
        tree = ("f", "log", (arguments[0], base))
    elif base is not None:
        tree = ("f", f"{name}_{base!r}", arguments)
    else:
        if exponent == ("-", ("n", 1, None)) and name in INVERSE:
            name, exponent = INVERSE[name], None
        tree = ("f", name, arguments)
    return tree if exponent is None else ("^", tree, exponent)


def _exponent(parser: Reader) -> Tree:
    r"""The 2 of `\sin^2 x`; more in braces."""
    token = parser.tokens[parser.index]
    if token.isdigit():
        parser.index += 1
        return literal(token)
    if token == "-" and parser.tokens[parser.index + 1] == "1":
        parser.index += 2
        return ("-", ("n", 1, None))
    return parser.argument()


def _loose_argument(parser: Reader) -> Tree:
    r"""Factors up to a sign, another function or a bracket."""
    parser.deeper()
    tokens = parser.tokens
    if tokens[parser.index] in ("-", "+"):
        sign = tokens[parser.index]
        parser.index += 1
        inner = _loose_argument(parser)
        parser.depth -= 1
        return ("-", inner) if sign == "-" else inner
    tree = parser.expression(POWER - 1)
    # A bracket of its own ends the argument: |x|, {x}, another function.
    ended = tree[0] == "f" and tree[1] not in (
        "root",
        "degrees",
        "factorial",
    )
    while not ended:
        token = tokens[parser.index]
        if (
            not parser.is_factor(token)
            or token in ("(", "[", "|", "{")
            or token in FUNCTIONS
            or token[1:] in FUNCTIONS
            or token.startswith(r"\begin")
        ):
            break
        if token == "d" and tokens[parser.index + 1].isalpha():
            break
        tree = ("*", tree, parser.expression(POWER - 1))
    parser.depth -= 1
    return tree


def add_up(parser: Reader) -> Tree:
    """The rest of a sum over a variable."""
    return _total(parser, "sum")


def multiply_up(parser: Reader) -> Tree:
    """The rest of a product over a variable."""
    return _total(parser, "prod")


def _total(parser: Reader, name: str) -> Tree:
    r"""`\sum_{k=1}^{n} a_k`, with the body up to the next + or -."""
    bounds: dict[str, Tree] = {}
    for _ in range(2):
        token = parser.tokens[parser.index]
        if token not in ("_", "^") or token in bounds:
            break
        parser.index += 1
        bounds[token] = parser.argument()
    lower, upper = bounds.get("_"), bounds.get("^")
    if (
        lower is None
        or upper is None
        or lower[0] != "rel"
        or lower[1] != ("=",)
        or lower[2][0][0] != "v"
    ):
        parser.refuse()
    body = parser.expression(SUM)
    return ("f", name, (lower[2][0], lower[2][1], upper, body))
