"""Prime factorisation: `= 2*328`, `= 2*2*164`, ..., `2 × 2 × 2 × 2 × 41`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from jaxlrm.verify.verdict import Verdict

_STATEMENT = re.compile(r"factors\(([0-9]{1,18})\)")
_PRODUCT = re.compile(r"([0-9]{1,18})(?:[*×][0-9]{1,18}){0,63}")
# Enough witnesses for every number below 3.3e24 (Sorenson and Webster 2015).
_WITNESSES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)


def reads(statement: str) -> bool:
    """Is it a prime factorisation?"""
    return bool(_STATEMENT.fullmatch(_squeeze(statement)))


def check(statement: str, steps: Sequence[str]) -> Verdict:
    """The last step must split one more factor off, or state the answer."""
    number, before = _start(statement)
    for line in steps[:-1]:
        before = _factors(line) or before
    last = _squeeze(steps[-1])
    factors = _factors(last)
    if factors is None:
        return Verdict.UNKNOWN
    if math.prod(factors) != number or 1 in factors[len(factors) == 1 :]:
        return Verdict.INVALID
    if last in map(_squeeze, steps[:-1]):
        return Verdict.INVALID
    if not last.startswith("="):
        return _primes(factors)
    more = len(factors) - len(before)
    if more > 1:
        return Verdict.UNKNOWN
    kept = sum(min(before.count(f), factors.count(f)) for f in set(factors))
    if more < 1 or kept != len(before) - 1:
        return Verdict.INVALID
    return Verdict.VALID


def check_answer(statement: str, steps: Sequence[str]) -> Verdict:
    """All factors must be prime and multiply to the number."""
    if _squeeze(steps[-1]).startswith("="):
        return Verdict.INVALID
    return check(statement, steps)


def answer(statement: str, steps: Sequence[str]) -> str | None:
    """The last line."""
    del statement
    return steps[-1].strip() if steps else None


def _squeeze(line: str) -> str:
    return "".join(line.split())


def _start(statement: str) -> tuple[int, list[int]]:
    number = int(_STATEMENT.fullmatch(_squeeze(statement))[1])
    return number, [number]


def _factors(line: str) -> list[int] | None:
    line = _squeeze(line).removeprefix("=")
    if not _PRODUCT.fullmatch(line):
        return None
    return [int(part) for part in re.split("[*×]", line)]


def _primes(factors: Sequence[int]) -> Verdict:
    if factors == [1]:
        return Verdict.VALID
    return Verdict.VALID if all(map(_is_prime, factors)) else Verdict.INVALID


def _is_prime(number: int) -> bool:
    """Miller and Rabin's test."""
    if number < 2:
        return False
    if number in _WITNESSES:
        return True
    if any(number % witness == 0 for witness in _WITNESSES):
        return False
    odd = number - 1
    twos = (odd & -odd).bit_length() - 1
    odd >>= twos
    for witness in _WITNESSES:
        power = pow(witness, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True
