"""Whole answers: is a completion right, and which answers are the same?

Both are jobs for worker processes: pure functions of text, bounded in work.
"""

from __future__ import annotations

import collections
import math
import re
import zlib
from collections.abc import Sequence
from fractions import Fraction

from jaxlrm.verify.answers import floats, numerical
from jaxlrm.verify.answers.comparison import is_equivalent, normal_form
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.extract import extract_answer
from jaxlrm.verify.answers.rational import rational
from jaxlrm.verify.answers.scalars import renamed
from jaxlrm.verify.answers.syntax import names, parse_answer
from jaxlrm.verify.inputs import check_text

# Comparisons of two answers that one grouping may make.
PAIRS = 4096
# Longer answers are equal to their own spelling only: they are no numbers,
# and comparing many of them would not be cheap.
LENGTH = 1 << 10
# Kinds of trees that are values, and how near the same value must be.
_VALUES = frozenset(("n", "v", "f", *"+-*/^"))
_CLOSE = 1e-9
_AMBIGUOUS = re.compile(r"\('f', '(?:log|degrees|pmod|derivative)|\('unit'")


def grade(text: str, gold: str) -> bool:
    r"""Does a completion give the right answer?

    The answer is what `extract_answer` finds, and is right where
    `is_equivalent` shows it; whatever is not shown counts as wrong, as in
    other graders.

    Args:
        text: what a model wrote: a whole solution or an answer alone.
        gold: the right answer, or a published solution that ends with it:
            `... #### 18` (GSM8K) or `... \boxed{18}.` (MATH).

    Raises:
        TypeError: one of them is no text.
    """
    check_text(text=text, gold=gold)
    answer = extract_answer(text)
    return answer is not None and is_equivalent(answer, gold_answer(gold))


def gold_answer(gold: str) -> str:
    r"""The answer of a published solution; a plain answer is returned as is.

    Args:
        gold: an answer, or a solution that ends with one after `####` or in
            a `\boxed{}`.
    """
    if "####" in gold or r"\boxed" in gold:
        return extract_answer(gold) or gold
    return gold


def group_answers(answers: Sequence[str]) -> list[int]:
    """Groups answers that are the same, whatever order they come in.

    Two answers agree if each is right where the other is the gold. That
    relation is not transitive (`5` agrees with `5 cm` and with `5 m`), so
    that groups are built around representatives: the most frequent answer
    first, then the shortest, then the first by its text. An answer joins the
    first group whose representative it agrees with.

    Args:
        answers: extracted answers; equal ones may repeat.

    Returns:
        The group of each answer, numbered 0, 1, ... in that order of their
        representatives.

    Raises:
        TypeError: one of them is no text.
    """
    for index, answer in enumerate(answers):
        check_text(**{f"answers[{index}]": answer})
    keys = {answer: _key(answer) for answer in set(answers)}
    counts = collections.Counter(keys[answer] for answer in answers)
    # A spelling that speaks for its key, whatever order they come in.
    spellings: dict[object, str] = {}
    for answer in sorted(keys, key=_by_length):
        spellings.setdefault(keys[answer], answer)
    ordered = sorted(
        counts, key=lambda key: (-counts[key], *_by_length(spellings[key]))
    )
    groups: dict[object, int] = {}
    representatives: list[object] = []
    sizes = {key: _size(key) for key in ordered}
    left = PAIRS
    for key in ordered:
        for group, other in enumerate(representatives):
            if left > 0 and _may_agree(key, other, sizes):
                left -= 1
                if _agree(spellings[key], spellings[other]):
                    groups[key] = group
                    break
        else:
            groups[key] = len(representatives)
            representatives.append(key)
    return [groups[keys[answer]] for answer in answers]


def group_names(answers: Sequence[str], groups: Sequence[int]) -> list[str]:
    """A name for each group: its most frequent spelling.

    Among equally frequent ones the shortest, then the first by its text.

    Args:
        answers, groups: as given to and returned by `group_answers`.

    Returns:
        The names of groups 0, 1, ...
    """
    spellings = [
        collections.Counter() for _ in range(max(groups, default=-1) + 1)
    ]
    for answer, group in zip(answers, groups, strict=True):
        spellings[group][answer] += 1
    return [
        min(found, key=lambda answer: (-found[answer], *_by_length(answer)))
        for found in spellings
    ]


def _by_length(answer: str) -> tuple[int, str]:
    return len(answer), answer


def _key(answer: str) -> str | int | Fraction:
    """The value of a plain number, else a normal form of the text.

    Equal keys are equal answers; different numbers are different answers.
    """
    form = normal_form(answer)
    if len(form) > LENGTH:
        return form
    try:
        tree = parse_answer(form)
        if "," not in form and not _may_be_float(form):
            return rational(tree)
    except (NotParsed, ZeroDivisionError, RecursionError):
        pass
    return form


def _may_be_float(form: str) -> bool:
    return "." in form and sum(map(str.isdigit, form)) >= floats.DIGITS


def _size(key: str | int | Fraction) -> float | None:
    """A float near the value of a key, with numbers for its variables.

    None for what is no real number, and for what may be read in two ways:
    another base of a logarithm, constants of integration, degrees.
    """
    try:
        if not isinstance(key, str):
            return float(key)
        if len(key) > LENGTH:
            return None
        tree = parse_answer(key)
        unknown = names(tree) - {"pi", "e"}
        if tree[0] not in _VALUES or _AMBIGUOUS.search(repr(tree)):
            return None
        if any(len(name) > 1 or name in "iIcCkK" for name in unknown):
            return None
        for name in unknown:
            number = Fraction(1000 + zlib.crc32(name.encode()) % 997, 1009)
            tree = renamed(tree, ("v", name), ("n", number, None))
        return numerical.nearest(tree)
    except (NotParsed, ArithmeticError, RecursionError):
        return None


def _may_agree(one: object, other: object, sizes: dict) -> bool:
    if not isinstance(one, str) and not isinstance(other, str):
        return False  # two numbers with different values
    here, there = sizes[one], sizes[other]
    if here is not None and there is not None:
        if not math.isclose(here, there, rel_tol=_CLOSE):
            return False
    return all(
        not isinstance(key, str) or len(key) <= LENGTH for key in (one, other)
    )


def _agree(one: str, other: str) -> bool:
    return is_equivalent(one, other) and is_equivalent(other, one)
