r"""Syntax trees of answers: a bounded Pratt parser for LaTeX and plain text.

Wider than `lines`, which computes as it reads and serves the rules of steps:
this one reads whole answers with functions, tuples, intervals, sets, matrices,
relations and units. It computes nothing.

A tree is a tuple whose first entry is its kind:
    ("n", value, decimals)          number; decimals of a literal, else None
    ("v", name)                     variable or constant: x, x_1, pi, e, i, oo
    ("+", a, b) ("*", a, b) ("/", a, b) ("^", a, b) ("-", a)
    ("pm", sign, a, b)              a ± b; a may be None; sign is "+" for ±
    ("f", name, arguments)          function, written as its usual name
    ("group", brackets, items)      (1, 2), [1, 2), <1, 2>
    ("set", items)                  {1, 2}
    ("builder", item, condition)    {x | x > 1}
    ("list", items, separators)     1, 2 or 3
    ("matrix", rows)
    ("rel", operators, sides)       a = b, 0 < x <= 1, x in S
    ("cup", a, b) ("cap", a, b) ("minus", a, b)
    ("unit", a, unit)
    ("base", digits, base)
    ("ratio", a, b)                 a : b
    ("same", a, b)                  two ways to write one answer
"""

from __future__ import annotations

import functools
import re

from jaxlrm.verify.answers.exact import LENGTH, NotParsed
from jaxlrm.verify.answers.syntax.grammar import Parser
from jaxlrm.verify.answers.syntax.nodes import CONSTANTS, Tree, names, unknowns

__all__ = ["CONSTANTS", "Tree", "names", "parse_answer", "unknowns"]

_SIGNS = str.maketrans("", "", "¤£€¥₹¢°≈")  # the others that are read
_TIMES_TEN = re.compile(r"(?<=[0-9]) ?[xX] ?(?=10 ?(?:\^|\*\*))")


def parse_answer(text: str) -> Tree:
    """The tree of an answer in normal form.

    Raises:
        NotParsed: outside the grammar or over a budget.
    """
    if len(text) > LENGTH:
        raise NotParsed(f"{len(text)} characters; at most {LENGTH} are read")
    return _parse(text)


@functools.lru_cache(maxsize=4096)
def _parse(text: str) -> Tree:
    if not text.isascii() and not text.translate(_SIGNS).isascii():
        raise NotParsed(f"characters outside ASCII: {ascii(text[:80])}")
    if "x" in text or "X" in text:
        text = _TIMES_TEN.sub(r"\\times ", text)
    try:
        return Parser(text).answer()
    except IndexError as error:  # it looked beyond the last token
        raise NotParsed("the text ends too early") from error
