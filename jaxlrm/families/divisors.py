"""Greatest common divisors and least common multiples.

Phrasing and size distribution of `numbers__gcd` and `numbers__lcm` in
DeepMind's mathematics dataset (Saxton et al. 2019) and of `gcd` and `lcm` in
reasoning-gym, written anew. The chain is Euclid's algorithm.
"""

from __future__ import annotations

import math
import random
import re

from jaxlrm import extend
from jaxlrm.families import task, working

_GCD = (
    "What is the {} of {} and {}?",
    "Calculate the {} of {} and {}.",
)
_GCD_NAMES = tuple(
    f"{great} common {part}"
    for great in ("greatest", "highest")
    for part in ("divisor", "factor")
)
_GCD_LIST = (
    "Find the Greatest Common Divisor (GCD) of these numbers: {}, {}. "
    "Give only the GCD as your final answer."
)
_GCD_PHRASE = re.compile(
    r"(?:(?:What is|Calculate|Find) the (?:greatest|highest) common "
    r"(?:divisor|factor) of ([0-9]{1,30}) and ([0-9]{1,30})[?.]?"
    r"|Find the Greatest Common Divisor \(GCD\) of these numbers: "
    r"([0-9]{1,30}), ([0-9]{1,30})\.(?: Give only the GCD as your final "
    r"answer\.)?)"
)
_LCM_NAMES = ("least", "lowest", "smallest")
_LCM_LIST = "Find the Least Common Multiple (LCM) of these numbers: {}, {}"
_DENOMINATOR = (
    "What is the common denominator of {}/{} and {}/{}?",
    "Find the common denominator of {}/{} and {}/{}.",
    "Calculate the common denominator of {}/{} and {}/{}.",
)
_LCM_PHRASE = re.compile(
    r"(?:(?:What is|Calculate|Find) the (?:least|lowest|smallest) common "
    r"multiple of ([0-9]{1,30}) and ([0-9]{1,30})[?.]?"
    r"|(?:What is|Calculate|Find) the common denominator of "
    r"-?[0-9]{1,30}(/[0-9]{1,30})? and -?[0-9]{1,30}(/[0-9]{1,30})?[?.]?"
    r"|Find the Least Common Multiple \(LCM\) of these numbers: "
    r"([0-9]{1,30}), ([0-9]{1,30})\.?)"
)


class GreatestCommonDivisor(task.Numeric):
    """`Calculate the highest common factor of 8016 and 15469544.`"""

    name = "gcd"
    dead_ends = False

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        if rng.random() < 0.4:
            top = (50, 200, 500, 1000, 1000, 10**4, 10**5)[level - 1]
            one, other = rng.randint(1, top), rng.randint(1, top)
            text = _GCD_LIST.format(one, other)
        else:
            entropy = task.entropy(rng, level)
            extra = rng.uniform(0, entropy / 3)
            common = task.positive(rng, 1 + extra)
            one, other = (
                common * part
                for part in _coprime(rng, max(1.0, entropy - 1 - extra))
            )
            name = rng.choice(_GCD_NAMES)
            text = rng.choice(_GCD).format(name, one, other)
        common = math.gcd(one, other)
        steps = (
            *working.euclid(one, other, random.Random(text)),
            str(common),
        )
        return extend.Problem(text, str(common), self.name, steps)

    def statement(self, text: str) -> str | None:
        return _pair("gcd", _GCD_PHRASE, text)


class LeastCommonMultiple(task.Numeric):
    """`What is the smallest common multiple of 108 and 5?`"""

    name = "lcm"
    dead_ends = False

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        if rng.random() < 0.4:
            top = (20, 50, 100, 100, 100, 300, 1000)[level - 1]
            one, other = rng.randint(1, top), rng.randint(1, top)
            text = _LCM_LIST.format(one, other)
        else:
            entropy = task.entropy(rng, level)
            hidden = rng.uniform(0, entropy / 2)
            common = task.positive(rng, hidden)
            one, other = (
                common * part for part in _coprime(rng, entropy - hidden)
            )
            text = self._phrase(rng, one, other)
        common = math.gcd(one, other)
        node = ("*", ("/", one, common), other)
        if common == 1:
            node = ("*", one, other)
        way = random.Random(text)
        steps = [*working.euclid(one, other, way), working.render(node)]
        steps += working.chain(node, rng=way)
        answer = str(math.lcm(one, other))
        return extend.Problem(text, answer, self.name, tuple(steps))

    def _phrase(self, rng: random.Random, one: int, other: int) -> str:
        if rng.random() < 0.5 and min(one, other) > 1:
            tops = []
            for number in (one, other):
                top = 0
                while math.gcd(top, number) > 1 or top == 0:
                    top = task.integer(rng, 2)
                tops.append(top)
            return rng.choice(_DENOMINATOR).format(tops[0], one, tops[1], other)
        begin, end = rng.choice((("What is", "?"), ("Calculate", ".")))
        name = rng.choice(_LCM_NAMES)
        return f"{begin} the {name} common multiple of {one} and {other}{end}"

    def statement(self, text: str) -> str | None:
        return _pair("lcm", _LCM_PHRASE, text)


def _coprime(rng: random.Random, entropy: float) -> tuple[int, int]:
    share = rng.uniform(0, entropy)
    while True:
        one, other = (
            task.positive(rng, part) for part in (share, entropy - share)
        )
        if math.gcd(one, other) == 1:
            return one, other


def _pair(name: str, phrase: re.Pattern, text: str) -> str | None:
    match = phrase.fullmatch(extend.question(text))
    if match is None:
        return None
    stated = match.groups()
    pairs = zip(stated[::2], stated[1::2], strict=True)
    pair = next((p for p in pairs if any(p)), None)
    if pair is None:  # a common denominator of whole numbers
        return None
    numbers = [int((number or "1").removeprefix("/")) for number in pair]
    if 0 in numbers:
        return None
    return f"{name}({numbers[0]}, {numbers[1]})"
