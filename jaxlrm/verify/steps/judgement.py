"""One step of a chain about a problem that no family recognises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jaxlrm.verify.inputs import check_text
from jaxlrm.verify.verdict import Verdict


class Judgement(NamedTuple):
    """What is found about a step.

    Attributes:
        verdict: INVALID for a false fact alone.
        doubt: a claim that only some reading saves, or a rewrite that
            announces itself and does not hold. It speaks against a step
            without refuting it.
    """

    verdict: Verdict
    doubt: bool = False


def judge_step(problem: str, chain: Sequence[str], step: str) -> Judgement:
    """Judges a step by what it claims, whatever the problem.

    Args:
        problem: its whole text.
        chain: the steps or lines before, in order.
        step: the new step, of any number of lines.
    """
    check_text(problem=problem, step=step)
    return Judgement(Verdict.UNKNOWN)


def check_step(context: str | Sequence[str], step: str) -> Verdict:
    """The verdict of `judge_step` on a step behind a chain.

    Args:
        context: the chain so far: a text, or its steps or lines in order.
        step: the new step.

    Raises:
        TypeError: one of them is no text.
    """
    chain = [context] if isinstance(context, str) else list(context)
    check_text(step=step)
    for number, before in enumerate(chain):
        check_text(**{f"context[{number}]": before})
    return judge_step("", chain, step).verdict
