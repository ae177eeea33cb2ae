"""Families of problems: what one is, and which are registered.

A family draws problems, reads what the whole text of a problem states, and
brings a rule that judges the steps of a chain about it. The package knows none
by itself: a module registers its families when it is imported (an *extension*,
see docs/extend.md; `jaxlrm.families` is one). No JAX: worker processes import
extensions too.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:  # `jaxlrm.verify` imports this module
    from jaxlrm.verify.verdict import Verdict

LEVELS = range(1, 8)  # of difficulty
TRAINED = range(1, 6)  # levels of training; those above are for tests


class Problem(NamedTuple):
    """One problem with what is known about it.

    Attributes:
        text: the question, as a person would write it.
        answer: the gold answer, bare (`5`, not `x = 5`).
        task: name of the family it was drawn from.
        steps: a worked chain of thought, one elementary operation a step; the
            last step states the answer. For training only: nothing at
            inference sees it.
        outputs: indices of the steps that a tool writes and not the model,
            in order.
    """

    text: str
    answer: str
    task: str
    steps: tuple[str, ...]
    outputs: tuple[int, ...] = ()


class Family(Protocol):
    """Draws problems, and reads what a problem states.

    A family may also have:

    - `tools = True`: its chains run programs.
    - `reachable(statement, steps) -> bool | None`: where it has dead ends, can
      the answer still be reached? Chains of training are labelled by it.
    - `held_out() -> Family`: draws problems that are kept from training.
      Datasets are drawn by it.

    Attributes:
        name: unique name, as in the `task` field of a dataset line.
        dead_ends: a right step may leave no way to an answer.
    """

    name: str
    dead_ends: bool

    def sample(self, rng: random.Random, level: int = 3) -> Problem:
        """Draws one problem with a worked chain of thought.

        Args:
            rng: source of randomness.
            level: difficulty, of `LEVELS`. Models train on `TRAINED`.
        """

    def statement(self, text: str) -> str | None:
        """The equation or expression that the whole `text` asks about.

        Reads, never solves. None if `text` is not phrased as this family
        phrases its problems.
        """

    def accepts(self, statement: str, answer: str, gold: str) -> bool:
        """Is `answer` right, where `gold` is known to be? For evaluation."""


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


class Reading(NamedTuple):
    """What a family makes of a problem's text.

    Attributes:
        family: the family that phrases problems like this.
        statement: what is asked, in the form that its rule reads.
        question: the text without instructions on how to write the answer.
    """

    family: Family
    statement: str
    question: str


class _Registered(NamedTuple):
    family: Family
    rule: Rule | None
    module: str


_FAMILIES: dict[str, _Registered] = {}


def register(family: Family, rule: Rule | None = None) -> None:
    """Adds a family behind those that are known; for an extension to call.

    Where two families read a text, or two rules a statement, the first one
    takes it.

    Args:
        family: with a name that none has yet.
        rule: judges the chains of its problems; families may share one. By
            default the statement is an equation or an expression, and
            `verify.steps` compares each line with those before it.

    Raises:
        ValueError: the name is taken.
        TypeError: the family or the rule lacks what it must have.
    """
    for needed in ("name", "dead_ends", "sample", "statement", "accepts"):
        if not hasattr(family, needed):
            raise TypeError(
                f"{family!r} has no {needed!r}; a family has name, dead_ends, "
                "sample, statement and accepts"
            )
    for needed in ("reads", "check", "check_answer", "answer"):
        if rule is not None and not callable(getattr(rule, needed, None)):
            raise TypeError(
                f"the rule of {family.name!r} has no function {needed!r}; it "
                "needs reads, check, check_answer and answer"
            )
    if family.name in _FAMILIES:
        raise ValueError(
            f"there is a task {family.name!r} already; choose a name that is "
            f"none of {', '.join(_FAMILIES)}"
        )
    # As `typing.NamedTuple` does: the module that calls is the extension.
    module = sys._getframe(1).f_globals.get("__name__", "")
    _FAMILIES[family.name] = _Registered(family, rule, module)


def names() -> list[str]:
    """The names of all families, in the order in which they read a text."""
    return list(_FAMILIES)


def get(name: str) -> Family:
    """The family called `name`; ValueError lists the known ones."""
    if name not in _FAMILIES:
        known = ", ".join(_FAMILIES) or "none before an extension is imported"
        raise ValueError(f"unknown task {name!r}; known tasks: {known}")
    return _FAMILIES[name].family


def home(name: str) -> str:
    """The module that registered a family; ValueError as of `get`."""
    get(name)
    return _FAMILIES[name].module


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


def recognise(
    text: str, extensions: Sequence[str] | None = None
) -> Reading | None:
    """The family that phrases problems like `text`; None for no family.

    Args:
        text: of a problem, the whole of it.
        extensions: modules whose families are asked, with those of modules
            inside them; by default all families.
    """
    for family, _, module in _FAMILIES.values():
        if extensions is not None and not any(
            f"{module}.".startswith(f"{name}.") for name in extensions
        ):
            continue
        statement = family.statement(text)
        if statement:
            return Reading(family, statement, question(text))
    return None


def rule_for(statement: str) -> Rule | None:
    """The rule that judges chains about a statement; None for no rule."""
    for _, rule, _ in _FAMILIES.values():
        if rule is not None and rule.reads(statement):
            return rule
    return None


def is_complete(statement: str) -> bool:
    """Does the rule of a statement read every right step, see `Rule`?"""
    rule = rule_for(statement)
    return rule is None or getattr(rule, "COMPLETE", False)


# Lines that may stand behind a question, since they ask for nothing else: how
# to think, what a game allows, and in which form reasoning-gym wants answers.
_EXAMPLE = r"(?: For example,? [^.\n]{1,150} instead of [^.\n]{1,150}\.)?"
_MANNER = re.compile(
    r"(?:(?:Let's think|Think)(?: step by step)?|Answer (?:briefly|in one line)"
    r"|Please reason step by step, and put your final answer within \\boxed\{\}"
    r"|You can only use each number once|Each number can only be used once"
    r"|Each number may be used at most once)\."
    r"|Final answer format instructions:"
    r"|When performing calculations, please follow these guidelines:"
    r"|Use same variable symbols as given in the question"
    r"|(?:#+ )?[0-9]\. (?:"
    r"Provide your (?:final answer|solution) as an? arithmetic expression "
    r"\(no '=' sign\)\."
    r"|Do not include (?:the target number in the expression"
    r"|any other text or formatting)\."
    r"|Use '[*/]' for (?:multiplication|division)\."
    r"|Use \*\* instead (?:of )?\^ to represent (?:exponents|powers)\."
    rf"{_EXAMPLE}"
    r"|Always include the \* symbol for all multiplication operations in your "
    rf"reasoning steps\.{_EXAMPLE})"
)


def question(text: str) -> str:
    """The first line of `text`, or "" where what follows asks for more.

    Lines of `_MANNER` do not: a family reads the text as if they were not
    there.
    """
    first, *others = text.strip().split("\n")
    manner = all(
        not line.strip() or _MANNER.fullmatch(line.strip()) for line in others
    )
    return first.strip() if manner else ""
