r"""Answers as Python, numpy and sympy print them, in LaTeX or plain text.

`Fraction(1, 2)`, `[1. 2.]`, `{x: 5}`, `FiniteSet(2, 3)`, `Interval(0, oo)`,
`Matrix([[1, 2], [3, 4]])`, `np.float64(2.5)`, `(3+4j)`. Nothing is evaluated.
"""

from __future__ import annotations

import re

_NUMBER = (
    r"-?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:e[-+]?[0-9]{1,3})?"
)
_FRACTION = re.compile(
    r"(?<![A-Za-z])(?:Fraction|Rational)\((-?[0-9]{1,40}), ?([0-9]{1,40})\)"
)
_SCALAR = re.compile(
    r"(?<![A-Za-z])(?:(?:np|numpy)\.[a-z]{1,10}[0-9]{0,3}|mpf|Decimal|Integer"
    rf"|Float|float|int)\(['\"]?({_NUMBER})['\"]?\)"
)
_COMPLEX = re.compile(rf"\(?({_NUMBER}[-+][0-9.]{{1,40}})j\)?")
_ARRAY = re.compile(
    r"(?:np\.|numpy\.|sympy\.)?(array|Matrix|ImmutableMatrix|ImmutableDenseMatrix"
    r"|FiniteSet|EmptySet|Eq|Union|And|Or|tensor)"
    r"\((.{0,2000}?)(?:, ?dtype=[a-z0-9]{1,20})?\)",
    re.DOTALL,
)
_INTERVAL = re.compile(
    r"Interval(|\.open|\.Lopen|\.Ropen)\(([^(),]{1,80}), ?([^(),]{1,80})\)"
)
_BETWEEN_SETS = re.compile(r"(?<=[)\]}]), ?(?=[\[(\\])")
_ROW = re.compile(rf"\[ ?{_NUMBER}(?: {{1,8}}{_NUMBER})+ ?\]")
_QUOTED = re.compile(r"\['[^'\[\]]{1,80}'(?:, '[^'\[\]]{1,80}')*\]")
_SPACE = re.compile(r" {1,8}(?=[-0-9.])")
_PAIR = re.compile(r"([A-Za-z](?:_?[A-Za-z0-9]{1,8})?): ([^:{}<>=\\]{1,200})")
_SOLUTIONS = re.compile(r"\[?(\{[^{}]{1,400}\}(?:, ?\{[^{}]{1,400}\})*)\]?")
_BRACKETS = {"": "[]", ".open": "()", ".Lopen": "(]", ".Ropen": "[)"}
_NAMES = {
    "EmptySet": r"\emptyset",
    "S.EmptySet": r"\emptyset",
    "set()": r"\emptyset",
    "[]": r"\emptyset",
    "Reals": r"\mathbb{R}",
    "S.Reals": r"\mathbb{R}",
    "Integers": r"\mathbb{Z}",
    "S.Integers": r"\mathbb{Z}",
}
# What none of these texts is without.
_MARKS = frozenset("([{")


def as_latex(text: str) -> str:
    """`text` as mathematics is written, where a program printed it."""
    if text in _NAMES:
        return _NAMES[text]
    if not _MARKS.intersection(text):
        return text
    if "Fraction(" in text or "Rational(" in text:
        text = _FRACTION.sub(r"\\frac{\1}{\2}", text)
    text = _SCALAR.sub(r"\1", text) if "(" in text else text
    if text[-1:] in ("j", ")") and "j" in text[-2:]:
        match = _COMPLEX.fullmatch(text)
        if match:
            return match.group(1) + "i"
    if "Interval" in text:
        text = _INTERVAL.sub(_interval, text)
    whole = _ARRAY.fullmatch(text)
    if whole:
        text = _called(whole.group(1), whole.group(2).strip(), text)
    if ") | (" in text:
        text = text.replace(") | (", r") \text{ or } (")
    if text[:1] == "[":
        if "'" in text and _QUOTED.fullmatch(text):
            return text[1:-1].replace("'", "")
        text = _ROW.sub(lambda row: _SPACE.sub(", ", row.group()), text)
        if text.startswith("[["):
            text = re.sub(r"\]\s{0,8}(?=\[)", "], ", text)
    elif text[:1] != "{":
        return text
    if ":" in text:
        return _solutions(text)
    return text


def _called(name: str, inner: str, text: str) -> str:
    if name in ("And", "Or"):
        return inner.replace(",", rf" \text{{ {name.lower()} }} ")
    if name == "Union":
        return _BETWEEN_SETS.sub(r" \\cup ", inner)
    if name == "FiniteSet":
        return rf"\{{{inner}\}}"
    if name == "Eq":
        left, comma, right = inner.rpartition(",")
        return f"{left} = {right}" if comma and "," not in left else text
    if name == "EmptySet":
        return r"\emptyset" if not inner else text
    return inner


def _interval(match: re.Match) -> str:
    opening, closing = _BRACKETS[match.group(1)]
    low, high = match.group(2), match.group(3)
    opening = "(" if low == "-oo" else opening
    closing = ")" if high == "oo" else closing
    return f"{opening}{low}, {high}{closing}"


def _solutions(text: str) -> str:
    """`x = 1, y = 2` for `{x: 1, y: 2}`; several of them joined by `or`."""
    match = _SOLUTIONS.fullmatch(text)
    if match is None:
        return text
    found = []
    for solution in re.findall(r"\{([^{}]*)\}", match.group(1)):
        pairs = [_PAIR.fullmatch(part.strip()) for part in solution.split(",")]
        if None in pairs:
            return text
        found.append(", ".join(f"{p.group(1)} = {p.group(2)}" for p in pairs))
    return r" \text{ or } ".join(found)
