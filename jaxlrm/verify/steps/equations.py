"""Lines with unknowns: do they follow from lines before them?

What follows makes a step VALID. What does not is a new condition, a name or a
case, and says nothing; only a linear equation in one unknown that contradicts
the last one of that unknown is in doubt.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

from jaxlrm.verify.answers.exact import (
    NotParsed,
    Number,
    Ratio,
    equal,
    is_linear,
    names_of,
    proportional,
    substitute,
)
from jaxlrm.verify.answers.lines import GREEK, Line, parse
from jaxlrm.verify.answers.scalars import Judge, renamed
from jaxlrm.verify.answers.syntax import names, parse_answer
from jaxlrm.verify.steps.claims import Claim, claims_of
from jaxlrm.verify.steps.deduction import compare_lines
from jaxlrm.verify.steps.deduction.equations import Equation, compare_equations
from jaxlrm.verify.steps.deduction.injective import has_one_solution
from jaxlrm.verify.steps.deduction.systems import EQUATIONS, compare_systems
from jaxlrm.verify.steps.relations import single
from jaxlrm.verify.steps.sides import Side
from jaxlrm.verify.steps.tokens import tokenize
from jaxlrm.verify.steps.values import value_of
from jaxlrm.verify.steps.words import CASES, REWRITES
from jaxlrm.verify.verdict import Verdict

RECENT = 4  # lines of the chain whose solution may be stated
EARLIER = 12  # equations of the chain that a line is compared with
LENGTH = 300  # characters of a line that is read as a whole
_LETTER = re.compile(r"\\[a-z]+|[A-Za-z]")
_OUTSIDE = re.compile(r"^(?:\$+|\\\[|\\\(|\s)+|(?:\$+|\\\]|\\\)|[.,;]|\s)+$")
_ARROW = re.compile(
    r"^\s*(?:\\(?:Rightarrow|implies|therefore|iff|to)|=>|->|⇒|→|∴)\s*"
)
_WORDS = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{4,}")


class Open(NamedTuple):
    """An equation with unknowns.

    Attributes:
        text: as the quick parser reads it.
        line: what it read.
        equation: its sides as one equation; None where they are several.
    """

    text: str
    line: Line
    equation: Equation | None


def has_unknowns(side: Side | None) -> bool:
    """Is there a letter in it that stands for no number?"""
    return side is None or any(map(_is_unknown, side.pieces))


def _is_unknown(piece: str) -> bool:
    if piece.isalpha():
        return True
    if piece[0] != "\\" and "{" not in piece:
        return False
    return any(
        len(name) == 1 or name in _GREEK for name in _LETTER.findall(piece)
    )


_GREEK = GREEK - {r"\pi"}


@functools.lru_cache(maxsize=1024)
def statements_of(text: str) -> tuple[tuple[Claim, Open | None], ...]:
    """The claims of a step, each with the equation that it states, if any."""
    return tuple((claim, _open(claim)) for claim in claims_of(text))


def equations_of(text: str) -> list[Open]:
    """The equations with unknowns that a step states."""
    return [stated for _, stated in statements_of(text) if stated is not None]


def _open(claim: Claim) -> Open | None:
    """A claim as an equation with unknowns; None for others."""
    if not claim.relations or set(claim.relations) - {"="} or claim.loose:
        return None
    if not (claim.left and claim.right) or None in claim.sides:
        return None
    if not any(map(has_unknowns, claim.sides)):
        return None
    text = " = ".join(side.text for side in claim.sides)
    if "..." in text or "%" in text:
        return None
    try:
        line = parse(text)
    except (NotParsed, ZeroDivisionError):
        return None
    if not line.names - {r"\pi"}:
        return None
    try:
        return Open(text, line, single(line))
    except (NotParsed, ZeroDivisionError):
        return Open(text, line, None)


def is_identity(equation: Open) -> bool:
    """Does it hold for all values, and say something?"""
    first, *others = equation.line.sides
    try:
        holds = all(equal(first, other) for other in others)
    except NotParsed:
        return False
    sides = {"".join(side.split()) for side in equation.text.split("=")}
    return holds and len(sides) > 1


def follows(new: Open, earlier: Sequence[Open]) -> bool:
    """Is an equation equivalent to, or implied by, earlier ones?

    Args:
        new: the equation.
        earlier: of the chain, the last first.
    """
    if new.equation is None:
        return False
    try:
        for old in earlier:
            if old.equation is None or old.text == new.text:
                continue
            if _are_equivalent(old, new):
                return True
        return _is_implied(new, earlier) or _after_substitution(new, earlier)
    except (NotParsed, ZeroDivisionError):
        return False


def _are_equivalent(old: Open, new: Open) -> bool:
    one, other = old.equation, new.equation
    if one.value == 0 or other.value == 0:
        return one.value == other.value
    if old.line.names != new.line.names:
        if not names_of(one.value) == names_of(other.value):
            return False
    a, b = one.value, other.value
    if isinstance(a, Ratio) and isinstance(b, Ratio):
        if one.excluded == other.excluded and a.bottom == b.bottom:
            if proportional(a.top, b.top):
                return True
            if is_linear(a) and is_linear(b):
                return False
    if len(names_of(a)) > 1:
        return False
    return compare_equations(one, other, refute=False) is True


def _is_implied(new: Open, earlier: Sequence[Open]) -> bool:
    """By a linear system."""
    value = new.equation.value
    if not isinstance(value, Ratio) or not is_linear(value):
        return False
    known = [
        old.equation
        for old in earlier
        if old.equation is not None
        and isinstance(old.equation.value, Ratio)
        and not old.equation.excluded
        and is_linear(old.equation.value)
        and old.text != new.text
    ][: EQUATIONS - 1]
    if len(known) < 2:
        return False
    return compare_systems(known, [new.equation]) is Verdict.VALID


def _after_substitution(new: Open, earlier: Sequence[Open]) -> bool:
    """Is it an earlier equation with found values in their places?"""
    values: dict[str, Number] = {}
    for old in earlier:
        name, value = _assignment(old)
        if name and name not in new.line.names:
            values.setdefault(name, value)
    if not values or not isinstance(new.equation.value, Ratio):
        return False
    for old in earlier:
        if old.equation is None or not old.line.names & values.keys():
            continue
        if not new.line.names < old.line.names:
            continue
        value = old.equation.value
        for name in old.line.names & values.keys():
            value = substitute(value, name, values[name])
        if not isinstance(value, Ratio):
            continue
        if value.bottom == new.equation.value.bottom and proportional(
            value.top, new.equation.value.top
        ):
            return True
    return False


def _assignment(old: Open) -> tuple[str, Number]:
    """`("x", 7)` for `x = 7`; an empty name for others."""
    sides = old.line.sides
    first, last = sides[0], sides[-1]
    if isinstance(first, Ratio) and not isinstance(last, Ratio):
        if len(old.line.names) == 1 and old.text.split(" ")[0] in (
            old.line.names
        ):
            if old.text.split(" ")[1] == "=":
                return old.text.split(" ")[0], last
    return "", 0


def contradicts(new: Open, earlier: Sequence[Open], words: set[str]) -> bool:
    """Is it another linear equation in one unknown than the last of it?

    Args:
        new: the equation.
        earlier: of the chain, the last first.
        words: of the step.
    """
    names = new.line.names
    if len(names) != 1 or not CASES.isdisjoint(words) or not earlier:
        return False
    if words and REWRITES.isdisjoint(words):
        return False  # a name, or a value that is tried
    last = next((old for old in earlier if old.line.names & names), None)
    if last is None or last.line.names != names:
        return False
    for old in (last, new):
        if old.equation is None or old.equation.excluded:
            return False
        value = old.equation.value
        if not isinstance(value, Ratio) or not is_linear(value):
            return False
    if any(
        old.line.names == names
        and old.equation is not None
        and isinstance(old.equation.value, Ratio)
        and not is_linear(old.equation.value)
        for old in earlier
    ):
        return False  # it has several roots
    return not _are_equivalent(last, new)


def rests_on_value(claim: Claim, chain: Sequence[str]) -> Side | None:
    """The value that the chain gives to the name that begins a claim."""
    first = claim.sides[0]
    if first is None or len(first.pieces) != 1 or not has_unknowns(first):
        return None
    for text in reversed(chain[-EARLIER:]):
        for old in reversed(claims_of(text)):
            if old.sides[0] is None or len(old.sides) < 2:
                continue
            if old.sides[0].pieces != first.pieces or not old.left:
                continue
            value = old.sides[1]
            if old.relations[0] == "=" and not has_unknowns(value):
                if value_of(value.text) is not None:
                    return value
    return None


def are_identical(one: Side, other: Side) -> bool:
    """Are two expressions with unknowns the same function?"""
    try:
        first, second = parse(one.text), parse(other.text)
        return equal(first.sides[0], second.sides[0])
    except (NotParsed, ZeroDivisionError):
        return False


def solves(claim: Claim, chain: Sequence[str]) -> bool:
    """Is `x = 3` the one solution of an equation just before it?"""
    if claim.relations != ("=",) or None in claim.sides:
        return False
    name, value = claim.sides
    if len(name.pieces) != 1 or not name.pieces[0].isalpha():
        return False
    for text in reversed(chain[-RECENT:]):
        for old in reversed(claims_of(text)):
            if old.relations == ("=",) and None not in old.sides:
                if _is_solution(old, name.text, value.text):
                    return True
    return False


def _is_solution(old: Claim, name: str, value: str) -> bool:
    try:
        left, right = (parse_answer(side.text) for side in old.sides)
        number = parse_answer(value)
        if names(number) - {"pi", "e"}:
            return False
        if not has_one_solution(left, right, name):
            return False
        if (names(left) | names(right)) - {name, "pi", "e"}:
            return False
        found = renamed(("+", left, ("-", right)), ("v", name), number)
        return Judge().values(found, ("n", 0, None)) is Verdict.VALID
    except (NotParsed, ZeroDivisionError, RecursionError, OverflowError):
        return False


def whole_line_follows(step: str, chain: Sequence[str]) -> bool:
    """Does a bare formula follow from the formula just before it?

    For what only the parser of answers reads: roots, logarithms, derivatives,
    `x = 1 or x = 2`, inequalities.
    """
    if not chain or len(step) > LENGTH or "\n" in step.strip():
        return False
    after = _bare(step)
    before = _bare(chain[-1].strip().rpartition("\n")[2][-LENGTH:])
    if not after or not before or after == before:
        return False
    if _WORDS.search(after) or _WORDS.search(before):
        return False
    if "=" in after and not _LETTER.search(after):
        return False
    if "=" in after and len(set("".join(after.split()).split("="))) == 1:
        return False  # x = x follows from everything
    return compare_lines(before, after, refute=False) is Verdict.VALID


def _bare(text: str) -> str:
    for _ in range(2):
        text = _OUTSIDE.sub("", text)
        text = _ARROW.sub("", text)
    return text


def words_of(text: str) -> set[str]:
    """The words of a step, in lower case."""
    return {token.text for token in tokenize(text) if token.kind == "word"}
