"""Is one step of a chain of thought a valid consequence of the ones before?

A step is compared with a line before it, never with the answer: no function
here solves a problem. A final answer is checked by substituting it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from jaxlrm.verify.exact import (
    Line,
    NotParsed,
    Number,
    Ratio,
    Value,
    difference,
    equal,
    is_linear,
    names_of,
    parse,
    proportional,
    substitute,
)
from jaxlrm.verify.extract import bare_answer, extract_answer
from jaxlrm.verify.malformed import is_malformed
from jaxlrm.verify.rules import (
    arithmetic,
    derivative,
    factors,
    moves,
    polynomials,
    programs,
    systems,
)
from jaxlrm.verify.verdict import Verdict, combine


class Rule(Protocol):
    """Judges chains about statements of a form of its own.

    A module with these functions, or an object. They are given what a model
    wrote, and return within a second. Verdicts are found in worker processes,
    where one that raises is an ERROR; `reads` and `answer` are called in the
    process of the engine too, and must never raise.
    """

    def reads(self, statement: str) -> bool:
        """Is it a statement of this form?"""

    def check(self, statement: str, steps: Sequence[str]) -> Verdict:
        """The verdict on the last of at least one step."""

    def check_answer(self, statement: str, steps: Sequence[str]) -> Verdict:
        """The verdict on the last step, which is to state the answer."""

    def answer(self, statement: str, steps: Sequence[str]) -> str | None:
        """The bare answer of a finished chain; None if it has none."""


# Where two rules read a statement, the first one takes it; what none reads is
# an equation, or an expression with unknowns, which this module judges.
_RULES: dict[str, Rule] = {
    "programs": programs,
    "moves": moves,
    "systems": systems,
    "polynomials": polynomials,
    "derivative": derivative,
    "factors": factors,
    "arithmetic": arithmetic,
}


def register(name: str, rule: Rule) -> None:
    """Adds a rule, behind those that are known.

    Worker processes learn of it by importing the module that calls this (the
    `extensions` of an engine).

    Args:
        name: of the rule, unique.
        rule: what judges.

    Raises:
        ValueError: the name is taken.
        TypeError: the rule lacks a function.
    """
    if name in _RULES:
        raise ValueError(
            f"there is a rule {name!r} already; choose a name that is none "
            f"of {', '.join(_RULES)}"
        )
    for needed in ("reads", "check", "check_answer", "answer"):
        if not callable(getattr(rule, needed, None)):
            raise TypeError(
                f"rule {name!r} has no function {needed!r}; it needs reads, "
                "check, check_answer and answer"
            )
    _RULES[name] = rule


def rule_for(statement: str) -> Rule | None:
    """The rule that judges chains about it, or None."""
    rules = _RULES.values()
    return next((rule for rule in rules if rule.reads(statement)), None)


class Relation(enum.Enum):
    """How a line stands to the line before it.

    Attributes:
        EQUIVALENT: the same value, or the same solutions.
        TRUE: holds on its own, such as `3 + 4 = 7`.
        TRIVIAL: holds, but says nothing, such as `0 = 0` or a repeated line.
        FALSE: another value, other solutions, or a wrong fact.
        UNKNOWN: not decided.
    """

    EQUIVALENT = enum.auto()
    TRUE = enum.auto()
    TRIVIAL = enum.auto()
    FALSE = enum.auto()
    UNKNOWN = enum.auto()


_VERDICTS = {
    Relation.EQUIVALENT: Verdict.VALID,
    Relation.TRUE: Verdict.VALID,
    Relation.TRIVIAL: Verdict.INVALID,
    Relation.FALSE: Verdict.INVALID,
    Relation.UNKNOWN: Verdict.UNKNOWN,
}


def check_step(before: str, after: str) -> Verdict:
    """Is the line `after` a valid consequence of the line `before`?

    - An expression must keep its value.
    - An equation must keep its solutions, none lost and none gained.
    - A fact without unknowns (`3 + 4 = 7`) must hold, whatever stands before
      it, and must say something: `0 = 0` does not follow from an equation.
    - A formula must be one: from `3 + * 5` nothing follows.

    Returns:
        VALID or INVALID where shown; UNKNOWN where a line cannot be read, is
        over a budget, or is of another sort. Never raises on any text.
    """
    if is_malformed(after):
        return Verdict.INVALID
    rule = rule_for(before)
    if rule is not None and rule is not arithmetic:
        return rule.check(before, [after])
    return _VERDICTS[relate(before, after)]


def check_chain(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on the last of `steps`.

    It is compared with the latest earlier line of its sort (expression or
    equation), or with the statement where there is none. A line that repeats
    the statement or an earlier line, up to spaces, makes no progress: INVALID.
    An expression that carries out more than one operation at once is not
    judged, since that would be to work the problem out: UNKNOWN. Earlier steps
    are taken as checked.

    Args:
        statement: the expression or equation that the problem states.
        steps: the chain so far, at least one line.

    Raises:
        ValueError: there are no steps.
    """
    if not steps:
        raise ValueError("no steps to check; give the chain and its last step")
    if is_malformed(steps[-1]):
        return Verdict.INVALID
    rule = rule_for(statement)
    if rule is not None:
        return rule.check(statement, steps)
    *earlier, last = steps
    earlier.insert(0, statement)
    form = _squeeze(last)
    if any(_squeeze(line) == form for line in earlier):
        return _VERDICTS[Relation.TRIVIAL]
    sort = _sort(last)
    before = statement
    for line in reversed(earlier):
        if _sort(line) == sort:
            before = line
            break
    if sort == "expression" and _operations(before) > _operations(last) + 1:
        return Verdict.UNKNOWN
    return check_step(before, last)


