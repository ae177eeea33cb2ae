"""Products and sums to expand: `Expand (2*x + 3)*(5*x - 1).`

Phrasings and size distributions of `polynomials__expand` in DeepMind's
mathematics dataset (Saxton et al. 2019, "Analysing mathematical reasoning
abilities of neural models") and of `polynomial_multiplication` in
reasoning-gym, written anew.

A chain of thought works from the innermost brackets outwards: it collects the
terms of each bracket, multiplies two factors a row at a time, and adds each
row to those before it. Terms stay in the order in which they were written
until the answer: to copy is easy, to sort is not. Terms that come out of a
product are written with the power in front, `x**3*1040`: what a model copies
from far above it finds by what stands before it. Terms that are zero and
factors that are one are left out.
"""

from __future__ import annotations

import math
import random
import re
from typing import NamedTuple

from jaxlrm import extend
from jaxlrm.families import task
from jaxlrm.families.rules import polynomials as rules

_LETTERS = "abcdfghijklmnopqrstuvwxyz"
_GYM_PHRASES = ("Simplify this expression: {}", "Calculate the following: {}")
_PHRASE = re.compile(
    r"(?:Expand (?P<ended>[-+*() 0-9a-z]{1,600})\."
    r"|(?:Simplify this expression|Calculate the following): "
    r"(?P<open>[-+*() 0-9a-z]{1,600}))"
)
_SMALL = 20  # coefficients below this are added without a line for each
_WHOLE = 44  # characters of a sum that is restated
# Terms, the largest coefficient, and factors of a product; by level.
_GYM_SIZES = (
    ((1, 2), 9, (2, 2)),
    ((1, 3), 20, (2, 2)),
    ((2, 4), 50, (2, 2)),
    ((2, 4), 100, (2, 2)),
    ((2, 4), 100, (2, 3)),
    ((2, 4), 100, (3, 3)),
    ((2, 4), 300, (3, 3)),
)
_GYM_DEGREE = 3

# A monomial is (coefficient, exponent). A sum is a list of monomials and of
# products, and a product is a list of sums.


class _Derived(NamedTuple):
    """A monomial that the problem does not state; written `x**3*1040`."""

    number: int
    power: int


class Expand(task.Polynomial):
    """The family, from both sources."""

    name = "expand"
    dead_ends = False

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        """Draws a problem; levels 1 to 5 span the range of the sources."""
        for _ in range(4):
            if rng.random() < 0.5:
                expression, variable = _sample_brackets(rng, level)
                phrase = "Expand {}."
            else:
                expression, variable = _sample_factors(rng, level)
                phrase = rng.choice(_GYM_PHRASES)
            solver = _Solver(variable)
            answer = solver.solve(expression)
            # Equal brackets would need equal lines.
            facts = [line for line in solver.steps if line[0] != "="]
            if len(set(facts)) == len(facts):
                break
        text = phrase.format(_written(expression, variable))
        return extend.Problem(text, answer, self.name, tuple(solver.steps))

    def statement(self, text: str) -> str | None:
        """`expand(EXPRESSION)`."""
        match = _PHRASE.fullmatch(extend.question(text))
        if match is None:
            return None
        expression = (match["ended"] or match["open"]).strip()
        statement = f"expand({expression})"
        return statement if rules.reads(statement) else None


# --- Sums with brackets, as in DeepMind's dataset ---------------------------


def _sample_brackets(rng: random.Random, level: int):
    longest = 150 if level <= 5 else 250
    variable = rng.choice(_LETTERS)
    expression = []
    for _ in range(8):
        degree = rng.randint(1, 5)
        entropy = task.entropy(rng, level) - math.log10(5)
        length = 3 + rng.randint(0, int(entropy / 2))
        catalan = math.comb(2 * length, length) // (length + 1)
        entropy += math.log10(catalan)
        expression, _ = _bracketed(rng, degree, entropy, length, True)
        if len(_written(expression, variable)) <= longest:
            break
    return expression, variable


