"""The word of a symbolic verifier."""

from __future__ import annotations

import enum
from collections.abc import Iterable


class Verdict(enum.IntEnum):
    """What a symbolic verifier found.

    Only INVALID vetoes a step.

    Attributes:
        UNKNOWN: not decided; the text could not be read, or is out of scope.
        VALID: shown to be right.
        INVALID: shown to be wrong, or to be of no use where use is asked.
        TIMEOUT: the deadline passed; never counted as INVALID.
        ERROR: the verifier failed (crash, memory); never counted as INVALID.
    """

    UNKNOWN = 0
    VALID = 1
    INVALID = 2
    TIMEOUT = 3
    ERROR = 4


def decided(shown: bool) -> Verdict:
    """VALID for what was shown to be so, INVALID for the contrary."""
    return Verdict.VALID if shown else Verdict.INVALID


def any_of(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict where one of several ways to be right is enough."""
    found = set(verdicts)
    if Verdict.VALID in found:
        return Verdict.VALID
    return found.pop() if len(found) == 1 else Verdict.UNKNOWN


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a whole from its parts.

    INVALID if any part is, VALID if all parts are (so for no parts at all),
    else UNKNOWN.
    """
    whole = Verdict.VALID
    for verdict in verdicts:
        if verdict is Verdict.INVALID:
            return verdict
        if verdict is not Verdict.VALID:
            whole = Verdict.UNKNOWN
    return whole


def agree(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of several verifiers on the same step.

    One that says INVALID has its veto; else one that says VALID is believed;
    else nobody knows, and the first of them says why.
    """
    found = list(verdicts)
    for verdict in (Verdict.INVALID, Verdict.VALID):
        if verdict in found:
            return verdict
    return found[0] if found else Verdict.UNKNOWN


def on_answer(
    verdict: Verdict, before: Iterable[Verdict], provable: bool
) -> Verdict:
    """The verdict on an answer, which stands and falls with its chain.

    It is INVALID if a step before it is, and VALID, which proves it, only if
    all of them are.

    Args:
        verdict: on the step that states it.
        before: on the steps before that.
        provable: whether it is known what is asked: else what is VALID is
            true, but does not show that it answers the problem.
    """
    chain = combine(before)
    if chain is Verdict.INVALID:
        return chain
    if verdict is Verdict.VALID and not (provable and chain is verdict):
        return Verdict.UNKNOWN
    return verdict


def best_of(verdicts: Iterable[Verdict]) -> Verdict:
    """The best of several, one at least; what failed is better than INVALID."""
    order = "VALID UNKNOWN TIMEOUT ERROR INVALID".split()
    return min(verdicts, key=lambda verdict: order.index(verdict.name))
