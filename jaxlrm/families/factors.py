"""Prime factorisation: `Find the prime factorization of 656. ...`

Phrasing and range of `prime_factorization` in reasoning-gym, written anew.
The chain splits one prime off at a time, smallest first.
"""

from __future__ import annotations

import random
import re

from jaxlrm import extend
from jaxlrm.families import task

_TEXT = (
    "Find the prime factorization of {}. Write the factors separated by × "
    "(Example: for 12 the answer would be: 2 × 2 × 3)"
)
_SHORT = "Find the prime factorization of {}."
_PHRASE = re.compile(
    r"Find the prime factorization of ([0-9]{1,12})\."
    r"(?: Write the factors separated by × \(Example: for 12 the answer would "
    r"be: 2 × 2 × 3\))?"
)
_POWER = re.compile(r"([0-9]+) ?\*\* ?([0-9]{1,2})(?![0-9])")
# Largest number and largest prime factor of a level; 0 is any.
_RANGES = (
    (100, 0),
    (400, 0),
    (1000, 0),
    (3000, 50),
    (10_000, 50),
    (50_000, 50),
    (500_000, 50),
)


class PrimeFactorisation:
    """The family."""

    name = "factors"
    dead_ends = False

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        top, largest = _RANGES[level - 1]
        if largest and level <= 5 and rng.random() < 0.5:
            top, largest = _RANGES[2]  # the range of reasoning-gym
        while True:
            number = rng.randint(2, top)
            primes = factorise(number)
            if not largest or primes[-1] < largest:
                break
        steps, rest = [], number
        for count, prime in enumerate(primes[:-1], 1):
            rest //= prime
            steps.append(f"= {'*'.join(map(str, (*primes[:count], rest)))}")
        answer = " × ".join(map(str, primes))
        text = _TEXT if rng.random() < 0.7 else _SHORT
        return extend.Problem(
            text.format(number), answer, self.name, (*steps, answer)
        )

    def statement(self, text: str) -> str | None:
        match = _PHRASE.fullmatch(extend.question(text))
        return f"factors({int(match[1])})" if match else None

    def accepts(self, statement: str, answer: str, gold: str) -> bool:
        """The same primes, in any order."""
        del statement
        return _parts(answer) == _parts(gold)


def _parts(product: str) -> list[str]:
    text = _POWER.sub(_written_out, task.typed(product))
    return sorted(part.strip().lstrip("0") for part in re.split("[*x]", text))


def _written_out(power: re.Match) -> str:
    return "*".join([power[1]] * int(power[2]))


def factorise(number: int) -> list[int]:
    """The prime factors of a number from 2, in order."""
    primes, prime = [], 2
    while prime * prime <= number:
        while number % prime == 0:
            primes.append(prime)
            number //= prime
        prime += 1
    return [*primes, number] if number > 1 else primes
