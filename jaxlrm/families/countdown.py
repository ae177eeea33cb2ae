"""Countdown and the Game of 24: make a target of given numbers.

`Use 4, 9, 10, 13 to make 24.` Every number is used, each once, with `+ - * /`;
fractions may occur on the way. Further phrasings are those of `countdown` and
`puzzle24` in reasoning-gym (2025), whose number ranges level 3 to 5 cover.

A chain of thought is a chain of moves, as `jaxlrm.families.rules.moves` reads
them; products of two numbers of several digits are worked out first. The hands
listed in `game24_unseen.txt`, a third of the solvable ones, chosen by their
hashes, are kept for tests.
"""

from __future__ import annotations

import bisect
import functools
import pathlib
import random
import re
from collections.abc import Sequence
from typing import NamedTuple

from jaxlrm import extend
from jaxlrm.families import task, working
from jaxlrm.families.rules import moves as rule
from jaxlrm.verify.answers.exact import NotParsed, Number
from jaxlrm.verify.answers.lines import parse

HIGHEST = 13  # number of a hand of the Game of 24
TARGET = 24
_EXHAUSTIBLE = 5  # numbers left of which all moves are tried
_UNSEEN = pathlib.Path(__file__).with_name("game24_unseen.txt")

_LIST = r"(?P<numbers>[0-9]{1,6}(?:, ?[0-9]{1,6}){1,9})"
_GOAL = r"(?P<target>[0-9]{1,6})"
_GAME24 = (
    "Use {numbers} to make {target}.",
    "Make {target} using {numbers}. You can only use each number once. "
    "You can use the operators +, -, *, /.",
)
_COUNTDOWN = (
    "Use {numbers} to make {target}.",
    "Find a way to make {target} using all of these numbers: {numbers}.",
    "Using all the numbers {numbers}, create an expression that equals "
    "{target}.",
    "Calculate {target} using all of these numbers: {numbers}.",
)
_PHRASES = tuple(
    re.compile(
        re.escape(phrase)
        .replace(r"\{numbers\}", _LIST)
        .replace(r"\{target\}", _GOAL)
    )
    for phrase in dict.fromkeys(_GAME24 + _COUNTDOWN)
)
_EXPRESSION = re.compile(r"[-+*/() 0-9]{1,300}")


class Move(NamedTuple):
    """`left operator right = result`."""

    left: Number
    operator: str
    right: Number
    result: Number


class Game24:
    """The Game of 24, with numbers of 1 to 13 where it draws them.

    Levels 1 to 5 have four numbers, level 6 five, and level 7 six. Levels 1
    to 5 part the hands by how many first moves of theirs can still win: level
    1 has most.

    Attributes:
        unseen: draw the hands kept for tests, instead of the others.
    """

    name = "game24"
    dead_ends = True

    def __init__(self, unseen: bool = False):
        self.unseen = unseen

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        bins = _bins(self.unseen)
        if level <= 5:
            hand = rng.choice(bins[level - 1])
        else:
            hand = rng.choice(rng.choice(bins))
        numbers, path = list(hand), []
        for _ in range(level - 5):
            move = rng.choice(_splits(numbers.pop(rng.randrange(len(numbers)))))
            numbers += [move.left, move.right]
            path.insert(0, move)
        path += _winning_path(rng, hand)
        return _problem(rng, self.name, _GAME24, numbers, TARGET, path)

    def held_out(self) -> Game24:
        """Draws the hands that training never sees."""
        return Game24(unseen=True)

    def accepts(self, statement: str, answer: str, gold: str) -> bool:
        """Any expression that uses each number once and hits the target."""
        del gold
        return _accepts(statement, answer)

    def reachable(self, statement: str, steps: Sequence[str]) -> bool | None:
        """See `reachable`."""
        return reachable(statement, steps)

    def statement(self, text: str) -> str | None:
        stated = _read(text)
        return _statement(*stated) if _is_game24(stated) else None


