"""Questions that a short program answers: `How many primes are below 60?`

A chain of thought is a session of the Python interpreter: a line that starts
with `>>> ` is a program, which sees what those before it have defined; the
line after it is its output, which the interpreter writes and not the model.
The last line states the answer. The generator works outputs out by itself, in
another way than the programs where there is one.

    How many integers from 1 to 500 are divisible by 7 or 9?
    >>> r = range(1, 501)
    >>> sum(n%7==0 or n%9==0 for n in r)
    119
    answer: 119

The harder levels ask for a remainder, or combine two or three questions.
"""

from __future__ import annotations

import bisect
import functools
import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from jaxlrm import extend
from jaxlrm.families import task
from jaxlrm.families.rules.programs import ANSWER, PROMPT
from jaxlrm.verify.answers.primes import is_prime

_LENGTH = 600  # characters of a question
_ASK = ("What is {}?", "Find {}.", "Compute {}.")
_ASKED = re.compile(r"(?:What is|Find|Compute) (.+)[?.]")
_REMAINDER = "the remainder when {} is divided by {}"
_DIVIDED = re.compile(r"the remainder when (.+) is divided by ([0-9]{1,6})")
_NAMES = "xyz"
_COMBINED = re.compile(
    r"(?:(x(?: [-+] |\*)y(?:(?: [-+] |\*)z)?)"
    r"|\((x(?: [-+] |\*)y(?:(?: [-+] |\*)z)?)\) modulo ([0-9]{1,6}))"
)
_BETWEEN = re.compile(r"(?:,| and) ([yz]) be ")
_PRODUCT = 10**9  # larger values are added
_DRAWS = 5  # until parts share no line

# Of each level, the numbers of questions that a problem may combine, and
# whether it asks for a remainder.
_SHAPES = (
    ((1, False),),
    ((1, False), (1, False), (1, True)),
    ((1, False), (1, True), (2, False)),
    ((1, True), (2, False), (2, False)),
    ((2, False), (2, True), (3, False)),
    ((3, False),),
    ((3, False), (3, True)),
)
# Places of phrases that are words; all others are numbers.
_WORDS = {
    "how": ("or", "and", "but not by"),
    "power": ("squares", "cubes"),
    "parity": ("odd", "even"),
    "digits": ("ones", "zeros"),
}

Parameters = dict[str, Any]  # by place: an int or a word


class _Kind(NamedTuple):
    """One kind of question.

    Attributes:
        phrases: what is asked for, as a noun; then whole questions.
        draw: parameters, given a source of randomness and a level.
        lines: the program; the last line is an expression.
        value: of that expression.
    """

    phrases: tuple[str, ...]
    draw: Callable[[random.Random, int], Parameters]
    lines: Callable[..., Sequence[str]]
    value: Callable[..., int]


class _Part(NamedTuple):
    """A question of a kind with its parameters."""

    kind: _Kind
    parameters: Parameters

    @property
    def noun(self) -> str:
        return self.kind.phrases[0].format(**self.parameters)

    @property
    def lines(self) -> Sequence[str]:
        return self.kind.lines(**self.parameters)

    @property
    def value(self) -> int:
        return self.kind.value(**self.parameters)


class Programs(task.Numeric):
    """The family."""

    name = "programs"
    dead_ends = True  # a program that runs may be the wrong one
    tools = True

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        count, remainder = rng.choice(_SHAPES[level - 1])
        parts = _draw_parts(rng, level, count)
        modulus = rng.randint(3, 12 * level) if remainder else 0
        if len(parts) == 1:
            text, session, value = _single(rng, parts[0], modulus)
        else:
            text, session, value = _combine(rng, parts, modulus)
        steps: list[str] = []
        outputs = []
        for line, output in session:
            steps.append(PROMPT + line)
            if output is not None:
                outputs.append(len(steps))
                steps.append(str(output))
        steps.append(f"{ANSWER}{value}")
        return extend.Problem(
            text, str(value), self.name, tuple(steps), tuple(outputs)
        )

    def statement(self, text: str) -> str | None:
        text = extend.question(text)
        if len(text) > _LENGTH:
            return None
        found = _read_combined(text) or _read_single(text)
        return f"python: {found}" if found else None


