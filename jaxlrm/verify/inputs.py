"""What callers pass: is it text, and small questions about a line of it."""

from __future__ import annotations

import re

NUMBER = r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"  # without a sign
_SPLIT = re.compile(r"[0-9.]\s+[0-9.]")
_OPERATOR = re.compile(r"(?<=[0-9A-Za-z)}])(?:\*\*|[-+*/^])")
_REMEDIES = {
    type(None): "pass '' where there is none",
    bytes: "decode it first: value.decode()",
}


def splits_numbers(text: str) -> bool:
    """Do two numbers follow each other, as in `9 - 3 2`?

    Who reads without blanks would take them for one.
    """
    return bool(_SPLIT.search(text))


def squeeze(line: str) -> str:
    """A line without its blanks."""
    return "".join(line.split())


def count_operations(line: str) -> int:
    """How many operators stand between two operands; signs do not count."""
    return len(_OPERATOR.findall(squeeze(line)))


def check_text(**values: object) -> None:
    """Refuses what is no text, before it is mistaken for a wrong answer.

    Args:
        values: the arguments of a function, by their names.

    Raises:
        TypeError: one of them is no `str`.
    """
    for name, value in values.items():
        if not isinstance(value, str):
            kind = type(value)
            remedy = _REMEDIES.get(kind, "pass str(value)")
            shown = ascii(value)[:80]
            raise TypeError(
                f"{name} is {shown} ({kind.__name__}); it must be text (str): "
                f"{remedy}"
            )
