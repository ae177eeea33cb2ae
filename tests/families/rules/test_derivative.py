import random
import re

import pytest

from jaxlrm.families.derivative import Derivative
from jaxlrm.families.rules.derivative import answer, check, check_answer, reads
from jaxlrm.verify.verdict import Verdict

VALID, INVALID, UNKNOWN = Verdict.VALID, Verdict.INVALID, Verdict.UNKNOWN

STATEMENT = "diff(5*a*x**3 - 2*x**2 + 7*x - a, x, 2)"
CHAIN = [
    "diff(5*a*x**3) = 15*a*x**2",
    "diff(15*a*x**2) = 30*a*x",
    "diff(-2*x**2) = -4*x",
    "diff(-4*x) = -4",
    "30*a*x - 4",
]


def test_a_chain():
    for count in range(1, len(CHAIN) + 1):
        assert check(STATEMENT, CHAIN[:count]) is VALID
    assert check_answer(STATEMENT, CHAIN) is VALID
    assert answer(STATEMENT, CHAIN) == "30*a*x - 4"
    assert answer(STATEMENT, [*CHAIN[:4], "-4 + 30*x*a"]) == "30*a*x - 4"


@pytest.mark.parametrize(
    "before, line, verdict",
    [
        # wrong
        ([], "diff(5*a*x**3) = 15*a*x**3", INVALID),
        ([], "diff(5*a*x**3) = 5*x**3", INVALID),
        ([], "diff(5*a*x**3) = 3*5*a*x**2", INVALID),
        (CHAIN[:4], "30*a*x + 4", INVALID),
        (CHAIN[:4], "30*a*x", INVALID),
        (CHAIN[:4], "30*a*x - 4 + 7", INVALID),
        (CHAIN[:4], "0", INVALID),
        (CHAIN[:2], "31*a*x - 4", INVALID),
        ([], "30*a*x**2 - 4", INVALID),
        # right, but done before, not asked, or too often
        (CHAIN[:1], CHAIN[0], INVALID),
        (CHAIN, CHAIN[-1], INVALID),
        (CHAIN, CHAIN[0], INVALID),
        (CHAIN[:2], "diff(30*a*x) = 30*a", INVALID),
        ([], "diff(7*x) = 7", INVALID),
        ([], "diff(a) = 0", INVALID),
        ([], "diff(6*x**2) = 12*x", INVALID),
        ([], CHAIN[1], INVALID),
        (CHAIN[:4], "15*a*x + 15*a*x - 4", INVALID),
        # cannot be told yet
        ([], "30*a*x - 4", UNKNOWN),
        (CHAIN[:2], "30*a*x - 5", UNKNOWN),
        ([], "diff(5*a*x**3 - 2*x**2) = 15*a*x**2 - 4*x", UNKNOWN),
        # not of this language
        ([], "", UNKNOWN),
        ([], "we differentiate", UNKNOWN),
        ([], "diff(diff(x)) = 0", UNKNOWN),
    ],
)
def test_lines(before, line, verdict):
    assert check(STATEMENT, [*before, line]) is verdict
    assert check_answer(STATEMENT, [*before, line]) is not VALID


def test_nothing_left():
    assert check_answer("diff(3*y, x, 1)", ["0"]) is VALID
    assert check_answer("diff(3*y, x, 1)", ["3"]) is INVALID
    assert answer("diff(3*y, x, 1)", ["0"]) == "0"


def test_only_the_end_is_an_answer():
    assert check_answer(STATEMENT, CHAIN[:4]) is INVALID
    assert answer(STATEMENT, CHAIN[:4]) is None
    with pytest.raises(ValueError):
        check(STATEMENT, [])


@pytest.mark.parametrize(
    "statement",
    [
        "diff(x)",
        "diff(x, x, 9)",
        "diff(x, y + 1, 1)",
        "diff((x + 1)*x, x, 1)",
        "expand(x)",
        "diff(" + "x*" * 10**6 + "x, x, 1)",
        "",
    ],
)
def test_other_statements(statement):
    assert not reads(statement)
    assert check(statement, ["1"]) is UNKNOWN
    assert check_answer(statement, ["diff(x) = 1"]) is UNKNOWN


def test_a_changed_digit_is_seen():
    rng = random.Random(0)
    family = Derivative()
    for number in range(300):
        problem = family.sample(rng, 1 + number % 7)
        statement = family.statement(problem.text)
        count = rng.randrange(len(problem.steps))
        line = problem.steps[count]
        places = [match.start() for match in re.finditer("[0-9]", line)]
        if not places:
            continue
        place = rng.choice(places)
        digit = rng.choice([d for d in "0123456789" if d != line[place]])
        line = line[:place] + digit + line[place + 1 :]
        steps = [*problem.steps[:count], line]
        assert check(statement, steps) is not VALID, steps


@pytest.mark.parametrize(
    "text",
    ["9" * 5000, "x**99", "x**" * 300, "(" * 900, "\N{GREEK SMALL LETTER PI}"],
)
def test_hostile_text(text):
    for line in (text, f"diff({text}) = {text}", f"diff({text}) = 3"):
        assert check(STATEMENT, [line]) is not VALID
        assert check_answer(STATEMENT, [CHAIN[0], line]) is not VALID
        answer(STATEMENT, [line])
