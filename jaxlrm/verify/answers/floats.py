r"""Is a decimal the float that a program prints for an exact value?

`4.123105625617661` is `\sqrt{17}`: it has the digits of a float, and agrees in
all of them. Decimals with fewer digits are nothing but themselves.
"""

from __future__ import annotations

import math
from fractions import Fraction

from jaxlrm.verify.answers import numerical
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.syntax import Tree, names

DIGITS = 12  # significant ones; sympy prints 15, Python up to 17
PLACES = 4  # behind the point: 123456789012345.1 is no float of a whole number


def unit(tree: Tree) -> Fraction | None:
    """A unit of the last place of a decimal with the digits of a float.

    None for other trees.
    """
    if tree[0] == "-":
        return unit(tree[1])
    if tree[0] != "n" or tree[2] is None or tree[2] < PLACES:
        return None
    digits = len(str(abs(int(tree[1] * 10 ** tree[2]))))
    return Fraction(1, 10 ** tree[2]) if digits >= DIGITS else None


def is_printed(answer: Tree, exact: Tree) -> bool:
    """Is a decimal what a program prints for an exact value?

    It agrees with it in all its digits, the last one rounded (from the float
    that is nearest) or cut off; or it is a float next to the nearest one, as
    `0.30000000000000004` is to 3/10.

    Args:
        answer: a decimal, with a sign or not.
        exact: an expression.

    Returns:
        True where this is shown.
    """
    last = unit(answer)
    if last is None or names(exact) - {"pi", "e"}:
        return False
    value = answer[1] if answer[0] == "n" else -answer[1][1]
    away = last / 2 if value > 0 else -last / 2
    try:
        spacing = Fraction(math.ulp(numerical.nearest(exact)))
        # The printed digits of a neighbour are rounded, too.
        near = max(last / 2 + spacing / 2, spacing * Fraction(5, 4))
        return bool(
            numerical.rounds_to(exact, value, near)
            or numerical.rounds_to(exact, value + away, last / 2)
        )
    except (NotParsed, ZeroDivisionError, OverflowError):
        return False
