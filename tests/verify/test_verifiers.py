"""Verifiers, asked in worker processes: here a pool that answers at once."""

from __future__ import annotations

import types

import pytest

from jaxlrm.verify import judging
from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.verifiers import Question, Verifiers, failure, name_of

INVALID, VALID, UNKNOWN = Verdict.INVALID, Verdict.VALID, Verdict.UNKNOWN
ANSWER = Question(
    "Which?", None, ["so"], "x = 1", 1, True, True, False, "so\nx = 1"
)
STEP = ANSWER._replace(step="so\nthat", ended=False, text="")


class Pool:
    """Runs jobs in this process; those that `late` names are not in time."""

    def __init__(self, late=lambda function, job: False):
        self.late, self.asked = late, []

    def start(self, function, jobs, plain=False):
        found = []
        for job in jobs:
            self.asked.append((function, *job))
            late = self.late(function, job)
            found.append(Verdict.TIMEOUT if late else function(*job))
        return types.SimpleNamespace(
            result=lambda: found, so_far=lambda seconds: found
        )

    def failure(self, function):
        return ""


def refuse(problem, steps, ended):
    del problem, ended
    return INVALID if "that" in steps[-1] else UNKNOWN


def fail(problem, steps, ended):
    return Verdict.ERROR if ended else VALID


def collect(verifiers, *questions):
    return verifiers.collect(verifiers.start(questions))


def test_one_finding_for_each_question():
    step, answer = collect(Verifiers(Pool()), STEP, ANSWER)
    assert (step.verdict, step.answer) == (UNKNOWN, None)
    assert (answer.verdict, answer.answer) == (UNKNOWN, "1")


@pytest.mark.filterwarnings("ignore:checker")
def test_checkers_are_asked_about_what_is_checked():
    pool = Pool()
    verifiers = Verifiers(pool, [refuse, fail])
    unchecked = ANSWER._replace(checked=False)
    found = collect(verifiers, unchecked, STEP, ANSWER)
    assert [each.verdict for each in found] == [UNKNOWN, INVALID, UNKNOWN]
    assert [each.failures for each in found] == [{}, {}, {NAME: "ERROR"}]
    assert [job[1:] for job in pool.asked if job[0] is refuse] == [
        ("Which?", ["so", "so", "that"], False),
        ("Which?", ["so", "x = 1"], True),
    ]


NAME = "tests.verify.test_verifiers:fail"


def test_a_checker_that_fails_is_warned_of_once():
    verifiers = Verifiers(Pool(), [fail])
    with pytest.warns(RuntimeWarning, match="checker .*:fail failed") as warned:
        collect(verifiers, ANSWER, ANSWER)
        collect(verifiers, ANSWER)
    assert len(warned) == 1
    assert name_of(fail) == NAME
    assert failure(NAME, "ERROR").startswith(f"checker {NAME} failed: ERROR; ")


def test_an_answer_is_read_although_judging_it_takes_too_long():
    pool = Pool(late=lambda function, job: function is judging.judge and job[6])
    step, answer = collect(Verifiers(pool), STEP, ANSWER)
    assert step == (Verdict.TIMEOUT, False, None, {})
    assert answer == (Verdict.TIMEOUT, False, "1", {})


@pytest.mark.parametrize("patient", [True, False])
def test_answers_are_grouped(patient):
    verifiers = Verifiers(Pool(), patient=patient)
    assert verifiers.group([]) == ([], [])
    assert verifiers.group(["7", "7"]) == ([0, 0], ["7"])
    groups, names = verifiers.group(["1/2", "3", "0.5"])
    assert groups[0] == groups[2] != groups[1]
    assert names[groups[1]] == "3"


def test_answers_are_their_texts_if_comparing_them_takes_too_long():
    verifiers = Verifiers(Pool(late=lambda function, job: True))
    found = verifiers.group(["1/2", "0.5", "1 / 2"])
    assert found == ([0, 1, 0], ["1/2", "0.5"])
