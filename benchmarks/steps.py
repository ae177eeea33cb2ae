r"""Checks of steps on solutions that people and models wrote.

    python benchmarks/steps.py --data=PATH

PATH is a folder with any of `gsm8k_test.jsonl`, `gsm8k_train.jsonl`,
`gsm8k_model_solutions.jsonl` and `math500.jsonl`. Each solution is cut into
steps in four layouts: by line, by sentence, with each formula as a display on a
line of its own (as chat models write), and its formulas alone.

Printed for each source and layout:

- right: chains whose answer is right; refuted: the share of them with a step
  that is INVALID, and the share where that step holds no false equality that
  the evaluator of this file finds (each is printed);
- false: steps with a closed equality that is really false; found: the share of
  them that is INVALID; believed: how many are VALID, which none should be;
- changed: right steps in which one number of a true equality was changed
  (seeded), with the same shares;
- VALID, doubt: the shares among all steps; ms: milliseconds a step, chains read
  in order in one process.

What is really false is decided here, without the package: by a small parser of
sums over fractions, which leaves out every equality that a rounding, a
percentage, a unit, a sign or another order of operations might save.
"""

from __future__ import annotations

import argparse
import collections
import json
import pathlib
import random
import re
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

from jaxlrm.verify import Verdict
from jaxlrm.verify.steps import judge_step

# --- The evaluator ----------------------------------------------------------

_TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+|\\[a-z]+|[-+*/^(){}]|\S)")
_FACTORS = {Fraction(10) ** n for n in range(1, 10)} | {
    Fraction(n) for n in (2, 3, 4, 7, 12, 16, 24, 30, 36, 52, 60, 365, 3600)
}


class Unread(ValueError):
    """The evaluator does not read it."""


class _Sum:
    """Recursive descent over `+ - * / ^`, brackets, \\frac and \\sqrt."""

    def __init__(self, text: str):
        self.tokens = _TOKEN.findall(text)
        self.index = 0
        self.operations = 0

    def peek(self) -> str:
        return (self.tokens + [""])[self.index]

    def take(self) -> str:
        token = self.peek()
        self.index += 1
        return token

    def total(self) -> Fraction:
        value = self.product()
        while self.peek() in ("+", "-"):
            self.operations += 1
            sign = 1 if self.take() == "+" else -1
            value += sign * self.product()
        return value

    def product(self) -> Fraction:
        value = self.power()
        while True:
            token = self.peek()
            if token in ("*", r"\cdot", r"\times"):
                self.take()
                value *= self.power()
            elif token in ("/", r"\div"):
                self.take()
                divisor = self.power()
                if not divisor:
                    raise Unread("division by zero")
                value /= divisor
            elif token == "(":
                value *= self.power()
            else:
                return value
            self.operations += 1

    def power(self) -> Fraction:
        value = self.atom()
        if self.peek() == "^":
            self.take()
            exponent = self.atom()
            self.operations += 1
            if exponent.denominator != 1 or not -30 < exponent < 30:
                raise Unread("an exponent")
            if not value and exponent <= 0:
                raise Unread("a power of zero")
            value = value**exponent.numerator
        return value

    def atom(self) -> Fraction:
        token = self.take()
        if token == "-":
            return -self.power()
        if token in ("(", "{"):
            value = self.total()
            if self.take() != {"(": ")", "{": "}"}[token]:
                raise Unread("a bracket")
            return value
        if token == r"\frac":
            top, bottom = self.atom(), self.atom()
            if not bottom:
                raise Unread("division by zero")
            self.operations += 1
            return top / bottom
        if token == r"\sqrt":
            inner = self.atom()
            root = Fraction(round(float(abs(inner)) ** 0.5))
            if root * root != inner:
                raise Unread("a root")
            self.operations += 1
            return root
        if token[:1].isdigit() or token[:1] == ".":
            return Fraction(token)
        raise Unread(token)


def value_of(text: str) -> tuple[Fraction, int]:
    """The value of a sum, and how many operations it has.

    Raises:
        Unread: it is no sum.
    """
    reader = _Sum(text)
    value = reader.total()
    if reader.peek():
        raise Unread(reader.peek())
    return value, reader.operations


class Equality(NamedTuple):
    """A closed equality in a text.

    Attributes:
        left: a sum.
        right: a number or a fraction.
        span: where the right side stands in the text.
        verdict: does it hold? None where some reading might save it.
    """

    left: str
    right: str
    span: tuple[int, int]
    holds: bool | None


