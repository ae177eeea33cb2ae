"""Derivatives of expressions, by the rules of differentiation."""

from __future__ import annotations

from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.syntax import Tree, names

SIZE = 200  # nodes that are differentiated

_ONE: Tree = ("n", 1, None)
_TWO: Tree = ("n", 2, None)
_ZERO: Tree = ("n", 0, None)


def _inverse(tree: Tree) -> Tree:
    return ("/", _ONE, tree)


def _square(tree: Tree) -> Tree:
    return ("^", tree, _TWO)


def _call(name: str, argument: Tree) -> Tree:
    return ("f", name, (argument,))


def _root_of(tree: Tree) -> Tree:
    return ("f", "root", (tree, _TWO))


# The derivative of each by its argument.
_OUTER = {
    "sin": lambda u: _call("cos", u),
    "cos": lambda u: ("-", _call("sin", u)),
    "tan": lambda u: _inverse(_square(_call("cos", u))),
    "cot": lambda u: ("-", _inverse(_square(_call("sin", u)))),
    "sec": lambda u: ("*", _call("sec", u), _call("tan", u)),
    "csc": lambda u: ("-", ("*", _call("csc", u), _call("cot", u))),
    "sinh": lambda u: _call("cosh", u),
    "cosh": lambda u: _call("sinh", u),
    "tanh": lambda u: _inverse(_square(_call("cosh", u))),
    "ln": _inverse,
    "arcsin": lambda u: _inverse(_root_of(("+", _ONE, ("-", _square(u))))),
    "arccos": lambda u: (
        "-",
        _inverse(_root_of(("+", _ONE, ("-", _square(u))))),
    ),
    "arctan": lambda u: _inverse(("+", _ONE, _square(u))),
}


def derivative(tree: Tree, name: str) -> Tree:
    """The derivative by a variable, not simplified.

    Raises:
        NotParsed: of a function without a rule, or over the budget.
    """
    return _Rules(name).of(tree)


class _Rules:
    def __init__(self, name: str):
        self.name = name
        self.left = SIZE

    def of(self, tree: Tree) -> Tree:
        self.left -= 1
        if self.left < 0:
            raise NotParsed(f"more than {SIZE} parts to differentiate")
        kind = tree[0]
        if self.name not in names(tree):
            return _ZERO
        if kind == "v":
            return _ONE
        if kind == "-":
            return ("-", self.of(tree[1]))
        if kind == "+":
            return ("+", self.of(tree[1]), self.of(tree[2]))
        if kind == "*":
            one, other = tree[1], tree[2]
            return ("+", ("*", self.of(one), other), ("*", one, self.of(other)))
        if kind == "/":
            one, other = tree[1], tree[2]
            if self.name not in names(other):
                return ("/", self.of(one), other)
            top = (
                "+",
                ("*", self.of(one), other),
                ("-", ("*", one, self.of(other))),
            )
            return ("/", top, _square(other))
        if kind == "^":
            return self.power(tree[1], tree[2])
        if kind == "f":
            return self.function(tree[1], tree[2])
        raise NotParsed(f"no rule for {kind}")

    def power(self, base: Tree, exponent: Tree) -> Tree:
        if self.name not in names(exponent):
            lower = ("^", base, ("+", exponent, ("n", -1, None)))
            return ("*", ("*", exponent, lower), self.of(base))
        whole = ("^", base, exponent)
        if base == ("v", "e"):
            return ("*", whole, self.of(exponent))
        return ("*", whole, self.of(("*", exponent, _call("ln", base))))

    def function(self, name: str, arguments: tuple[Tree, ...]) -> Tree:
        inner = arguments[0]
        if name == "root":
            return self.power(inner, ("/", _ONE, arguments[1]))
        if name not in _OUTER or len(arguments) > 1:
            raise NotParsed(f"no rule for {name}")
        return ("*", _OUTER[name](inner), self.of(inner))
