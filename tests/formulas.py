"""An extension for tests of the core: two families without a rule.

`Solve 2*x + 4 = 10 for x.` and `What is 2 + 3*4?`; the lines of their chains
are compared with each other by `jaxlrm.verify.steps`.
"""

from __future__ import annotations

import random
import re

from jaxlrm import extend
from jaxlrm.verify import is_equivalent


class _Formulas:
    dead_ends = False

    def statement(self, text: str) -> str | None:
        match = self.phrase.fullmatch(extend.question(text))
        return match and match[1]

    def accepts(self, statement: str, answer: str, gold: str) -> bool:
        number = re.fullmatch("-?[0-9]+", answer.removeprefix("x = "))
        return bool(number) and is_equivalent(answer, gold)


class Equations(_Formulas):
    name = "equations"
    phrase = re.compile(r"Solve ([-+*/()=0-9a-z ]+) for [a-z]\.")

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        root, added = rng.randint(2, 9**level), rng.randint(1, 9)
        text = f"Solve 2*x + {added} = {2 * root + added} for x."
        steps = f"2*x = {2 * root}", f"x = {root}"
        return extend.Problem(text, str(root), self.name, steps)


class Sums(_Formulas):
    name = "sums"
    phrase = re.compile(r"What is ([-+*/()0-9 ]+)\?")

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        one, two, three = (rng.randint(1, 9**level) for _ in range(3))
        steps = f"{one + two} + {three}", str(one + two + three)
        text = f"What is {one} + {two} + {three}?"
        return extend.Problem(text, steps[-1], self.name, steps)


extend.register(Equations())
extend.register(Sums())