_MONEY = r"(?:\\?\$ ?)?"
_NUMBER = rf"{_MONEY}(?:(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?|\.\d+)"
_UNIT = r"(?: ?[a-z]{3,}(?: [a-z]{3,})?(?:/[a-z]+)?)?"
_TERM = rf"\(?-?{_NUMBER}\)?"
_OPERATOR = r"(?:[-+*/]|x(?= ?[\d$.(]))"
_AFTER = (
    rf"(?!{_UNIT} ?[-+*/][^a-z])(?![\d%.,]?\d|\.\.| \d{{3}}(?!\d)|[%A-Z]"
    r"| ?[-+*/x^=\\]| ?(?:and|halves|percent|hundred|thousand|million|billion"
    r"|dozen|more than|less than|times|[a-z]+ and \d))"
)
_PROSE = re.compile(
    rf"(?<![-\w.$%/*+=)^\\,:<])({_TERM}{_UNIT}"
    rf"(?: ?{_OPERATOR} ?{_TERM}{_UNIT}){{1,8}}) ?= ?(-?{_NUMBER}){_AFTER}"
)
_BEFORE = re.compile(
    r"(?:\d,|[-+*/] ?\.|half|third|quarter|twice|double|triple|than|not"
    r"|percent|if|from|and|by|between|of \d+|\d|week|day|plus|minus|times"
    r"|every|point|n't true that)(?: of| the)? ?\$?$",
    re.IGNORECASE,
)
# The sum goes on to the left, with words or with what is not read.
_LEFT = re.compile(r"[-+*/÷=–×(\d)xX] ?(?:[A-Za-z]+ ){0,3}(?:[A-Za-z]+ ?)?\$?$")
_DENIED = re.compile(r"not true|wrong|incorrect|suppose|assum|check|%|percent")
_FORMULA = re.compile(r"\$\$?([^$]+)\$|\\\[(.+?)\\\]|\\\((.+?)\\\)", re.DOTALL)


def equalities(step: str) -> list[Equality]:
    """The closed equalities of a step that this evaluator reads."""
    found = list(_in_prose(step))
    taken = [equality.span for equality in found]
    for match in _FORMULA.finditer(step):
        for group in (1, 2, 3):
            if match[group]:
                for equality in _in_formula(match[group], match.start(group)):
                    if equality.span not in taken:
                        found.append(equality)
    return found


def _in_prose(step: str) -> Iterator[Equality]:
    if _DENIED.search(step):
        return
    for match in _sums(step):
        left, right = match[1], match[2]
        plain = [_plain(text) for text in (left, right)]
        yield Equality(*plain, match.span(2), _holds(*plain, left + right))


def _sums(text: str) -> Iterator[re.Match]:
    """The sums with results in prose that begin where they seem to."""
    for match in _PROSE.finditer(text):
        start = max(0, match.start() - 40)
        before = text[start : match.start()].rpartition("\n")[2]
        if not (_BEFORE.search(before) or _LEFT.search(before)):
            yield match


def _plain(text: str) -> str:
    text = re.sub(r"\\?\$|,|[a-wyz]*[a-z]{2,}(?:/[a-z]+)?|/(?=[a-z])", "", text)
    return text.replace("x", "*")


def _in_formula(formula: str, offset: int) -> Iterator[Equality]:
    if re.search(r"\\(?:neq?|pm|equiv|pmod|approx|text|%)|[<>%_?]", formula):
        return
    position = 0
    sides = []
    for part in formula.split("="):
        sides.append((part, offset + position))
        position += len(part) + 1
    for (left, _), (right, start) in zip(sides, sides[1:], strict=False):
        shown = right.strip().rstrip(".,;").strip()
        inner = re.fullmatch(r"\\boxed\{(.*)\}", shown)
        number = inner[1] if inner else shown
        if not re.fullmatch(r"-?\d+(?:\.\d+)?|-?\\frac\{\d+\}\{\d+\}", number):
            continue
        place = start + right.index(number)
        plain = _latex(left), _latex(number)
        holds = _holds(*plain, left + right)
        yield Equality(*plain, (place, place + len(number)), holds)


def _latex(text: str) -> str:
    text = re.sub(
        r"\\(?:left|right|[,;!:]|quad|displaystyle)|&|\\\\", " ", text
    )
    text = re.sub(r"\\[dt]frac", r"\\frac", text)
    return re.sub(r"\\frac(\d)(\d)", r"\\frac{\1}{\2}", text).replace(r"\$", "")


