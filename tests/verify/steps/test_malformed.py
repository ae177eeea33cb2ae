import pytest

from jaxlrm.verify import Verdict
from jaxlrm.verify.steps import check_answer, check_chain
from jaxlrm.verify.steps.chains import follows
from jaxlrm.verify.steps.malformed import is_malformed

BROKEN = (
    "3 + * 5",
    "= 3 +  * 177/179",
    "(2*x + 1*3",
    "-10*((-11/20)*(-600)/(-15950)",
    "(-4)/56*6 - (-314)/(-84))*(-6)",
    ")3 + 4(",
    "3*(4 + )",
    "(*3 + 4)",
    "2*x + 3 -",
    "2*x - = 5",
    "x = / 3",
    "gcd(12, 18",
    "3 ** ** 2",
)
SOUND = (
    "3 - -5",
    "--3 + +4",
    "2**-3",
    "(1, 2)",
    "(1, 2]",  # an interval
    "1) 3 + 4 = 7",
    "a) x = 3",
    "* 3 + 4",  # a bullet
    "- 3 + 4",
    "x + y = 5 (*)",
    "x = 3 +/- 2",
    "1 + 2 + ... + 10",
    "3*4 + 5 =",
    "= 17",
    "d/dx x**2 = 2*x",
    "x* = 3",  # an optimum
    "z^* = 1 - 2*a",  # a conjugate
    "f(x*) = f(0+)",  # a limit from the right
    "x = 0+",
    "gcd(12, 18)",
    "sin(x)/cos(x)",
    "so (3 + 4",  # prose
    r"\frac{3}{4} +",
    "3 > (2",
    "3*4 =\n* 12",
    "",
)


@pytest.mark.parametrize("line", BROKEN)
def test_broken(line):
    assert is_malformed(line)
    assert follows("3*x + 4 = 5", line) is Verdict.INVALID
    assert check_chain("3*x + 4 = 5", [line]) is Verdict.INVALID
    assert check_answer("3*x + 4 = 5", [line]) is Verdict.INVALID


@pytest.mark.parametrize("line", SOUND)
def test_sound(line):
    assert not is_malformed(line)


def test_a_megabyte_of_brackets_is_left_to_others():
    assert not is_malformed("(" * 1_000_000)
