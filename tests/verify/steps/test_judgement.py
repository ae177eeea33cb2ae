"""Steps of any problem, judged by what they claim."""

import json
import pathlib
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jaxlrm.verify import Verdict, check_step
from jaxlrm.verify.steps import Judgement, check_solution, judge_step

CASES = [
    json.loads(line)
    for line in (pathlib.Path(__file__).parents[2] / "cases/steps.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_cases(case):
    context, step = case["input"]["context"], case["input"]["step"]
    assert check_step(context, step).name in case["expected"], case["why"]


DOUBTS = [
    ([], "There are 88 stripes / 3 zebras = 29 stripes per zebra."),
    ([], "So there are 15-27=12 cups left."),
    ([], "5 + 3 * 2 = 16 apples"),
    ([], "4 pounds - 6 ounces = 58 ounces"),
    (["2x + 23 = 80."], "Subtracting 23 from both sides, we get 2x = 77."),
    (["21*m = 21"], "m = 2"),
]


@pytest.mark.parametrize(("chain", "step"), DOUBTS)
def test_doubts_refute_nothing(chain, step):
    assert judge_step("", chain, step) == Judgement(Verdict.UNKNOWN, True)


NEITHER = [
    ([], "20 - 4 - 8 = 8 * 1/4 = 2 cups"),  # each sign goes on
    ([], "He has 180/110 = 1.6 bags."),
    ([], "18 / 450 x 100 = 4%"),
    ([], "It is not true that 3 * 4 = 13."),
    ([], "What if 3 * 4 = 13?"),
    (["x + y = 10"], "x - y = 4"),
    (["(x - 7)(x + 2) = 0", "x = 7"], "x = -2"),
    ([], "$1 = \\sqrt{11-2} + 4$"),
    ([], "Number of apples + 3 = 8"),
]


@pytest.mark.parametrize(("chain", "step"), NEITHER)
def test_what_is_neither_shown_nor_doubtful(chain, step):
    assert judge_step("", chain, step) == Judgement(Verdict.UNKNOWN, False)


def test_every_line_and_display_counts():
    true, false = "So 3 + 4 = 7.", "Then\n\\[ 3 \\times 4 = 13 \\]\nof them."
    for step in (f"{true}\n{false}", f"{false}\n{true}", f"{false}\nDone."):
        assert check_step([], step) is Verdict.INVALID
    doubtful = "There are 7 / 2 = 3 left."
    assert judge_step("", [], f"{true}\n{doubtful}") == Judgement(
        Verdict.UNKNOWN, True
    )


def test_the_problem_says_how_numbers_are_written():
    step = "So 4 + 5 = 13."
    assert judge_step("Add in base 6.", [], step).verdict is Verdict.UNKNOWN
    assert judge_step("Add.", [], step).verdict is Verdict.INVALID
    step = "Hence 5 * 3 = 1."
    assert judge_step("Compute modulo 7.", [], step).verdict is Verdict.UNKNOWN


def test_a_repeated_line_is_not_refuted():
    line = "There are 12*1 = 12 checks."
    assert check_step([line, line], line) is Verdict.VALID


def test_the_chain_is_a_text_or_lines():
    step = "Adding, 2x = 14."
    assert check_step("x + y = 10\nx - y = 4", step) is Verdict.VALID
    assert check_step(["x + y = 10", "x - y = 4"], step) is Verdict.VALID
    assert check_step(["x + y = 10"], step) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("context", "step", "message"),
    [
        (None, "x = 1", "context is None"),
        (["x = 1", 2], "x = 1", r"context\[1\] is 2"),
        ("x = 1", b"x", "step is b'x'"),
    ],
)
def test_what_is_no_text_is_refused(context, step, message):
    with pytest.raises(TypeError, match=message):
        check_step(context, step)


@pytest.mark.parametrize(
    "bomb",
    [
        "9**9**9**9 = 3 * 4",
        "(" * 10**6,
        "1" * 10**6 + " + 1 = 2",
        "((((" * 2000 + " 1 + 1 = 3",
        "$" * 4000 + "1 + 1 = 3",
        "\\frac{" * 1300,
        "1 + " * 2000 + "1 = 3",
        "1000000! / 3 = 2",
        "1 + 2 + ... + 10**9**9 = 3",
        "a " * 4000,
        "2 = " * 2000,
        "|" * 4000,
    ],
)
def test_bombs_are_quick_and_not_shown(bomb):
    start = time.process_time()
    assert check_step("x = 1", bomb) is not Verdict.VALID
    assert check_step([bomb], "x = 1") is Verdict.UNKNOWN
    assert time.process_time() - start < 2


@given(
    st.text(max_size=60),
    st.text(alphabet="x=0123+-*/ ^(.)$\\{}[]%&|!\n,:a", max_size=60),
)
def test_checks_never_raise(one, other):
    for before, after in ((one, other), (other, one), (other, other)):
        assert check_step(before, after) in Verdict


# --- Properties -------------------------------------------------------------

WRAPPERS = [
    "{}",
    "{}.",
    "So she has {} apples.",
    "He needs 3 weeks because {}",
    "The total is ${}$.",
    "Therefore,\n\\[ {} \\]\nas needed.",
    "We get \\({}\\).",
    "1. **Total**: {}",
    "- {} people",
    "The answer is {}, and we are done.",
    "\\begin{{align*}} {} \\end{{align*}}",
    "(note that {})",
    "First, find the sum: {}",
    "| apples | {} | x |",
]
SIGNS = [
    ("*", " * "),
    ("*", "*"),
    ("*", r" \times "),
    ("*", r" \cdot "),
    ("*", " x "),
    ("+", " + "),
    ("-", " - "),
    ("+", "+"),
]
WHOLE = st.integers(2, 999)


def _claim(a, b, sign, error):
    """`a sign b = c`, with an error in c, or None for a negative result."""
    operator, written = sign
    value = {"*": a * b, "+": a + b, "-": a - b}[operator]
    if value <= 0 or value + error <= 0:
        return None
    return f"{a}{written}{b} = {value + error}"


@given(WHOLE, WHOLE, st.sampled_from(SIGNS), st.sampled_from(WRAPPERS))
def test_a_true_equality_is_never_refuted(a, b, sign, wrapper):
    claim = _claim(a, b, sign, 0)
    assume(claim)
    assert check_step([], wrapper.format(claim)) is not Verdict.INVALID


@given(
    WHOLE,
    WHOLE,
    st.sampled_from(SIGNS),
    st.sampled_from(WRAPPERS),
    st.integers(-50, 50).filter(bool),
)
def test_a_false_equality_is_refuted(a, b, sign, wrapper, error):
    claim = _claim(a, b, sign, error)
    assume(claim and a - b != -(a - b + error))
    assert check_step([], wrapper.format(claim)) is Verdict.INVALID


PROSE = ["We know the rest.", "So we go on.", "Now the total."]


@given(
    st.lists(st.tuples(WHOLE, WHOLE), min_size=2, max_size=5),
    st.integers(0, 4),
    st.integers(1, 30),
    st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_a_chain_with_a_wrong_line_is_not_valid(pairs, wrong, error, joins):
    lines = [f"There are {a} + {b} = {a + b} of them." for a, b in pairs]
    wrong %= len(lines)
    a, b = pairs[wrong]
    lines[wrong] = f"There are {a} + {b} = {a + b + error} of them."
    steps = _grouped(lines, joins)
    verdicts = [check_step(steps[:n], step) for n, step in enumerate(steps)]
    assert Verdict.INVALID in verdicts


def _grouped(lines, joins):
    """Lines as steps of one or more lines."""
    steps = lines[:1]
    for line, joined in zip(lines[1:], joins, strict=False):
        if joined:
            steps[-1] += "\n" + line
        else:
            steps.append(line)
    return steps


SUMS = st.lists(st.integers(1, 20), min_size=3, max_size=6)


@given(
    SUMS,
    st.integers(0, 9),
    st.integers(1, 9),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_a_wrong_line_of_a_sum_is_never_proven(numbers, wrong, error, joins):
    """In any grouping of its lines into steps."""
    lines = []
    for place in range(1, len(numbers)):
        rest = numbers[place + 1 :]
        total = sum(numbers[: place + 1])
        lines.append(" + ".join(map(str, (total, *rest))))
    statement = " + ".join(map(str, numbers))
    steps = _grouped(lines, joins)
    assert check_solution(statement, steps) is Verdict.VALID
    place = wrong % len(lines)
    first, *rest = lines[place].split(" + ")
    lines[place] = " + ".join((str(int(first) + error), *rest))
    steps = _grouped(lines, joins)
    assert check_solution(statement, steps) is Verdict.INVALID


SPLIT = [
    ("gcd(12, 18)", ["gcd(5, 0)\n5"]),
    ("2 + 3*4", ["2 + 15\n17"]),
    ("2 + (3 - 4) - 7", ["2 + 1 - 7\n3 - 7\n-4"]),
    ("45*q = -940 + 355", ["45*q = -585", "q = -\n13"]),
    ("4*t = -12", ["t = -\n3"]),
]


@pytest.mark.parametrize(("statement", "steps"), SPLIT)
def test_lines_of_a_step_are_judged_one_by_one(statement, steps):
    assert check_solution(statement, steps) is not Verdict.VALID
