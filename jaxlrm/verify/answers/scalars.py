r"""Compares two single values: exact tiers first, then certified numerics.

The tiers are `rational` (exact numbers), `modular` (identity modulo a secret
prime), `numerical` (ball arithmetic) and, where a caller passes it, an engine
of computer algebra. Each says VALID, INVALID or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from jaxlrm.verify.answers import floats, modular, numerical, units
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.rational import Irrational, rational
from jaxlrm.verify.answers.syntax import Tree, names
from jaxlrm.verify.verdict import Verdict, any_of, decided

TIERS = ("text", "containers", "rational", "modular", "numerical", "algebra")
_CONSTANTS = ("C", "c", "K", "k", "C_1", "c_1")
_EXPRESSIONS = frozenset(("n", "v", "f", *"+-*/^"))


class Judge:
    """Decides pairs and remembers the highest tier it needed.

    Attributes:
        tier: index into `TIERS`.
        algebra: the last tier: True, False or None for a pair of trees; asked
            with "equal" or "proportional".
    """

    __slots__ = ("algebra", "tier")

    def __init__(
        self,
        algebra: Callable[[str, Tree, Tree], bool | None] | None = None,
    ):
        self.tier = 0
        self.algebra = algebra

    def reach(self, tier: str) -> None:
        """Notes that a tier decides or was asked in vain."""
        self.tier = max(self.tier, TIERS.index(tier))

    def quantities(self, answer: Tree, gold: Tree) -> Verdict:
        """Compares two values; a unit that one leaves out is ignored.

        The question has it. Two different units make different quantities.
        """
        value, unit = _split(answer)
        right, gold_unit = _split(gold)
        if unit is units.NONE and gold_unit is not units.NONE:
            value, unit = _letter_as_unit(value, gold_unit)
        elif gold_unit is units.NONE and unit is not units.NONE:
            right, gold_unit = _letter_as_unit(right, unit)
        elif unit.powers != gold_unit.powers:
            unit, gold_unit = units.essential(unit), units.essential(gold_unit)
        if unit is gold_unit is units.NONE and not names(right):
            value = _without_rate(value)
        percent = unit.powers == (("%", 1),)
        if gold_unit.powers == (("%", 1),):
            if percent:
                return self.values(value, right)
            if unit is not units.NONE:
                return Verdict.INVALID
            # 0.28 is 28 %, and 28 is where a percentage is asked for.
            readings = (_times(value, 100), value)
            return any_of(self.values(reading, right) for reading in readings)
        if units.same_kind(unit, gold_unit):
            if unit.size != gold_unit.size:
                value = _times(value, unit.size / gold_unit.size)
            verdict = self.values(value, right)
            if verdict is Verdict.INVALID:
                return self.without_degrees(value, right)
            return verdict
        verdict = self.values(value, right)
        if verdict is Verdict.INVALID and self.angles(answer, gold):
            return Verdict.VALID
        if gold_unit is units.NONE:
            if percent and verdict is Verdict.INVALID:
                return self.values(_times(value, Fraction(1, 100)), right)
            return verdict
        if unit is units.NONE:
            return verdict
        if verdict is Verdict.VALID and (
            units.is_counted(unit) or units.is_counted(gold_unit)
        ):
            return Verdict.UNKNOWN  # another name for the same thing?
        return Verdict.INVALID

    def without_degrees(self, answer: Tree, gold: Tree) -> Verdict:
        """`180° - a` where the other one writes no sign of degrees at all."""
        bare, right = _without_degrees(answer), _without_degrees(gold)
        if (bare == answer) == (right == gold) or "'degrees'" in repr(
            (bare, right)
        ):
            return Verdict.INVALID
        return self.values(bare, right)

    def angles(self, answer: Tree, gold: Tree) -> bool:
        """Are they one angle, in degrees and in multiples of pi?"""
        (value, unit), (right, gold_unit) = _split(answer), _split(gold)
        degrees, radians = (("angle", 1),), ((), (("radian", 1),))
        if unit.powers == degrees and gold_unit.powers in radians:
            value = _times(("*", value, ("v", "pi")), Fraction(1, 180))
        elif gold_unit.powers == degrees and unit.powers in radians:
            right = _times(("*", right, ("v", "pi")), Fraction(1, 180))
        else:
            return False
        if not (_is_radians(value) or _is_radians(right)):
            return False
        return self.values(value, right) is Verdict.VALID

    def values(self, answer: Tree, gold: Tree) -> Verdict:
        """Compares two expressions.

        A gold decimal stands for every exact value that rounds to it.
        """
        if answer == gold:
            return Verdict.VALID
        if "base" in (answer[0], gold[0]):
            return self.based(answer, gold)
        if "ratio" in (answer[0], gold[0]):
            return self.ratios(answer, gold)
        if answer[0] not in _EXPRESSIONS or gold[0] not in _EXPRESSIONS:
            return Verdict.UNKNOWN
        infinite = _compare_infinite(answer, gold)
        if infinite is not None:
            return infinite
        exact = self.rationals(answer, gold)
        if exact is not None:
            return exact
        try:
            return self.irrationals(answer, gold)
        except NotParsed:
            return self.deeper("equal", answer, gold)
        except ZeroDivisionError:
            return self.undefined(answer)

    def is_near(self, rounded: Tree, exact: Tree) -> bool | None:
        """Is a decimal what is left of an exact value? None: cannot tell."""
        rounded, exact = _split(rounded)[0], _split(exact)[0]
        half = precision(rounded) or (
            Fraction(1, 2) if rounded[0] == "n" else None
        )
        if half is None:
            return None
        try:
            decimal = Fraction(rational(rounded))
            value = _rational(exact)
            if value is not None and (value / (2 * half)).denominator == 1:
                return value == decimal  # there was nothing to round
            # Cut off or rounded, up to two units of the last place.
            return numerical.rounds_to(exact, decimal, 4 * half)
        except (NotParsed, ZeroDivisionError):
            return None

    def based(self, answer: Tree, gold: Tree) -> Verdict:
        """`52_8` is 42, and must be written in the base, if the gold is."""
        self.reach("rational")
        if gold[0] == "base":
            if answer[0] != "base":
                return (
                    Verdict.UNKNOWN
                    if answer == ("n", int(gold[1]), None)
                    else Verdict.INVALID
                )
            return decided(answer[1:] == gold[1:])
        number = ("n", int(answer[1], answer[2]), None)
        verdict = self.values(number, gold)
        if verdict is Verdict.INVALID and gold == ("n", int(answer[1]), None):
            return Verdict.UNKNOWN  # does the problem name the base?
        return verdict

    def ratios(self, answer: Tree, gold: Tree) -> Verdict:
        """`6 : 8` is `3 : 4` and 3/4."""
        if len(answer) > 3 or len(gold) > 3:
            if answer[0] != gold[0] or len(answer) != len(gold):
                return Verdict.UNKNOWN
            verdicts = [
                self.values(("/", one, answer[1]), ("/", other, gold[1]))
                for one, other in zip(answer[2:], gold[2:], strict=True)
            ]
            wrong = any(v is not Verdict.VALID for v in verdicts)
            return Verdict.INVALID if wrong else Verdict.VALID
        return self.values(_as_quotient(answer), _as_quotient(gold))

    def undefined(self, answer: Tree) -> Verdict:
        """Something is divided by zero; a right answer is not."""
        try:
            modular.residue(answer)
        except ZeroDivisionError:
            return Verdict.INVALID
        except NotParsed:
            pass
        return Verdict.UNKNOWN

    def rationals(self, answer: Tree, gold: Tree) -> Verdict | None:
        """Both without variables and irrational parts; else None."""
        try:
            right = rational(gold)
        except (NotParsed, ZeroDivisionError):
            return None
        self.reach("rational")
        try:
            value = rational(answer)
        except ZeroDivisionError:
            return Verdict.INVALID
        except Irrational:
            return self.rounded(answer, gold, right)
        except NotParsed:
            return None
        if value == right or floats.is_printed(answer, gold):
            return Verdict.VALID
        half = precision(gold)
        if half and abs(value - right) <= half:
            # More decimals than the gold has may be right or a mistake.
            return Verdict.UNKNOWN if has_decimals(answer) else Verdict.VALID
        return Verdict.INVALID

    def rounded(
        self, answer: Tree, gold: Tree, right: int | Fraction
    ) -> Verdict | None:
        """An irrational answer to a decimal gold."""
        half = precision(gold)
        if not half or names(answer) - {"pi", "e"}:
            return None
        try:
            near = numerical.rounds_to(answer, Fraction(right), half)
        except (NotParsed, ZeroDivisionError):
            return None
        self.reach("numerical")
        if near is None:
            return None
        if near and has_decimals(answer):
            return Verdict.UNKNOWN
        return decided(near)

    def irrationals(self, answer: Tree, gold: Tree) -> Verdict:
        if floats.is_printed(answer, gold):
            self.reach("numerical")
            return Verdict.VALID
        self.reach("modular")
        answer, gold = _same_imaginary(answer, gold)
        answer = _same_constant(answer, gold)
        same = modular.identical(answer, gold)
        if same is not None:
            if same is False and _has_constant(answer, gold):
                return self.up_to_constant(answer, gold, same)
            return decided(same)
        self.reach("numerical")
        try:
            same = numerical.equal(answer, gold)
        except NotParsed:
            same = None
        if same is not True and _has_constant(answer, gold):
            return self.up_to_constant(answer, gold, same)
        if same is not None:
            return decided(same)
        return self.deeper("equal", answer, gold)

    def up_to_constant(
        self, answer: Tree, gold: Tree, same: bool | None
    ) -> Verdict:
        """Antiderivatives may differ by what `+ C` takes up."""
        self.reach("numerical")
        for name in _CONSTANTS:
            if name in names(answer) and name in names(gold):
                try:
                    if numerical.equal_up_to_constant(answer, gold, name):
                        return Verdict.VALID
                except (NotParsed, ZeroDivisionError):
                    continue
        return Verdict.UNKNOWN if same is None else Verdict.INVALID

    def equations(self, answer: Tree, gold: Tree) -> Verdict:
        """Two equations, as differences of their sides, by a factor."""
        self.reach("modular")
        try:
            same = modular.proportional(answer, gold)
        except NotParsed:
            return Verdict.UNKNOWN
        except ZeroDivisionError:
            return self.undefined(answer)
        if same is None:
            self.reach("numerical")
            try:
                same = numerical.proportional(answer, gold)
            except (NotParsed, ZeroDivisionError):
                same = None
        if same:
            return Verdict.VALID
        size = degree(answer)
        if same is False and size == degree(gold) and size in (1, 2):
            return Verdict.INVALID
        return self.deeper("proportional", answer, gold)

    def deeper(self, question: str, answer: Tree, gold: Tree) -> Verdict:
        """Asks computer algebra, where there is one."""
        if self.algebra is None:
            return Verdict.UNKNOWN
        self.reach("algebra")
        same = self.algebra(question, answer, gold)
        return Verdict.UNKNOWN if same is None else decided(same)


def precision(gold: Tree) -> Fraction | None:
    """Half a unit of the last place of a decimal; None for other golds.

    Of decimals with two places or three digits: 0.5 may well be exact.
    """
    if gold[0] == "-":
        return precision(gold[1])
    if gold[0] == "n":
        decimals = gold[2]
        if decimals is None:
            return None
        digits = len(str(abs(int(gold[1] * 10**decimals))))
        if decimals < 2 and digits < 3:
            return None
        return Fraction(1, 2 * 10**decimals)
    if gold[0] == "*" and gold[2][0] == "^" and gold[2][1] == ("n", 10, None):
        half = precision(gold[1])
        return half and half * Fraction(rational(gold[2]))
    return None


def _rational(tree: Tree) -> int | Fraction | None:
    try:
        return rational(tree)
    except (NotParsed, ZeroDivisionError):
        return None


def has_decimals(tree: Tree) -> bool:
    """Is any number of the tree written with decimals?"""
    if tree[0] == "n":
        return tree[2] is not None or type(tree[1]) is Fraction
    return any(
        has_decimals(part)
        for part in tree[1:]
        if type(part) is tuple and part and type(part[0]) is str
    )


def _compare_infinite(answer: Tree, gold: Tree) -> Verdict | None:
    """Nothing is computed with infinity; None where there is none."""
    ends = (("v", "oo"), ("-", ("v", "oo")))
    found = [tree for tree in (answer, gold) if _has_infinity(tree)]
    if not found:
        return None
    return (
        Verdict.INVALID
        if all(tree in ends for tree in found)
        else Verdict.UNKNOWN
    )


def _has_infinity(tree: Tree) -> bool:
    if tree[0] == "v":
        return tree[1] == "oo"
    return tree[0] in "+-*/^" and any(map(_has_infinity, tree[1:]))


def degree(tree: Tree) -> int | None:
    """Of a polynomial as it is written; None for what is none."""
    kind = tree[0]
    if kind == "n" or tree in (("v", "pi"), ("v", "e")):
        return 0
    if kind == "v":
        return 1
    if kind == "-":
        return degree(tree[1])
    if kind in ("+", "*", "/"):
        left, right = degree(tree[1]), degree(tree[2])
        if left is None or right is None or (kind == "/" and right):
            return None
        return max(left, right) if kind == "+" else left + right
    if kind == "^":
        base = degree(tree[1])
        if tree[2][0] == "n" and type(tree[2][1]) is int and base is not None:
            return base * tree[2][1] if 0 <= tree[2][1] < 1000 else None
        return 0 if base == 0 and degree(tree[2]) == 0 else None
    if kind == "f":
        inner = [degree(argument) for argument in tree[2]]
        return 0 if all(size == 0 for size in inner) else None
    return None


def _without_degrees(tree: Tree) -> Tree:
    """A sum of angles without signs of degrees; not within functions."""
    if tree[0] == "f" and tree[1] == "degrees":
        return tree[2][0]
    if tree[0] in ("+", "-", "*", "/"):
        return (tree[0], *map(_without_degrees, tree[1:]))
    return tree


def _times(tree: Tree, factor: int | Fraction) -> Tree:
    return ("*", tree, ("n", factor, None))


def _as_quotient(tree: Tree) -> Tree:
    return ("/", tree[1], tree[2]) if tree[0] == "ratio" else tree


def _split(tree: Tree) -> tuple[Tree, units.Unit]:
    if tree[0] == "unit":
        return tree[1], tree[2]
    return tree, units.NONE


def _letter_as_unit(tree: Tree, unit: units.Unit) -> tuple[Tree, units.Unit]:
    """The m of `5 m` is metres where the other side says so."""
    value, meant = tree, units.NONE
    for _ in range(4):
        if value[0] not in "*/":
            break
        name, power = value[2], 1
        if name[0] == "^" and name[2][0] == "n":
            name, power = name[1], name[2][1]
        if name[0] != "v" or name[1] not in units.LETTERS:
            break
        if power not in (1, 2, 3):
            break
        sign = 1 if value[0] == "*" else -1
        meant = units.times(meant, units.single(name[1]), sign * power)
        value = value[1]
        if meant.powers == unit.powers:
            return value, meant
    return tree, units.NONE


def _without_rate(tree: Tree) -> Tree:
    """The 5 of `5 m/s`, where the gold has no letters."""
    if tree[0] != "/" or tree[1][0] != "*" or tree[1][1][0] == "v":
        return tree
    top, bottom = tree[1][2], tree[2]
    if bottom[0] == "^":
        bottom = bottom[1]
    letters = (top, bottom)
    if all(name[0] == "v" and name[1] in units.LETTERS for name in letters):
        return tree[1][1]
    return tree


def _same_constant(answer: Tree, gold: Tree) -> Tree:
    """`+ c` for `+ C`, and `c_1` for `C_1`, where the gold has the other."""
    here, there = names(answer), names(gold)
    ours, wanted = here - there, there - here
    for name in ours:
        swapped = name.swapcase()
        if name[0] in "cCkK" and swapped in wanted:
            answer = renamed(answer, ("v", name), ("v", swapped))
    if len(ours) == len(wanted) == 1:
        name, other = ("v", *ours), ("v", *wanted)
        if name[1] in _CONSTANTS and other[1] in _CONSTANTS:
            if name in _addends(answer) and other in _addends(gold):
                return renamed(answer, name, other)
    return answer


def _same_imaginary(answer: Tree, gold: Tree) -> tuple[Tree, Tree]:
    """sympy's I as i, where the other one is written with i."""
    here, there = names(answer), names(gold)
    if {"i", "I"} & here & there or not (here | there) >= {"i", "I"}:
        return answer, gold
    i, printed = ("v", "i"), ("v", "I")
    return renamed(answer, printed, i), renamed(gold, printed, i)


def _is_radians(tree: Tree) -> bool:
    """Is it certainly an angle, by pi or by `arctan`?"""
    return "pi" in names(tree) or "('f', 'arc" in repr(tree)


def _addends(tree: Tree) -> list[Tree]:
    if tree[0] != "+":
        return [tree]
    return _addends(tree[1]) + _addends(tree[2])


def renamed(tree: Tree, name: Tree, other: Tree) -> Tree:
    """`tree` with one part in place of another."""
    if tree == name:
        return other
    return tuple(
        renamed(part, name, other) if type(part) is tuple else part
        for part in tree
    )


def _has_constant(answer: Tree, gold: Tree) -> bool:
    found = names(gold)
    if not any(name in found for name in _CONSTANTS):
        return False
    found = found & names(answer)
    return any(name in found for name in _CONSTANTS)
