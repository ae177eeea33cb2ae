"""Values of polynomials: `Let p(k) = -k**2 - 5*k. Give p(-3).`

Phrasing and size distribution of `polynomials__evaluate` in DeepMind's
mathematics dataset (Saxton et al. 2019), written anew. The chain is Horner's
scheme.
"""

from __future__ import annotations

import random
import re

from jaxlrm import extend
from jaxlrm.families import task, working
from jaxlrm.verify.inputs import splits_numbers

_ASK = ("What is {}?", "Calculate {}.", "Determine {}.", "Give {}.")
_LETTERS = "abcdfghijklmnopqrstuvwxyz"
_PHRASE = re.compile(
    r"Let ([a-z])\(([a-z])\) = ([-+*0-9a-z ]{1,200})\. "
    r"(?:What is|Calculate|Determine|Give) ([a-z])\((-?[0-9]{1,12})\)[?.]"
)
_TERM = re.compile(
    r"([-+]?)(?:([0-9]{1,20})(?:\*([a-z])(?:\*\*([0-9]))?)?"
    r"|([a-z])(?:\*\*([0-9]))?)"
)


class Evaluation(task.Numeric):
    """The family."""

    name = "evaluate"
    dead_ends = False

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        entropy = task.entropy(rng, level)
        function, name = rng.sample(_LETTERS, 2)
        point, coefficients = _sample(rng, entropy)
        text = polynomial(coefficients, name)
        ask = rng.choice(_ASK).format(f"{function}({point})")
        node = horner(coefficients, point)
        stated = _substitute(text, name, str(point))
        steps = working.chain(node, stated, random.Random(stated))
        written = working.render(node)
        if isinstance(node, tuple) and written != stated:
            steps.insert(0, written)
        value = int(working.value(node))
        steps = tuple(steps) or (str(value),)
        return extend.Problem(
            f"Let {function}({name}) = {text}. {ask}",
            str(value),
            self.name,
            steps,
        )

    def statement(self, text: str) -> str | None:
        match = _PHRASE.fullmatch(extend.question(text))
        if match is None or match[1] != match[4]:
            return None
        return _substitute(match[3], match[2], match[5])


def _sample(rng: random.Random, entropy: float) -> tuple[int, list[int]]:
    """Draws `(point, coefficients)`, the constant first."""
    value_entropy = rng.uniform(1, 1 + entropy / 3)
    entropy = max(0.0, entropy - value_entropy)
    target = task.integer(rng, value_entropy)
    point_entropy = rng.uniform(1, 1 + entropy / 3)
    entropy = max(0.0, entropy - point_entropy)
    point = task.integer(rng, point_entropy)
    degree = rng.randint(1, 3)
    shares = task.dirichlet(rng, range(1, degree + 1))
    coefficients = []
    for index, share in enumerate(shares):
        power = point ** (degree - index)
        number = task.integer(rng, entropy * share)
        if point:
            number += round(target / power)
        if number == 0 and index == 0:
            number = rng.choice((-1, 1))
        coefficients.append(number)
        target -= number * power
    return point, [target, *reversed(coefficients)]


def polynomial(coefficients, name: str) -> str:
    """`[-8, 0, 3]` as `3*x**2 - 8`."""
    text = ""
    for power in range(len(coefficients) - 1, -1, -1):
        number = coefficients[power]
        if number == 0:
            continue
        body = [name, f"{name}**{power}"][power > 1] if power else ""
        size = abs(number)
        body = "*".join(
            [str(size)] * (size > 1 or not body) + [body] * bool(body)
        )
        sign = "-" if number < 0 else "+"
        text += f" {sign} {body}" if text else ("-" * (number < 0)) + body
    return text or "0"


def horner(coefficients, point: int):
    """`((2*5 + 3)*5 - 8)` as an expression to work out."""
    node = coefficients[-1]
    for number in reversed(coefficients[:-1]):
        node = point if node == 1 else ("*", node, point)
        if number:
            node = ("+" if number > 0 else "-", node, abs(number))
    return node


def _substitute(text: str, name: str, point: str) -> str | None:
    """The expression with the point in the place of the variable."""
    if splits_numbers(text):
        return None
    text = text.replace(" ", "")
    position, parts = 0, []
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None or match.end() == position:
            return None
        if position and not match[1]:
            return None
        variable = match[3] or match[5]
        if variable not in (None, name):
            return None
        body = match[2] or ""
        if variable:
            power = match[4] or match[6]
            body += "*" * bool(body) + f"({point})"
            body += f"**{power}" if power else ""
        sign = match[1] or "+"
        if parts:
            parts.append(f" {sign} {body}")
        else:
            parts.append("-" * (sign == "-") + body)
        position = match.end()
    return "".join(parts) or None
