"""The rule of linear systems: combinations of the two stated equations."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm.families.rules.systems import answer, check, check_answer, reads
from jaxlrm.verify.verdict import Verdict

STATED = "3*x + 2*y = 12, 0 = x - 3*y + 7 for x"
CHAIN = (
    "x - 3*y = -7",
    "(3*3 + 2)*x = 12*3 - 7*2",
    "(9 + 2)*x = 12*3 - 7*2",
    "11*x = 12*3 - 7*2",
    "11*x = 36 - 7*2",
    "11*x = 36 - 14",
    "11*x = 22",
    "x = 2",
)


def test_reads():
    assert reads(STATED)
    assert reads("5*u + 25 = 0, 0 = 4*n - 9*u + 13*u + 0*n for n")
    for text in (
        "3*x + 2*y = 12 for x",
        "3*x + 2*y = 12, x = 1 for z",
        "3*x + 2*y = 12, x = z for x",
        "3*x + 2*y = 12, 6*x + 4*y = 24 for x",  # not one solution
        "3*x + 2*y = 12, 6*x + 4*y = 25 for x",
        "3*x*y = 12, x = y for x",
        "x = 3, x = 3 for x",
        "1/x = 3, y = 3 for x",
        "x = 3/0, y = 3 for x",
        "x = y = 3, x = 2 for x",
        "",
        "x" * 10**5,
    ):
        assert not reads(text), text


def test_a_good_chain():
    for end in range(1, len(CHAIN) + 1):
        assert check(STATED, CHAIN[:end]) is Verdict.VALID
        finished = check_answer(STATED, CHAIN[:end]) is Verdict.VALID
        assert finished == (end == len(CHAIN))
    assert answer(STATED, CHAIN) == "2"
    assert answer(STATED, CHAIN[:-1]) is None


@pytest.mark.parametrize(
    "line",
    [
        "6*x + 4*y = 24",
        "x = 3*y - 7",
        "y = 3",  # the other unknown first
        "3*(3*y - 7) + 2*y = 12",  # put in
        "11x/11 = 22/11",
        "9*x + 2*(x + 7) = 36",
    ],
)
def test_what_follows(line):
    assert check(STATED, [line]) is Verdict.VALID
    if line != "x = 2":
        assert check_answer(STATED, [line]) is Verdict.INVALID


@pytest.mark.parametrize(
    "line",
    [
        "3*x + 2*y = 13",
        "x = 3",
        "y = 2",
        "4*x - y = 5",  # true, but keeps both unknowns
        "0 = 0",
        "3*4 = 12",
        "x = x",
        "1 = 0",
        "x + z = 2",
        "x = 2/0",
        "3*x+2*y=12",
        "0 = x - 3*y + 7",
    ],
)
def test_what_does_not_follow(line):
    assert check(STATED, [line]) is Verdict.INVALID
    assert check_answer(STATED, [line]) is Verdict.INVALID


@pytest.mark.parametrize(
    "line", ["", "Add them.", "x", "x^2 = 4", "x*y = 6", "x = 2 = 2", "\ud800"]
)
def test_what_is_not_judged(line):
    assert check(STATED, [line]) is Verdict.UNKNOWN
    assert check(STATED, [line, CHAIN[0]]) is Verdict.VALID


def test_repetition_and_inflation():
    assert check(STATED, [*CHAIN, "x=2"]) is Verdict.INVALID
    assert check(STATED, ["11*x = 22", "22*x = 44"]) is Verdict.INVALID
    assert check(STATED, ["22*x = 44", "11*x = 22"]) is Verdict.VALID
    assert check(STATED, ["x/2 = 1", "x = 2"]) is Verdict.VALID
    zero = "x + y = 3, x - y = -3 for x"
    assert check(zero, ["2*x = 0", "3*x = 0"]) is Verdict.INVALID
    assert check_answer(zero, ["2*x = 0", "x = 0"]) is Verdict.VALID


def test_answers():
    assert answer(STATED, ["x=-5"]) == "-5"
    assert answer(STATED, ["x = -5."]) == "-5"
    assert check_answer(STATED, [*CHAIN[:-1], CHAIN[-1] + "."]) is Verdict.VALID
    assert answer("2*x = y, y = 1 for x", ["x = 1/2"]) == "1/2"
    for line in ("x = 4/2", "x = 02", "x = 1/0", "x = 1/00", "y = 3", "2 = x"):
        assert answer(STATED, [line]) is None, line
    assert answer(STATED, []) is None


@given(text=st.text("0123456789+-*/=,xy for()", max_size=40))
@settings(max_examples=200)
def test_no_text_raises(text):
    for chain in ([text], [text, CHAIN[0]], [CHAIN[0], text]):
        assert check(STATED, chain) in Verdict
        assert check_answer(text, chain) in Verdict
        answer(STATED, chain)
        answer(text, chain)


@pytest.mark.parametrize(
    "bomb",
    ["9" * 10**6, "(" * 10**5, "9**9**9**9", "(x+y)^31*(x-y)^31", "1," * 10**5],
)
def test_bombs(bomb):
    for line in (bomb, f"{bomb} = x", f"x = {bomb}"):
        assert check(STATED, [line]) is not Verdict.VALID
        assert check(f"{line}, x = y for x", CHAIN) is Verdict.UNKNOWN
        assert answer(STATED, [line]) is None
    assert check(STATED, [CHAIN[0]] * 10**4) is Verdict.UNKNOWN
    assert check(STATED, []) is Verdict.UNKNOWN
