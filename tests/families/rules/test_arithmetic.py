"""The rule of arithmetic: one operation a line, aside or in the main line."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm.extend import rule_for
from jaxlrm.families.rules.arithmetic import answer, check, check_answer, reads
from jaxlrm.verify.steps import check_chain
from jaxlrm.verify.verdict import Verdict
from tests.verify.bombs import BOMBS

VALID, INVALID, UNKNOWN = Verdict.VALID, Verdict.INVALID, Verdict.UNKNOWN
GCD = ("gcd(2125 - 2040, 34)", "gcd(85, 34)", "gcd(17, 34)", "gcd(17, 0)")
CHAINS = {
    "775*986 - 30": (
        "775*986 = 690200 + 986*75",
        "= 690200 + 69020 + 986*5",
        "= 759220 + 986*5",
        "= 759220 + 4930",
        "= 764150",
        "764150 - 30",
        "764120",
    ),
    "(2/5)*(515/206)": (
        "515/206 = 2 + (515 - 412)/206",
        "= 2 + 103/206",
        "gcd(103, 206 - 206)",
        "gcd(103, 0)",
        "515/103 = 5",
        "206/103 = 2",
        "(2/5)*(5/2)",
        "2*5/(5*2)",
        "10/(5*2)",
        "10/10",
        "1",
    ),
    "-(8)**2 + 11*(8) - 2": (
        "(-8 + 11)*8 - 2",
        "3*8 - 2",
        "24 - 2",
        "22",
    ),
    "-6/8 - 1": ("-3/4 - 1", "(-3 - 1*4)/4", "(-3 - 4)/4", "(-7)/4", "-7/4"),
    "gcd(2125, 34)": (*GCD, "17"),
    "gcd(1, 34)": ("1",),
    "gcd(6, 6)": ("gcd(0, 6)", "6"),
    "lcm(3670, 5)": (
        "gcd(3670 - 3500, 5)",
        "gcd(170, 5)",
        "gcd(170 - 150, 5)",
        "gcd(20, 5)",
        "gcd(0, 5)",
        "3670/5*5",
        "734*5",
        "3670",
    ),
    "lcm(11, 47)": ("gcd(11, 3)", "gcd(2, 3)", "gcd(2, 1)", "11*47", "517"),
}


@pytest.mark.parametrize("statement", CHAINS)
def test_good_chains(statement):
    chain = CHAINS[statement]
    for end in range(1, len(chain) + 1):
        assert check(statement, chain[:end]) is VALID, chain[:end]
        finished = check_answer(statement, chain[:end]) is VALID
        assert finished == (end == len(chain))
    assert answer(statement, chain) == chain[-1]
    assert answer(statement, []) is None


@pytest.mark.parametrize("statement", CHAINS)
def test_a_wrong_digit(statement):
    """Each digit of each line, all of its other values."""
    chain, valid, count = CHAINS[statement], [], 0
    for end, line in enumerate(chain):
        for at, char in enumerate(line):
            for digit in set("0123456789") - {char} if char.isdigit() else ():
                wrong = f"{line[:at]}{digit}{line[at + 1 :]}"
                count += 1
                if check(statement, [*chain[:end], wrong]) is VALID:
                    valid.append(wrong)
    # What is true is no mistake: other multiples may be taken off.
    assert all(line.startswith("gcd") for line in valid), valid
    assert len(valid) < 0.1 * count


@pytest.mark.parametrize("statement", CHAINS)
def test_a_repeated_line(statement):
    chain = CHAINS[statement]
    assert check(statement, [statement]) is not VALID
    assert check(statement, [statement.replace(" ", "")]) is not VALID
    for end in range(1, len(chain) + 1):
        for line in chain[:end]:
            repeated = [*chain[:end], line]
            assert check(statement, repeated) is INVALID, repeated
            squeezed = [*chain[:end], line.replace(" ", "")]
            assert check(statement, squeezed) is INVALID


def test_reads():
    for statement in (*CHAINS, "7", "1/0", "(1 + 2", "2.5*3", "2^3"):
        assert reads(statement)
        assert rule_for(statement).check is check
    for statement in (
        "",
        "x + 1",
        "1 + 1 = 2",
        "gcd(4)",
        "gcd(4, 6, 8)",
        "gcd(4, 6 - 4)",
        "lcm(-4, 6)",
        "gcd(4, x)",
        "factors(4)",
        f"gcd(4, {'6' * 41})",
        "1" * 601,
        "١ + ٢",
    ):
        assert not reads(statement), statement


# --- Main lines -------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "line", "verdict"),
    [
        ("3 + 4*5", "3 + 20", VALID),
        ("3 + 4*5", "4*5 + 3", VALID),
        ("3 + 4*5", "7*5", INVALID),
        ("3 + 4*5", "23", UNKNOWN),  # two operations at once
        ("1 + 2 + 3 + 4", "10", UNKNOWN),
        ("1 + 2 + 3 + 4", "11", INVALID),
        ("12 + 5*3 - 15", "12", UNKNOWN),  # also where it is a number given
        ("2*(5)**2 + 3*(5)", "(2*5 + 3)*5", VALID),  # worked out is nothing
        ("2*(5)**2 + 3*(5)", "65", UNKNOWN),
        ("2*(5)**2 + 3*(5)", "13*5", UNKNOWN),
        ("1/0", "5", INVALID),
        ("5/2", "1/0", INVALID),
        ("5/2", "x", UNKNOWN),
        ("5/2", "2.5", VALID),
        ("5/2", "about 2.5", UNKNOWN),
        ("-( -( 2 - 5 ) )", "-(-(-3))", VALID),
    ],
)
def test_main_lines(statement, line, verdict):
    assert check(statement, [line]) is verdict


def test_nothing_follows_the_value():
    for line in ("7 + 0", "6 + 1", "7*1", "14/2", "8"):
        assert check("3 + 4", ["7", line]) is INVALID
        assert check("gcd(14, 21)", ["gcd(14, 7)", line]) is INVALID
        chain = ["gcd(14, 7)", "gcd(0, 7)", "7", line]
        assert check("gcd(14, 21)", chain) is INVALID


@pytest.mark.parametrize(
    ("statement", "line", "verdict"),
    [
        ("3 + 4", "7", VALID),
        ("3 + 4", "7.", VALID),
        ("3 + 4", "8", INVALID),
        ("3 + 4", "3 + 4 + 0", INVALID),
        ("3 + 4", "= 7", INVALID),
        ("3 + 4", "3 + 4 = 7", INVALID),
        ("3 + 4", "14/2", INVALID),
        ("9/6", "3/2", VALID),
        ("9/6", "1.5", VALID),
        ("9/6", "18/12", INVALID),  # not in lowest terms
        ("9/6", "3/-2", INVALID),
        ("8/2", "4/1", INVALID),
        ("8/2", "8/0", INVALID),
        ("8/2", "4", VALID),
        ("gcd(4, 6)", "2", INVALID),  # Euclid is not done
        ("lcm(4, 6)", "12", INVALID),
    ],
)
def test_answers(statement, line, verdict):
    assert check_answer(statement, [line]) is verdict


# --- Asides -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("23*12 = 276", VALID),
        ("23*12 = 230 + 23*2", VALID),
        ("23*12 = 240 + 36", VALID),
        ("23*12 = 277", INVALID),
        ("23*12 = 23*12", INVALID),
        ("23*13 = 299", INVALID),  # true, but of no use
        ("2 + 2 = 4", INVALID),
        ("230 + 46 = 276", INVALID),
        ("23 = 23", INVALID),
        ("276 = 23*12", INVALID),
        ("5 + 23*12 = 281", INVALID),  # not one operation
        ("23*12 = 276 = 276", UNKNOWN),
        ("23*12 = x", UNKNOWN),
        ("23*12 =", UNKNOWN),
        ("23*12 = 1/0", INVALID),
        ("= 281", INVALID),  # no block is open
        ("=", INVALID),
    ],
)
def test_openings(line, verdict):
    assert check("5 + 23*12", [line]) is verdict


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("= 276", UNKNOWN),  # two operations at once
        ("= 230 + 46", VALID),
        ("= 230 + 47", INVALID),
        ("= 230 + 23*2", INVALID),
        ("= 276 = 276", UNKNOWN),
        ("23*12 = 276", INVALID),  # it is open
        ("5 + 276", VALID),
    ],
)
def test_going_on(line, verdict):
    assert check("5 + 23*12", ["23*12 = 230 + 23*2", line]) is verdict


@pytest.mark.parametrize(
    ("opening", "line", "verdict"),
    [
        ("99/48 = 2 + (99 - 96)/48", None, VALID),
        ("99/48 = 1 + (99 - 48)/48", "= 1 + 51/48", VALID),
        ("96/48 = 2 + (96 - 96)/48", None, VALID),
        ("48/99 = 4 + (48 - 396)/99", None, INVALID),  # true, but no nearer
        ("99/48 = 0 + (99 - 0)/48", None, INVALID),
        ("99/48 = 1 + 51/48", "= 2 + (51 - 48)/48", VALID),
        ("99/48 = 1 + 51/48", "= 3 + (51 - 96)/48", INVALID),
    ],
)
def test_a_quotient_is_found_from_below(opening, line, verdict):
    lines = [opening] if line is None else [opening, line]
    assert check("99/48 + 48/99 + 96/48", lines) is verdict


def test_a_block_does_not_go_in_circles():
    there = ["23*12 = 230 + 23*2", "= 200 + 30 + 23*2"]
    assert check("5 + 23*12", there) is VALID
    assert check("5 + 23*12", [*there, "= 230 + 23*2"]) is INVALID
    other = [*there, "5*23 = 115"]
    assert check("5 + 23*12", other) is VALID
    assert check("5 + 23*12", [*other, "23*12 = 276"]) is INVALID


def test_a_closed_block_does_not_go_on():
    lines = ["23*12 = 276"]
    for line in ("= 276", "= 200 + 76", "= 276 + 0"):
        assert check("5 + 23*12", [*lines, line]) is INVALID
    lines += ["5 + 276"]
    assert check("5 + 23*12", [*lines, "= 276"]) is INVALID
    assert check("5 + 23*12", [*lines, "= 281"]) is INVALID
    assert check("5 + 23*12", [*lines, "281"]) is VALID


# --- Euclid -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "line", "verdict"),
    [
        ("gcd(48, 18)", "gcd(30, 18)", VALID),
        ("gcd(48, 18)", "gcd(12, 18)", VALID),
        ("gcd(48, 18)", "gcd(48 - 36, 18)", VALID),
        ("gcd(48, 18)", "gcd(48 - 35, 18)", INVALID),
        ("gcd(48, 18)", "gcd(48 - 54, 18)", INVALID),
        ("gcd(48, 18)", "gcd(48 - 0, 18)", INVALID),
        ("gcd(48, 18)", "gcd(48 - 18, 18 - 18)", INVALID),
        ("gcd(48, 18)", "gcd(18, 48)", INVALID),
        ("gcd(48, 18)", "gcd(66, 18)", INVALID),
        ("gcd(48, 18)", "gcd(24, 9)", INVALID),
        ("gcd(48, 18)", "gcd(12, 6)", INVALID),  # two steps
        ("gcd(48, 18)", "gcd(48, 18) = 6", INVALID),
        ("gcd(48, 18)", "lcm(12, 18)", INVALID),
        ("gcd(48, 18)", "6", INVALID),
        ("gcd(48 - 36, 18)", "gcd(12, 18)", VALID),
        ("gcd(48 - 36, 18)", "gcd(13, 18)", INVALID),
        ("gcd(48 - 36, 18)", "gcd(12, 6)", INVALID),
        ("gcd(48 - 36, 18)", "gcd(12, 18 - 12)", INVALID),
        ("gcd(0, 6)", "6", VALID),
        ("gcd(6, 0)", "6", VALID),
        ("gcd(0, 6)", "0", INVALID),
        ("gcd(0, 6)", "3", INVALID),
        ("gcd(0, 6)", "6 + 0", INVALID),
        ("gcd(5, 1)", "1", VALID),
        ("gcd(5, 1)", "gcd(0, 1)", INVALID),
        ("gcd(6, 6)", "6", INVALID),
    ],
)
def test_euclid(before, line, verdict):
    found = check("gcd(666, 114)", [before, line])
    assert (found is VALID) == (verdict is VALID)
    assert found in (verdict, UNKNOWN)


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("14/7*21", VALID),
        ("21/7*14", VALID),
        ("14*(21/7)", VALID),
        ("42", INVALID),
        ("14*21", INVALID),
        ("14*21/7", INVALID),
        ("7", INVALID),
        ("14/7*22", INVALID),
    ],
)
def test_a_multiple_needs_the_divisor(line, verdict):
    euclid = ["gcd(14, 7)", "gcd(0, 7)"]
    assert check("lcm(14, 21)", [*euclid, line]) is verdict
    for unfinished in ([], euclid[:1]):
        assert check("lcm(14, 21)", [*unfinished, line]) is INVALID


def test_a_pair_has_one_divisor():
    """No fraction that is written beside it begins another search for one."""
    chain = ["gcd(4, 2)", "gcd(0, 2)", "4/6 = 16/24"]
    assert check("gcd(4, 6)", [*chain, "gcd(16, 24)"]) is INVALID
    assert check("lcm(4, 6)", [*chain, "gcd(16, 24)"]) is INVALID
    assert check("gcd(4, 6)", [*chain[:2], "2"]) is VALID


@pytest.mark.parametrize("line", ["1 5", "1\n5", "1. 5", "gcd(1 2, 18)"])
def test_numbers_side_by_side_are_not_one(line):
    assert check("7 + 8", [line]) is UNKNOWN
    assert not reads("9 - 3 2")


def test_a_fraction_is_divided_by_what_euclid_found():
    stated = "1 + 1192/1341"
    chain = ["gcd(1192, 149)", "gcd(0, 149)", "1192/149 = 8", "1341/149 = 9"]
    opening = "gcd(1192, 1341 - 1192)"
    assert check(stated, [opening]) is VALID
    assert check(stated, ["gcd(1192, 1341)"]) is VALID
    for end in range(1, 5):
        assert check(stated, [opening, *chain[:end]]) is VALID
    for line in ("gcd(1341, 1)", "gcd(12, 18)", "gcd(1192, 1341 - 1190)"):
        assert check(stated, [line]) is INVALID
    for line in ("1192/8 = 149", "1341/3 = 447", "1192/2 = 596"):
        assert check(stated, [opening, *chain[:2], line]) is INVALID
    assert check(stated, [opening, chain[2]]) is INVALID


# --- Hostile texts ----------------------------------------------------------


@given(
    steps=st.lists(
        st.text("0123456789+-*/=., ()gcdlm²٣^", max_size=30),
        min_size=1,
        max_size=4,
    ),
    statement=st.sampled_from([*CHAINS, "1/0", "(", "7"]),
)
@settings(max_examples=300)
def test_no_text_raises(steps, statement):
    assert check(statement, steps) in Verdict
    assert check_answer(statement, steps) in Verdict
    answer(statement, steps)
    if reads(steps[0]):
        assert check_chain(steps[0], steps) in Verdict
        # To state the problem again is no step, first or after others.
        for earlier in ([], steps):
            assert check_chain(steps[0], [*earlier, steps[0]]) is not VALID


@pytest.mark.parametrize("index", range(len(BOMBS)))
def test_bombs(index):
    bomb = BOMBS[index]
    start = time.process_time()
    for line in (bomb, f"= {bomb}", f"23*12 = {bomb}", f"gcd(12, {bomb})"):
        for statement in ("5 + 23*12", "gcd(12, 18)"):
            assert check(statement, [line]) is not VALID
            assert check_answer(statement, [line]) is not VALID
            assert check(statement, [line, line]) is not VALID
            check(statement, [line, "7"])
        if reads(line):
            assert check(line, ["7"]) is not VALID
    assert time.process_time() - start < 2


def test_long_chains_are_fast():
    steps = [f"{n} + 0*0" for n in range(2000)]
    start = time.process_time()
    check("1 + 1", steps)
    assert time.process_time() - start < 0.5


def test_facts_may_build_on_facts():
    """`4*2 = 8`, `3 + 8 = 11`, `11`: as people write it."""
    statement = "3 + 4*2 - 1"
    steps = ["4*2 = 8", "3 + 8 = 11", "11 - 1 = 10", "10"]
    for end in range(1, 5):
        assert check(statement, steps[:end]) is Verdict.VALID
    assert check_answer(statement, steps) is Verdict.VALID
    assert check(statement, ["10"]) is Verdict.UNKNOWN
    assert check(statement, [*steps[:1], "9 + 8 = 17"]) is Verdict.INVALID
    assert check(statement, ["3 + 4 = 7", "7"]) is Verdict.INVALID
