r"""Answers as normal forms of text: one spelling for what means the same.

Linear in the length of the text: translation tables and patterns without
nested quantifiers. Nothing is computed here; `1/2` and `0.5` stay different.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from jaxlrm.verify.answers.printed import as_latex
from jaxlrm.verify.answers.spellings import COMMANDS, RARE, UNICODE

# Longer texts are compared as they are.
LENGTH = 1 << 14

_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ"
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"

_UNICODE_ROOT = re.compile(r"([√∛∜]) ?([0-9]+(?:\.[0-9]+)?)")
_RAISED = re.compile(f"[{_SUPERSCRIPTS}]+")
_LOWERED = re.compile(f"[{_SUBSCRIPTS}]+")
_RAISED_TO = str.maketrans(_SUPERSCRIPTS, "0123456789+-ni")
_LOWERED_TO = str.maketrans(_SUBSCRIPTS, "0123456789")

# A grouping of digits that is certain: no list is written so.
_GROUPS = re.compile(
    r"(?<=[0-9])(?:\s?,\s?\\!\s?|\s?\{\s?,\s?\}(?:\\!)?|\\[,;:]|(?<=\\!),)\s?(?=[0-9]{3})"
)
# 3{,}14: the braces tell it from a list.
_DECIMAL_COMMA = re.compile(r"(?<=[0-9])\{,\}(?=[0-9]{1,2}(?![0-9]))")
_COMMAND = re.compile(r"\\(?:[A-Za-z]+|.)", re.DOTALL)
_CASES = re.compile(
    r"\\left ?\\\{ ?\\begin\{array\} ?(?:\{[lrc| ]*\})?(.{1,2000}?)"
    r"\\end\{array\} ?\\right ?(?:\.|$)",
    re.DOTALL,
)
_NULL_DELIMITER = re.compile(r"\\(?:left|right)\s?\.")
_ROW_SPACING = re.compile(r"(?<=\\\\)\[[-0-9. ]*(?:pt|em|ex|mm|cm)\]")
_ARRAY = re.compile(r"(\\begin\{array\})\s*\{[lrc| ]*\}")
_BASIS = re.compile(
    r"\\(?:mathbf|boldsymbol|bm|vec|hat|textbf|overrightarrow)"
    r" ?\{ ?(?:\\hat ?\{)? ?\\?([ijk])(?:math)? ?\}(?:\})?"
)
_FONT = re.compile(
    r"\\(?:mathbf|boldsymbol|bm|mathit|mathsf|mathcal|mathnormal|pmb)"
    r"(?:\{([A-Za-z0-9]|\([A-Z]\))\}|(?![A-Za-z]))"
)
_IN_NUMBERS = re.compile(r"\\in ?\{?([ZRNQC])\}?(?![A-Za-z_(^])")
_UNIT_FRACTION = re.compile(
    r"\\frac ?\{\\text ?\{([^{}]*)\}\} ?\{\\text ?\{([^{}]*)\}\}"
)
# The exponents of \text{m s^{-1}}.
_UNIT_POWER = re.compile(
    r"(\\text ?\{[^{}^]{1,20})\^ ?\{ ?(-?[1-3]) ?\}([^{}]{0,20}\})"
)
_COLOUR = re.compile(r"\\(?:text)?color ?\{[^{}]*\}")
_SWITCH = re.compile(r"\{ ?\\(?:rm|bf|it) ([^{}]*)\}")
_BRACKETED_TEXT = re.compile(r"\\text ?\{\(([a-z. ]{2,40})\)\}")
_NUMBER_AS_TEXT = re.compile(r"\\text ?\{ ?([0-9][0-9,]*(?:\.[0-9]+)?) ?\}")
_EMPTY_TEXT = re.compile(r"\\text ?\{[ .,]*\}")
# ]1,2[ as some countries write (1,2).
_OUTWARD = re.compile(
    r"([\]\[(])([^\[\](),;]{1,60}[,;][^\[\](),;]{1,60})([\[\])])"
)
_BMOD = re.compile(r"\( ?\\bmod ?([^()]{1,40})\)")
_DEGREE_SIGN = re.compile(r"\^ ?(?:\\circ(?![A-Za-z])|\{ ?(?:\\circ|°) ?\}|°)")
_PRIMES = re.compile(r"\^ ?(?:\{ ?('[' ]*)\}|('+))")
_SPACED = re.compile(r"\s*~\s*|\s+")
# A space between digits is no layout: 1 1/2 is not 11/2.
_LOOSE_SPACE = re.compile(r"(?<![0-9]) +| +(?![0-9.])")
# Commands, and letters that may be words.
_LETTERS = re.compile(r"\\[A-Za-z]+|[A-Za-z]+")
_VOWELS = frozenset("aeiou")
_LONG_WORD = re.compile(
    r"(?<![\\A-Za-z])(?=[A-Za-z]{4})[A-Za-z]{1,8}?[aeiouAEIOU]"
)
_MARKDOWN = re.compile(r"^(\*\*|__|`)(.+)\1$", re.DOTALL)
_WRAPPERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))
_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")
_PREAMBLE = re.compile(
    r"(?:\\text ?\{)?(?:the |our |a )?(?:final |correct )?"
    r"(?:solution|answer|option|choice|domain|range)s?"
    r"(?: set)?(?: (?:is|are)(?: given by)? ?:?| ?:) ?(?:\} ?|(?<=[ :]))"
    r"|(?:we (?:get|have)|so|thus|hence|therefore|then),? "
    r"|(?:approximately|about|roughly|around|exactly|only) ",
    re.IGNORECASE,
)


def normal_form(text: str) -> str:
    """`text` in one spelling of mathematics: LaTeX in ASCII.

    Without delimiters of formulas, layout and a final stop. `¤`, `£`, `€` and
    `°` are the only signs outside ASCII that it brings in. Idempotent enough
    for comparison; never raises.
    """
    if len(text) > LENGTH:
        return " ".join(text.split())
    return _normal_form(text)


# Gold answers come back for every sample, predictions in every vote.
@functools.lru_cache(maxsize=4096)
def _normal_form(text: str) -> str:
    if not text.isascii():
        text = _UNICODE_ROOT.sub(r"\1{\2}", text)
        text = _RAISED.sub(_raised, text)
        text = _LOWERED.sub(_lowered, text)
        text = text.translate(UNICODE)
        if not text.isascii():  # bold and italic letters of mathematics
            text = unicodedata.normalize("NFKC", text)
    text = as_latex(_unwrap(text.strip()))
    if "\\" in text or ("{" in text and "," in text):
        text = _latex(text)
    if "$" in text:
        # One alone is a currency; the others delimit formulas.
        lone = text.count("$") == 1
        text = text.replace("$", "¤" if lone else " ")
    if "~" in text or not text.isspace():
        text = _SPACED.sub(" ", text)
    if "°" in text or "circ" in text:
        text = _DEGREE_SIGN.sub("°", text)
    text = text.strip()
    if len(text) < 200:
        text = _rare(text)
    if "..." in text:
        text = text.replace("...", r"\ldots ").rstrip()
    while text and text[-1] in ".,;: " and not text.endswith("\\,"):
        text = text[:-1]
    if len(text) > 4 and (text[0].isalpha() or text.startswith(r"\text")):
        match = _PREAMBLE.match(text[:80])
        if match and match.end() < len(text):
            text = text[match.end() :].lstrip()
    whole = _TEXT.fullmatch(text)
    if whole:
        text = whole.group(1).strip().rstrip(".").rstrip()
    return text


def squeeze(text: str) -> str:
    """What is compared as text: a normal form without spaces and markers.

    Words lose their case where there are no formulas beside them.
    """
    text = _TEXT.sub(r"\1", text)
    if "\\" not in text and len(text) > 1 and _is_prose(text):
        text = folded(text)
    squeezed = _LOOSE_SPACE.sub("", text)
    return squeezed.replace(r"\cdot", "*").replace(r"\times", "*")


def folded(text: str) -> str:
    """Words without their case; ab is not AB, where letters are variables."""
    fold = _folded_prose if _LONG_WORD.search(text) else _folded
    return _LETTERS.sub(fold, text)


def _folded_prose(match: re.Match) -> str:
    letters = match.group()
    if letters[0] == "\\" or len(letters) < 2:
        return letters
    return letters.lower()


def _folded(match: re.Match) -> str:
    letters = match.group()
    if letters[0] == "\\":
        return letters
    lower = letters.lower()
    is_word = len(letters) > 3 or lower[1:2] in _VOWELS or letters.istitle()
    return lower if len(letters) > 2 and is_word else letters


def closes_at_end(text: str, start: int) -> bool:
    """Is the bracket at `start` closed by the last character of `text`?"""
    opening = text[start]
    closing = {"(": ")", "[": "]", "{": "}"}[opening]
    depth = 0
    for index in range(start, len(text)):
        character = text[index]
        if character == opening:
            depth += 1
        elif character == closing:
            depth -= 1
            if not depth:
                return index == len(text) - 1
    return False


def _is_prose(text: str) -> bool:
    """Words with letters and spaces alone."""
    return all(c.isalpha() or c in " '-,." for c in text)


def _raised(match: re.Match) -> str:
    return "^{" + match.group().translate(_RAISED_TO) + "}"


def _lowered(match: re.Match) -> str:
    return "_{" + match.group().translate(_LOWERED_TO) + "}"


def _unwrap(text: str) -> str:
    """Without what stands around a whole answer, a few layers of it."""
    for _ in range(4):
        before = text
        if not text.endswith(("\\.", "...")):
            text = text.rstrip(". \n")
        for start, end in _WRAPPERS:
            if (
                len(text) > len(start) + len(end)
                and text.startswith(start)
                and text.endswith(end)
                and not text.endswith("\\" + end)
                and start not in text[len(start) : -len(end)]
            ):
                text = text[len(start) : -len(end)].strip()
        for start in (r"\boxed{", r"\fbox{"):
            if text.startswith(start) and closes_at_end(text, len(start) - 1):
                text = text[len(start) : -1].strip()
        match = _MARKDOWN.match(text) if text[:1] in ("*", "_", "`") else None
        if match:
            text = match.group(2).strip()
        if text == before:
            break
    return text


def _rare(text: str) -> str:
    """Spellings that are seldom seen, in short texts."""
    for mark, pattern, replacement in RARE:
        if mark in text:
            text = pattern.sub(replacement, text)
    if text.startswith("]") or text.endswith("["):
        text = _OUTWARD.sub(_inward, text)
    return text


def _inward(match: re.Match) -> str:
    opening, inner, closing = match.groups()
    opening = "(" if opening == "]" else opening
    return opening + inner + (")" if closing == "[" else closing)


def _latex(text: str) -> str:
    text = _DECIMAL_COMMA.sub(".", _GROUPS.sub("", text))
    if r"\left" in text or r"\right" in text:
        if r"\begin" in text:
            text = _CASES.sub(r"\\begin{cases}\1\\end{cases}", text)
        text = _NULL_DELIMITER.sub("", text)
    if r"\begin" in text:
        text = _ROW_SPACING.sub("", text)
        text = text.replace(r"\hline", "")
    if "color" in text:
        text = _COLOUR.sub("", text)
    if r"\rm" in text or r"\bf" in text:
        text = _SWITCH.sub(r"\\text{\1}", text)
    text = _BASIS.sub(r"\\hat{\1}", text)
    text = _COMMAND.sub(_alias, text)
    if r"\text" in text:
        text = _EMPTY_TEXT.sub(" ", text)
        text = _NUMBER_AS_TEXT.sub(r"{\1}", text)
        text = _BRACKETED_TEXT.sub(r"\\text{\1}", text)
    text = _FONT.sub(lambda match: match.group(1) or "", text)
    if r"\in" in text:
        text = _IN_NUMBERS.sub(r"\\in \\mathbb{\1}", text)
    if r"\begin" in text:
        text = _ARRAY.sub(r"\1", text)
    if r"\text" in text and "^" in text:
        text = _UNIT_POWER.sub(r"\1^\2\3", text)
    if r"\text" in text and r"\frac" in text:
        text = _UNIT_FRACTION.sub(r"\\text{\1/\2}", text)
    if r"\bmod" in text:
        text = _BMOD.sub(r"\\pmod{\1}", text)
    if "'" in text:
        text = _PRIMES.sub(_primes, text)
    return text


def _alias(match: re.Match) -> str:
    command = match.group()
    return COMMANDS.get(command, command)


def _primes(match: re.Match) -> str:
    return (match.group(1) or match.group(2)).replace(" ", "")
