"""Steps that differentiate a polynomial: `diff(5*x**3 - 2*x, x, 2)`.

A line differentiates one term once, and the last line states the answer:

    diff(5*x**3) = 15*x**2
    diff(15*x**2) = 30*x
    30*x

Terms of too low a degree vanish without a line.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jaxlrm.families.rules.sums import (
    LENGTH,
    NotRead,
    Power,
    Sum,
    Term,
    collected,
    is_collected,
    is_flat,
    read_sum,
    render,
)
from jaxlrm.verify.verdict import Verdict

COMPLETE = True  # see `extend.Rule`

_STATEMENT = re.compile(r"diff\(([-+* 0-9a-z]+), ([a-z]), ([1-3])\)")
_FACT = re.compile(r"\s*diff\s*\(([-+* 0-9a-z]+)\)\s*=([-+* 0-9a-z]+)")


class _Problem(NamedTuple):
    """The terms that contribute, the variable, and how often."""

    terms: tuple[Term, ...]
    name: str
    order: int


def reads(statement: str) -> bool:
    """Is it `diff(POLYNOMIAL, VARIABLE, ORDER)`?"""
    return _problem(statement) is not None


def check(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on the last of `steps`.

    A term must be one of the problem's, or the derivative of one that an
    earlier line found and that is to be differentiated again. INVALID for any
    other term, and for one that was differentiated before.

    Raises:
        ValueError: there are no steps.
    """
    if not steps:
        raise ValueError("no steps to check; give the chain and its last step")
    problem = _problem(statement)
    if problem is None:
        return Verdict.UNKNOWN
    facts: dict[Term, Term] = {}
    ended = False
    for line in steps[:-1]:
        fact = _fact(line)
        if fact is None:
            ended = ended or _claim(problem, facts, line) is Verdict.VALID
        elif _judge(problem, facts, fact) is Verdict.VALID:
            facts[fact[0][0]] = fact[1][0]
    if ended:
        return Verdict.INVALID
    fact = _fact(steps[-1])
    if fact is None:
        return _claim(problem, facts, steps[-1])
    return _judge(problem, facts, fact)


def check_answer(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on a chain whose last step claims the answer.

    The answer must be the sum of the last derivatives that the lines before
    it found. UNKNOWN where a term has not been differentiated and nothing
    else speaks against the answer.

    Raises:
        ValueError: there are no steps.
    """
    verdict = check(statement, steps)
    if "=" in steps[-1]:
        return Verdict.INVALID if reads(statement) else Verdict.UNKNOWN
    return verdict


def answer(statement: str, steps: Sequence[str]) -> str | None:
    """The last line, in SymPy's order, where it is an expanded polynomial."""
    if not steps or not reads(statement):
        return None
    try:
        terms = read_sum(steps[-1])
    except NotRead:
        return None
    return render(collected(terms)) if is_collected(terms) else None


@functools.lru_cache(maxsize=1024)
def _problem(statement: str) -> _Problem | None:
    if len(statement) > LENGTH:
        return None
    match = _STATEMENT.fullmatch(statement)
    if match is None:
        return None
    try:
        terms = read_sum(match[1])
    except NotRead:
        return None
    if not is_flat(terms):
        return None
    name, order = match[2], int(match[3])
    contributing = tuple(
        term for term in terms if dict(term[2]).get(name, 0) >= order
    )
    return _Problem(contributing, name, order)


def _fact(line: str) -> tuple[Sum, Sum] | None:
    """Both sides of `diff(T) = U`; None for a line of another form."""
    match = _FACT.fullmatch(line) if len(line) <= LENGTH else None
    if match is None:
        return None
    try:
        return read_sum(match[1]), read_sum(match[2])
    except NotRead:
        return None


def _judge(problem: _Problem, facts: dict, fact: tuple[Sum, Sum]) -> Verdict:
    before, after = fact
    if len(before) != 1 or not is_flat(before):
        return Verdict.UNKNOWN
    left = [term for _, term, again in _found(problem, facts) if again]
    if before[0] not in left or after != (_derived(before[0], problem.name),):
        return Verdict.INVALID
    return Verdict.VALID


def _derived(term: Term, name: str) -> Term:
    """The derivative of a monomial in which the variable occurs."""
    kind, coefficient, powers = term
    exponent = dict(powers)[name]
    return kind, coefficient * exponent, _lowered(powers, name, 1)


def _lowered(powers: tuple[Power, ...], name: str, by: int):
    lowered = [
        (other, exponent - by * (other == name)) for other, exponent in powers
    ]
    return tuple(power for power in lowered if power[1])


def _found(
    problem: _Problem, facts: dict[Term, Term]
) -> Iterator[tuple[Term, Term, int]]:
    """Each term, what the lines have made of it, and how often it is left."""
    for term in problem.terms:
        last, left = term, problem.order
        while left and last in facts:
            last = facts[last]
            left -= 1
        yield term, last, left


def _claim(problem: _Problem, facts: dict, line: str) -> Verdict:
    """A line that states the answer."""
    try:
        terms = read_sum(line)
    except NotRead:
        return Verdict.UNKNOWN
    if not is_collected(terms) or (not terms and line.strip() != "0"):
        return Verdict.INVALID
    proven, open_powers = [], set()
    for term, last, left in _found(problem, facts):
        if left:
            open_powers.add(_lowered(term[2], problem.name, problem.order))
        else:
            proven.append(last)
    claimed, known = collected(terms), collected(tuple(proven))
    for powers in claimed.keys() | known.keys():
        if powers not in open_powers:
            if claimed.get(powers, 0) != known.get(powers, 0):
                return Verdict.INVALID
    return Verdict.UNKNOWN if open_powers else Verdict.VALID
