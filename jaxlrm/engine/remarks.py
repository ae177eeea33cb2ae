"""What a person should know of a solution, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxlrm.engine import inquiry
from jaxlrm.engine.page import Page
from jaxlrm.engine.solution import Thought
from jaxlrm.verify.verdict import Verdict


def about(
    page: Page, winner: int | None, checked: bool, families: Sequence[str]
) -> str:
    """The note of a solution; empty where there is nothing to say.

    Args:
        page: of the problem.
        winner: the thought that ends the winning chain, if there is one.
        checked: whether symbolic verifiers judged.
        families: that the model was trained on; empty for no such limit.
    """
    return "; ".join(filter(None, _remarks(page, winner, checked, families)))


def _remarks(
    page: Page, winner: int | None, checked: bool, families: Sequence[str]
) -> Iterator[str]:
    yield _unproven(page, winner, checked, families)
    if page.dropped:
        yield f"steps let go because the cache was full: {page.dropped}"
    for name, why in page.failures.items():
        yield inquiry.failure(name, why)


def _unproven(
    page: Page, winner: int | None, checked: bool, families: Sequence[str]
) -> str:
    """Why there is no answer or no proof of it."""
    chain = [page.entries[i].thought for i in page.path(winner)]
    if chain and chain[-1].verdict is Verdict.VALID:
        return ""  # a proof needs no trust
    if page.outside:
        names = ", ".join(families)
        return f"the model was trained on other families of problems: {names}"
    if winner is None:
        return _no_answer([entry.thought for entry in page.entries])
    refuted = any(thought.verdict is Verdict.INVALID for thought in chain)
    if not checked or (page.statement is None and not refuted):
        return ""
    if all(thought.verdict is Verdict.UNKNOWN for thought in chain):
        return (
            "the checks neither prove nor refute the steps of this chain; the "
            "answer is a guess"
        )
    return "no chain passed all checks; the answer is a guess"


def _no_answer(thoughts: Sequence[Thought]) -> str:
    ended = sum(t.count for t in thoughts if t.kind == "answer")
    if not ended:
        return "no chain of thought came to an end within the budget"
    return f"no chain that ended states a usable answer; ended: {ended}"
