r"""What answers say behind their value: `2x \text{ for all real } x`.

Only what leaves the value as it is: `for x > 0` is a part of the answer.
"""

from __future__ import annotations

import re

_MARK = re.compile(
    r"[ ,;:(]{0,4}(?:\\text ?\{ ?)?[ ,(]{0,3}"
    r"(?=(?:for (?:all|any|every|each|some|[a-z])|where|with) |\\forall)"
)
_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")
_NUMBERS = (
    r"(?:(?:real|complex|rational|natural|positive|non-?negative|nonzero"
    r"|valid|possible|values?|numbers?|of|constants?|the|all|in its domain)"
    r" ?){0,6}"
)
_EVERYWHERE = re.compile(
    r"for [a-z] \\in ?\\mathbb\{[RC]\} ?\)?|"
    r"(?:for (?:all|any|every|each) |\\forall ?)" + _NUMBERS + r"[a-zA-Z]?"
    r"(?: ?\\in ?\\mathbb\{[RCQ]\})? ?\)?"
)
_CONSTANT = re.compile(
    r"(?:where |with |for (?:any|some|every) )"
    r"(?:real |arbitrary )?(?:constants? )?"
    r"[cCkK](?:_[0-9])?(?: (?:is|being) (?:an? |any |some |the )?"
    r"(?:arbitrary |real )?constant(?: of integration)?)? ?\)?"
)
_INTEGER = re.compile(
    r"(?:(?:for (?:all|any|every|each|some)|where|with|\\forall) ?)"
    r"(?:(?:an? |any |all )?integers? ?)?([klmn])"
    r"(?: ?\\in ?\\mathbb\{Z\}|(?: is| being)?(?: an| any)? integer)? ?\)?"
)
# Conditions in brackets behind a value.
_BRACKETED = re.compile(
    r" ?,? ?[(\[]([a-z] ?(?:\\in ?\\mathbb\{[ZRQC]\}|\\ne ?-?[0-9]{1,9}))[)\]]$"
)
_IS_INTEGER = re.compile(
    r"(?<![A-Za-z])([klmn]) ?(?:\\text ?\{ ?)?(?:is|being) an? integer ?\}?"
)
_LENGTH = 400


def unqualified(text: str) -> str:
    r"""A normal form without a qualifier that changes nothing.

    What says that a letter is a whole number is written `, k \in \mathbb{Z}`.
    """
    if len(text) > _LENGTH:
        return text
    if text[-1:] in (")", "]") and "\\" in text:
        text = _BRACKETED.sub(r", \1", text)
    if " integer" in text:
        text = _IS_INTEGER.sub(r"\1 \\in \\mathbb{Z}", text)
    if "for " not in text and "wh" not in text and "w" not in text:
        if "\\forall" not in text:
            return text
    for match in _MARK.finditer(text):
        if not match.start():
            continue
        tail = _TEXT.sub(r" \1 ", text[match.start() :])
        tail = " ".join(tail.split()).strip(" ,;:(").removesuffix(".")
        value = text[: match.start()].rstrip(" ,;:")
        whole = _INTEGER.fullmatch(tail)
        if whole and "integer" in tail + "integer" * ("mathbb{Z}" in tail):
            return rf"{value}, {whole.group(1)} \in \mathbb{{Z}}"
        if _CONSTANT.fullmatch(tail) or _EVERYWHERE.fullmatch(tail):
            return value
    return text
