"""Steps that differentiate a polynomial: `diff(5*x**3 - 2*x, x, 2)`.

A line differentiates one term once, or says that it vanishes, and the last
line states the answer:

    diff(5*x**3, x) = 15*x**2
    diff(15*x**2, x) = 30*x
    diff(-2*x, x, 2) = 0
    30*x

The variable may be left out, and so may the lines of terms that vanish.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jaxlrm.verify.rules.sums import (
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

_STATEMENT = re.compile(r"diff\(([-+* 0-9a-z]+), ([a-z]), ([1-3])\)")
_FACT = re.compile(
    r"\s*diff\s*\((?P<term>[-+* 0-9a-z]+)"
    r"(?:,\s*(?P<name>[a-z])\s*(?:,\s*(?P<order>[1-3])\s*)?)?\)"
    r"\s*=(?P<result>[-+* 0-9a-z]+)"
)


class _Problem(NamedTuple):
    """The terms that contribute, those that vanish, the variable, how often."""

    terms: tuple[Term, ...]
    vanishing: tuple[Term, ...]
    name: str
    order: int


class _Fact(NamedTuple):
    """`diff(before, name, order) = after`; no name where none is written."""

    before: Sum
    name: str
    order: int
    after: Sum


def reads(statement: str) -> bool:
    """Is it `diff(POLYNOMIAL, VARIABLE, ORDER)`?"""
    return _problem(statement) is not None


def check(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on the last of `steps`.

    A term must be one of the problem's, or the derivative of one that an
    earlier line found and that is to be differentiated again. INVALID for any
    other term or variable, and for a term that was differentiated before.

    Raises:
        ValueError: there are no steps.
    """
    if not steps:
        raise ValueError("no steps to check; give the chain and its last step")
    problem = _problem(statement)
    if problem is None:
        return Verdict.UNKNOWN
    facts: dict[tuple[Term, bool], Sum] = {}
    ended = False
    for line in steps[:-1]:
        fact = _fact(line)
        if fact is None:
            ended = ended or _claim(problem, facts, line) is Verdict.VALID
        elif _judge(problem, facts, fact) is Verdict.VALID:
            facts[_key(fact)] = fact.after
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
    lasting, vanishing = [], []
    for term in terms:
        lasts = dict(term[2]).get(name, 0) >= order
        (lasting if lasts else vanishing).append(term)
    return _Problem(tuple(lasting), tuple(vanishing), name, order)


def _fact(line: str) -> _Fact | None:
    """What the line says; None for a line of another form."""
    match = _FACT.fullmatch(line) if len(line) <= LENGTH else None
    if match is None:
        return None
    try:
        before, after = read_sum(match["term"]), read_sum(match["result"])
    except NotRead:
        return None
    return _Fact(before, match["name"] or "", int(match["order"] or 1), after)


def _key(fact: _Fact) -> tuple[Term, bool]:
    """A term that vanishes may be what another has become, too."""
    return fact.before[0], bool(fact.after)


def _judge(problem: _Problem, facts: dict, fact: _Fact) -> Verdict:
    if len(fact.before) != 1 or not is_flat(fact.before):
        return Verdict.UNKNOWN
    if fact.name not in ("", problem.name):
        return Verdict.INVALID
    (term,) = fact.before
    if not fact.after and fact.order == problem.order:
        known = term not in problem.vanishing or _key(fact) in facts
        return Verdict.INVALID if known else Verdict.VALID
    left = [last for _, last, again in _found(problem, facts) if again]
    if fact.order > 1 or term not in left:
        return Verdict.INVALID
    if fact.after != (_derived(term, problem.name),):
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
    problem: _Problem, facts: dict[tuple[Term, bool], Sum]
) -> Iterator[tuple[Term, Term, int]]:
    """Each term, what the lines have made of it, and how often it is left."""
    for term in problem.terms:
        last, left = term, problem.order
        while left and (last, True) in facts:
            (last,) = facts[last, True]
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
