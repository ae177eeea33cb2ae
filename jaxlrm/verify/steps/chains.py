"""Chains about a statement: an expression, an equation, a family's problem."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jaxlrm.extend import rule_for
from jaxlrm.verify.answers.exact import NotParsed, Number, Ratio, substitute
from jaxlrm.verify.answers.extract import bare_answer, extract_answer
from jaxlrm.verify.answers.lines import Line, parse
from jaxlrm.verify.inputs import count_operations, squeeze
from jaxlrm.verify.steps.deduction import sort_of
from jaxlrm.verify.steps.malformed import is_malformed
from jaxlrm.verify.steps.relations import (
    NUMBERS,
    PLAIN,
    Relation,
    relate,
)
from jaxlrm.verify.verdict import Verdict, combine

_VERDICTS = {
    Relation.EQUIVALENT: Verdict.VALID,
    Relation.TRUE: Verdict.VALID,
    Relation.TRIVIAL: Verdict.INVALID,
    Relation.FALSE: Verdict.INVALID,
    Relation.UNKNOWN: Verdict.UNKNOWN,
}


def follows(before: str, after: str) -> Verdict:
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
    return _VERDICTS[relate(before, after)]


def check_chain(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on the last of `steps`.

    It is compared with the latest earlier line of its sort (expression or
    equation), or with the statement where there is none. A line that repeats
    the statement or an earlier line, up to spaces, makes no progress: INVALID.
    An expression that carries out more than one operation at once is not
    judged, since that would be to work the problem out: UNKNOWN. Earlier steps
    are taken as checked; of the last one, each line is judged.

    Args:
        statement: the expression or equation that the problem states.
        steps: the chain so far, at least one line.

    Raises:
        ValueError: there are no steps.
    """
    before, lines = _lines(
        steps, "no steps to check; give the chain and its last step"
    )
    return combine(
        _check_line(statement, [*before, *lines[:number]])
        for number in range(1, len(lines) + 1)
    )


def _lines(steps: Sequence[str], complaint: str) -> tuple[list[str], list[str]]:
    """The lines of the steps before the last one, and those of the last.

    Raises:
        ValueError: there are no steps.
    """
    if not steps:
        raise ValueError(complaint)
    split = [
        [line for line in step.splitlines() if line.strip()] or [step]
        for step in steps
    ]
    return [line for step in split[:-1] for line in step], split[-1]


def _check_line(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on the last of some lines."""
    if is_malformed(steps[-1]):
        return Verdict.INVALID
    rule = rule_for(statement)
    if rule is not None:
        return rule.check(statement, steps)
    *earlier, last = steps
    earlier.insert(0, statement)
    form = squeeze(last)
    if any(squeeze(line) == form for line in earlier):
        return _VERDICTS[Relation.TRIVIAL]
    sort = _sort(last)
    before = statement
    for line in reversed(earlier):
        if _sort(line) == sort:
            before = line
            break
    if (
        sort == "expression"
        and count_operations(before) > count_operations(last) + 1
    ):
        return Verdict.UNKNOWN
    return follows(before, last)


def check_answer(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on a finished chain whose last step claims the answer.

    The last step must pass `check_chain` and be in solved form: one plain
    number for an expression; `x = number` for an equation, and the number put
    in the place of `x` must satisfy the statement. A plain number is an
    integer, a decimal, or a fraction of integers that is not a whole number.
    Of a step of several lines the last one is the answer, and those before it
    are judged as steps.

    Args:
        statement: the expression or equation that the problem states.
        steps: the chain, at least one line.

    Returns:
        VALID; INVALID for a wrong or an unsolved last line; else UNKNOWN.

    Raises:
        ValueError: there are no steps.
    """
    before, lines = _lines(steps, "no steps to check; give the whole chain")
    steps = [*before, *lines]
    verdicts = [
        _check_line(statement, steps[: len(before) + number])
        for number in range(1, len(lines))
    ]
    return combine([*verdicts, _check_last(statement, steps)])


def _check_last(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on the last of some lines, which claims the answer."""
    if is_malformed(steps[-1]):
        return Verdict.INVALID
    rule = rule_for(statement)
    if rule is not None:
        return rule.check_answer(statement, steps)
    verdict = _check_line(statement, steps)
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


# --- Lines ------------------------------------------------------------------

_FRACTION = r"[-+]?(?:[0-9]+/[0-9]+|\\[dt]?frac\{[0-9]+\}\{[0-9]+\})"
_SOLVED = re.compile(
    rf"(?:(?P<name>[A-Za-z])=)?"
    rf"(?:(?P<plain>{PLAIN})|(?P<fraction>{_FRACTION}))"
    rf"(?:=(?P<last>[A-Za-z]))?"
)


def _sort(line: str) -> str:
    """What is compared with what: `equation`, `fact`, `expression`."""
    try:
        parsed = parse(line)
    except (NotParsed, ZeroDivisionError):
        return sort_of(line) or "unreadable"
    if len(parsed.sides) == 1:
        return "expression"
    return "fact" if parsed.names <= NUMBERS else "equation"


def _solved_form(line: str) -> tuple[str, Number | None]:
    """`("x", 5)` for `x = 5` or `5 = x`, `("", 5)` for `5`.

    The number is None where the line is in no solved form; `8/2` is not,
    since the division is still to do.
    """
    match = _SOLVED.fullmatch(squeeze(line).rstrip(".$").lstrip("$"))
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
