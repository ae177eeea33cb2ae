"""Is one step of a chain of thought a valid consequence of the ones before?

A step is compared with a line before it, never with the answer: no function
here solves a problem. A final answer is checked by substituting it.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Sequence
from typing import Protocol

from jaxlrm.verify.deduction import compare_lines, sort_of, takes_derivative
from jaxlrm.verify.deduction.equations import Equation, compare_equations
from jaxlrm.verify.exact import (
    ONE,
    Line,
    NotParsed,
    Number,
    Ratio,
    Value,
    difference,
    equal,
    is_linear,
    parse,
    proportional,
    substitute,
)
from jaxlrm.verify.extract import bare_answer, extract_answer
from jaxlrm.verify.inputs import check_text
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

    Raises:
        TypeError: one of them is no text.
    """
    check_text(before=before, after=after)
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
    # What a checked chain claims is its last line, whatever stands above it.
    said = steps if statement is None else steps[-1:]
    answer = extract_answer("\n".join(said))
    return None if answer is None else bare_answer(answer)


def relate(before: str, after: str) -> Relation:
    """How `after` stands to `before`; never raises on any text."""
    relation = Relation.UNKNOWN
    if not takes_derivative(before + after):
        relation = _relate_rational(before, after)
    # There i is a name like others; here it is the imaginary unit.
    imaginary = relation is Relation.FALSE and "i" in _names(before, after)
    if relation is not Relation.UNKNOWN and not imaginary:
        return relation
    verdict = compare_lines(before, after)
    if verdict is Verdict.INVALID:
        return Relation.FALSE
    if verdict is not Verdict.VALID:
        return Relation.UNKNOWN
    repeats = "=" in after and _says_nothing(after)
    return Relation.TRIVIAL if repeats else Relation.EQUIVALENT


def _names(*texts: str) -> frozenset[str]:
    """The names in lines that the quick parser reads."""
    try:
        return frozenset().union(*(parse(text).names for text in texts))
    except (NotParsed, ZeroDivisionError):
        return frozenset()


def _relate_rational(before: str, after: str) -> Relation:
    """By the quick parser of rational functions."""
    try:
        line = parse(after)
    except NotParsed:
        return Relation.UNKNOWN
    except ZeroDivisionError:
        return Relation.FALSE
    try:
        if len(line.sides) > 1 and line.names <= _NUMBERS:
            return _relate_fact(before, after, line)
        return _relate_lines(parse(before), line)
    except (NotParsed, ZeroDivisionError):
        return Relation.UNKNOWN


# No unknowns; what is true of pi as of a variable is true of it.
_NUMBERS = frozenset((r"\pi",))

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
        return sort_of(line) or "unreadable"
    if len(parsed.sides) == 1:
        return "expression"
    return "fact" if parsed.names <= _NUMBERS else "equation"


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
    same = _compare_with(before, Equation(0 if holds else 1, ()))
    if same:
        return Relation.EQUIVALENT
    if holds:
        return Relation.TRIVIAL
    return Relation.FALSE if same is False else Relation.UNKNOWN


def _says_nothing(fact: str) -> bool:
    """`7 = 7` and `3 + 4 = 3 + 4` say nothing; `8/2 = 4` does."""
    sides = [side.removesuffix(".") for side in _squeeze(fact).split("=")]
    return len(set(sides)) == 1 or all(
        _PLAIN_NUMBER.fullmatch(side) for side in sides
    )


def _compare_with(text: str, other: Equation) -> bool | None:
    """Has the equation of a text the same solutions? False if it is none."""
    try:
        line = parse(text)
        equation = _single(line) if line.names else None
    except (NotParsed, ZeroDivisionError):
        return False
    return equation is not None and compare_equations(equation, other)


def _relate_lines(old: Line, new: Line) -> Relation:
    if len(old.sides) == len(new.sides) == 1:
        same = equal(old.sides[0], new.sides[0])
        return Relation.EQUIVALENT if same else Relation.FALSE
    if len(old.sides) == 1:  # 2x + 3x = 5x about an expression
        first, *others = new.sides
        if all(equal(first, other) for other in others):
            return Relation.TRUE
        return Relation.UNKNOWN
    if len(new.sides) == 1:
        return Relation.UNKNOWN
    one, other = _single(old), _single(new)
    if one is None or other is None:
        return Relation.UNKNOWN
    return _relate_equations(one, other)


def _single(line: Line) -> Equation | None:
    """A line as one equation: also `x = 10/2 = 5`, but not `x = y = 5`."""
    if len(line.sides) == 1:
        return None
    excluded = list(line.excluded)
    for side in line.sides:
        if isinstance(side, Ratio) and side.bottom is not ONE:
            if side.bottom not in excluded:
                excluded.append(side.bottom)
    kept: Value = 0
    for pair in itertools.pairwise(line.sides):
        value = difference(line._replace(sides=pair))
        if not isinstance(value, Ratio):
            if value != 0:
                return Equation(value, ())  # it never holds
        elif not isinstance(kept, Ratio):
            kept = value
        elif kept.bottom != value.bottom or not proportional(
            kept.top, value.top
        ):
            return None
    return Equation(kept, tuple(excluded))


def _relate_equations(old: Equation, new: Equation) -> Relation:
    """Have they the same solutions?"""
    one, other = old.value, new.value
    if isinstance(one, Ratio) and isinstance(other, Ratio):
        if old.excluded == new.excluded and one.bottom == other.bottom:
            if proportional(one.top, other.top):
                return Relation.EQUIVALENT
        if not old.excluded and not new.excluded:
            if is_linear(one) and is_linear(other):
                return Relation.FALSE
    same = compare_equations(old, new)
    if same is None:
        return Relation.UNKNOWN
    return Relation.EQUIVALENT if same else Relation.FALSE