def _holds(left: str, right: str, written: str) -> bool | None:
    """Is it true? None where a reading might save it, or it is not read."""
    try:
        value, operations = value_of(left)
        shown, _ = value_of(right)
    except (Unread, RecursionError):
        return None
    if not operations:
        return None
    if value == shown:
        return True
    if abs(value - shown) * 10**6 < abs(value):
        return None
    decimals = len(right.partition(".")[2])
    unit = Fraction(1, 10**decimals)
    if (value / unit).denominator != 1 and abs(value - shown) < unit:
        return None
    if (
        "." in left
        and re.search("[*/c]", left)
        and abs(value - shown) <= abs(value) / 100
    ):
        return None
    if shown in (-value, _from_left(left)):
        return None
    words = re.findall(r"[a-z]{3,}", re.sub(r"\\[a-z]+", "", written))
    if (
        len({"hour", "minute", "day", "week"} & {w.rstrip("s") for w in words})
        > 1
    ):
        return None
    ratio = shown / value if value and shown else Fraction(1)
    if "$" in written and ratio in (Fraction(100), Fraction(1, 100)):
        return None
    if len(set(words)) > 1 and (ratio in _FACTORS or 1 / ratio in _FACTORS):
        return None
    if "/" in left and re.search(r"/ ?\d+ ?/ ?\d|/\d+ [a-z]+/", left):
        return None
    return False


def _from_left(text: str) -> Fraction | None:
    """The value from left to right, as some calculators have it."""
    parts = re.findall(r"\d+(?:\.\d+)?|\.\d+|[-+*/]", text)
    try:
        value = Fraction(parts[0])
        for operator, number in zip(parts[1::2], parts[2::2], strict=True):
            value = {
                "+": lambda a, b: a + b,
                "-": lambda a, b: a - b,
                "*": lambda a, b: a * b,
                "/": lambda a, b: a / b,
            }[operator](value, Fraction(number))
        return value
    except (ValueError, IndexError, KeyError, ZeroDivisionError):
        return None


# --- Layouts ----------------------------------------------------------------


def by_line(text: str) -> list[str]:
    """A step for each line."""
    return [line for line in text.split("\n") if line.strip()]


def by_sentence(text: str) -> list[str]:
    """A step for each sentence."""
    return [s for s in re.split(r"(?<=[.!?])\s+|\n", text) if s.strip()]


_DISPLAY = re.compile(
    r"\\\[(.+?)\\\]|\$\$(.+?)\$\$|\\begin\{align\*?\}(.+?)\\end\{align\*?\}",
    re.DOTALL,
)


def as_displays(text: str) -> list[str]:
    """Prose, and each formula on a line of its own."""
    steps: list[str] = []
    position = 0
    for match in _DISPLAY.finditer(text):
        steps += by_sentence(text[position : match.start()])
        position = match.end()
        steps += [rf"\[ {row} \]" for row in _rows(match)]
    for line in by_line(text[position:]):
        at = 0
        for match in _sums(line):
            steps += [
                part for part in [line[at : match.start()]] if part.strip()
            ]
            formula = match[0].replace("$", r"\$").replace("*", r"\times")
            steps.append(rf"\[ {formula} \]")
            at = match.end()
        steps += by_sentence(line[at:])
    return steps


def _rows(match: re.Match) -> list[str]:
    text = next(group for group in match.groups() if group)
    if "matrix" in text or "array" in text:
        return [text.strip()]
    text = re.sub(r"\\(?:begin|end)\{[a-z]+\*?\}|&", " ", text)
    rows: list[str] = []
    for row in re.split(r"\\\\(?:\[[^\]]*\])?", text):
        row = row.strip()
        if row[:1] in ("=", "+", "-") and rows:
            rows[-1] += " " + row
        elif row:
            rows.append(row)
    return rows


def formulas(text: str) -> list[str]:
    """The formulas alone, each a step."""
    steps = [f"${row}$" for m in _DISPLAY.finditer(text) for row in _rows(m)]
    rest = _DISPLAY.sub(" ", text)
    steps += [
        f"${formula}$"
        for formula in re.findall(r"(?<!\\)\$([^$\n]+)(?<!\\)\$", rest)
        if "=" in formula and re.search(r"\\|\^|[a-z]", formula)
    ]
    return steps or [match[0] for match in _sums(text)]


LAYOUTS: dict[str, Callable[[str], list[str]]] = {
    "line": by_line,
    "sentence": by_sentence,
    "display": as_displays,
    "formulas": formulas,
}

# --- Sources ----------------------------------------------------------------


class Chain(NamedTuple):
    """A solution.

    Attributes:
        name: of the problem and its author.
        problem: its text.
        text: of the solution.
        right: is its answer right?
    """

    name: str
    problem: str
    text: str
    right: bool


