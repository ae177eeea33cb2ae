"""The primality test against trial division and known pseudoprimes."""

from __future__ import annotations

import random

import pytest

from jaxlrm.verify.answers.primes import is_prime


def test_small_numbers():
    primes = [n for n in range(2, 4000) if all(n % d for d in range(2, n))]
    assert [n for n in range(-3, 4000) if is_prime(n)] == primes


@pytest.mark.parametrize(
    "number",
    [341, 561, 3215031751, 3825123056546413051, 318665857834031151167461],
)
def test_pseudoprimes_are_seen_through(number):
    """Strong pseudoprimes to the first bases (OEIS A014233), and others."""
    assert not is_prime(number)


def test_large_primes_with_random_bases():
    source = random.Random(0)
    for prime in (2**61 - 1, 2**89 - 1, 2**107 - 1, 2**127 - 1):
        bases = [source.randrange(2, prime - 1) for _ in range(8)]
        assert is_prime(prime, bases)
        assert not is_prime(prime * (2**61 - 1), bases)
