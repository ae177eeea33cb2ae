"""Takes markdown and rare signs off a step, and finds its formulas."""

from __future__ import annotations

import re
from collections.abc import Iterator

LENGTH = 8192  # characters of a step; of a longer one nothing is read
_FENCE = re.compile(r"```[^`]*(?:```|$)")
_DRAWING = re.compile(r"\[asy\].*?(?:\[/asy\]|$)", re.DOTALL)
ANNOTATION = re.compile(r"<<([^<>\n]{1,200})>>")
_PREFIX = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]+|#{4}[ \t]*)*"
    r"(?:(?:[-*+•·▪–][ \t]+)|(?:\(?[0-9]{1,2}[.)][ \t]+(?![-+*/=×]))"
    r"|(?:\([a-z0-9]\)[ \t]+))*",
    re.MULTILINE,
)
_SIGNS = {
    "−": "-",
    "–": "-",
    "—": " — ",
    "×": r"\times ",
    "✕": r"\times ",
    "⋅": r"\cdot ",
    "·": r"\cdot ",
    "∙": r"\cdot ",
    "∗": "*",
    "÷": r"\div ",
    "≈": r"\approx ",
    "≅": r"\approx ",
    "≡": r"\equiv ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "≠": r"\ne ",
    "π": r"\pi ",
    "°": r"^\circ ",
    "…": r"\ldots ",
    "⋯": r"\cdots ",
    "’": "'",
    "‘": "'",
    "\N{NO-BREAK SPACE}": " ",
    "\N{THIN SPACE}": " ",
    "\N{NARROW NO-BREAK SPACE}": " ",
    "⇒": r"\Rightarrow ",
    "→": r"\Rightarrow ",
    "⟹": r"\Rightarrow ",
    "∴": r"\therefore ",
    "½": " 1/2",
    "¼": " 1/4",
    "¾": " 3/4",
    "⅓": " 1/3",
    "⅔": " 2/3",
    "⅕": " 1/5",
    "⅖": " 2/5",
    "⅗": " 3/5",
    "⅘": " 4/5",
    "⅙": " 1/6",
    "⅚": " 5/6",
    "⅛": " 1/8",
    "⅜": " 3/8",
    "⅝": " 5/8",
    "⅞": " 7/8",
    "％": "%",
    "＝": "=",
    "＋": "+",
} | {sign: f"^{{{digit}}}" for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))
_ROOT = re.compile(r"√ ?(?:([0-9]+(?:\.[0-9]+)?)|\(([^()]{1,40})\))")
_SPACED = re.compile(r"(?<=[$£€])([0-9]{1,3})((?: [0-9]{3})+)(?![0-9,])")
_GROUPED = re.compile(r"(?<=[0-9])(?:\{,\}|,?\\!,?|\\,)(?=[0-9]{3}(?![0-9]))")
_RECURRING = re.compile(r"([0-9]*\.[0-9]*)\\overline\{([0-9]{1,20})\}")
_GOING_ON = re.compile(
    r"([0-9]*)\.([0-9]{2,40})(?:\.\.\.+|\\[lcd]?dots(?![A-Za-z]) ?)"
)
_FORMULA = re.compile(r"\\[\[\](){}]|\$\$?|\\\$")
_CLOSING = {"\\[": "\\]", "\\(": "\\)", "$$": "$$", "$": "$"}
_PROSE = re.compile(
    r"(?<![\\A-Za-z{])(?!(?:sin|cos|tan|log|gcd|lcm|mod|max|min|sqrt)\b)[a-z]{3,}"
)
_IN_TEXT = re.compile(r"\\(?:text|begin|end)[a-z]* ?\{[^{}]*\}|\\[A-Za-z]+")


def plain(text: str) -> str:
    """Without markdown, drawings and programs; in plain signs."""
    if "```" in text:
        text = _FENCE.sub("\n", text)
    if "[asy]" in text:
        text = _DRAWING.sub("\n", text)
    if "<<" in text:
        text = ANNOTATION.sub("", text)
    text = _PREFIX.sub("", text)
    if not text.isascii():
        if "√" in text:
            text = _ROOT.sub(
                lambda m: rf"\sqrt{{{m[1] or m[2]}}}",
                text,
            )
        text = _SIGN.sub(lambda m: _SIGNS[m.group()], text)
    if "$" in text or "€" in text:
        text = _SPACED.sub(lambda m: m[1] + m[2].replace(" ", ""), text)
    if "\\" in text or "{,}" in text:
        text = _GROUPED.sub(",", text)
    if "\\" in text:
        text = _RECURRING.sub(
            lambda m: _recurring(*m[1].split("."), m[2]), text
        )
    if "..." in text or "dots" in text:
        text = _GOING_ON.sub(_as_recurring, text)
    return text


def _as_recurring(match: re.Match) -> str:
    """`0.1\\bar{6}` for `0.1666...`; a blank where no digits come again."""
    whole, digits = match[1] or "0", match[2]
    for size in range(1, len(digits) // 2 + 1):
        period = digits[-size:]
        start = len(digits) - size
        while start >= size and digits[start - size : start] == period:
            start -= size
        if len(digits) - start >= 2 * size and (
            size == 1 or len(digits) - start >= len(digits) - 2
        ):
            return _recurring(whole, digits[:start], period)
    return r" \undecided "


def _recurring(whole: str, digits: str, period: str) -> str:
    """A command for a decimal that ends in a period, as a fraction."""
    nines = 10 ** len(period) - 1
    number = int(f"{whole}{digits}" or "0") * nines + int(period)
    return rf" \recurring{{({number}/{nines * 10 ** len(digits)})}} "


def parts(text: str) -> Iterator[tuple[bool, str]]:
    """(is it a formula?, part) in order."""
    if "$" not in text and "\\" not in text:
        yield from _lines(text)
        return
    position = 0
    index = 0
    while True:
        match = _FORMULA.search(text, index)
        if match is None:
            break
        opening = match.group()
        index = match.end()
        closing = _CLOSING.get(opening)
        if closing is None:
            continue
        end = text.find(closing, index)
        while end > 0 and closing == "$" and text[end - 1] == "\\":
            end = text.find(closing, end + 1)
        if end < 0:
            if opening == "$":
                continue
            end = len(text)
        if opening == "$" and not _is_formula(text, index, end):
            continue
        yield from _lines(text[position : match.start()])
        yield True, text[index:end]
        position = index = min(end + len(closing), len(text))
    yield from _lines(text[position:])


def _lines(text: str) -> Iterator[tuple[bool, str]]:
    """Prose, and lines that are formulas without delimiters."""
    if "=" not in text and "\\" not in text:
        yield False, text
        return
    for line in text.splitlines(keepends=True):
        if line.count("|") > 2 and "\\" not in line:
            yield False, line  # a row of a table
            continue
        plain = _IN_TEXT.sub(" ", line) if "\\" in line else line
        yield (
            ("=" in line or "\\" in line) and _PROSE.search(plain) is None,
            line,
        )


def _is_formula(text: str, start: int, end: int) -> bool:
    """Do two dollar signs enclose a formula, and no amounts of money?"""
    if end == start or end - start > 2000:
        return False
    if text[end + 1 : end + 2].isdigit() or "\n\n" in text[start:end]:
        return False
    inner = text[start:end]
    if inner[0].isspace() and not inner[-1].isspace():
        return False
    if inner[-1].isspace() and not inner[0].isspace():
        return False
    if "\\" in inner:
        inner = _IN_TEXT.sub(" ", inner)
    return _PROSE.search(inner) is None
