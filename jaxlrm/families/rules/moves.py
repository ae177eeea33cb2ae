"""Moves on numbers: the rule of Countdown and of the Game of 24.

A statement is `4, 9, 10, 13 -> 24`: make the target of the numbers, each used
once, with `+ - * /`. A step is one move: two of the numbers left are replaced
by their sum, difference, product, or quotient, and the numbers left are written
out: `4 * 9 = 36 left 10, 13, 36`. The move of the last two numbers must make
the target and leaves nothing to write: `36 - 12 = 24`.

A product of two of the numbers left, of several digits both, may be worked out
before its move, in a block of lines that leave less and less to do:
`57*19 = 570 + 57*9`, `= 570 + 513`, `= 1083`.

Nothing here looks ahead: a legal move is valid whether or not the target can
still be made.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from jaxlrm.families.rules.coefficients import digits
from jaxlrm.verify.answers.exact import Number
from jaxlrm.verify.verdict import Verdict

COMPLETE = True  # see `extend.Rule`

LENGTH = 600  # characters of a statement or a line
STEPS = 64  # of a chain
COUNT = 10  # numbers of a statement

_GIVEN = "[0-9]{1,6}"
_STATEMENT = re.compile(
    rf"({_GIVEN}(?:, ?{_GIVEN}){{1,{COUNT - 1}}}) ?-> ?({_GIVEN})"
)
# Longer than any number that COUNT numbers of a statement can make.
_NUMBER = "-?[0-9]{1,150}(?:/[0-9]{1,150})?"
_WHOLE_NUMBER = re.compile(_NUMBER)
_MOVE = re.compile(
    rf"([-+*/0-9]{{3,603}})=({_NUMBER})"
    rf"(?:left({_NUMBER}(?:,{_NUMBER}){{0,{COUNT}}}))?"
)
_FACTOR = "[0-9]{1,12}"
_ASIDE = re.compile(
    rf"(?:({_FACTOR})\*({_FACTOR}))?="
    rf"([0-9]{{1,24}}(?:[+*][0-9]{{1,24}}){{0,{COUNT}}})"
)
_SUM, _PRODUCT, _ATOM = 1, 2, 3


class Term(NamedTuple):
    """A number in hand, and how it was made of the numbers given.

    Attributes:
        value: the number.
        text: an expression of that value.
        binding: how tightly its outermost operator binds.
    """

    value: Number
    text: str
    binding: int


class Block(NamedTuple):
    """A product that is being worked out.

    Attributes:
        value: what its lines come to.
        work: what the last of them has left to do.
    """

    value: int
    work: int


def reads(statement: str) -> bool:
    """Is it a statement of numbers and a target?"""
    return read(statement) is not None


def read(statement: str) -> tuple[tuple[int, ...], int] | None:
    """`((4, 9, 10, 13), 24)` for `4, 9, 10, 13 -> 24`, else None."""
    if len(statement) > LENGTH:
        return None
    match = _STATEMENT.fullmatch(statement.strip())
    if match is None:
        return None
    return tuple(int(text) for text in match[1].split(",")), int(match[2])


def check(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on the last of `steps`: is it a legal move?

    Returns:
        VALID for a legal move, and for a line that works out a product of two
        of the numbers left; INVALID for an illegal one, for wrong arithmetic
        or a wrong list of what is left, for a repeated line, and for a last
        move that misses the target; UNKNOWN for another line, and where the
        lines before cannot be followed.
    """
    return _follow(statement, steps)[0]


