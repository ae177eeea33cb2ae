"""What the worker processes say about steps and answers, without families."""

from __future__ import annotations

import pytest

from jaxlrm.verify import judging
from jaxlrm.verify.verdict import Verdict

UNKNOWN = Verdict.UNKNOWN
ASKED = "How many are left?"


def judge(chain, step):
    """`(verdict, doubt)` of a step, as the host asks for it."""
    verdict, doubt, _ = judging.judge(
        ASKED, None, chain, step, len(chain), False, True, False, ""
    )
    return Verdict(verdict), doubt


def test_an_empty_step_is_no_fault():
    assert judge([], "") == (UNKNOWN, False)


def test_programs_and_outputs_claim_nothing():
    program = "```python\nprint(2 + 2 == 5)\n\nx = 3 + 4 == 8"
    assert judge([], f"{program}\n```") == (UNKNOWN, False)
    # The block is open still, or was opened steps before.
    assert judge([], program) == (UNKNOWN, False)
    parts = program.split("\n\n")
    assert judge(parts[:1], parts[1]) == (UNKNOWN, False)
    shown = "```output\n2 + 2 = 5\n```"
    assert judge([f"{program}\n```"], shown) == (UNKNOWN, False)


# --- Answers ------------------------------------------------------------------


def test_answers_are_read_without_checks():
    found = judging.judge(
        "p", None, [], "so", 0, True, False, False, "so \\boxed{\\frac12}"
    )
    assert found == (UNKNOWN, False, "\\frac12")
    assert (
        judging.judge("p", None, [], "", 0, True, False, False, "")[2] is None
    )


def test_an_answer_without_end_is_none():
    text = "\\boxed{" + 10_000 * "1" + "}"
    assert judging.judge("p", None, [], text, 0, True, True, False, text)[
        2
    ] is (None)


def test_groups_have_names():
    groups, names = judging.group(["1/2", "3", "0.5", "0.5"])
    assert groups == [0, 1, 0, 0] and names == ["0.5", "3"]


@pytest.mark.parametrize(
    ("answer", "expected"), [("6", True), ("12/2", True), ("7", False)]
)
@pytest.mark.parametrize("task", [None, "a label"])
def test_is_correct(task, answer, expected):
    assert judging.is_correct("p", task, answer, "6") is expected
