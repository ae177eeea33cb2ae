"""Do words beside a claim belong to it, so that it says something else?

`half of 3 + 4 = 7` and `4 / 3 = 1 and 1/3` say something else than what stands
between the first number and the last.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxlrm.verify.steps.tokens import Token
from jaxlrm.verify.steps.words import (
    ARTICLES,
    BORDERS,
    CONTINUES,
    LABELS,
    LINKS,
    SCALES,
    STOPS,
)

LINKED = 8  # tokens before a word such as `and` that it may link
_ENDS = (STOPS - {"and"}) | {"of", "per", "a", "an", "each", "for", "in"}


def begins(tokens: Sequence[Token], start: int) -> bool:
    """Does nothing before a claim, which starts there, belong to it?"""
    index = start - 1
    while index >= 0 and tokens[index].kind == "edge":
        index -= 1
    formula = index < start - 1
    if not formula and index > 0 and tokens[index].text in ARTICLES:
        index -= 1
    if index < 0:
        return True
    token = tokens[index]
    kind = token.kind
    if kind == "word":
        if token.text in BORDERS or _is_named(tokens, index):
            return False
        if token.text in LINKS and not formula:
            return not _counts_before(tokens, index)
        if token.text.removesuffix("s") in LABELS and not formula:
            return False
        if token.text == "of":
            return _is_plain_of(tokens, index)
        return formula or tokens[start].spaced
    if formula and kind in ("number", "atom", "letter", "close"):
        return index < start - 2  # of a formula before this one
    if kind == "letter" and token.text in "aAI" and not token.maths:
        return True
    if index and kind in ("open", "break"):
        before = tokens[index - 1].kind
        joined = not formula and (
            not tokens[start].spaced or len(tokens[start].text) == 3
        )
        if before == ("operator" if kind == "open" else "number"):
            return not joined
    if index and kind == "stop" and tokens[index - 1].kind == "operator":
        return False  # .8 + . 84
    if kind in ("relation", "row", "stop", "break", "open"):
        return token.text not in ("<", ">", "!=", "|") or kind == "stop"
    return False


def _is_named(tokens: Sequence[Token], index: int) -> bool:
    """Are the words before a number those of a named quantity?

    As in `25 classmates + his 1 teacher + 1 = 27`.
    """
    for place in range(index - 1, max(-1, index - 4), -1):
        token = tokens[place]
        if token.kind == "operator":
            return token.text != "-" or not token.spaced
        if token.kind != "word":
            return False
    return False


def _counts_before(tokens: Sequence[Token], index: int) -> bool:
    """Is there a number, or a verb of arithmetic, in the clause so far?"""
    for token in reversed(tokens[max(0, index - LINKED) : index]):
        if token.kind in ("number", "atom", "percent", "letter"):
            return token.text not in "aAI"
        if token.kind in ("stop", "row", "break", "relation", "close"):
            return False
        if token.text in BORDERS:
            return True
    return False


def _is_plain_of(tokens: Sequence[Token], index: int) -> bool:
    """Is it the `of` of `a total of`, not that of `half of`?"""
    before = tokens[max(0, index - 3) : index]
    return all(
        token.kind == "word"
        and token.text not in BORDERS
        or token.text in ("a", "A")
        for token in before[-2:]
    ) and not any(token.kind in ("number", "percent") for token in before)


def ends(tokens: Sequence[Token], end: int) -> bool:
    """Does nothing from this token on belong to the claim before it?"""
    index = end
    while tokens[index].kind == "edge":
        index += 1
    token = tokens[index]
    if token.kind == "currency" and not token.spaced:
        index += 1  # 1500$
        token = tokens[index]
    kind = token.kind
    if index > end and tokens[end].kind == "edge":
        if kind in ("word", "letter", "edge"):
            return token.text not in SCALES or kind == "letter"
    if kind == "word":
        if token.text in CONTINUES:
            return False
        if token.text in ("more", "less", "fewer", "greater"):
            than = tokens[index + 1].text == "than"
            return not (than and _number_follows(tokens, index + 1))
        return not _number_follows(tokens, index)
    if kind == "letter":
        return token.spaced and token.text in "aAI"
    if kind == "open":
        return token.spaced and not token.maths
    if kind in ("row", "stop", "close"):
        return True
    if kind == "break":
        if token.text == "," and not tokens[index + 1].spaced:
            return tokens[index + 1].kind not in ("number", "bad")
        return token.text != ":" or tokens[index + 1].spaced
    if kind == "bang":
        return token.spaced
    if kind == "operator":
        # A dash behind the result, or the next item of a list.
        following = tokens[index + 1]
        return (
            token.text == "-"
            and token.spaced
            and following.kind == "word"
            and following.spaced
        )
    return False


def _number_follows(tokens: Sequence[Token], index: int) -> bool:
    """`1 hour 30 minutes`, `3 feet and 2 inches`."""
    if tokens[index].text in _ENDS:
        return False
    for token in tokens[index + 1 : index + 4]:
        if token.kind in ("number", "atom", "currency"):
            return True
        if token.kind not in ("word", "edge"):
            return False
        if token.text in _ENDS:
            return False
    return False


def is_whole(tokens: Sequence[Token], start: int, end: int) -> bool:
    """Does a claim stand alone on its line or in its formula?"""
    before = tokens[start - 1].kind if start else "row"
    after = tokens[end]
    if after.text in (".", ",") and after.kind in ("stop", "break"):
        after = tokens[end + 1]
    alone = ("edge", "row", "stop")
    return before in (*alone, "break") and after.kind in alone