def check_answer(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on a finished chain: its last move must make the target."""
    verdict, terms = _follow(statement, steps)
    if verdict is Verdict.VALID and len(terms) > 1:
        return Verdict.INVALID
    return verdict


def answer(statement: str, steps: Sequence[str]) -> str | None:
    """The expression that the moves of a finished chain make.

    It has only the brackets it needs: `(10 - 4)*(13 - 9)`. None where the
    chain has a wrong move or does not reach the target.
    """
    verdict, terms = _follow(statement, steps)
    if verdict is not Verdict.VALID or len(terms) > 1:
        return None
    return terms[0].text


def numbers_left(
    statement: str, steps: Sequence[str]
) -> tuple[Number, ...] | None:
    """The numbers after these moves, sorted; None where one is not legal."""
    stated = read(statement)
    if not steps:
        return tuple(sorted(stated[0])) if stated else None
    verdict, terms = _follow(statement, steps)
    if verdict is not Verdict.VALID:
        return None
    return tuple(sorted(term.value for term in terms))


def combine(left: Number, operator: str, right: Number) -> Number | None:
    """`left operator right`, exactly; None for a division by zero."""
    if operator == "+":
        value = left + right
    elif operator == "-":
        value = left - right
    elif operator == "*":
        value = left * right
    elif right == 0:
        return None
    else:
        value = Fraction(left) / right
    return int(value) if value.denominator == 1 else value


def _follow(statement: str, steps: Sequence[str]) -> tuple[Verdict, list[Term]]:
    """The verdict on the last step, and the numbers left after it."""
    stated = read(statement)
    if stated is None or not 0 < len(steps) <= STEPS:
        return Verdict.UNKNOWN, []
    numbers, target = stated
    terms = [Term(number, str(number), _ATOM) for number in numbers]
    seen, block = {_squeeze(statement)}, None
    for index, line in enumerate(steps):
        form, last = _squeeze(line), index == len(steps) - 1
        goes_on = block is not None and form is not None and form[:1] == "="
        if last and (len(terms) == 1 or (form in seen and not goes_on)):
            return Verdict.INVALID, terms
        verdict, after = _work_out(terms, block, form)
        if verdict is Verdict.UNKNOWN:
            block = None
            verdict, terms = _play(terms, target, form)
        else:
            block = after
        if verdict is Verdict.INVALID and not last:
            return Verdict.UNKNOWN, []
        seen.add(form)
    return verdict, terms


def _work_out(
    terms: list[Term], block: Block | None, form: str | None
) -> tuple[Verdict, Block | None]:
    """Does the line work out a product? UNKNOWN if it is of another form.

    Returns:
        The verdict, and the block with the line; None where nothing is left
        to do.
    """
    match = None if form is None else _ASIDE.fullmatch(form)
    if match is None or (match[1] is None and block is None):
        return Verdict.UNKNOWN, None
    if match[1] is not None:
        if "*" not in match[3] and "+" not in match[3]:
            return Verdict.UNKNOWN, None  # a move, if anything
        pair = int(match[1]), int(match[2])
        values = [term.value for term in terms]
        wanted = 2 if pair[0] == pair[1] else 1
        if any(values.count(number) < wanted for number in pair):
            return Verdict.INVALID, None
        if min(map(digits, pair)) < 2:  # it can be done in the head
            return Verdict.INVALID, None
        block = Block(pair[0] * pair[1], _work(f"{match[1]}*{match[2]}"))
    parts = [part.split("*") for part in match[3].split("+")]
    if max(map(len, parts)) > 2:
        return Verdict.INVALID, None
    total = sum(math.prod(map(int, part)) for part in parts)
    work = _work(match[3])
    if total != block.value or work >= block.work:
        return Verdict.INVALID, None
    return Verdict.VALID, block._replace(work=work) if work else None


def _work(text: str) -> int:
    """Products of digits, twice, and sums to do; zeros do not count.

    As `coefficients.left_to_do`, but of the text: `75*1` is still to do.
    """
    parts = [part.split("*") for part in text.split("+")]
    sizes = [
        [len(number.replace("0", "")) for number in part] for part in parts
    ]
    products = sum(2 * math.prod(size) for size in sizes if len(size) > 1)
    return products + len(parts) - 1


def _play(
    terms: list[Term], target: int, form: str | None
) -> tuple[Verdict, list[Term]]:
    """Carries out the move that a line writes; `terms` is left as it is."""
    match = None if form is None else _MOVE.fullmatch(form)
    if match is None:
        return Verdict.UNKNOWN, terms
    result = _number(match[2])
    last = len(terms) == 2
    # A list of what is left is written if and only if a move is left.
    if result is None or last != (match[3] is None):
        return Verdict.INVALID, terms
    if last and result != target:
        return Verdict.INVALID, terms
    for left, operator, right in _readings(match[1]):
        if combine(left, operator, right) != result:
            continue
        after = _replace(terms, left, operator, right, result)
        if after is None:
            continue
        if last or _lists(match[3], after):
            return Verdict.VALID, after
    return Verdict.INVALID, terms


def _readings(operation: str):
    """The ways to read `a/b/c`: a fraction by a number or the reverse."""
    found = 0
    for index in range(1, len(operation) - 1):
        if operation[index] not in "+-*/":
            continue
        found += 1
        if found > 5:  # two fractions and a sign hold no more
            return
        left = _number(operation[:index])
        right = _number(operation[index + 1 :])
        if left is not None and right is not None:
            yield left, operation[index], right


def _replace(
    terms: list[Term],
    left: Number,
    operator: str,
    right: Number,
    result: Number,
) -> list[Term] | None:
    """`terms` with the result in place of the operands, or None."""
    rest = list(terms)
    operands = []
    for value in (left, right):
        for index, term in enumerate(rest):
            if term.value == value:
                operands.append(rest.pop(index))
                break
        else:
            return None
    return [*rest, _join(operands[0], operator, operands[1], result)]


def _join(left: Term, operator: str, right: Term, value: Number) -> Term:
    """The two expressions under an operator, bracketed where they must be."""
    if operator in "+-":
        second = _bracket(right, operator == "-" and right.binding == _SUM)
        return Term(value, f"{left.text} {operator} {second}", _SUM)
    first = _bracket(left, left.binding == _SUM)
    loosest = _PRODUCT if operator == "/" else _SUM
    second = _bracket(right, right.binding <= loosest)
    return Term(value, f"{first}{operator}{second}", _PRODUCT)


def _bracket(term: Term, needed: bool) -> str:
    return f"({term.text})" if needed else term.text


def _lists(text: str, terms: list[Term]) -> bool:
    """Does `text` list the numbers left, in any order?"""
    listed = [_number(number) for number in text.split(",")]
    if None in listed:
        return False
    return sorted(listed) == sorted(term.value for term in terms)


def _number(text: str) -> Number | None:
    """Reads a number in its one proper form: `2`, `-5`, `8/3`; not `6/3`."""
    if not _WHOLE_NUMBER.fullmatch(text):
        return None
    top, _, bottom = text.partition("/")
    if not bottom:
        value = int(top)
    elif int(bottom) == 0:
        return None
    else:
        value = Fraction(int(top), int(bottom))
    return value if str(value) == text else None


def _squeeze(line: str) -> str | None:
    """`line` without spaces; None where it is too long to be read."""
    return "".join(line.split()) if len(line) <= LENGTH else None
