import random
import re
import time

import pytest

from jaxlrm.families.polynomials import Expand
from jaxlrm.families.rules.polynomials import answer, check, check_answer, reads
from jaxlrm.families.rules.sums import collected, read_sum, render
from jaxlrm.verify.verdict import Verdict

VALID, INVALID, UNKNOWN = Verdict.VALID, Verdict.INVALID, Verdict.UNKNOWN

TWO_SUMS = "expand((12*x + 3)*(45*x - 1))"
BLOCK = ["45*12 = 450 + 45*2", "= 450 + 90", "= 540"]
ROWS = ["12*x*(45*x - 1) = 540*x**2 - 12*x", "3*(45*x - 1) = 135*x - 3"]
CHAIN = [*BLOCK, *ROWS, "-12*x + 135*x = 123*x", "540*x**2 + 123*x - 3"]


def test_a_chain():
    for count in range(1, len(CHAIN) + 1):
        assert check(TWO_SUMS, CHAIN[:count]) is VALID
    assert check_answer(TWO_SUMS, CHAIN) is VALID
    assert answer(TWO_SUMS, CHAIN) == CHAIN[-1]


@pytest.mark.parametrize(
    "before, line, verdict",
    [
        # wrong
        ([], "12*x*(45*x - 1) = 540*x**2 + 12*x", INVALID),
        ([], "45*12 = 450 + 45*3", INVALID),
        (BLOCK[:1], "= 450 + 80", INVALID),
        (CHAIN[:5], "-12*x + 135*x = 113*x", INVALID),
        (CHAIN[:6], "540*x**2 + 123*x + 3", INVALID),
        ([], "540*x**2 + 123*x + 3", INVALID),
        # right, but done before
        (CHAIN[:4], ROWS[0], INVALID),
        (CHAIN[:3], BLOCK[0], INVALID),
        (CHAIN[:6], CHAIN[5], INVALID),
        (CHAIN, CHAIN[-1], INVALID),
        ([], "(12*x + 3)*(45*x - 1)", INVALID),
        # right, but of no use
        ([], "3 + 4 = 7", INVALID),
        ([], "12*x = 12*x", INVALID),
        ([], "12*x + 3 = 3 + 12*x", INVALID),
        ([], "45*13 = 450 + 45*3", INVALID),
        ([], "3*45 = 100 + 35", INVALID),
        ([], "13*x*(45*x - 1) = 585*x**2 - 13*x", INVALID),
        ([], "540*x**2 - 12*x + 135*x - 3", INVALID),
        (BLOCK[:1], ROWS[0], INVALID),
        (BLOCK[:2], "= 450 + 90", INVALID),
        ([], "= 540", INVALID),
        # right, in one go
        ([], "540*x**2 + 123*x - 3", UNKNOWN),
        (
            [],
            "(12*x + 3)*(45*x - 1) + 0*x = 540*x**2 - 12*x + 135*x - 3",
            VALID,
        ),
        # not of this language
        ([], "", UNKNOWN),
        ([], "so we expand", UNKNOWN),
        ([], "12*x*(45*x - 1) = 540*x**2 - 12*x = 7", UNKNOWN),
        ([], "1 2*x = 12*x", UNKNOWN),
        ([], "x**0 = 1", UNKNOWN),
    ],
)
def test_lines(before, line, verdict):
    assert check(TWO_SUMS, [*before, line]) is verdict
    if verdict is not VALID:
        assert check_answer(TWO_SUMS, [*before, line]) is not VALID


