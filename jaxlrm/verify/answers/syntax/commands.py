"""LaTeX commands that begin an operand."""

from __future__ import annotations

from jaxlrm.verify.answers.syntax.cursor import ITEMS, Reader
from jaxlrm.verify.answers.syntax.functions import (
    add_up,
    multiply_up,
    read_function,
)
from jaxlrm.verify.answers.syntax.names import (
    CONSTANTS,
    DECORATIONS,
    FUNCTIONS,
    GREEK,
)
from jaxlrm.verify.answers.syntax.nodes import Tree, determinant
from jaxlrm.verify.answers.syntax.variables import read_variable

_NAMED_SETS = {
    "R": (("-", ("v", "oo")), ("v", "oo")),
}
_MATRICES = frozenset(
    """matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix array smallmatrix
    aligned align gathered cases""".split()
)


def read_command(parser: Reader, token: str) -> Tree:
    """The operand that a command begins; the command itself is read."""
    read = PREFIXES.get(token)
    if read is not None:
        parser.deeper()
        tree = read(parser)
        parser.depth -= 1
        return tree
    if token in CONSTANTS:
        return ("v", CONSTANTS[token])
    if token in GREEK:
        return read_variable(parser, token)
    if token[1:] in FUNCTIONS:
        return read_function(parser, FUNCTIONS[token[1:]])
    if token.startswith(r"\text{"):
        name = token[6:]
        if name in FUNCTIONS:
            return read_function(parser, FUNCTIONS[name])
        if len(name) == 1 and name.isalpha():
            return read_variable(parser, name)
    elif token.startswith(r"\begin") and token[-1] == "}":
        return _matrix(parser, token[token.index("{") + 1 : -1].rstrip("*"))
    elif token.startswith(r"\mathbb"):
        return _named_set(parser, token.rstrip("}")[-1])
    elif token in DECORATIONS:
        inner = parser.argument()
        return ("v", token[1:] + "(" + repr(inner) + ")")
    parser.index -= 1
    parser.refuse()


def _named_set(parser: Reader, letter: str) -> Tree:
    if letter == "R" and parser.tokens[parser.index] not in ("^", "_"):
        return ("group", "()", _NAMED_SETS["R"])
    return ("v", "set " + letter)


def _fraction(parser: Reader) -> Tree:
    return ("/", parser.argument(), parser.argument())


def _root(parser: Reader) -> Tree:
    degree: Tree = ("n", 2, None)
    if parser.tokens[parser.index] == "[":
        parser.index += 1
        degree = parser.expression(0)
        parser.close("]")
    return ("f", "root", (parser.argument(), degree))


def _binomial(parser: Reader) -> Tree:
    return ("f", "binomial", (parser.argument(), parser.argument()))


def _braces(parser: Reader) -> Tree:
    tokens = parser.tokens
    if tokens[parser.index] == r"\}":
        parser.index += 1
        return ("set", ())
    bars, parser.bars = parser.bars, 1
    tree = parser.items((r"\}", "|", r"\mid", ":"))
    parser.bars = bars
    if tokens[parser.index] != r"\}":
        if not tokens[parser.index]:
            parser.refuse()
        parser.index += 1
        condition = parser.items((r"\}",))
        parser.close(r"\}")
        return ("builder", tree, condition)
    parser.index += 1
    return ("set", tree[1] if tree[0] == "list" else (tree,))


def _angle(parser: Reader) -> Tree:
    tree = parser.items((r"\rangle",))
    parser.close(r"\rangle")
    if tree[0] == "list":
        return ("group", "<>", tree[1])
    return ("f", "inner", (tree,))


def _norm(parser: Reader) -> Tree:
    return parser.between(r"\|", "norm")


def _floor(parser: Reader) -> Tree:
    tree = parser.expression(0)
    parser.close(r"\rfloor")
    return ("f", "floor", (tree,))


def _ceiling(parser: Reader) -> Tree:
    tree = parser.expression(0)
    parser.close(r"\rceil")
    return ("f", "ceil", (tree,))


def _empty(parser: Reader) -> Tree:
    return ("set", ())


def _dots(parser: Reader) -> Tree:
    return ("v", "...")


def _matrix(parser: Reader, kind: str) -> Tree:
    if kind not in _MATRICES:
        parser.refuse()
    tokens = parser.tokens
    rows: list[tuple[Tree, ...]] = []
    row: list[Tree] = []
    ends = ("&", r"\\", rf"\end{{{kind}}}", rf"\end{{{kind}*}}")
    count = 0
    while True:
        if tokens[parser.index] not in ends:
            row.append(parser.item() if kind == "cases" else parser.quantity())
        token = tokens[parser.index]
        parser.index += 1
        count += 1
        if count > ITEMS or token not in ends:
            parser.index -= 1
            parser.refuse()
        if token == "&":
            continue
        if row:
            rows.append(tuple(row))
        row = []
        if token != r"\\":
            break
    if not rows or len({len(row) for row in rows}) > 1:
        parser.refuse()
    tree: Tree = ("matrix", tuple(rows))
    if kind in ("vmatrix", "Vmatrix"):
        return determinant(tree)
    if kind in ("aligned", "align", "gathered", "cases"):
        if len(rows[0]) > 1:
            parser.refuse()
        items = tuple(row[0] for row in rows)
        return ("list", items, frozenset((",",)))
    return tree


PREFIXES = {
    r"\frac": _fraction,
    r"\sqrt": _root,
    r"\binom": _binomial,
    r"\{": _braces,
    r"\langle": _angle,
    r"\|": _norm,
    r"\lfloor": _floor,
    r"\lceil": _ceiling,
    r"\emptyset": _empty,
    r"\ldots": _dots,
    r"\sum": add_up,
    r"\prod": multiply_up,
}