def chains(folder: pathlib.Path) -> Iterator[tuple[str, list[Chain]]]:
    """The chains of each file that is there."""
    for name in ("gsm8k_test", "gsm8k_train"):
        rows = list(_rows_of(folder / f"{name}.jsonl"))
        if rows:
            yield (
                name,
                [
                    Chain(
                        str(number),
                        row["question"],
                        _unmarked(row["answer"]).partition("\n####")[0],
                        True,
                    )
                    for number, row in enumerate(rows)
                ],
            )
    rows = list(_rows_of(folder / "gsm8k_model_solutions.jsonl"))
    if rows:
        yield (
            "gsm8k models",
            [
                Chain(
                    f"{number}/{key}",
                    row["question"],
                    _unmarked(value["solution"]),
                    bool(value["is_correct"]),
                )
                for number, row in enumerate(rows)
                for key, value in row.items()
                if isinstance(value, dict)
            ],
        )
    rows = list(_rows_of(folder / "math500.jsonl"))
    if rows:
        yield (
            "math500",
            [
                Chain(str(number), row["problem"], row["solution"], True)
                for number, row in enumerate(rows)
            ],
        )


def _rows_of(path: pathlib.Path) -> Iterator[dict]:
    if path.exists():
        with path.open() as file:
            for line in file:
                yield json.loads(line)


def _unmarked(text: str) -> str:
    """Without the calls of a calculator."""
    return re.sub(r"<<[^>]*>>", "", text)


# --- Measurements -----------------------------------------------------------


def changed(step: str, random_: random.Random) -> str | None:
    """The step with one number of a true equality changed."""
    true = [e for e in equalities(step) if e.holds]
    if not true:
        return None
    equality = random_.choice(true)
    start, end = equality.span
    digits = re.findall(r"\d+", step[start:end])
    if not digits:
        return None
    number = int(digits[0])
    other = number + random_.choice((-10, -3, -2, -1, 1, 2, 3, 7, 10))
    if other < 0 or other == number:
        return None
    return (
        step[:start]
        + step[start:end].replace(digits[0], str(other), 1)
        + step[end:]
    )


def measure(name: str, layout: str, found: list[Chain], seed: int) -> list[str]:
    """Prints a row; returns what was refuted in right chains."""
    count: collections.Counter[str] = collections.Counter()
    refuted = []
    seconds = 0.0
    random_ = random.Random(seed)
    for chain in found:
        steps = LAYOUTS[layout](chain.text)
        count["right"] += chain.right
        wrong = []
        for index, step in enumerate(steps):
            before = steps[:index]
            start = time.process_time()
            verdict, doubt = judge_step(chain.problem, before, step)
            seconds += time.process_time() - start
            count["steps"] += 1
            count[verdict.name] += 1
            count["doubt"] += doubt
            facts = equalities(step)
            false = any(fact.holds is False for fact in facts)
            if false:
                count["false"] += 1
                count["found"] += verdict is Verdict.INVALID
                count["believed"] += verdict is Verdict.VALID
            if chain.right and verdict is Verdict.INVALID:
                wrong.append((step, false))
            elif chain.right and not false:
                other = changed(step, random_)
                facts = equalities(other) if other else []
                if any(fact.holds is False for fact in facts):
                    verdict = judge_step(chain.problem, before, other).verdict
                    count["changed"] += 1
                    count["noticed"] += verdict is Verdict.INVALID
                    count["taken"] += verdict is Verdict.VALID
        if wrong:
            count["refuted"] += 1
            count["unexplained"] += not all(false for _, false in wrong)
            refuted += [
                f"{name} {chain.name} {layout} "
                f"{'false' if false else 'unexplained'}: {step!r}"
                for step, false in wrong
            ]
    print(
        f"| {name} | {layout} | {count['right']} |"
        f" {_share(count['refuted'], count['right'])} |"
        f" {_share(count['unexplained'], count['right'])} |"
        f" {count['false']} | {_share(count['found'], count['false'])} |"
        f" {count['believed']} | {count['changed']} |"
        f" {_share(count['noticed'], count['changed'])} | {count['taken']} |"
        f" {_share(count['VALID'], count['steps'])} |"
        f" {_share(count['doubt'], count['steps'])} |"
        f" {1000 * seconds / max(1, count['steps']):.2f} |",
        flush=True,
    )
    return refuted


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "-"


def main() -> None:
    """Prints the tables for the files that are there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--limit", type=int, help="chains of each source")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(
        "| source | layout | right | refuted | of these unexplained | false |"
        " found | believed | changed | found | believed | VALID | doubt | ms |"
    )
    print("|---|---|" + "---:|" * 12)
    refuted = []
    for name, found in chains(arguments.data):
        for layout in LAYOUTS:
            some = found[: arguments.limit]
            refuted += measure(name, layout, some, arguments.seed)
    print("\nRight chains refuted (false: it holds a false equality):")
    for line in refuted:
        print(line)


if __name__ == "__main__":
    main()