# A session is pairs of a line and its output, None for a silent line.
Session = list[tuple[str, int | None]]


def _draw_parts(rng: random.Random, level: int, count: int) -> list[_Part]:
    """Questions of different kinds whose programs share no line."""
    for _ in range(_DRAWS):
        parts = [
            _Part(kind, kind.draw(rng, level))
            for kind in rng.sample(_KINDS, count)
        ]
        lines = [line for part in parts for line in _own(part)]
        if len(set(lines)) == len(lines):
            return parts
    return parts[:1]


def _own(part: _Part) -> Iterator[str]:
    """The lines but for imports, which need not be repeated."""
    return (line for line in part.lines if not line.startswith("from "))


def _single(
    rng: random.Random, part: _Part, modulus: int
) -> tuple[str, Session, int]:
    *setup, last = part.lines
    value = part.value
    session: Session = [(line, None) for line in setup]
    session.append((last, value))
    if modulus and part.kind is not _POWER_REMAINDER:
        session.append((f"_ % {modulus}", value % modulus))
        asked = _REMAINDER.format(part.noun, modulus)
        return rng.choice(_ASK).format(asked), session, value % modulus
    questions = part.kind.phrases[1:]
    if questions and rng.random() < 0.6:
        return rng.choice(questions).format(**part.parameters), session, value
    return rng.choice(_ASK).format(part.noun), session, value


def _combine(
    rng: random.Random, parts: Sequence[_Part], modulus: int
) -> tuple[str, Session, int]:
    session: Session = []
    for name, part in zip(_NAMES, parts, strict=False):
        *setup, last = part.lines
        for line in (*setup, f"{name} = {last}"):
            if (line, None) not in session:
                session.append((line, None))
    values = [part.value for part in parts]
    expression, total = _NAMES[0], values[0]
    for name, value in zip(_NAMES[1:], values[1:], strict=False):
        sign = rng.choice((" + ", " - ", "*"))
        # A product of the first two only: brackets are not needed.
        if sign == "*" and (len(expression) > 1 or total * value > _PRODUCT):
            sign = " + "
        expression += sign + name
        if sign == "*":
            total *= value
        else:
            total += value if sign == " + " else -value
    asked = expression
    if modulus:
        asked = f"({expression}) modulo {modulus}"
        expression = f"({expression}) % {modulus}"
        total %= modulus
    session.append((expression, total))
    nouns = [
        f"{name} be {part.noun}"
        for name, part in zip(_NAMES, parts, strict=False)
    ]
    text = f"Let {', '.join(nouns[:-1])} and {nouns[-1]}."
    return f"{text} {rng.choice(_ASK).format(asked)}", session, total


# --- Reading ----------------------------------------------------------------


def _read_single(text: str) -> str | None:
    """What a question without names asks for, as a noun."""
    asked = _ASKED.fullmatch(text)
    if asked is None:
        return _read_question(text)
    divided = _DIVIDED.fullmatch(asked[1])
    noun = divided and _read_noun(divided[1])
    if divided and noun:
        return _REMAINDER.format(noun, divided[2])
    return _read_noun(asked[1]) or _read_question(text)


def _read_combined(text: str) -> str | None:
    """Of `Let x be … and y be …. What is x + y?`."""
    if not text.startswith("Let x be "):
        return None
    given, _, ask = text.removeprefix("Let x be ").rpartition(". ")
    asked = _ASKED.fullmatch(ask)
    expression = asked and _COMBINED.fullmatch(asked[1])
    if not expression:
        return None
    first, *others = _BETWEEN.split(given)
    names, nouns = ["x", *others[::2]], [first, *others[1::2]]
    used = re.findall("[xyz]", expression[0])
    if names != used:
        return None
    read = [_read_noun(noun) for noun in nouns]
    if not all(read):
        return None
    where = " and ".join(
        f"{name} is {noun}" for name, noun in zip(names, read, strict=True)
    )
    return f"{expression[0]}, where {where}"


def _read_noun(text: str) -> str | None:
    for kind, (noun, *_) in _patterns():
        match = noun.fullmatch(text)
        if match:
            return kind.phrases[0].format(**match.groupdict())
    return None


