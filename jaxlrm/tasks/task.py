"""What a generated family of problems is."""

from __future__ import annotations

import math
import random
import re
from typing import NamedTuple, Protocol

from jaxlrm.verify.answers.comparison import is_equivalent, normal_form
from jaxlrm.verify.answers.lines import ungroup
from jaxlrm.verify.rules.sums import is_same


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


class Task(Protocol):
    """A family: it draws problems, and reads what a problem states.

    Attributes:
        name: unique name, as in the `task` field of a dataset line.
        dead_ends: a right step may leave no way to an answer. Such a family
            may have a method `reachable(statement, steps) -> bool | None`
            that tells, as `jaxlrm.tasks.countdown.reachable`; chains of
            training are then labelled by it.

    A family that keeps some of its problems from training may have a method
    `held_out() -> Task`, which draws those: datasets are drawn by it.
    """

    name: str
    dead_ends: bool

    def sample(self, rng: random.Random, level: int = 3) -> Problem:
        """Draws one problem with a worked chain of thought.

        Args:
            rng: source of randomness.
            level: difficulty, 1 to 7. Models train on levels 1 to 5, which
                cover the ranges of the public datasets together.
        """

    def statement(self, text: str) -> str | None:
        """The equation or expression that `text` asks about.

        Reads, never solves. None if `text` is not phrased as this family
        phrases its problems.
        """

    def accepts(self, statement: str, answer: str, gold: str) -> bool:
        """Is `answer` right, where `gold` is known to be? For evaluation."""


_FRACTION = re.compile(
    r"(?<![0-9A-Za-z)}])\\frac ?(\{[^{}]*\}|[0-9]) ?(\{[^{}]*\}|[0-9])(?![0-9])"
)
_NESTED = 4  # fractions
_EXPONENT = re.compile(r"\^ ?\{ ?([0-9]+) ?\}(?! ?[0-9])")
_NUMBER = re.compile(
    r"[-+]? ?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+|[0-9]+ ?/ ?[0-9]+"
    r"|\([0-9]+ ?/ ?[0-9]+\))|\([-+]? ?[0-9]+(?: ?/ ?[0-9]+)?\)"
)
_FACTOR = re.compile(r"(?<=[0-9a-z]) ?(?=[a-z])")


def typed(answer: str) -> str:
    r"""`answer` as a program writes it: `3*x**2` for `$3 \cdot x^{2}$`."""
    text = normal_form(answer)
    if "\\" in text or "^" in text:
        text = _EXPONENT.sub(r"^\1", text)
        for _ in range(_NESTED):
            text = _FRACTION.sub(_slashed, text)
        # Spaces, so that two signs of a product are no power.
        text = text.replace(r"\cdot", " * ").replace(r"\times", " * ")
        text = text.replace(r"\div", " / ").replace("^", "**")
    return text.strip()


def _slashed(match: re.Match) -> str:
    top, bottom = (part.strip("{} ") for part in match.groups())
    top, bottom = (
        part if re.fullmatch("-?[0-9]+", part) else f"({part})"
        for part in (top, bottom)
    )
    return f"({top}/{bottom})"


class Numeric:
    """A family whose answers are numbers.

    An expression of the same value (`3 + 4` for 7) restates the problem.
    """

    def accepts(self, statement: str, answer: str, gold: str) -> bool:
        """See `Task`. `x = 7` is 7 where the problem asks for x alone."""
        name, equals, value = typed(answer).rpartition("=")
        asked = filter(str.isalpha, statement.rpartition(" for ")[2])
        if equals and {name.strip()} != set(asked):
            return False
        value = ungroup(value.strip())
        return bool(_NUMBER.fullmatch(value)) and is_equivalent(value, gold)


class Polynomial:
    """A family whose answers are polynomials."""

    def accepts(self, statement: str, answer: str, gold: str) -> bool:
        """Is it the polynomial, expanded and with like terms collected?"""
        del statement
        text = _FACTOR.sub("*", typed(answer).removeprefix("+"))
        return is_same(text, gold)


LEVELS = range(1, 8)
TRAINED = range(1, 6)  # levels of training; those above are for tests


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


def entropy(rng: random.Random, level: int) -> float:
    """Difficulty in decimal digits: levels 1 to 5 share 3 to 10 evenly.

    That is the range of the training sets of DeepMind's mathematics dataset.
    """
    return rng.uniform(3 + 1.4 * (level - 1), 3 + 1.4 * level)


def dirichlet(rng: random.Random, weights) -> list[float]:
    """One draw from a Dirichlet distribution with these concentrations."""
    draws = [rng.gammavariate(w, 1.0) if w > 0 else 0.0 for w in weights]
    total = sum(draws) or 1.0
    return [draw / total for draw in draws]


def composition(rng: random.Random, parts: int, total: int) -> list[int]:
    """`parts` non-negative integers with sum `total`, uniformly."""
    bars = sorted(rng.sample(range(total + parts - 1), parts - 1))
    edges = [-1, *bars, total + parts - 1]
    return [edges[i + 1] - edges[i] - 1 for i in range(parts)]


def positive(rng: random.Random, entropy: float) -> int:
    """An integer from about `10**entropy` values, at least 1."""
    return rng.randint(1, max(1, math.ceil(10.0**entropy)))


def integer(rng: random.Random, entropy: float) -> int:
    """A signed integer from about `10**entropy` values around zero.

    The size distribution of DeepMind's mathematics dataset (Saxton et al.
    2019): `entropy` is in decimal digits.
    """
    bound = math.ceil(10.0**entropy / 2)
    return rng.randint(-bound, bound)
