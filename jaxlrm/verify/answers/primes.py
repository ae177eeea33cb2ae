"""Is a number prime? The test of Miller and Rabin."""

from __future__ import annotations

from collections.abc import Iterable

# These bases decide every number below 3.3e24 (Sorenson and Webster 2015).
BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)


def is_prime(number: int, bases: Iterable[int] = BASES) -> bool:
    """Whether no base shows that `number` is composite.

    Right for every number below 3.3e24 with the bases given here; else a
    composite passes a random base with a chance of at most a quarter.
    """
    if number < 2 or number in BASES:
        return number in BASES
    if any(number % small == 0 for small in BASES):
        return False
    odd = number - 1
    twos = (odd & -odd).bit_length() - 1
    odd >>= twos
    for base in bases:
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True