def _bracketed(rng, degree: int, entropy: float, length: int, force: bool):
    """A sum and its value; `force` for at least one product in it."""
    if force:
        length = max(2, length)
    elif length < 2 or rng.random() < 0.5:
        return _spelled_out(rng, degree, entropy, length)
    counts = [0, 0]
    counts[0] = rng.randint(1, length - 1)
    counts[1] = length - counts[0]
    entropies = [entropy * part for part in task.dirichlet(rng, counts)]
    if rng.random() < 0.5:
        for _ in range(10):
            left, one = _bracketed(rng, degree, entropies[0], counts[0], True)
            right, two = _bracketed(rng, degree, entropies[1], counts[1], False)
            value = _added(one, two)
            if value and max(value) == degree:
                break
        both = [left, right]
        if rng.random() < 0.5:
            both.reverse()
        return both[0] + both[1], value
    if degree <= 1 or rng.random() < 0.5:
        first = rng.randint(0, degree)
    else:
        first = rng.randint(1, degree - 1)
    factors, values = [], []
    for part, bits, count in zip(
        (first, degree - first), entropies, counts, strict=True
    ):
        for _ in range(10):
            factor, value = _bracketed(rng, part, bits, count, False)
            if value:
                break
        # A product of products is written as one.
        lone = len(factor) == 1 and isinstance(factor[0], list)
        factors += factor[0] if lone else [factor]
        values.append(value)
    return [factors], _multiplied(*values)


def _spelled_out(rng, degree: int, entropy: float, length: int):
    """A sum of monomials, more than there need be, and its value."""
    powers = {degree}
    most = max(1, min(length, degree + 1))
    count = rng.randint(1, most)
    while len(powers) < count:
        powers.add(rng.randint(0, degree))
    shares = task.dirichlet(rng, [1] * count)
    value = {}
    for power, share in zip(sorted(powers), shares, strict=True):
        bound = math.ceil((10.0 ** (entropy / 2 * share) + 1) / 2)
        value[power] = rng.randint(1, bound) * rng.choice((1, -1))
    counts = [int(power in value) for power in range(degree + 1)]
    extra = max(length, count + 2) - count
    for power, more in enumerate(task.composition(rng, degree + 1, extra)):
        counts[power] += more
    # One term alone cannot be zero.
    for power in range(degree + 1):
        if counts[power] == 1 and power not in value:
            others = [i for i, n in enumerate(counts) if n and i != power]
            counts[power] = 0
            counts[rng.choice(others)] += 1
    shares = task.dirichlet(rng, [n - 1 for n in counts])
    terms = []
    for power, (number, share) in enumerate(zip(counts, shares, strict=True)):
        total = value.get(power, 0)
        parts = _split(rng, total, number, entropy / 2 * share)
        terms += [(part, power) for part in parts]
    rng.shuffle(terms)
    return terms, value


