r"""Equivalence of answers, tier by tier, cheapest first.

    text        normal forms, words, choices, dates
    containers  lists, tuples, sets: their lengths and brackets
    rational    exact numbers
    modular     identity of expressions modulo a secret prime
    numerical   certified numerics
    algebra     sympy, in a killable worker, if the caller has a pool

What a tier has decided is final.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from jaxlrm.verify.answers import equivalence
from jaxlrm.verify.answers.normal import normal_form
from jaxlrm.verify.answers.scalars import TIERS, Judge
from jaxlrm.verify.inputs import check_text
from jaxlrm.verify.verdict import Verdict

if TYPE_CHECKING:
    from jaxlrm.verify.workers import Pool

__all__ = ["Comparison", "compare", "decide", "is_equivalent", "normal_form"]


class Comparison(NamedTuple):
    """What `compare` found.

    Attributes:
        verdict: VALID or INVALID where shown.
        tier: the most costly tier that was needed, of `TIERS`.
        seconds: of wall time.
    """

    verdict: Verdict
    tier: str
    seconds: float


def is_equivalent(
    prediction: str | None, gold: str, workers: Pool | None = None
) -> bool:
    """Is `prediction` the same answer as `gold`?

    Not symmetric: `1/3` answers a gold `0.333` and `[2, 3]` a gold `2, 3`, not
    the other way round. For a symmetric relation see `answers.group_answers`.

    Args:
        prediction: an answer, as `extract_answer` gives it; None is none.
        gold: the right answer.
        workers: for the last tier, computer algebra, a pool made with
            `jaxlrm.verify.answers.algebra` among its modules. Without one
            this tier is left out, and no process is started: it decides few
            pairs.

    Returns:
        True only where equality was shown; see `compare`.

    Raises:
        TypeError: one of them is no text.
    """
    return compare(prediction, gold, workers).verdict is Verdict.VALID


def compare(
    prediction: str | None, gold: str, workers: Pool | None = None
) -> Comparison:
    """The verdict on `prediction` as an answer whose right value is `gold`.

    The policies (`docs/answers.md` has all): a bare comma list and a set are
    unordered, a bracketed tuple is ordered, and bracket shapes matter
    (intervals). Numbers are compared exactly, but a gold with two or more
    decimals also accepts an exact value that rounds to it, and a prediction
    with the digits of a float is the value that it is printed for. A unit or
    `%` that one side leaves out is understood; two different ones make
    different answers; degrees are the same angle in multiples of pi.
    `x = 5` is 5 but not `y = 5`, and `m + n = 33` is 33; equations are equal up
    to a nonzero factor, but an unsolved one does not answer a solved one. What
    `x` must differ from, behind a value, is left out. Relations equal the
    intervals of their solutions. Nothing is computed with infinity.

    Args:
        prediction, gold, workers: as for `is_equivalent`.

    Returns:
        The verdict: VALID or INVALID where shown, else UNKNOWN; TIMEOUT or
        ERROR where the last tier failed. Never raises on any text.

    Raises:
        TypeError: one of them is no text.
    """
    if prediction is None:
        prediction = ""
    check_text(prediction=prediction, gold=gold)
    start = time.perf_counter()
    judge = Judge()
    verdict = _guarded(prediction, gold, judge)
    if verdict is Verdict.UNKNOWN and workers is not None:
        # Not at the top: most processes never need it.
        from jaxlrm.verify.answers import algebra

        judge.reach("algebra")
        (verdict,) = workers.map(algebra.decide, [(prediction, gold)])
    return Comparison(verdict, TIERS[judge.tier], time.perf_counter() - start)


def decide(prediction: str, gold: str) -> Verdict:
    """The verdict of `compare` without its last tier; a job for a pool."""
    return _guarded(prediction, gold, Judge())


def _guarded(prediction: str, gold: str, judge: Judge) -> Verdict:
    """A mistake of ours must not end the program of the caller."""
    try:
        return equivalence.decide(prediction, gold, judge)
    except Exception:
        return Verdict.ERROR
