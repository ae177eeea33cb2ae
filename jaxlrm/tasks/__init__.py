"""Families of problems, by name."""

from __future__ import annotations

import random
from typing import NamedTuple

from jaxlrm.tasks.arithmetic import AddSubMultiple
from jaxlrm.tasks.countdown import Countdown, Game24
from jaxlrm.tasks.derivative import Derivative
from jaxlrm.tasks.divisors import GreatestCommonDivisor, LeastCommonMultiple
from jaxlrm.tasks.evaluation import Evaluation
from jaxlrm.tasks.factors import PrimeFactorisation
from jaxlrm.tasks.linear import LinearEquation
from jaxlrm.tasks.polynomials import Expand
from jaxlrm.tasks.programs import Programs
from jaxlrm.tasks.rational import RationalArithmetic
from jaxlrm.tasks.system import LinearSystem
from jaxlrm.tasks.task import LEVELS, TRAINED, Problem, Task, question

# Where two families read a text, the first one takes it.
TASKS: dict[str, Task] = {
    family.name: family
    for family in (
        LinearEquation(),
        LinearSystem(),
        AddSubMultiple(),
        RationalArithmetic(),
        GreatestCommonDivisor(),
        LeastCommonMultiple(),
        PrimeFactorisation(),
        Evaluation(),
        Expand(),
        Derivative(),
        Game24(),
        Countdown(),
        Programs(),
    )
}


class Reading(NamedTuple):
    """What a family makes of a problem's text.

    Attributes:
        family: the family that phrases problems like this.
        statement: what is asked, in the words of `jaxlrm.verify`.
        question: the text without instructions on how to write the answer.
    """

    family: Task
    statement: str
    question: str


def register(family: Task) -> None:
    """Adds a family from outside the package, behind those that are known.

    Raises:
        ValueError: its name is taken.
        TypeError: it lacks what a `Task` has.
    """
    for needed in ("name", "dead_ends", "sample", "statement", "accepts"):
        if not hasattr(family, needed):
            raise TypeError(
                f"{family!r} has no {needed!r}; a family has name, dead_ends, "
                "sample, statement and accepts"
            )
    if family.name in TASKS:
        raise ValueError(
            f"there is a task {family.name!r} already; choose a name that is "
            f"none of {', '.join(TASKS)}"
        )
    TASKS[family.name] = family


def get(name: str) -> Task:
    """The family called `name`; ValueError lists the known ones."""
    if name not in TASKS:
        raise ValueError(
            f"unknown task {name!r}; known tasks: {', '.join(TASKS)}"
        )
    return TASKS[name]


def at_level(name: str) -> tuple[str, int | None]:
    """`("gcd", 6)` for `gcd@6`, `("gcd", None)` for `gcd`.

    Raises:
        ValueError: there is no such level.
    """
    family, at, level = name.partition("@")
    if not at:
        return family, None
    if level not in map(str, LEVELS):
        raise ValueError(
            f"unknown level {level!r} in {name!r}; levels are {LEVELS[0]} to "
            f"{LEVELS[-1]}"
        )
    return family, int(level)


def draw(name: str, rng: random.Random) -> Problem:
    """A problem of `gcd@6`, or of `gcd` at a level of training.

    Raises:
        ValueError: there is no such family or level.
    """
    family, level = at_level(name)
    return get(family).sample(rng, level or rng.choice(TRAINED))


def recognise(text: str) -> Reading | None:
    """The family that phrases problems like `text`; None for no family."""
    for family in TASKS.values():
        statement = family.statement(text)
        if statement:
            return Reading(family, statement, question(text))
    return None


__all__ = [
    "LEVELS",
    "TASKS",
    "TRAINED",
    "Problem",
    "Reading",
    "Task",
    "at_level",
    "draw",
    "get",
    "recognise",
    "register",
]
