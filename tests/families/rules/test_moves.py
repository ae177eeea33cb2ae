"""The rule of Countdown: legal moves, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm.families.rules.moves import (
    answer,
    check,
    check_answer,
    combine,
    numbers_left,
    read,
    reads,
)
from jaxlrm.verify.verdict import Verdict

STATED = "4, 9, 10, 13 -> 24"
CHAIN = ("10 - 4 = 6 left 9, 13, 6", "13 - 9 = 4 left 6, 4", "6 * 4 = 24")
THIRDS = ("8 / 3 = 8/3 left 3, 8, 8/3", "3 - 8/3 = 1/3 left 8, 1/3")


def test_reads():
    assert read(STATED) == ((4, 9, 10, 13), 24)
    for text in ("4 -> 24", "4, 9", "4, 9 -> x", "4, -9 -> 24", "", "9," * 400):
        assert not reads(text), text


def test_a_good_chain():
    for end in (1, 2, 3):
        assert check(STATED, CHAIN[:end]) is Verdict.VALID
    for end in (1, 2):
        assert check_answer(STATED, CHAIN[:end]) is Verdict.INVALID
        assert answer(STATED, CHAIN[:end]) is None
    assert check_answer(STATED, CHAIN) is Verdict.VALID
    assert answer(STATED, CHAIN) == "(10 - 4)*(13 - 9)"


@pytest.mark.parametrize(
    "line",
    [
        "10 - 4 = 6 left 6, 13, 9",  # in any order
        "10-4=6left9,13,6",
        "4 - 10 = -6 left 9, 13, -6",
        "4 / 10 = 2/5 left 9, 13, 2/5",
    ],
)
def test_legal_moves(line):
    assert check(STATED, [line]) is Verdict.VALID


@pytest.mark.parametrize(
    "line",
    [
        "10 - 4 = 5 left 9, 13, 5",
        "10 - 4 = 6 left 9, 13, 5",
        "10 - 4 = 6 left 9, 12, 6",
        "10 - 4 = 6 left 9, 6",
        "10 - 4 = 6 left 9, 13, 6, 6",
        "10 - 4 = 6 left 4, 9, 13, 6",
        "10 - 4 = 6",
        "10 - 10 = 0 left 4, 9, 0",
        "10 - 3 = 7 left 9, 13, 7",
        "10 / 4 = 10/4 left 9, 13, 10/4",  # not carried out
        "10 - 4 = 06 left 9, 13, 06",
        "10 / 0 = 0 left 9, 13, 0",
        "10 - 4 = 6 left 9, 13, 6/0",
        "9 + 4 + 1 = 14 left 13, 14",
        STATED,
    ],
)
def test_illegal_moves(line):
    assert check(STATED, [line]) is Verdict.INVALID


@pytest.mark.parametrize(
    "line", ["", "Add them.", "10 - 4", "(9 + 4)*10 = 130", "\ud800"]
)
def test_other_lines_are_unknown(line):
    assert check(STATED, [line]) is Verdict.UNKNOWN
    assert check(STATED, [line, CHAIN[0]]) is Verdict.VALID


def test_the_last_move_must_make_the_target():
    assert check(STATED, [*CHAIN[:2], "6 + 4 = 10"]) is Verdict.INVALID
    assert check(STATED, [*CHAIN[:2], "6 * 4 = 24 left 24"]) is Verdict.INVALID
    assert check(STATED, [*CHAIN[:2], CHAIN[1]]) is Verdict.INVALID
    assert check(STATED, [*CHAIN, "24 + 0 = 24"]) is Verdict.INVALID
    assert check(STATED, [*CHAIN, CHAIN[2]]) is Verdict.INVALID


def test_a_wrong_line_before_spoils_the_chain():
    chain = ("10 - 4 = 7 left 9, 13, 7", "9 + 7 = 16 left 13, 16")
    assert check(STATED, chain) is Verdict.UNKNOWN
    assert answer(STATED, [*chain, "13 + 16 = 29"]) is None


def test_dead_ends_are_legal():
    """No move is judged by what can still be made after it."""
    assert check("1, 1, 1, 1 -> 24", ["1 + 1 = 2 left 1, 1, 2"]) is (
        Verdict.VALID
    )


BLOCK = ("57*19 = 570 + 57*9", "= 570 + 513", "= 1083")
LONG = "53, 43, 57, 19 -> 987"


def test_a_product_is_worked_out_before_its_move():
    chain = (
        *BLOCK,
        "57 * 19 = 1083 left 53, 43, 1083",
        "1083 - 43 = 1040 left 53, 1040",
        "1040 - 53 = 987",
    )
    for end in range(1, len(chain) + 1):
        assert check(LONG, chain[:end]) is Verdict.VALID, chain[:end]
    for end in range(1, len(chain)):
        assert check_answer(LONG, chain[:end]) is Verdict.INVALID
    assert answer(LONG, chain) == "57*19 - 43 - 53"
    assert numbers_left(LONG, BLOCK[:2]) == (19, 43, 53, 57)
    # A block may be left, for a move or for another.
    assert check(LONG, [BLOCK[0], chain[3]]) is Verdict.VALID
    other = "43*19 = 430 + 43*9"
    assert check(LONG, [BLOCK[0], other, "= 430 + 387"]) is Verdict.VALID


@pytest.mark.parametrize(
    "chain",
    [
        ["57*19 = 570 + 57*8"],
        ["57*19 = 57*19"],  # nothing is done
        ["57*19 = 19*57"],
        ["57*18 = 570 + 57*8"],  # 18 is not left
        ["57*57 = 2850 + 57*7"],  # there is one 57
        [BLOCK[0], "= 570 + 514"],
        [BLOCK[0], "= 570 + 57*9"],
        [BLOCK[0], "= 57*9 + 570"],
        [*BLOCK[:2], "= 513 + 570"],
        [*BLOCK, BLOCK[0]],
        [BLOCK[0], "= 1*1*1083"],
    ],
)
def test_wrong_products(chain):
    assert check(LONG, chain) is Verdict.INVALID


def test_a_block_ends_with_its_number():
    assert check(LONG, [*BLOCK, "= 1000 + 83"]) is Verdict.UNKNOWN
    assert check(LONG, [*BLOCK, "= 1083"]) is Verdict.INVALID  # said before
    assert check(LONG, [BLOCK[1]]) is Verdict.UNKNOWN
    stated = "57, 57, 3, 20 -> 3252"
    assert check(stated, ["57*57 = 2850 + 57*7"]) is Verdict.VALID
    for line in ("57*3 = 150 + 7*3", "57*20 = 1000 + 140"):  # in the head
        assert check(stated, [line]) is Verdict.INVALID


def test_fractions():
    stated = "3, 3, 8, 8 -> 24"
    assert check(stated, THIRDS[:1]) is Verdict.VALID
    assert check(stated, THIRDS) is Verdict.VALID
    for last in ("8 / 1/3 = 24", "8/1/3=24"):
        assert check_answer(stated, [*THIRDS, last]) is Verdict.VALID
        assert answer(stated, [*THIRDS, last]) == "8/(3 - 8/3)"
    assert combine(1, "/", 0) is None


def test_only_needed_brackets():
    stated = "2, 3, 4, 5, 6 -> 21"
    chain = (
        "2 + 3 = 5 left 4, 5, 6, 5",
        "6 - 4 = 2 left 5, 5, 2",
        "5 * 5 = 25 left 2, 25",
        "25 - 2 = 23",
    )
    assert check_answer(stated, chain) is Verdict.INVALID
    assert answer(stated.replace("21", "23"), chain) == "5*(2 + 3) - (6 - 4)"


@given(text=st.text("0123456789+-*/=, left", max_size=40))
@settings(max_examples=200)
def test_no_text_raises(text):
    for chain in ([text], [text, CHAIN[0]], [CHAIN[0], text]):
        assert check(STATED, chain) in Verdict
        assert check_answer(text, chain) in Verdict
        answer(STATED, chain)
        answer(text, chain)


@pytest.mark.parametrize(
    "bomb",
    ["9" * 10**6, "1/" * 10**5, "-" * 600, "1," * 10**5, "9**9**9=1", "\x00"],
)
def test_bombs(bomb):
    for line in (bomb, f"{bomb}=1", f"1 + 1 = 2 left {bomb}"):
        assert check(STATED, [line]) is not Verdict.VALID
        assert check(line, CHAIN) is Verdict.UNKNOWN
    assert check(STATED, [CHAIN[0]] * 10**4) is Verdict.UNKNOWN
    assert check(STATED, []) is Verdict.UNKNOWN
