"""The rule of programs: it knows errors, repetitions and what was found."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm import extend
from jaxlrm.extend import rule_for
from jaxlrm.families.rules.programs import (
    answer,
    check,
    check_answer,
    is_error,
    reads,
)
from jaxlrm.verify.steps import check_solution
from jaxlrm.verify.verdict import Verdict
from tests.verify.bombs import BOMBS

INVALID, UNKNOWN = Verdict.INVALID, Verdict.UNKNOWN
STATED = "python: the sum of the primes below 10"
CHAIN = (
    ">>> r = range(2, 10)",
    ">>> p = [n for n in r if all(n%d for d in range(2, n))]",
    ">>> sum(p)",
    "17",
    "answer: 17",
)


def test_a_good_chain():
    for end in range(1, len(CHAIN) + 1):
        assert check(STATED, CHAIN[:end]) is UNKNOWN
        finished = check_answer(STATED, CHAIN[:end]) is UNKNOWN
        assert finished == (end == len(CHAIN))
    assert check_solution(STATED, CHAIN) is UNKNOWN
    assert answer(STATED, CHAIN) == "17"


def test_generated_chains():
    rng = random.Random(5)
    family = extend.get("programs")
    for level in extend.LEVELS:
        for _ in range(60):
            problem = family.sample(rng, level)
            statement = family.statement(problem.text)
            steps = problem.steps
            assert check_solution(statement, steps) is UNKNOWN
            assert answer(statement, steps) == problem.answer
            for end in range(1, len(steps)):
                assert check_answer(statement, steps[:end]) is INVALID
            *rest, last = steps
            wrong = last[:-1] + str((int(last[-1]) + rng.randint(1, 9)) % 10)
            assert check_answer(statement, [*rest, wrong]) is INVALID
            for index in problem.outputs:  # a number that nothing has shown
                forged = [*steps[:index], *steps[index - 1 : index]]
                assert check(statement, forged) is INVALID
                forged = [*steps[: index + 1], "7"]
                assert check(statement, forged) is INVALID


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (">>> sum(p)", UNKNOWN),
        (">>> x", UNKNOWN),
        (">>> print(2 + 3)", UNKNOWN),
        (">>> 17", INVALID),
        (">>> print(17)", INVALID),
        (">>> (-17)", INVALID),
        (">>>", INVALID),
        (">>>17 + 4", INVALID),
        ("17", INVALID),
        ("answer: 17", INVALID),
        ("answer:", UNKNOWN),
        ("First we need the primes.", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_first_lines(line, verdict):
    assert check(STATED, [line]) is verdict


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [
        ((">>> f(2)", "NameError: name 'f' is not defined"), INVALID),
        ((">>> a = f(2)", "NameError: name 'f' is not defined"), INVALID),
        ((">>> f(2", "SyntaxError: '(' was never closed"), INVALID),
        ((">>> f(2)", "TimeoutError: no result within 2 s"), INVALID),
        ((">>> f(2)", "sympy.core.SympifyError: x"), INVALID),
        ((">>> f(2)", "MemoryError"), INVALID),
        ((">>> f(2)", "'ValueError: 3'"), UNKNOWN),
        ((">>> f(2)", "Errors: 3"), UNKNOWN),
        ((">>> f(2)", "[1, 2]"), UNKNOWN),
        ((">>> a = 2", "2"), INVALID),  # shown by nothing
        ((">>> a, b = 0, 1", "2"), INVALID),
        ((">>> a += 2", "2"), INVALID),
        ((">>> from math import comb", "2"), INVALID),
        ((">>> for i in range(3): a = a + i", "2"), INVALID),
        ((">>> a == 2", "True"), UNKNOWN),
        ((">>> for i in range(3): print(i)", "0 1 2"), UNKNOWN),
        ((">>> 2 + 3", "5", "5"), INVALID),
        ((">>> 2 + 3", "5", ">>> 2+3"), INVALID),
        ((">>> 2 + 3", "5", ">>> 3 + 2"), UNKNOWN),
        ((">>> 2 + 3", "5", ">>> 3 + 2", "5"), UNKNOWN),
        ((">>> l.sort()", ">>> l[0]"), UNKNOWN),
        ((">>> 2 + 3", "5", "answer: 5"), UNKNOWN),
        ((">>> 2 + 3", "5", ">>> a = 7", "answer: 5"), UNKNOWN),
        ((">>> 2 + 3", "5", ">>> 3 + 4", "7", "answer: 5"), INVALID),
        ((">>> 2 + 3", "5", "answer: 6"), INVALID),
        ((">>> 2 + 3", "answer: 5"), INVALID),  # there is no output
        ((">>> 2 + 3", "5", "answer: 5", "answer: 5"), INVALID),
        ((">>> 2 + 3", "5", "answer: 5", ">>> 1 + 1"), INVALID),
        ((">>> f()", "MemoryError", "answer: MemoryError"), INVALID),
        (("We count.", "We  count."), INVALID),
    ],
)
def test_last_lines(steps, verdict):
    assert check(STATED, steps) is verdict


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], None),
        (["answer: 5 "], "5"),
        (["answer: "], None),
        ([">>> 2 + 3"], None),
        ([">>> 2 + 3", "5"], "5"),
        ([r"So it is $\boxed{5}$."], "5"),
    ],
)
def test_answers(steps, expected):
    assert answer(STATED, steps) == expected


def test_fenced_blocks_are_not_judged():
    block = ["```python", "print(17)", "```"]
    steps = [*block, "```output", "17", "```", "The sum is 17."]
    for end in range(1, len(steps) + 1):
        assert check(STATED, steps[:end]) is UNKNOWN
    assert check_answer(STATED, steps) is UNKNOWN
    assert answer(STATED, steps) == "17"
    # A session does not escape by a fence.
    assert check(STATED, [">>> 2 + 3", "5", "```", "answer: 6"]) is INVALID


def test_reads():
    assert reads(STATED) and rule_for(STATED).check is check
    for text in ("", "python", "print(2)", "x = 2", "python: " + "x" * 1000):
        assert not reads(text)


@given(
    steps=st.lists(
        st.text(">answer: 0123+=()\n#'²٣E", max_size=20)
        | st.sampled_from([">>> ", "answer: ", *CHAIN]),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=200)
def test_no_text_raises_and_none_is_valid(steps):
    assert check(STATED, steps) in (INVALID, UNKNOWN)
    assert check_answer(STATED, steps) in (INVALID, UNKNOWN)
    assert answer(STATED, steps) != ""


@pytest.mark.parametrize(
    "bomb", [*BOMBS, "a." * 10**5, "a" * 10**6, "a, " * 10**5, "(" * 10**6]
)
def test_bombs(bomb):
    start = time.process_time()
    for line in (bomb, f">>> {bomb}", f"answer: {bomb}", f">>> for {bomb}"):
        assert check(STATED, [line]) in (INVALID, UNKNOWN)
        assert check_answer(STATED, [">>> 1 + 1", line]) is INVALID
        assert check(STATED, [line, bomb]) in (INVALID, UNKNOWN)
        is_error(line)
    assert time.process_time() - start < 1