def test_powers_may_stand_in_front():
    statement = "expand((3 - 12*x)*(45*x - 1))"
    chain = [
        "3*(45*x - 1) = x*135 - 3",
        *BLOCK,
        "-x*12*(45*x - 1) = -x**2*540 + x*12",
        "x*135 + x*12 = x*147",
        "-x**2*540 + x*147 - 3",
    ]
    for count in range(1, len(chain) + 1):
        assert check(statement, chain[:count]) is VALID
    assert check_answer(statement, chain) is VALID
    assert answer(statement, chain) == "-540*x**2 + 147*x - 3"
    wrong = "-x**2*540 - x*147 - 3"
    assert check_answer(statement, [*chain[:-1], wrong]) is INVALID
    # A sign may belong to the power as well: minus x, twice.
    statement = "expand(-x*2)"
    assert check(statement, ["-x*2 = -2*x"]) is VALID
    assert check(statement, ["-x*2 = 2*x"]) is INVALID


def test_too_much_at_once_is_not_judged():
    statement = "expand((x**2 + 2*x + 3)*(4*x**2 + 5*x + 6)*(x + 1))"
    line = (
        "(x**2 + 2*x + 3)*(4*x**2 + 5*x + 6)*(x + 1) = "
        "4*x**5 + 17*x**4 + 41*x**3 + 55*x**2 + 45*x + 18"
    )
    assert check(statement, [line]) is UNKNOWN
    assert check(statement, [line.replace("45", "46")]) is INVALID


def test_a_product_is_named_once():
    statement = "expand((x + 2)*(x + 3)*(x + 5))"
    steps = ["x*(x + 3) = x**2 + 3*x", "2*(x + 3) = 2*x + 6"]
    name = "(x + 2)*(x + 3) = x**2 + 5*x + 6"
    assert check(statement, [*steps, name]) is INVALID
    steps.append("3*x + 2*x = 5*x")
    assert check(statement, [*steps, name]) is VALID
    assert check(statement, [*steps, name, name]) is INVALID


def test_a_repeated_line_serves_an_equal_bracket_only():
    line = "x + x = 2*x"
    assert check("expand((x + x)*(x + x))", [line, line]) is VALID
    assert check("expand((x + x)*(x + x + 1))", [line, line]) is INVALID


def test_only_the_end_is_an_answer():
    assert check_answer(TWO_SUMS, CHAIN[:5]) is INVALID
    assert check_answer(TWO_SUMS, [CHAIN[-1]]) is UNKNOWN
    assert answer(TWO_SUMS, CHAIN[:5]) is None
    assert answer(TWO_SUMS, ["-3 + 123*x + 540*x**2"]) == CHAIN[-1]
    assert answer("expand(x)", []) is None
    assert answer("x = 3", ["x"]) is None
    with pytest.raises(ValueError):
        check(TWO_SUMS, [])


@pytest.mark.parametrize(
    "text, written",
    [
        ("2 - 3*x", "2 - 3*x"),
        ("-x + 2", "2 - x"),
        ("-2 - 3*x", "-3*x - 2"),
        ("2 - 3*x*y", "-3*x*y + 2"),
        ("2 + 3*x", "3*x + 2"),
        ("2 - 3*x + x**2", "x**2 - 3*x + 2"),
        ("b*a**2 + b**3 - a**2", "a**2*b - a**2 + b**3"),
        ("0", "0"),
    ],
)
def test_render_like_sympy(text, written):
    assert render(collected(read_sum(text))) == written


def test_a_changed_digit_is_seen():
    rng = random.Random(0)
    family = Expand()
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
    [
        "(" * 1000,
        "((((((((x + 1)**99)**99)**99)**99)**99)**99)**99)**99",
        "*".join(["(x + 1)**85"] * 90),
        "9" * 1000,
        "x**99999999",
        "-" * 1000,
        "expand(" * 100,
        "\N{SUPERSCRIPT TWO}",
        "x\n= 3",
        "=" * 1000,
        "x" * 10**6,
    ],
)
def test_hostile_text(text):
    start = time.process_time()
    for statement in (f"expand({text})", TWO_SUMS, text):
        reads(statement)
        for line in (text, f"{text} = {text}", f"= {text}"):
            for steps in ([line], [*ROWS, line]):
                assert check(statement, steps) is not VALID
                assert check_answer(statement, steps) is not VALID
                answer(statement, steps)
    assert time.process_time() - start < 2