def _split(rng, total: int, count: int, entropy: float) -> list[int]:
    """`count` integers of about `entropy` digits together, summing to total."""
    if count < 2:
        return [total] * count
    fewest = max(1.0, math.log10(5 * abs(math.ceil(total / count)) + 1))
    entropy *= count / (count - 1)
    parts = [
        task.integer(rng, max(fewest, entropy * share))
        for share in task.dirichlet(rng, [1] * count)
    ]
    excess = total - sum(parts)
    parts = [part + (excess + i) // count for i, part in enumerate(parts)]
    rng.shuffle(parts)
    return parts


def _added(one: dict, other: dict) -> dict:
    total = dict(one)
    for power, number in other.items():
        total[power] = total.get(power, 0) + number
    return {power: number for power, number in total.items() if number}


def _multiplied(one: dict, other: dict) -> dict:
    total = {}
    for p, a in one.items():
        for q, b in other.items():
            total[p + q] = total.get(p + q, 0) + a * b
    return {power: number for power, number in total.items() if number}


# --- Products of sums, as in reasoning-gym ----------------------------------


def _sample_factors(rng: random.Random, level: int):
    """A product as SymPy writes it: numbers and powers in front."""
    variable = rng.choice("xyz")
    terms, largest, factors = _GYM_SIZES[level - 1]
    number, power = 1, 0
    sums: list[list] = []
    for _ in range(rng.randint(*factors)):
        value: dict[int, int] = {}
        for _ in range(rng.randint(*terms)):
            coefficient = rng.randint(1, largest) * rng.choice((1, -1))
            exponent = rng.randint(0, _GYM_DEGREE)
            value[exponent] = value.get(exponent, 0) + coefficient
        factor = _ordered([(n, p) for p, n in value.items() if n])
        if not factor:
            return [(0, 0)], variable
        if len(factor) == 1:
            number *= factor[0][0]
            power += factor[0][1]
        else:
            sums.append(factor)
        # A number is multiplied into a lone sum.
        if len(sums) == 1 and power == 0:
            sums = [[(number * n, p) for n, p in sums[0]]]
            number = 1
    if not sums:
        return [(number, power)], variable
    if len(sums) == 1 and (number, power) == (1, 0):
        return sums[0], variable
    sums.sort(key=len)
    if (number, power) != (1, 0):
        sums.insert(0, [(number, power)])
    return [sums], variable


# --- Writing ----------------------------------------------------------------


def _ordered(terms):
    """Monomials in the order in which SymPy prints them."""
    terms = sorted(terms, key=_exponent, reverse=True)
    if len(terms) == 2 and terms[1][1] == 0 and terms[1][0] > 0 > terms[0][0]:
        terms.reverse()
    return terms


def _exponent(term) -> int:
    return term[1]


def _written(terms, variable: str) -> str:
    """A sum; the empty one is `0`."""
    text = ""
    for term in terms:
        if isinstance(term, list):
            body = _factors(term, variable)
            text += f" + {body}" if text else body
            continue
        number, power = term
        body = str(abs(number))
        if power:
            name = variable if power == 1 else f"{variable}**{power}"
            if body == "1":
                body = name
            elif isinstance(term, _Derived):
                body = f"{name}*{body}"
            else:
                body = f"{body}*{name}"
        if text:
            text += f" - {body}" if number < 0 else f" + {body}"
        else:
            text = f"-{body}" if number < 0 else body
    return text or "0"


def _factors(factors, variable: str) -> str:
    """A product; `-(x + 1)` for one that begins with minus one."""
    text = ""
    for index, factor in enumerate(factors):
        body = _written(factor, variable)
        lone = len(factor) <= 1
        if index == 0 and body == "-1" and len(factors[1]) > 1:
            text = "-"
            continue
        # `-x*2` is -2 times x, `-x*(2)` the product of both.
        bare = re.fullmatch(r"-[a-z](\*\*[0-9]+)?", text)
        if not lone or (index and (body[0] == "-" or bare)):
            body = f"({body})"
        text += f"*{body}" if text not in ("", "-") else body
    return text


# --- The worked chain -------------------------------------------------------


class _Solver:
    """Writes the lines that expand an expression in one variable."""

    def __init__(self, variable: str):
        self.variable = variable
        self.steps: list[str] = []
        self.multiplied: set[tuple[int, int]] = set()

    def solve(self, expression) -> str:
        """The answer; the last of the steps states it."""
        terms = _ordered(self.sum(expression))
        self.steps.append(self.write(terms))
        return self.write([(number, power) for number, power in terms])

    def write(self, terms) -> str:
        return _written(terms, self.variable)

    def sum(self, terms):
        """The collected value of a sum, as monomials."""
        products = [term for term in terms if isinstance(term, list)]
        plain = [t for t in terms if not isinstance(t, list) and t[0]]
        result = []
        for factors in products:
            result = self.add(result, self.product(factors))
        return self.add(result, self.collect(plain, not products))

    def product(self, factors):
        """The collected value of a product."""
        values = [self.sum(factor) for factor in factors]
        result = values[0]
        for place, other in enumerate(values[1:], 2):
            whole = _factors([result, other], self.variable)
            rows = min(len(result), len(other))
            result = self.multiply(result, other)
            if place < len(values) and rows > 1 and len(result) > 1:
                self.steps.append(f"{whole} = {self.write(result)}")
        return result

    def add(self, one, other):
        """Two collected sums, a line for each pair of like terms."""
        result = list(one)
        for term in other:
            like = [i for i, have in enumerate(result) if have[1] == term[1]]
            if not like:
                result.append(term)
                continue
            (place,) = like
            pair = [result[place], term]
            total = [_Derived(_total(pair, term[1]), term[1])]
            result[place : place + 1] = total if total[0].number else []
            self.steps.append(f"{self.write(pair)} = {self.write(total)}")
        return result

    def collect(self, terms, stated: bool):
        """Adds like terms, from left to right; a sum takes the first's place.

        A line restates the whole sum where that is all that is `stated` and
        is short; else the terms of one power, which may be far apart.
        """
        powers = list(dict.fromkeys(power for _, power in terms))
        if len(powers) == len(terms):
            return terms
        line = self.write(terms)
        whole = stated and len(line) <= _WHOLE
        small = all(abs(number) < _SMALL for number, _ in terms)
        if whole and small and len(terms) <= 4:
            result = [(_total(terms, power), power) for power in powers]
            result = [term for term in result if term[0]]
            self.steps.append(f"{line} = {self.write(result)}")
            return result
        result = terms
        for power in powers:
            if not whole:
                group = [term for term in result if term[1] == power]
                line = self.write(group)
            while True:
                places = [i for i, t in enumerate(result) if t[1] == power]
                if len(places) < 2:
                    break
                total, used = _addition([result[i][0] for i in places])
                result = list(result)
                made = (total, power) if whole else _Derived(total, power)
                result[places[0]] = made
                for place in reversed(places[bool(total) : used]):
                    del result[place]
                after = [t for t in result if whole or t[1] == power]
                # `= ` goes on from the line before, without a space in front.
                self.steps.append(f"{line} = {self.write(after)}".lstrip())
                line = ""
        return result

    def multiply(self, one, other):
        """Two sums, a row for each term of the first."""
        one, other = one or [(0, 0)], other or [(0, 0)]
        if len(one) > 1 and len(other) == 1:
            one, other = other, one
        result = []
        for term in one:
            result = self.add(result, self.row(term, other))
        return result

    def row(self, term, others):
        one = (1, 0)
        if term == one or others == [one]:  # it goes without saying
            return others if term == one else [term]
        number, power = term
        for other, _ in others:
            self.multiply_numbers(abs(number), abs(other))
        result = [
            _Derived(number * n, power + p) for n, p in others if number * n
        ]
        written = _factors([[term], others], self.variable)
        # `2*x` for 2 times x is its own result.
        if len(others) > 1 or not _is_monomial(term, others[0]):
            self.steps.append(f"{written} = {self.write(result)}")
        return result

    def multiply_numbers(self, one: int, other: int) -> None:
        """A digit of the shorter number at a time, if both have several."""
        shortest, longest = sorted((one, other), key=_effort)
        if _digits(shortest) < 2:
            return
        if (shortest, longest) in self.multiplied:
            return
        self.multiplied |= {(shortest, longest), (longest, shortest)}
        self.steps += _long_product(longest, shortest)


def _total(terms, power: int) -> int:
    return sum(number for number, other in terms if other == power)


def _addition(numbers: list[int]) -> tuple[int, int]:
    """What a line makes of the first numbers, and how many those are.

    One large number is added in a line, or three small ones.
    """
    total, used = numbers[0], 1
    while used < min(4, len(numbers)):
        number = numbers[used]
        large = abs(total) >= _SMALL or abs(number) >= _SMALL
        if large and used > 1:
            break
        total += number
        used += 1
        if large or not total:
            break
    return total, used


def _long_product(longest: int, shortest: int) -> list[str]:
    """A block of lines; `shortest` has several significant digits."""
    part, rest = _leading(shortest)
    done = longest * part
    lines = [f"{longest}*{shortest} = {done} + {_times(longest, rest)}"]
    while _digits(rest) > 1:
        part, rest = _leading(rest)
        more, left = longest * part, _times(longest, rest)
        lines.append(f"= {done} + {more} + {left}")
        done += more
        lines.append(f"= {done} + {left}")
    if rest > 1:
        lines.append(f"= {done} + {longest * rest}")
    return [*lines, f"= {done + longest * rest}"]


def _leading(number: int) -> tuple[int, int]:
    """`(300, 45)` for 345."""
    rest = number % 10 ** (len(str(number)) - 1)
    return number - rest, rest


def _times(number: int, other: int) -> str:
    return f"{number}*{other}" if other > 1 else str(number)


def _digits(number: int) -> int:
    """Significant digits: two for 380."""
    return len(str(number).rstrip("0"))


def _effort(number: int) -> tuple[int, int]:
    """More for a number that takes more lines to multiply by."""
    return _digits(number), len(str(number))


def _is_monomial(one, other) -> bool:
    """Is the product of two monomials one as it is written?"""
    both_numbers = all(n != 1 or not p for n, p in (one, other))
    return not both_numbers and not (one[1] and other[1])
