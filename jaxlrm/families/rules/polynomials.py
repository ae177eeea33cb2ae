"""Steps that expand a polynomial: `expand((2*x + 3)*(5*x - 1))`.

A chain is made of facts. `A = B` says what a part A of the expression is; a
line `= C` goes on from the B before it; a line without an equals sign claims
the answer:

    2*x*(5*x - 1) = 10*x**2 - 2*x
    3*(5*x - 1) = 15*x - 3
    -2*x + 15*x = 13*x
    10*x**2 + 13*x - 3

The expression is kept as a tree, and each fact rewrites it, so that a fact
must be true and must still have something to rewrite. It does so in one of
these ways:

- collecting: A is a sum of terms that stand in one sum of the tree, and B has
  fewer terms;
- multiplying: A consists of factors of one product of the tree, or of one
  term of a factor and of other factors of it, and B is a sum of terms;
- naming: A is a product that was multiplied out a row at a time, and B is
  what has become of it. This may be said once;
- working out a product of two coefficients which a product of the tree is
  going to need: `38*78 = 2660 + 38*8`, `= 2660 + 304`, `= 2964`.

A line may write powers in front, `-x**2*38` for -38 times x**2.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from jaxlrm.families.rules.coefficients import digits, is_needed, left_to_do
from jaxlrm.families.rules.residues import agree
from jaxlrm.families.rules.rewriting import (
    has_factor,
    key_of,
    products,
    replaced,
    rewrite,
)
from jaxlrm.families.rules.sums import (
    NotRead,
    Sum,
    Term,
    collected,
    is_collected,
    is_flat,
    is_same,
    read_sum,
    render,
)
from jaxlrm.verify.verdict import Verdict

COMPLETE = True  # see `extend.Rule`

__all__ = [
    "answer",
    "check",
    "check_answer",
    "is_same",
    "read_sum",
    "reads",
    "render",
]

PRODUCTS = 12  # products and sums of coefficients carried out in a line
ADDITIONS = 6  # like terms collected in a line
_POWER_FIRST = re.compile(r"-[ \t]*[a-z]")


class _State(NamedTuple):
    """What a chain has come to.

    Attributes:
        tree: the expression, rewritten by the facts so far.
        block: right side of the last line, which `= C` goes on from.
        todo: what is left to do in a product of two coefficients; else zero.
        known: the products of two coefficients that were begun.
        rows: products that were multiplied out a row at a time.
        facts: the lines `A = B` so far, without spaces.
        ended: the answer has been claimed.
    """

    tree: Sum
    block: Sum | None = None
    todo: int = 0
    known: frozenset = frozenset()
    rows: frozenset = frozenset()
    facts: frozenset = frozenset()
    ended: bool = False


def reads(statement: str) -> bool:
    """Is it `expand(POLYNOMIAL)`?"""
    return _expression(statement) is not None


def check(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on the last of `steps`; see the head of this module.

    UNKNOWN for what is true but does too much at once.

    Raises:
        ValueError: there are no steps.
    """
    if not steps:
        raise ValueError("no steps to check; give the chain and its last step")
    tree = _expression(statement)
    if tree is None:
        return Verdict.UNKNOWN
    verdict, _ = _advance(_replay(tree, steps[:-1]), steps[-1])
    if verdict is Verdict.UNKNOWN and "=" not in steps[-1]:
        return _certify(statement, tree, steps[-1])
    return verdict


