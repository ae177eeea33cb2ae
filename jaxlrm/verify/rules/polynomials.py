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

Terms that are zero and factors that are one are left out as they are read.
"""

from __future__ import annotations

import functools
import random
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from jaxlrm.verify.verdict import Verdict

LENGTH = 1024  # characters of a line
DEPTH = 32  # nested brackets
DIGITS = 18  # of a number
DEGREE = 64
LEAVES = 256  # terms of an expression, powers written out
PRODUCTS = 12  # products and sums of coefficients carried out in a line
ADDITIONS = 6  # like terms collected in a line

_PRIME = (1 << 61) - 1  # above any number that is read

# A power is (name, exponent) and a monomial (0, coefficient, powers), with
# the powers sorted by name. A product is (1, integers, powers, sums): at
# least two factors that are no monomial when they are written side by side.
# A sum is a tuple of monomials and products. All are in the order of the
# text, but for the integers and the powers of a product, which are sorted.
Power = tuple[str, int]
Term = tuple
Sum = tuple[Term, ...]
_MONOMIAL, _PRODUCT = 0, 1


class NotRead(ValueError):
    """The text is no polynomial of this grammar, or over a budget."""


# --- Reading and writing ----------------------------------------------------

_TOKEN = re.compile(r"[0-9]+|[a-z]|\*\*|[-+*()]")
_BLANK = re.compile(r"[ \t]*")


@functools.lru_cache(maxsize=4096)
def read_sum(text: str) -> Sum:
    """Reads sums, differences, products and powers of whole numbers.

    Raises:
        NotRead: outside the grammar or over a budget.
    """
    if len(text) > LENGTH:
        raise NotRead(f"{len(text)} characters; at most {LENGTH} are read")
    tokens = []
    index = _BLANK.match(text).end()
    while index < len(text):
        match = _TOKEN.match(text, index)
        if match is None:
            raise NotRead(f"unexpected {text[index]!a}")
        tokens.append(match.group())
        index = _BLANK.match(text, match.end()).end()
    reader = _Reader([*tokens, ""])
    terms = reader.sum(0)
    if reader.index != len(tokens):
        raise NotRead(f"unexpected {tokens[reader.index]!r}")
    return terms


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[str]):
        self.tokens = tokens
        self.index = 0

    def take(self) -> str:
        token = self.tokens[self.index]
        self.index += 1
        return token

    def sum(self, depth: int) -> Sum:
        if depth > DEPTH:
            raise NotRead(f"nested deeper than {DEPTH}")
        terms: list[Term] = []
        negative = self.tokens[self.index] == "-"
        self.index += negative
        while True:
            terms += self.product(negative, depth)
            if self.tokens[self.index] not in ("+", "-"):
                return tuple(terms)
            negative = self.take() == "-"

    def product(self, negative: bool, depth: int) -> Sum:
        integers: list[int] = []
        powers: list[Power] = []
        sums: list[Sum] = []
        signed = not negative
        while True:
            token = self.take()
            if token.isdigit():
                if len(token) > DIGITS:
                    raise NotRead(f"over {DIGITS} digits")
                number = int(token)
                integers.append(number if signed else -number)
                signed = True
            elif token.isalpha():
                powers.append((token, self.exponent()))
            elif token == "(":
                inner = self.sum(depth + 1)
                if self.take() != ")":
                    raise NotRead("a bracket is not closed")
                exponent = self.exponent()
                if exponent > 1 and exponent * _leaves(inner) > LEAVES:
                    raise NotRead(f"over {LEAVES} terms")
                sums += [inner] * exponent
            else:
                raise NotRead(f"unexpected {token!r}")
            if not signed:
                integers.append(-1)
                signed = True
            if self.tokens[self.index] != "*":
                return _product(integers, powers, sums)
            self.index += 1

    def exponent(self) -> int:
        if self.tokens[self.index] != "**":
            return 1
        self.index += 1
        token = self.take()
        if not token.isdigit() or len(token) > 2 or not 0 < int(token):
            raise NotRead(f"the exponent {token[:80]!r}")
        return int(token)


def _leaves(terms: Sum) -> int:
    return 1 + sum(
        sum(map(_leaves, term[3])) if term[0] == _PRODUCT else 1
        for term in terms
    )


def _product(
    integers: Iterable[int], powers: Iterable[Power], sums: Iterable[Sum]
) -> Sum:
    """The terms of a product that need no work; factors of one are left out.

    A monomial, or nothing where it is zero; the terms of a lone sum; else the
    product itself.
    """
    integers, powers, sums = list(integers), list(powers), list(sums)
    kept = []
    for terms in sums:
        if not terms:
            integers.append(0)
        elif len(terms) > 1:
            kept.append(terms)
        elif terms[0][0] == _MONOMIAL:
            more, names = _atoms(terms[0])
            integers += more
            powers += names
        else:
            integers += terms[0][1]
            powers += terms[0][2]
            kept += terms[0][3]
    integers = [number for number in integers if number != 1]
    powers.sort()
    if not kept:
        names = {name for name, _ in powers}
        if len(integers) <= 1 and len(names) == len(powers):
            coefficient = integers[0] if integers else 1
            monomial = (_MONOMIAL, coefficient, tuple(powers))
            return (monomial,) if coefficient else ()
    elif len(kept) == 1 and not integers and not powers:
        return kept[0]
    return ((_PRODUCT, tuple(sorted(integers)), tuple(powers), tuple(kept)),)


def _atoms(monomial: Term) -> tuple[tuple[int, ...], tuple[Power, ...]]:
    """The integers and powers that a monomial is written with."""
    _, coefficient, powers = monomial
    return (() if coefficient == 1 else (coefficient,)), powers


def render(polynomial: dict[tuple[Power, ...], int]) -> str:
    """A polynomial as SymPy prints it.

    Descending powers in the order of the names; but two terms `2 - 3*x` begin
    with the constant where it is positive and the other is negative and has
    one name only.
    """
    terms = [pair for pair in polynomial.items() if pair[1]]
    names = sorted({name for powers, _ in terms for name, _ in powers})

    def exponents(pair):
        known = dict(pair[0])
        return [known.get(name, 0) for name in names]

    terms.sort(key=exponents, reverse=True)
    if len(terms) == 2 and not terms[1][0] and len(terms[0][0]) == 1:
        if terms[1][1] > 0 > terms[0][1]:
            terms.reverse()
    text = ""
    for powers, number in terms:
        factors = [
            name if exponent == 1 else f"{name}**{exponent}"
            for name, exponent in powers
        ]
        if abs(number) != 1 or not factors:
            factors.insert(0, str(abs(number)))
        sign = "-" if number < 0 else "+" if text else ""
        text += f" {sign} " if text else sign
        text += "*".join(factors)
    return text or "0"


def is_flat(terms: Sum) -> bool:
    """Is it a sum of monomials?"""
    return all(term[0] == _MONOMIAL for term in terms)


def collected(terms: Sum) -> dict[tuple[Power, ...], int]:
    """The polynomial that a sum of monomials is."""
    result: dict[tuple[Power, ...], int] = {}
    for _, coefficient, powers in terms:
        result[powers] = result.get(powers, 0) + coefficient
    return {powers: number for powers, number in result.items() if number}


def is_collected(terms: Sum) -> bool:
    """Is it a sum of monomials no two of which are alike?"""
    return is_flat(terms) and len({term[2] for term in terms}) == len(terms)


def is_same(one: str, other: str) -> bool:
    """Are both expanded polynomials, and equal? False for other text."""
    try:
        sums = read_sum(one), read_sum(other)
    except NotRead:
        return False
    first, second = map(sorted, sums)
    return first == second and all(map(is_collected, sums))


# --- Chains -----------------------------------------------------------------


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
    left, equals, right = line.partition("=")
    try:
        after = read_sum(right if equals else left)
        before = read_sum(left) if equals and left.strip() else None
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
    if not _agree(before, after, 1):
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

    tree = _rewrite(state.tree, lambda product: None, change)
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
    name = _key(product)
    rows = []
    tree = _rewrite(
        state.tree,
        lambda node: _replaced(node, product, after, rows, again),
        lambda terms: None,
    )
    if tree is None:
        if name not in state.rows or not _has_factor(state.tree, after):
            return Verdict.INVALID, state
        left = state.rows - {name}
        return Verdict.VALID, state._replace(rows=left, block=None)
    products = 1
    for terms in product[3]:
        products *= len(terms)
    factors = len(product[1]) + len(product[3])
    work = products * max(1, factors - 1) + max(0, products - len(after))
    if work > PRODUCTS:
        return Verdict.UNKNOWN, state
    if not _agree((product,), after, 2):
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
    if min(pair) <= 0 or min(map(_digits, pair)) < 2 or pair in state.known:
        return False
    return product not in _products(state.tree)


def _multiply_numbers(
    state: _State, product: Term, after: Sum
) -> tuple[Verdict, _State]:
    """The first line of a block that multiplies two coefficients."""
    pair = product[1]
    if product[2] or product[3] or len(pair) != 2:
        return Verdict.INVALID, state
    if pair in state.known or min(map(_digits, pair)) < 2:
        return Verdict.INVALID, state
    if not _needs(state.tree, pair):
        return Verdict.INVALID, state
    todo = _todo((product,))
    state = state._replace(todo=todo)
    verdict, after_line = _multiply_on(state, after)
    if verdict is Verdict.VALID:
        after_line = after_line._replace(known=state.known | {pair})
        return verdict, after_line
    return verdict, state._replace(todo=0)


def _multiply_on(state: _State, after: Sum) -> tuple[Verdict, _State]:
    """A further line of such a block: less must be left to do."""
    todo = _todo(after)
    if todo is None or todo >= state.todo:
        return Verdict.INVALID, state
    most = 2 * PRODUCTS if todo else PRODUCTS
    if state.todo - todo > most:
        return Verdict.UNKNOWN, state
    block = after if todo else None
    return Verdict.VALID, state._replace(todo=todo, block=block)


def _todo(terms: Sum) -> int | None:
    """Products of digits, twice, and sums to do in a sum of products.

    None for any other expression. Digits that are zero do not count.
    """
    work = len(terms) - 1
    for kind, *parts in terms:
        if kind == _MONOMIAL:
            number, powers = parts
            if powers or number <= 0:
                return None
        else:
            integers, powers, sums = parts
            if powers or sums or len(integers) != 2 or min(integers) <= 0:
                return None
            one, other = (len(str(n).replace("0", "")) for n in integers)
            work += 2 * one * other
    return work


def _digits(number: int) -> int:
    """Significant digits: two for 380."""
    return len(str(abs(number)).rstrip("0"))


# --- The tree ---------------------------------------------------------------


def _rewrite(
    terms: Sum,
    change_product: Callable[[Term], Sum | None],
    change_sum: Callable[[Sum], Sum | None],
) -> Sum | None:
    """Changes the first place that can be, innermost first; None if none."""
    for index, term in enumerate(terms):
        if term[0] == _MONOMIAL:
            continue
        _, integers, powers, sums = term
        new = None
        for place, inner in enumerate(sums):
            changed = _rewrite(inner, change_product, change_sum)
            if changed is not None:
                parts = [*sums[:place], changed, *sums[place + 1 :]]
                new = _product(integers, powers, parts)
                break
        if new is None:
            new = change_product(term)
        if new is not None:
            return terms[:index] + new + terms[index + 1 :]
    return change_sum(terms)


def _replaced(
    node: Term, product: Term, after: Sum, rows: list, whole: bool
) -> Sum | None:
    """`node` where some of its factors, or a row of it, became `after`.

    Only where no other factors are left, if `whole`.
    """
    rest = _without(node, product)
    if rest is not None and not (whole and any(rest[1:])):
        return _with_sum(rest, after)
    _, integers, powers, sums = node
    for place, terms in enumerate(sums):
        if not is_flat(terms):
            continue
        others = (_PRODUCT, integers, powers, sums[:place] + sums[place + 1 :])
        for index, term in enumerate(terms):
            row = (_PRODUCT, *_atoms(term), ())
            partner = _without(product, row)
            if not any(row[1:]) or partner is None or not any(partner[1:]):
                continue
            rest = _without(others, partner)
            if rest is None or (whole and any(rest[1:])):
                continue
            rows.append(_key((_PRODUCT, *partner[1:3], (*partner[3], terms))))
            result = ()
            for number, other in enumerate(terms):
                if number == index:
                    result += after
                else:
                    more, names = _atoms(other)
                    result += _product(
                        partner[1] + more, partner[2] + names, partner[3]
                    )
            return _with_sum(rest, result)
    return None


def _without(node: Term, part: Term) -> Term | None:
    """The factors of `node` without those of `part`; None if one lacks."""
    _, integers, powers, sums = node
    left = []
    for have, take in ((integers, part[1]), (powers, part[2])):
        have = list(have)
        for factor in take:
            if factor not in have:
                return None
            have.remove(factor)
        left.append(tuple(have))
    if not part[3]:
        return (_PRODUCT, *left, sums)
    keys = [sorted(terms) for terms in sums]
    have = list(sums)
    for terms in part[3]:
        key = sorted(terms)
        if key not in keys:
            return None
        place = keys.index(key)
        del keys[place], have[place]
    return (_PRODUCT, *left, tuple(have))


def _with_sum(rest: Term, terms: Sum) -> Sum:
    _, integers, powers, sums = rest
    return _product(integers, powers, (terms, *sums))


def _key(product: Term):
    """Equal for products that differ in the order of terms and factors."""
    _, integers, powers, sums = product
    factors = tuple(sorted(tuple(sorted(terms)) for terms in sums))
    return tuple(sorted(integers)), tuple(sorted(powers)), factors


def _products(terms: Sum) -> Iterable[Term]:
    """All products of the tree."""
    for term in terms:
        if term[0] == _PRODUCT:
            yield term
            for inner in term[3]:
                yield from _products(inner)


def _has_factor(tree: Sum, terms: Sum) -> bool:
    if not is_collected(terms):
        return False
    key = sorted(terms)
    return any(
        len(inner) == len(terms) and sorted(inner) == key
        for product in _products(tree)
        for inner in product[3]
    )


def _needs(tree: Sum, pair: tuple[int, int]) -> bool:
    """Has some product these coefficients, up to signs, in two factors?"""
    for _, integers, _, sums in _products(tree):
        factors = [{abs(number)} for number in integers]
        factors += [
            {abs(term[1]) for term in terms if term[0] == _MONOMIAL}
            for terms in sums
        ]
        having = [
            [
                place
                for place, numbers in enumerate(factors)
                if number in numbers
            ]
            for number in pair
        ]
        if having[0] and having[1] and len({*having[0], *having[1]}) > 1:
            return True
    return False


# --- Values -----------------------------------------------------------------


def _agree(one: Sum, other: Sum, seed: int | str) -> bool:
    """Have two expressions the same value at a random place, modulo a prime?

    By the lemma of Schwartz and Zippel unequal ones of degree d pass with a
    probability of at most d / 2**61.
    """
    points = _points(seed)
    return _value(one, points) == _value(other, points)


@functools.lru_cache(maxsize=64)
def _points(seed: int | str) -> dict[str, int]:
    rng = random.Random(seed)
    return {name: rng.randrange(_PRIME) for name in string.ascii_lowercase}


def _value(terms: Sum, points: dict[str, int]) -> int:
    total = 0
    for term in terms:
        if term[0] == _MONOMIAL:
            value, powers, sums = term[1], term[2], ()
        else:
            _, integers, powers, sums = term
            value = 1
            for number in integers:
                value = value * number % _PRIME
        for name, exponent in powers:
            value = value * pow(points[name], exponent, _PRIME) % _PRIME
        for inner in sums:
            value = value * _value(inner, points) % _PRIME
        total += value
    return total % _PRIME


def _certify(statement: str, tree: Sum, line: str) -> Verdict:
    """INVALID where the claimed answer differs from the problem."""
    try:
        terms = read_sum(line)
    except NotRead:
        return Verdict.UNKNOWN
    agree = all(_agree(tree, terms, f"{statement}{line}{i}") for i in "12")
    return Verdict.UNKNOWN if agree else Verdict.INVALID
