import pytest

from jaxlrm.verify.verdict import (
    Verdict,
    any_of,
    best_of,
    combine,
    decided,
    on_answer,
)

UNKNOWN, VALID, INVALID, TIMEOUT, _ = Verdict


def test_members_are_small_integers_and_only_invalid_speaks_against():
    assert [int(verdict) for verdict in Verdict] == [0, 1, 2, 3, 4]
    assert Verdict.UNKNOWN == 0  # an array of zeros says nothing


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([], Verdict.VALID),
        ([Verdict.VALID, Verdict.VALID], Verdict.VALID),
        ([Verdict.VALID, Verdict.UNKNOWN], Verdict.UNKNOWN),
        ([Verdict.VALID, Verdict.TIMEOUT], Verdict.UNKNOWN),
        ([Verdict.ERROR, Verdict.VALID], Verdict.UNKNOWN),
        ([Verdict.UNKNOWN, Verdict.INVALID], Verdict.INVALID),
    ],
)
def test_combine(parts, whole):
    assert combine(parts) is whole


@pytest.mark.parametrize(
    ("ways", "whole"),
    [
        ([Verdict.INVALID, Verdict.VALID], Verdict.VALID),
        ([Verdict.INVALID, Verdict.INVALID], Verdict.INVALID),
        ([Verdict.INVALID, Verdict.UNKNOWN], Verdict.UNKNOWN),
        ([Verdict.TIMEOUT], Verdict.TIMEOUT),
        ([], Verdict.UNKNOWN),
    ],
)
def test_any_of(ways, whole):
    assert any_of(ways) is whole


def test_decided():
    assert decided(True) is Verdict.VALID
    assert decided(False) is Verdict.INVALID


@pytest.mark.parametrize(
    ("verdict", "before", "provable", "found"),
    [
        (VALID, [VALID, VALID], True, VALID),
        (VALID, [], True, VALID),
        (VALID, [VALID, UNKNOWN], True, UNKNOWN),
        (VALID, [VALID, TIMEOUT], True, UNKNOWN),
        (VALID, [VALID], False, UNKNOWN),
        (VALID, [INVALID], True, INVALID),
        (UNKNOWN, [UNKNOWN, INVALID], False, INVALID),
        (INVALID, [VALID], True, INVALID),
        (TIMEOUT, [VALID], True, TIMEOUT),
    ],
)
def test_an_answer_stands_and_falls_with_its_chain(
    verdict, before, provable, found
):
    assert on_answer(verdict, before, provable) is found


def test_the_best_of_several():
    assert best_of([INVALID, TIMEOUT, UNKNOWN, VALID]) is VALID
    assert best_of([INVALID, TIMEOUT]) is TIMEOUT
    assert best_of([INVALID]) is INVALID