def check_answer(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on a chain whose last step claims the answer.

    An answer that does not agree with the problem at random places is
    INVALID, one that agrees and was not derived is UNKNOWN.

    Raises:
        ValueError: there are no steps.
    """
    verdict = check(statement, steps)
    tree = _expression(statement)
    if tree is None:
        return Verdict.UNKNOWN
    if "=" in steps[-1]:
        return Verdict.INVALID
    if verdict is Verdict.VALID:
        if _certify(statement, tree, steps[-1]) is Verdict.INVALID:
            return Verdict.INVALID
    return verdict


def answer(statement: str, steps: Sequence[str]) -> str | None:
    """The last line, in SymPy's order, where it is an expanded polynomial."""
    if not steps or not reads(statement):
        return None
    try:
        terms = read_sum(steps[-1])
        if not is_collected(terms):
            terms = read_sum(steps[-1], power_first=True)
    except NotRead:
        return None
    return render(collected(terms)) if is_collected(terms) else None


def _expression(statement: str) -> Sum | None:
    if not statement.startswith("expand(") or statement[-1] != ")":
        return None
    try:
        return read_sum(statement[7:-1])
    except NotRead:
        return None


def _replay(tree: Sum, steps: Sequence[str]) -> _State:
    state = _State(tree)
    for line in steps:
        _, state = _advance(state, line)
    return state


@functools.lru_cache(maxsize=8192)
def _advance(state: _State, line: str) -> tuple[Verdict, _State]:
    """The verdict on a line, and the state after it if it is VALID."""
    verdict, after = _advance_as(state, line, False)
    if verdict is not Verdict.VALID and _POWER_FIRST.search(line):
        return _advance_as(state, line, True)
    return verdict, after


def _advance_as(
    state: _State, line: str, power_first: bool
) -> tuple[Verdict, _State]:
    """The same, of one way to read it."""
    left, equals, right = line.partition("=")
    try:
        after = read_sum(right if equals else left, power_first)
        before = read_sum(left, power_first) if left.strip() else None
    except NotRead:
        return Verdict.UNKNOWN, state
    if state.ended:
        return Verdict.INVALID, state
    if not equals:
        return _claim(state, left, after)
    goes_on = before is None
    if goes_on:
        before = state.block
        if before is None:
            return Verdict.INVALID, state
    elif state.todo:  # a product of coefficients was left unfinished
        return Verdict.INVALID, state
    if not agree(before, after, 1):
        return Verdict.INVALID, state
    if goes_on:
        return _rewritten(state, before, after, False)
    fact = "".join(line.split())
    again = fact in state.facts
    verdict, state = _rewritten(state, before, after, again)
    if verdict is Verdict.VALID:
        state = state._replace(facts=state.facts | {fact})
    return verdict, state


def _rewritten(
    state: _State, before: Sum, after: Sum, again: bool
) -> tuple[Verdict, _State]:
    """The verdict on a true fact, and the state after it.

    One that is stated again is of use only for a part that is equal as a
    whole to the one of the first time.
    """
    if state.todo:
        return _multiply_on(state, after)
    if is_flat(before):
        return _collect(state, before, after, again)
    if len(before) > 1:
        return Verdict.UNKNOWN, state
    product = before[0]
    if not is_flat(after) or _is_aside(state, product, after):
        return _multiply_numbers(state, product, after)
    return _multiply(state, product, after, again)


def _claim(state: _State, text: str, terms: Sum) -> tuple[Verdict, _State]:
    """A line that states the answer."""
    if not is_collected(terms) or (not terms and text.strip() != "0"):
        return Verdict.INVALID, state
    if not is_collected(state.tree):
        return Verdict.UNKNOWN, state
    if sorted(terms) != sorted(state.tree):
        return Verdict.INVALID, state
    return Verdict.VALID, state._replace(ended=True)


def _collect(
    state: _State, before: Sum, after: Sum, again: bool
) -> tuple[Verdict, _State]:
    if not is_flat(after) or len(after) >= len(before) or len(before) < 2:
        return Verdict.INVALID, state
    if collected(before) != collected(after):
        return Verdict.INVALID, state
    wanted = Counter(before)

    def change(terms: Sum) -> Sum | None:
        if again and len(terms) != len(before):
            return None
        if len(terms) < len(before) or wanted - Counter(terms):
            return None
        left, result, placed = wanted.copy(), [], False
        for term in terms:
            if left[term] > 0:
                left[term] -= 1
                if not placed:
                    result += after
                    placed = True
            else:
                result.append(term)
        return tuple(result)

    tree = rewrite(state.tree, lambda product: None, change)
    if tree is None:
        return Verdict.INVALID, state
    if len(before) - len(after) > ADDITIONS:
        return Verdict.UNKNOWN, state
    return Verdict.VALID, state._replace(tree=tree, block=after)


def _multiply(
    state: _State, product: Term, after: Sum, again: bool
) -> tuple[Verdict, _State]:
    if not all(map(is_flat, product[3])):
        return Verdict.UNKNOWN, state
    name = key_of(product)
    rows = []
    tree = rewrite(
        state.tree,
        lambda node: replaced(node, product, after, rows, again),
        lambda terms: None,
    )
    if tree is None:
        if name not in state.rows or not has_factor(state.tree, after):
            return Verdict.INVALID, state
        left = state.rows - {name}
        return Verdict.VALID, state._replace(rows=left, block=None)
    made = 1  # terms, before they are collected
    for terms in product[3]:
        made *= len(terms)
    factors = len(product[1]) + len(product[3])
    work = made * max(1, factors - 1) + max(0, made - len(after))
    if work > PRODUCTS:
        return Verdict.UNKNOWN, state
    if not agree((product,), after, 2):
        return Verdict.INVALID, state
    return Verdict.VALID, state._replace(
        tree=tree,
        block=after,
        rows=state.rows | frozenset(rows),
    )


def _is_aside(state: _State, product: Term, after: Sum) -> bool:
    """Is it a block about two coefficients, not about factors of the tree?"""
    _, pair, powers, sums = product
    if len(pair) != 2 or powers or sums:
        return False
    if len(after) > 1:
        return True
    if min(pair) <= 0 or min(map(digits, pair)) < 2 or pair in state.known:
        return False
    return product not in products(state.tree)


def _multiply_numbers(
    state: _State, product: Term, after: Sum
) -> tuple[Verdict, _State]:
    """The first line of a block that multiplies two coefficients."""
    pair = product[1]
    if product[2] or product[3] or len(pair) != 2:
        return Verdict.INVALID, state
    if pair in state.known or min(map(digits, pair)) < 2:
        return Verdict.INVALID, state
    if not is_needed(state.tree, pair):
        return Verdict.INVALID, state
    todo = left_to_do((product,))
    state = state._replace(todo=todo)
    verdict, after_line = _multiply_on(state, after)
    if verdict is Verdict.VALID:
        after_line = after_line._replace(known=state.known | {pair})
        return verdict, after_line
    return verdict, state._replace(todo=0)


def _multiply_on(state: _State, after: Sum) -> tuple[Verdict, _State]:
    """A further line of such a block: less must be left to do."""
    todo = left_to_do(after)
    if todo is None or todo >= state.todo:
        return Verdict.INVALID, state
    most = 2 * PRODUCTS if todo else PRODUCTS
    if state.todo - todo > most:
        return Verdict.UNKNOWN, state
    block = after if todo else None
    return Verdict.VALID, state._replace(todo=todo, block=block)


def _certify(statement: str, tree: Sum, line: str) -> Verdict:
    """INVALID where the claimed answer differs from the problem."""
    try:
        terms = read_sum(line)
    except NotRead:
        return Verdict.UNKNOWN
    same = all(agree(tree, terms, f"{statement}{line}{i}") for i in "12")
    return Verdict.UNKNOWN if same else Verdict.INVALID
