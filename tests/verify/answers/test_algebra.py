import time

import pytest

from jaxlrm.verify.answers import algebra
from jaxlrm.verify.answers.comparison import compare
from jaxlrm.verify.verdict import Verdict

DEADLINE = 4.0


@pytest.fixture(scope="module")
def pool():
    with algebra.pool(deadline=DEADLINE) as made:
        yield made


@pytest.mark.parametrize(
    ("prediction", "gold"),
    [
        (r"\sum_{k=1}^{n} k", r"\frac{n(n+1)}{2}"),
        (r"\sum_{k=0}^{\infty} \frac{1}{2^k}", "2"),
        ("g(x) + g(x)", "2g(x)"),
    ],
)
def test_what_only_algebra_shows(pool, prediction, gold):
    comparison = compare(prediction, gold, pool)
    assert comparison.verdict is Verdict.VALID


@pytest.mark.parametrize(
    ("prediction", "gold"),
    [
        (r"\sum_{k=1}^{n} k", r"\frac{n(n-1)}{2}"),
        ("the moon", "5"),
    ],
)
def test_it_never_guesses(pool, prediction, gold):
    verdict = compare(prediction, gold, pool).verdict
    assert verdict in (Verdict.UNKNOWN, Verdict.TIMEOUT)


def test_what_an_exact_tier_decided_is_final(pool):
    before = pool.statistics.checks
    assert compare("1/3", "1/2", pool).verdict is Verdict.INVALID
    assert compare("1/2", "0.5", pool).verdict is Verdict.VALID
    assert pool.statistics.checks == before


@pytest.mark.parametrize(
    "text",
    ["9^{9^{9^{9}}}", "(10^9)!", r"\sum_{k=1}^{10^9} \frac{1}{k!+\sqrt k}"],
)
def test_bombs_end_with_the_deadline(pool, text):
    start = time.perf_counter()
    verdict = compare(text, "1", pool).verdict
    assert time.perf_counter() - start < DEADLINE + 0.5
    assert verdict in (Verdict.TIMEOUT, Verdict.ERROR, Verdict.UNKNOWN)
    following = compare(r"\sum_{k=1}^{m} k", r"\frac{m(m+1)}{2}", pool)
    assert following.verdict is Verdict.VALID
