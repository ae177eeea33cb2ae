"""The last tier: computer algebra by sympy, only in a killable worker.

Trees of our own parser are turned into sympy's; no text is given to it. What
it does has no bound in time or memory but those of the worker.
"""

from __future__ import annotations

from jaxlrm.verify.answers import equivalence
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.scalars import Judge
from jaxlrm.verify.answers.syntax import Tree
from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.workers import Pool

DEADLINE = 1.0  # seconds

_RENAMED = {
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arccot": "acot",
    "arcsec": "asec",
    "arccsc": "acsc",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "ln": "log",
    "abs": "Abs",
    "norm": "Abs",
    "ceil": "ceiling",
    "sgn": "sign",
}
_KNOWN = frozenset(
    """sin cos tan cot sec csc asin acos atan acot asec acsc sinh cosh tanh
    coth asinh acosh atanh log Abs floor ceiling sign factorial factorial2
    binomial root""".split()
)


def pool(workers: int = 1, deadline: float = DEADLINE) -> Pool:
    """A pool for the argument `workers` of `is_equivalent`; close it.

    Raises:
        As `Pool`; ImportError without sympy.
    """
    return Pool(workers, ("jaxlrm.verify.answers.algebra", "sympy"), deadline)


def decide(prediction: str, gold: str) -> Verdict:
    """The verdict of `compare` with computer algebra; a job for `pool`."""
    return equivalence.decide(prediction, gold, Judge(_ask))


def _ask(question: str, one: Tree, other: Tree) -> bool | None:
    """True where sympy shows it; it is not asked to show the contrary."""
    import sympy

    try:
        first, second = _converted(one, sympy), _converted(other, sympy)
    except NotParsed:
        return None
    if question == "equal":
        return True if sympy.simplify(first - second) == 0 else None
    ratio = sympy.simplify(first / second)
    constant = ratio.is_number and ratio.is_finite and not ratio.is_zero
    return True if constant else None


def _converted(tree: Tree, sympy):
    kind = tree[0]
    if kind == "n":
        number = tree[1]
        return sympy.Rational(number.numerator, number.denominator)
    if kind == "v":
        return _symbol(tree[1], sympy)
    if kind == "f":
        return _function(tree[1], tree[2], sympy)
    if kind not in ("+", "*", "/", "-", "^"):
        raise NotParsed(f"no expression: {kind}")
    parts = [_converted(part, sympy) for part in tree[1:]]
    if kind == "+":
        return parts[0] + parts[1]
    if kind == "*":
        return parts[0] * parts[1]
    if kind == "/":
        return parts[0] / parts[1]
    return -parts[0] if kind == "-" else parts[0] ** parts[1]


def _symbol(name: str, sympy):
    constants = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "oo": sympy.oo}
    if name in constants:
        return constants[name]
    if name == "...":
        raise NotParsed("something is left out")
    return sympy.Symbol(name, real=True)


def _function(name: str, arguments: tuple[Tree, ...], sympy):
    if name in ("sum", "prod"):
        variable, lower, upper, body = (
            _converted(argument, sympy) for argument in arguments
        )
        total = sympy.summation if name == "sum" else sympy.product
        return total(body, (variable, lower, upper))
    parts = [_converted(argument, sympy) for argument in arguments]
    if name == "degrees":
        return parts[0] * sympy.pi / 180
    name = _RENAMED.get(name, name)
    if name in _KNOWN:
        return getattr(sympy, name)(*parts)
    if not parts:
        raise NotParsed(name)
    return sympy.Function("f_" + name)(*parts)
