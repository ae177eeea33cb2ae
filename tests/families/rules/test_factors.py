"""The rule of prime factorisations: one factor is split a line."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm.extend import rule_for
from jaxlrm.families.factors import factorise
from jaxlrm.families.rules.factors import answer, check, check_answer, reads
from jaxlrm.verify.verdict import Verdict
from tests.verify.bombs import BOMBS

VALID, INVALID, UNKNOWN = Verdict.VALID, Verdict.INVALID, Verdict.UNKNOWN
STATED = "factors(656)"
CHAIN = (
    "= 2*328",
    "= 2*2*164",
    "= 2*2*2*82",
    "= 2*2*2*2*41",
    "2 × 2 × 2 × 2 × 41",
)


def test_a_good_chain():
    for end in range(1, len(CHAIN) + 1):
        assert check(STATED, CHAIN[:end]) is VALID
        finished = check_answer(STATED, CHAIN[:end]) is VALID
        assert finished == (end == len(CHAIN))
    assert answer(STATED, CHAIN) == CHAIN[-1]
    assert answer(STATED, []) is None


def test_wrong_digits_and_repeated_lines():
    for end, line in enumerate(CHAIN):
        for at, char in enumerate(line):
            for digit in set("0123456789") - {char} if char.isdigit() else ():
                wrong = f"{line[:at]}{digit}{line[at + 1 :]}"
                assert check(STATED, [*CHAIN[:end], wrong]) is INVALID
        for before in CHAIN[: end + 1]:
            for repeated in (before, before.replace(" ", "")):
                steps = [*CHAIN[: end + 1], repeated]
                assert check(STATED, steps) is INVALID


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("= 2*328", VALID),
        ("= 8*82", VALID),
        ("= 41 × 16", VALID),
        ("= 2*2*164", UNKNOWN),  # two at once
        ("= 656", INVALID),
        ("= 1*656", INVALID),
        ("= 2*327", INVALID),
        ("= 2*328*1", INVALID),
        ("= 0*656", INVALID),
        ("= 2 + 654", UNKNOWN),
        ("= -2*-328", UNKNOWN),
        ("656 = 2*328", UNKNOWN),
        ("It is even.", UNKNOWN),
        ("2 × 328", INVALID),  # not all are primes
        ("656", INVALID),
        ("2 × 2 × 2 × 2 × 41", VALID),  # the certificate needs no steps
        ("41 × 2 × 2 × 2 × 2", VALID),
        ("2 × 2 × 2 × 41", INVALID),
        ("2 × 2 × 2 × 2 × 41 × 1", INVALID),
        ("2 × 2 × 2 × 2 ×", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_first_lines(line, verdict):
    assert check(STATED, [line]) is verdict


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("= 2*2*164", VALID),
        ("= 2*4*82", VALID),
        ("= 164*2*2", VALID),
        ("= 4*164", INVALID),  # true, but splits nothing
        ("= 328*2", INVALID),
        ("= 8*2*41", VALID),
        ("= 4*4*41", INVALID),  # another start
        ("= 2*2*2*82", UNKNOWN),
    ],
)
def test_second_lines(line, verdict):
    assert check(STATED, ["= 2*328", line]) is verdict


@pytest.mark.parametrize(
    ("number", "line", "verdict"),
    [
        (7, "7", VALID),
        (7, "7.", VALID),
        (7, "07", INVALID),
        (77, "7 7 × 1", UNKNOWN),
        (91, "91", INVALID),
        (561, "561", INVALID),  # a Carmichael number
        (3215031751, "3215031751", INVALID),  # a strong pseudoprime to 2..7
        (1000003 * 1000033, "1000003 × 1000033", VALID),
        (2**61 - 1, str(2**61 - 1), UNKNOWN),  # over the budget
        (999999999999999989, "999999999999999989", VALID),
        (1, "1", VALID),
        (1, "= 1", INVALID),
        (0, "0", INVALID),
    ],
)
def test_answers_are_certified(number, line, verdict):
    statement = f"factors({number})"
    if reads(statement):
        assert check_answer(statement, [line]) is verdict
    else:
        assert verdict is UNKNOWN


@given(st.integers(2, 10**6), st.data())
@settings(max_examples=60)
def test_all_and_only_primes_are_an_answer(number, data):
    primes = factorise(number)
    line = " × ".join(map(str, data.draw(st.permutations(primes))))
    assert check_answer(f"factors({number})", [line]) is VALID
    if len(primes) > 1:
        size = data.draw(st.integers(2, len(primes)))
        parts = [math.prod(primes[:size]), *primes[size:]]
        line = " × ".join(map(str, parts))
        assert check_answer(f"factors({number})", [line]) is INVALID
    line = " × ".join(map(str, [*primes, 2]))
    assert check_answer(f"factors({number})", [line]) is INVALID


def test_reads():
    assert reads("factors( 12 )") and rule_for(STATED).check is check
    for text in ("", "factors(x)", "factors(-2)", "12", "factors(12)(13)"):
        assert not reads(text)


@given(
    steps=st.lists(
        st.text("0123456789*×= ²٣", max_size=20), min_size=1, max_size=4
    )
)
@settings(max_examples=200)
def test_no_text_raises(steps):
    assert check(STATED, steps) in Verdict
    assert check_answer(STATED, steps) in Verdict
    assert check(STATED, [*CHAIN[:2], *steps]) in Verdict


@pytest.mark.parametrize(
    "bomb", [*BOMBS, "2*" * 10**5 + "2", "= " + "9" * 18 + "*9" * 10**5]
)
def test_bombs(bomb):
    start = time.process_time()
    for line in (bomb, f"= {bomb}", f"= 2*{bomb}"):
        assert not reads(line)
        assert check(STATED, [line]) is not VALID
        assert check_answer(STATED, [CHAIN[0], line]) is not VALID
        assert check(STATED, [line, CHAIN[0]]) is VALID
    assert time.process_time() - start < 1
