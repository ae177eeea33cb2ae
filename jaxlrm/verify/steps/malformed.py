"""Formulas that no reading makes sense of: `3 + * 5`, `(2*x + 1*3`.

A small model writes such lines. Nothing follows from one, and no engine can
say more of it than that.
"""

from __future__ import annotations

import re

_LENGTH = 4096  # characters; longer lines are left to others
_FORMULA = re.compile(r"[-+*/^=(),.0-9A-Za-z \t]+")
_WORD = re.compile(r"[A-Za-z]{2,}")
_NAMES = frozenset(("cos", "exp", "gcd", "lcm", "ln", "log", "sin", "tan"))
# Bullets, numbers of lines, marks of equations, "plus or minus", `z^*`.
_MARKS = re.compile(
    r"^\s*(?:[-*+]\s+|\(?\w{1,3}\)\s*)|\(\*{1,3}\)|\+/-|-/\+|\^\*"
)
_BROKEN = re.compile(
    r"[-+*/^=(]\s*[*/^]"  # an operand is missing
    r"|\s[-+*/^]\s*(?:\)|=|$)"  # without the space it may be `x*`, `0+`
)


def is_malformed(line: str) -> bool:
    """Is it a formula by its characters, and yet none?

    A text with words, LaTeX, brackets other than round ones or several lines
    is never said to be; nor is a line that breaks off after an equals sign.
    """
    if len(line) > _LENGTH or not _FORMULA.fullmatch(line):
        return False
    if any(word not in _NAMES for word in _WORD.findall(line)):
        return False
    line = _MARKS.sub(" ", line).replace("**", "^")
    return bool(_BROKEN.search(line)) or not _is_balanced(line)


def _is_balanced(line: str) -> bool:
    depth = 0
    for character in line:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0
