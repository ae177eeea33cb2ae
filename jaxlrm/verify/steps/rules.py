"""The rules of families: which of them judges the chains of a problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jaxlrm.verify.rules import (
    arithmetic,
    derivative,
    factors,
    moves,
    polynomials,
    programs,
    systems,
)
from jaxlrm.verify.verdict import Verdict


class Rule(Protocol):
    """Judges chains about statements of a form of its own.

    A module with these functions, or an object. They are given what a model
    wrote, and return within a second. All but `reads` run in worker processes,
    where one that raises is an ERROR; `reads` is given what a problem states,
    in the process of the engine too, and must never raise.

    A rule may have `COMPLETE = True`: it reads every right step of a model that
    was trained on such problems. What it cannot read of one is then INVALID.
    """

    def reads(self, statement: str) -> bool:
        """Is it a statement of this form?"""

    def check(self, statement: str, steps: Sequence[str]) -> Verdict:
        """The verdict on the last of at least one step."""

    def check_answer(self, statement: str, steps: Sequence[str]) -> Verdict:
        """The verdict on the last step, which is to state the answer."""

    def answer(self, statement: str, steps: Sequence[str]) -> str | None:
        """The bare answer of a finished chain; None if it has none."""


# Where two rules read a statement, the first one takes it; what none reads is
# an equation, or an expression with unknowns, which this module judges.
_RULES: dict[str, Rule] = {
    "programs": programs,
    "moves": moves,
    "systems": systems,
    "polynomials": polynomials,
    "derivative": derivative,
    "factors": factors,
    "arithmetic": arithmetic,
}


def register(name: str, rule: Rule) -> None:
    """Adds a rule, behind those that are known.

    Worker processes learn of it by importing the module that calls this (the
    `extensions` of an engine).

    Args:
        name: of the rule, unique.
        rule: what judges.

    Raises:
        ValueError: the name is taken.
        TypeError: the rule lacks a function.
    """
    if name in _RULES:
        raise ValueError(
            f"there is a rule {name!r} already; choose a name that is none "
            f"of {', '.join(_RULES)}"
        )
    for needed in ("reads", "check", "check_answer", "answer"):
        if not callable(getattr(rule, needed, None)):
            raise TypeError(
                f"rule {name!r} has no function {needed!r}; it needs reads, "
                "check, check_answer and answer"
            )
    _RULES[name] = rule


def is_complete(statement: str) -> bool:
    """Does the rule of a statement read every right step, see `Rule`?"""
    rule = rule_for(statement)
    return rule is None or getattr(rule, "COMPLETE", False)


def rule_for(statement: str) -> Rule | None:
    """The rule that judges chains about it, or None."""
    rules = _RULES.values()
    return next((rule for rule in rules if rule.reads(statement)), None)