def check_answer(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on a finished chain whose last step claims the answer.

    The last step must pass `check_chain` and be in solved form: one plain
    number for an expression; `x = number` for an equation, and the number put
    in the place of `x` must satisfy the statement. A plain number is an
    integer, a decimal, or a fraction of integers that is not a whole number.

    Args:
        statement: the expression or equation that the problem states.
        steps: the chain, at least one line.

    Returns:
        VALID; INVALID for a wrong or an unsolved last line; else UNKNOWN.

    Raises:
        ValueError: there are no steps.
    """
    if not steps:
        raise ValueError("no steps to check; give the whole chain")
    if is_malformed(steps[-1]):
        return Verdict.INVALID
    rule = rule_for(statement)
    if rule is not None:
        return rule.check_answer(statement, steps)
    verdict = check_chain(statement, steps)
    if verdict is Verdict.INVALID:
        return verdict
    try:
        problem = parse(statement)
        parse(steps[-1])
        name, root = _solved_form(steps[-1])
        if root is None or bool(name) != (len(problem.sides) > 1):
            return Verdict.INVALID
        if name and not _satisfies(problem, name, root):
            return Verdict.INVALID
    except (NotParsed, ZeroDivisionError):
        return Verdict.UNKNOWN
    return verdict


def check_solution(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on a whole chain: of all its steps and of its answer.

    Args:
        statement: the expression or equation that the problem states.
        steps: the chain, at least one line.

    Raises:
        ValueError: there are no steps.
    """
    if not steps:
        raise ValueError("no steps to check; give the whole chain")
    verdicts = []
    for number in range(1, len(steps)):
        verdicts.append(check_chain(statement, steps[:number]))
        if verdicts[-1] is Verdict.INVALID:
            return Verdict.INVALID
    return combine([*verdicts, check_answer(statement, steps)])


def chain_answer(statement: str | None, steps: Sequence[str]) -> str | None:
    """The bare final answer of a finished chain; None if it has none.

    Args:
        statement: what the problem states; None if nobody could read it.
        steps: the chain.
    """
    rule = None if statement is None else rule_for(statement)
    if rule is not None:
        return rule.answer(statement, steps)
    answer = extract_answer("\n".join(steps))
    return None if answer is None else bare_answer(answer)


def relate(before: str, after: str) -> Relation:
    """How `after` stands to `before`; never raises on any text."""
    try:
        line = parse(after)
    except NotParsed:
        return Relation.UNKNOWN
    except ZeroDivisionError:
        return Relation.FALSE
    try:
        if len(line.sides) > 1 and not line.names:
            return _relate_fact(before, after, line)
        return _relate_lines(parse(before), line)
    except (NotParsed, ZeroDivisionError):
        return Relation.UNKNOWN


# --- Lines ------------------------------------------------------------------

_PLAIN = r"[-+]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_FRACTION = r"[-+]?(?:[0-9]+/[0-9]+|\\[dt]?frac\{[0-9]+\}\{[0-9]+\})"
_OPERATOR = re.compile(r"(?<=[0-9A-Za-z)}])(?:\*\*|[-+*/^])")
_PLAIN_NUMBER = re.compile(_PLAIN)
_SOLVED = re.compile(
    rf"(?:(?P<name>[A-Za-z])=)?"
    rf"(?:(?P<plain>{_PLAIN})|(?P<fraction>{_FRACTION}))"
    rf"(?:=(?P<last>[A-Za-z]))?"
)


def _squeeze(line: str) -> str:
    return "".join(line.split())


def _operations(line: str) -> int:
    """Written operators between two operands; signs do not count."""
    return len(_OPERATOR.findall(_squeeze(line)))


def _sort(line: str) -> str:
    """What is compared with what: `equation`, `fact`, `expression`."""
    try:
        parsed = parse(line)
    except (NotParsed, ZeroDivisionError):
        return "unreadable"
    if len(parsed.sides) == 1:
        return "expression"
    return "equation" if parsed.names else "fact"


def _solved_form(line: str) -> tuple[str, Number | None]:
    """`("x", 5)` for `x = 5` or `5 = x`, `("", 5)` for `5`.

    The number is None where the line is in no solved form; `8/2` is not,
    since the division is still to do.
    """
    match = _SOLVED.fullmatch(_squeeze(line).rstrip(".$").lstrip("$"))
    if not match or (match["name"] and match["last"]):
        return "", None
    number = parse(match["plain"] or match["fraction"]).sides[0]
    if match["fraction"] and number.denominator == 1:
        return "", None
    return match["name"] or match["last"] or "", number


def _satisfies(problem: Line, name: str, root: Number) -> bool:
    """The certificate: do all sides agree where `name` is `root`?"""
    first, *others = (substitute(side, name, root) for side in problem.sides)
    return not isinstance(first, Ratio) and all(
        first == other for other in others
    )


# --- Relations --------------------------------------------------------------


def _relate_fact(before: str, after: str, line: Line) -> Relation:
    """`line` has no unknowns: it is true or false on its own."""
    first, *others = line.sides
    holds = all(equal(first, other) for other in others)
    if holds and not _says_nothing(after):
        return Relation.TRUE
    # An equation without solutions may end in 1 = 0, an identity in 0 = 0.
    constant = _constant_difference(before)
    if constant is not None and holds == (constant == 0):
        return Relation.EQUIVALENT
    return Relation.TRIVIAL if holds else Relation.FALSE


def _says_nothing(fact: str) -> bool:
    """`7 = 7` and `3 + 4 = 3 + 4` say nothing; `8/2 = 4` does."""
    sides = [side.removesuffix(".") for side in _squeeze(fact).split("=")]
    return len(set(sides)) == 1 or all(
        _PLAIN_NUMBER.fullmatch(side) for side in sides
    )


def _constant_difference(text: str) -> Number | None:
    """Left minus right of an equation whose unknowns cancel, else None."""
    try:
        line = parse(text)
        if len(line.sides) != 2 or not line.names:
            return None
        value = difference(line)
    except (NotParsed, ZeroDivisionError):
        return None
    return None if isinstance(value, Ratio) else value


def _relate_lines(old: Line, new: Line) -> Relation:
    if len(old.sides) == len(new.sides) == 1:
        same = equal(old.sides[0], new.sides[0])
        return Relation.EQUIVALENT if same else Relation.FALSE
    if len(old.sides) == len(new.sides) == 2:
        return _relate_equations(difference(old), difference(new))
    if len(old.sides) == 1:  # 2x + 3x = 5x about an expression
        first, *others = new.sides
        if all(equal(first, other) for other in others):
            return Relation.TRUE
    return Relation.UNKNOWN


def _relate_equations(old: Value, new: Value) -> Relation:
    """`old = 0` against `new = 0`: have they the same solutions?"""
    if not isinstance(old, Ratio) or not isinstance(new, Ratio):
        # Without unknowns left it holds always or never.
        both = not isinstance(old, Ratio) and not isinstance(new, Ratio)
        same = both and (old == 0) == (new == 0)
        return Relation.EQUIVALENT if same else Relation.FALSE
    if old.bottom == new.bottom and proportional(old.top, new.top):
        return Relation.EQUIVALENT
    if is_linear(old) and is_linear(new):
        return Relation.FALSE
    names = names_of(old) | names_of(new)
    if len(names) != 1:
        return Relation.UNKNOWN
    (name,) = names
    roots, new_roots = _real_roots(old, name), _real_roots(new, name)
    if roots and new_roots:
        return Relation.EQUIVALENT if roots == new_roots else Relation.FALSE
    for one, other in ((roots, new), (new_roots, old)):
        # A single root that the other equation does not have.
        if one and one[1] == 0 and not _vanishes(other, name, one[0]):
            return Relation.FALSE
    return Relation.UNKNOWN


def _real_roots(value: Ratio, name: str) -> tuple[Number, Number] | None:
    """`(centre, square)` of the real roots `centre ± sqrt(square)`.

    None where there are none, or they are not known: above degree two, or
    where the denominator may vanish with the numerator.
    """
    powers = {m[0][1] if m else 0: number for m, number in value.top.items()}
    if max(powers) > 2:
        return None
    c, b, a = (Fraction(powers.get(i, 0)) for i in range(3))
    if a == 0:
        centre, square = -c / b, Fraction(0)
    else:
        centre = -b / (2 * a)
        square = centre * centre - c / a
    if square < 0:
        return None
    if value.bottom != {(): 1} and (
        square or not _vanishes(value, name, centre)
    ):
        return None
    return centre, square


def _vanishes(value: Ratio, name: str, root: Number) -> bool:
    try:
        return substitute(value, name, root) == 0
    except ZeroDivisionError:
        return False
