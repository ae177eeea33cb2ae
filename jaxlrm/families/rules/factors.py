"""Prime factorisation: `= 2*328`, `= 2*2*164`, ..., `2 × 2 × 2 × 2 × 41`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from jaxlrm.verify.answers.primes import is_prime
from jaxlrm.verify.inputs import splits_numbers
from jaxlrm.verify.verdict import Verdict

COMPLETE = True  # see `extend.Rule`

_STATEMENT = re.compile(r"factors\(([0-9]{1,18})\)")
_PRODUCT = re.compile(r"([0-9]{1,18})(?:[*×][0-9]{1,18}){0,63}")
_PADDED = re.compile(r"(?<![0-9])0[0-9]")


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
    if factors is None or splits_numbers(steps[-1]):
        return Verdict.UNKNOWN
    if _PADDED.search(last):
        return Verdict.INVALID
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
    return steps[-1].strip().removesuffix(".") if steps else None


def _squeeze(line: str) -> str:
    return "".join(line.split()).removesuffix(".")


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
    return Verdict.VALID if all(map(is_prime, factors)) else Verdict.INVALID