class Countdown:
    """Countdown: other targets than 24, or other counts than four to six.

    Levels 1 to 5 have 3, 4, 4, 5, and 6 numbers, levels 6 and 7 have 7 and 8.
    No four numbers are drawn that are a hand of `game24_unseen.txt`.
    """

    name = "countdown"
    dead_ends = True

    def sample(self, rng: random.Random, level: int = 3) -> extend.Problem:
        count, high, low_target, high_target = _LEVELS[level]
        for _ in range(1000):  # about five are needed
            numbers = [rng.randint(1, high) for _ in range(count)]
            path = _random_path(rng, numbers, low_target, high_target)
            if path is None:
                continue
            target = path[-1].result
            if _is_game24((numbers, target)):
                continue
            if tuple(sorted(numbers)) not in unseen_hands():
                break
        else:
            numbers = [high // 2] * count
            path = [
                Move(n * numbers[0], "+", numbers[0], (n + 1) * numbers[0])
                for n in range(1, count)
            ]
            target = sum(numbers)
        return _problem(rng, self.name, _COUNTDOWN, numbers, target, path)

    def accepts(self, statement: str, answer: str, gold: str) -> bool:
        """Any expression that uses each number once and hits the target."""
        del gold
        return _accepts(statement, answer)

    def reachable(self, statement: str, steps: Sequence[str]) -> bool | None:
        """See `reachable`."""
        return reachable(statement, steps)

    def statement(self, text: str) -> str | None:
        stated = _read(text)
        if stated is None or _is_game24(stated):
            return None
        return _statement(*stated)


# Count of numbers, highest number, range of targets.
_LEVELS = {
    1: (3, 20, 10, 99),
    2: (4, 50, 10, 199),
    3: (4, 100, 100, 999),
    4: (5, 100, 100, 999),
    5: (6, 100, 100, 999),
    6: (7, 100, 100, 999),
    7: (8, 100, 100, 999),
}


def moves(numbers: Sequence[Number]) -> list[Move]:
    """All distinct legal moves on the numbers left.

    The larger operand comes first in sums, differences, and products, so that
    nothing is negative; any target above zero that can be made at all can be
    made so.
    """
    ordered = sorted(numbers, reverse=True)
    found = {}
    for index, left in enumerate(ordered):
        for right in ordered[index + 1 :]:
            if (left, right) in found:
                continue
            found[left, right] = pair = [
                Move(left, operator, right, rule.combine(left, operator, right))
                for operator in "+-*/"
                if operator != "/" or right != 0
            ]
            if left not in (0, right):
                result = rule.combine(right, "/", left)
                pair.append(Move(right, "/", left, result))
    return [move for pair in found.values() for move in pair]


def is_correct(statement: str, expression: str) -> bool:
    """Does the expression make the target, each number used exactly once?

    Args:
        statement: `4, 9, 10, 13 -> 24`.
        expression: numbers under `+ - * /` and brackets. Any text is safe.
    """
    stated = rule.read(statement)
    if stated is None or not _EXPRESSION.fullmatch(expression):
        return False
    if "**" in expression:
        return False
    used = re.findall("[0-9]+", expression)
    if max(map(len, used), default=0) > 6:
        return False
    if sorted(map(int, used)) != sorted(stated[0]):
        return False
    try:
        return parse(expression).sides == (stated[1],)
    except (NotParsed, ZeroDivisionError):
        return False


def _accepts(statement: str, answer: str) -> bool:
    """As `is_correct`, in any spelling, also with `= 24` behind it."""
    expression, equals, value = task.typed(answer).partition("=")
    if equals and value.strip() != statement.rpartition(" ")[2]:
        return False
    return is_correct(statement, expression.strip())


def reachable(statement: str, steps: Sequence[str]) -> bool | None:
    """Can the target still be made after these moves?

    Tries all moves, so it serves to label chains for training and no search.

    Returns:
        None where it cannot be told: after a move that is not legal, with more
        than five numbers left, or a negative one.
    """
    left = rule.numbers_left(statement, steps)
    if left is None or len(left) > _EXHAUSTIBLE or left[0] < 0:
        return None
    return _reaches(left, rule.read(statement)[1])


# --- Reading and writing ----------------------------------------------------


def _read(text: str) -> tuple[list[int], int] | None:
    """The numbers and the target of a question, in any of the phrasings."""
    line = extend.question(text)
    if len(line) > rule.LENGTH:
        return None
    for phrase in _PHRASES:
        match = phrase.fullmatch(line)
        if match is not None:
            numbers = [int(number) for number in match["numbers"].split(",")]
            return numbers, int(match["target"])
    return None


def _is_game24(stated) -> bool:
    """Is it the Game of 24, rather than Countdown?"""
    if stated is None:
        return False
    numbers, target = stated
    return target == TARGET and 4 <= len(numbers) <= 6


def _statement(numbers: Sequence[int], target: int) -> str:
    return f"{_join(numbers)} -> {target}"


def _join(numbers) -> str:
    return ", ".join(map(str, numbers))


def _problem(rng, name, phrases, numbers, target, path) -> extend.Problem:
    numbers = list(numbers)
    rng.shuffle(numbers)
    statement = _statement(numbers, target)
    steps = tuple(_lines(numbers, path))
    phrase = rng.choice(phrases)
    text = phrase.format(numbers=_join(numbers), target=target)
    return extend.Problem(text, rule.answer(statement, steps), name, steps)


def _lines(numbers: Sequence[int], path: Sequence[Move]):
    """Writes moves as steps: `4 * 9 = 36 left 10, 13, 36`."""
    left = list(numbers)
    for move in path:
        if move.operator == "*" and _is_long(move.left, move.right):
            yield from working.product(move.left, move.right)
        left.remove(move.left)
        left.remove(move.right)
        left.append(move.result)
        line = f"{move.left} {move.operator} {move.right} = {move.result}"
        yield line if len(left) == 1 else f"{line} left {_join(left)}"


def _is_long(one: Number, other: Number) -> bool:
    """Is a product of whole numbers, above 13, too long for the head?"""
    whole = isinstance(one, int) and isinstance(other, int)
    return whole and one > HIGHEST and other > HIGHEST


# --- Countdown --------------------------------------------------------------


def _random_path(
    rng: random.Random, numbers: Sequence[int], low: int, high: int
) -> list[Move] | None:
    """Moves at random, of whole numbers above zero, to a target in range.

    None where the last two numbers make no such target.
    """
    left = list(numbers)
    # The numbers are in random order, so a chain takes them as they come.
    chained = rng.random() < 0.5
    path = []
    while len(left) > 2:
        first = left.pop(-1 if chained else rng.randrange(len(left)))
        second = left.pop(rng.randrange(len(left)))
        move = rng.choice(_whole(first, second, 1, 10 * high))
        path.append(move)
        left.append(move.result)
    last = _whole(*left, low, high)
    if not last:
        return None
    path.append(rng.choice(last))
    return path


def _whole(one: int, other: int, low: int, high: int) -> list[Move]:
    """The moves on two numbers to a whole number in a range."""
    large, small = max(one, other), min(one, other)
    found = [
        Move(large, "+", small, large + small),
        Move(large, "-", small, large - small),
        Move(large, "*", small, large * small),
    ]
    if large % small == 0:
        found.append(Move(large, "/", small, large // small))
    return [move for move in found if low <= move.result <= high]


# --- The Game of 24 ---------------------------------------------------------


@functools.cache
def unseen_hands() -> frozenset[tuple[int, ...]]:
    """The hands kept from training, each sorted."""
    lines = _UNSEEN.read_text(encoding="ascii").splitlines()
    return frozenset(tuple(map(int, line.split(", "))) for line in lines)


@functools.cache
def hands() -> tuple[tuple[int, ...], ...]:
    """All hands of four numbers of 1 to 13 that make 24, each sorted.

    Takes about half a second the first time.
    """
    numbers = range(1, HIGHEST + 1)
    return tuple(
        (a, b, c, d)
        for a in numbers
        for b in numbers[a - 1 :]
        for c in numbers[b - 1 :]
        for d in numbers[c - 1 :]
        if _winning_moves((a, b, c, d))
    )


@functools.cache
def _bins(unseen: bool) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """The hands drawn from, in five bins of equal size, easy ones first."""
    kept = [hand for hand in hands() if (hand in unseen_hands()) == unseen]
    kept.sort(key=lambda hand: -len(_winning_moves(hand)))
    edges = [len(kept) * i // 5 for i in range(6)]
    return tuple(tuple(kept[edges[i] : edges[i + 1]]) for i in range(5))


def _winning_path(rng: random.Random, hand: tuple[int, ...]) -> list[Move]:
    path, numbers = [], hand
    while len(numbers) > 1:
        path.append(rng.choice(_winning_moves(numbers)))
        numbers = _after(numbers, path[-1])
    return path


@functools.cache
def _winning_moves(numbers: tuple[Number, ...]) -> tuple[Move, ...]:
    """The moves from which 24 can still be made; `numbers` is sorted."""
    return tuple(
        move
        for move in moves(numbers)
        if _reaches(_after(numbers, move), TARGET)
    )


@functools.lru_cache(maxsize=2**20)
def _reaches(numbers: tuple[Number, ...], target: int) -> bool:
    """Can `target` be made of `numbers`, which are sorted?"""
    if len(numbers) == 1:
        return numbers[0] == target
    if len(numbers) == 2:  # most of the work
        small, large = numbers
        return (
            small + large == target
            or small * large == target
            or large - small == target
            or (small != 0 and target * small == large)
            or (large != 0 and target * large == small)
        )
    return any(
        _reaches(_after(numbers, move), target) for move in moves(numbers)
    )


def _after(numbers: tuple[Number, ...], move: Move) -> tuple[Number, ...]:
    """The numbers left after a move, sorted."""
    left = list(numbers)
    left.remove(move.left)
    left.remove(move.right)
    bisect.insort(left, move.result)
    return tuple(left)


@functools.cache
def _splits(number: int) -> tuple[Move, ...]:
    """The moves on two numbers of 1 to 13 that make `number`."""
    return tuple(
        move
        for large in range(1, HIGHEST + 1)
        for small in range(1, large + 1)
        for move in _whole(large, small, number, number)
    )