def _read_question(text: str) -> str | None:
    for kind, (_, *questions) in _patterns():
        for question in questions:
            match = question.fullmatch(text)
            if match:
                return kind.phrases[0].format(**match.groupdict())
    return None


@functools.cache
def _patterns() -> list[tuple[_Kind, list[re.Pattern]]]:
    """Regular expressions of the phrases of each kind."""
    return [(kind, [_pattern(p) for p in kind.phrases]) for kind in _KINDS]


def _pattern(phrase: str) -> re.Pattern:
    parts = re.split(r"\{([a-z]+)\}", phrase)
    for index, part in enumerate(parts):
        if index % 2:
            values = "|".join(_WORDS.get(part, ("[0-9]{1,6}",)))
            parts[index] = f"(?P<{part}>{values})"
        else:
            parts[index] = re.escape(part)
    return re.compile("".join(parts))


# --- The kinds --------------------------------------------------------------


def _size(rng: random.Random, level: int, low: int, high: int) -> int:
    """An integer between bounds, the upper of which the top level reaches."""
    return rng.randint(low, low + (high - low) * level // len(_SHAPES))


def _two_divisors(rng: random.Random, level: int) -> Parameters:
    a, b = sorted(rng.sample(range(2, 5 + 3 * level), 2))
    size = 10 * _size(rng, level, 3, 100)
    return {"n": size, "a": a, "b": b, "how": rng.choice(_WORDS["how"])}


def _condition(a: int, b: int, how: str) -> str:
    if how == "but not by":
        return f"n%{a}==0 and n%{b}>0"
    return f"n%{a}==0 {how} n%{b}==0"


def _sum_divisible(n: int, a: int, b: int, how: str, power: int) -> int:
    """Of the `power`-th powers (0 or 1) of what is in 1..n and divisible."""

    def multiples(d: int) -> int:
        count = n // d
        return d * count * (count + 1) // 2 if power else count

    both = multiples(math.lcm(a, b))
    if how == "and":
        return both
    return multiples(a) - both + (multiples(b) if how == "or" else 0)


def _digits(number: int) -> int:
    return sum(map(int, str(number)))


def _fibonacci(n: int) -> int:
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def _term(n: int, s: int, m: int, c: int) -> int:
    """The `n`-th of `s`, `m*s + c`, … where m is over 1."""
    growth = m ** (n - 1)
    return s * growth + c * (growth - 1) // (m - 1)


def _power_sum(n: int, power: str) -> int:
    if power == "squares":
        return n * (n + 1) * (2 * n + 1) // 6
    return (n * (n + 1) // 2) ** 2


def _parity_sum(a: int, b: int, parity: str) -> int:
    first = a + (a % 2 == (parity == "even"))
    return sum(range(first, b + 1, 2))


@functools.cache
def _primes() -> list[int]:
    return [n for n in range(2, 1000) if is_prime(n)]


def _primes_below(n: int) -> list[int]:
    return _primes()[: bisect.bisect_left(_primes(), n)]


def _divisors(n: int) -> list[int]:
    small = [d for d in range(1, math.isqrt(n) + 1) if n % d == 0]
    return sorted({*small, *(n // d for d in small)})


@functools.cache
def _palindromes() -> list[int]:
    return [n for n in range(10_000) if str(n) == str(n)[::-1]]


def _palindromes_in(a: int, b: int) -> int:
    table = _palindromes()
    return bisect.bisect_right(table, b) - bisect.bisect_left(table, a)


def _interval(rng: random.Random, level: int, high: int) -> Parameters:
    a = _size(rng, level, 1, high // 2)
    return {"a": a, "b": a + _size(rng, level, 10, high // 2)}


def _prime_lines(n: int, last: str) -> Sequence[str]:
    listed = "p = [n for n in r if all(n%d for d in range(2, n))]"
    return f"r = range(2, {n})", listed, last


def _divisor_lines(n: int, last: str) -> Sequence[str]:
    return f"n = {n}", "d = [i for i in range(1, n+1) if n%i==0]", last


def _imported(name: str, expression: str) -> Sequence[str]:
    return f"from math import {name}", expression


_POWER_REMAINDER = _Kind(
    (
        "the remainder when {a}^{n} is divided by {m}",
        "What remainder does {a}^{n} leave when divided by {m}?",
        "If {a}^{n} is divided by {m}, what is the remainder?",
    ),
    lambda rng, level: {
        "a": _size(rng, level, 2, 100),
        "n": _size(rng, level, 5, 1000),
        "m": _size(rng, level, 5, 200),
    },
    lambda a, n, m: (f"pow({a}, {n}, {m})",),
    lambda a, n, m: pow(a, n, m),
)

_KINDS = (
    _Kind(
        (
            "the number of integers from 1 to {n} divisible by {a} {how} {b}",
            "How many integers from 1 to {n} are divisible by {a} {how} {b}?",
            "Count the integers from 1 to {n} that are divisible by "
            "{a} {how} {b}.",
        ),
        _two_divisors,
        lambda n, a, b, how: (
            f"r = range(1, {n + 1})",
            f"sum({_condition(a, b, how)} for n in r)",
        ),
        lambda n, a, b, how: _sum_divisible(n, a, b, how, 0),
    ),
    _Kind(
        (
            "the sum of the integers below {n} divisible by {a} {how} {b}",
            "Add up all integers below {n} that are divisible by "
            "{a} {how} {b}.",
        ),
        _two_divisors,
        lambda n, a, b, how: (
            f"r = range({n})",
            f"sum(n for n in r if {_condition(a, b, how)})",
        ),
        lambda n, a, b, how: _sum_divisible(n - 1, a, b, how, 1),
    ),
    _Kind(
        (
            "the sum of the digits of {a}^{n}",
            "Add up the digits of {a}^{n}.",
        ),
        lambda rng, level: {
            "a": _size(rng, level, 2, 30),
            "n": _size(rng, level, 5, 100),
        },
        lambda a, n: (f"sum(map(int, str({a}**{n})))",),
        lambda a, n: _digits(a**n),
    ),
    _POWER_REMAINDER,
    _Kind(
        (
            "the Fibonacci number F({n})",
            "Find term {n} of the Fibonacci sequence 1, 1, 2, 3, 5, 8, ...",
        ),
        lambda rng, level: {"n": _size(rng, level, 8, 50)},
        lambda n: (
            "a, b = 0, 1",
            f"for i in range({n}): a, b = b, a + b",
            "a",
        ),
        _fibonacci,
    ),
    _Kind(
        (
            "term {n} of the sequence that starts with {s} and goes on with "
            "{m} times the last term plus {c}",
            "A sequence starts with {s}. Each next term is {m} times the last "
            "one plus {c}. What is term {n}?",
        ),
        lambda rng, level: {
            "n": _size(rng, level, 4, 14),
            "s": rng.randint(1, 9),
            "m": rng.randint(2, 3),
            "c": rng.randint(1, 9),
        },
        lambda n, s, m, c: (
            f"a = {s}",
            f"for i in range({n - 1}): a = {m}*a + {c}",
            "a",
        ),
        _term,
    ),
    _Kind(
        (
            "the sum of the {power} of the first {n} positive integers",
            "Add up the {power} of the integers from 1 to {n}.",
        ),
        lambda rng, level: {
            "n": _size(rng, level, 8, 200),
            "power": rng.choice(_WORDS["power"]),
        },
        lambda n, power: (
            f"sum(n**{2 + (power == 'cubes')} for n in range(1, {n + 1}))",
        ),
        _power_sum,
    ),
    _Kind(
        (
            "the sum of the {parity} numbers from {a} to {b}",
            "Add up all {parity} numbers from {a} to {b}.",
        ),
        lambda rng, level: {
            **_interval(rng, level, 1000),
            "parity": rng.choice(_WORDS["parity"]),
        },
        lambda a, b, parity: (
            f"r = range({a}, {b + 1})",
            f"sum(n for n in r if n%2=={int(parity == 'odd')})",
        ),
        _parity_sum,
    ),
    _Kind(
        (
            "the number of primes below {n}",
            "How many primes are below {n}?",
            "How many prime numbers are smaller than {n}?",
        ),
        lambda rng, level: {"n": _size(rng, level, 15, 700)},
        lambda n: _prime_lines(n, "len(p)"),
        lambda n: len(_primes_below(n)),
    ),
    _Kind(
        ("the sum of the primes below {n}", "Add up all primes below {n}."),
        lambda rng, level: {"n": _size(rng, level, 15, 700)},
        lambda n: _prime_lines(n, "sum(p)"),
        lambda n: sum(_primes_below(n)),
    ),
    _Kind(
        (
            "the number of divisors of {n}",
            "How many divisors does {n} have?",
            "How many positive integers divide {n}?",
        ),
        lambda rng, level: {"n": 12 * _size(rng, level, 2, 150)},
        lambda n: _divisor_lines(n, "len(d)"),
        lambda n: len(_divisors(n)),
    ),
    _Kind(
        ("the sum of the divisors of {n}", "Add up all divisors of {n}."),
        lambda rng, level: {"n": 6 * _size(rng, level, 2, 300)},
        lambda n: _divisor_lines(n, "sum(d)"),
        lambda n: sum(_divisors(n)),
    ),
    _Kind(
        ("the number of digits of {n}!", "How many digits does {n}! have?"),
        lambda rng, level: {"n": _size(rng, level, 8, 150)},
        lambda n: _imported("factorial", f"len(str(factorial({n})))"),
        lambda n: len(str(math.factorial(n))),
    ),
    _Kind(
        ("the sum of the digits of {n}!", "Add up the digits of {n}!."),
        lambda rng, level: {"n": _size(rng, level, 8, 150)},
        lambda n: _imported("factorial", f"sum(map(int, str(factorial({n}))))"),
        lambda n: _digits(math.factorial(n)),
    ),
    _Kind(
        (
            "the number of {digits} in the binary form of {n}",
            "How many {digits} are there in the binary form of {n}?",
            "How many {digits} does {n} have in binary?",
        ),
        lambda rng, level: {
            "n": rng.randint(20, 10 ** (2 + level // 2)),
            "digits": rng.choice(_WORDS["digits"]),
        },
        lambda n, digits: (f"bin({n})[2:].count('{int(digits == 'ones')}')",),
        lambda n, digits: (
            n.bit_count()
            if digits == "ones"
            else n.bit_length() - n.bit_count()
        ),
    ),
    _Kind(
        (
            "the number of perfect squares from {a} to {b}",
            "How many perfect squares are there from {a} to {b}?",
        ),
        lambda rng, level: _interval(rng, level, 2000),
        lambda a, b: (
            f"r = range({a}, {b + 1})",
            f"sum(n*n in r for n in range({b + 1}))",
        ),
        lambda a, b: math.isqrt(b) - math.isqrt(a - 1),
    ),
    _Kind(
        (
            "the number of integers from 1 to {n} that contain the digit {d}",
            "How many integers from 1 to {n} contain the digit {d}?",
        ),
        lambda rng, level: {
            "n": 10 * _size(rng, level, 3, 100),
            "d": rng.randint(1, 9),
        },
        lambda n, d: (f"sum('{d}' in str(n) for n in range(1, {n + 1}))",),
        lambda n, d: sum(str(d) in str(i) for i in range(n + 1)),
    ),
    _Kind(
        (
            "the smallest positive integer divisible by all of 1 to {n}",
            "What is the smallest positive integer that all integers from 1 "
            "to {n} divide?",
        ),
        lambda rng, level: {"n": _size(rng, level, 4, 28)},
        lambda n: _imported("lcm", f"lcm(*range(1, {n + 1}))"),
        lambda n: math.lcm(*range(1, n + 1)),
    ),
    _Kind(
        (
            "the number of ways to choose {k} of {n} people",
            "In how many ways can {k} of {n} people be chosen?",
            "How many groups of {k} can be formed from {n} people?",
        ),
        lambda rng, level: {
            "k": _size(rng, level, 2, 9),
            "n": _size(rng, level, 10, 40),
        },
        lambda k, n: _imported("comb", f"comb({n}, {k})"),
        lambda k, n: math.comb(n, k),
    ),
    _Kind(
        (
            "the number of palindromes from {a} to {b}",
            "How many palindromic integers are there from {a} to {b}?",
        ),
        lambda rng, level: _interval(rng, level, 2000),
        lambda a, b: (
            f"s = map(str, range({a}, {b + 1}))",
            "sum(t == t[::-1] for t in s)",
        ),
        _palindromes_in,
    ),
)
