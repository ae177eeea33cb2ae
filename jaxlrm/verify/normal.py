r"""Answers as normal forms of text: one spelling for what means the same.

Linear in the length of the text: translation tables and patterns without
nested quantifiers. Nothing is computed here; `1/2` and `0.5` stay different.
"""

from __future__ import annotations

import functools
import re
import unicodedata

# Longer texts are compared as they are.
LENGTH = 1 << 14

_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ"
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"
_FULL_WIDTH = {chr(0xFF01 + k): chr(0x21 + k) for k in range(94)}
# ASCII and LaTeX for what people and models write.
UNICODE = str.maketrans(
    _FULL_WIDTH
    | dict.fromkeys("−‐‑‒–—﹣", "-")
    | dict.fromkeys("×✕✖⨯", r"\times ")
    | dict.fromkeys("·⋅•∙∗", r"\cdot ")
    | dict.fromkeys("\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u3000", " ")
    | dict.fromkeys("\u2008\u2009\u200a\u202f\u205f", r"\,")
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", "")
    | dict.fromkeys("º˚", "°")
    | dict.fromkeys("“”„", '"')
    | dict.fromkeys("‘’′", "'")
    | dict.fromkeys("⟨〈", r"\langle ")
    | dict.fromkeys("⟩〉", r"\rangle ")
    | {
        "÷": "/",
        "⁄": "/",
        "∕": "/",
        "±": r"\pm ",
        "∓": r"\mp ",
        "√": r"\sqrt",
        "∞": r"\infty ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "⩽": r"\le ",
        "⩾": r"\ge ",
        "≠": r"\ne ",
        "≈": r"\approx ",
        "≡": r"\equiv ",
        "∪": r"\cup ",
        "∩": r"\cap ",
        "∈": r"\in ",
        "∅": r"\emptyset ",
        "ℝ": r"\mathbb{R}",
        "ℤ": r"\mathbb{Z}",
        "ℚ": r"\mathbb{Q}",
        "ℂ": r"\mathbb{C}",
        "ℕ": r"\mathbb{N}",
        "→": r"\to ",
        "…": r"\ldots ",
        "、": ",",
        "。": ".",
        "⌊": r"\lfloor ",
        "⌋": r"\rfloor ",
        "⌈": r"\lceil ",
        "⌉": r"\rceil ",
        "½": r"\frac{1}{2}",
        "⅓": r"\frac{1}{3}",
        "⅔": r"\frac{2}{3}",
        "¼": r"\frac{1}{4}",
        "¾": r"\frac{3}{4}",
        "⅕": r"\frac{1}{5}",
        "⅖": r"\frac{2}{5}",
        "⅗": r"\frac{3}{5}",
        "⅘": r"\frac{4}{5}",
        "⅙": r"\frac{1}{6}",
        "⅚": r"\frac{5}{6}",
        "⅛": r"\frac{1}{8}",
        "⅜": r"\frac{3}{8}",
        "⅝": r"\frac{5}{8}",
        "⅞": r"\frac{7}{8}",
        "ζ": r"\zeta ",
        "η": r"\eta ",
        "ν": r"\nu ",
        "ξ": r"\xi ",
        "χ": r"\chi ",
        "Γ": r"\Gamma ",
        "Θ": r"\Theta ",
        "Λ": r"\Lambda ",
        "Σ": r"\Sigma ",
        "Φ": r"\Phi ",
        "Ψ": r"\Psi ",
        "Ω": r"\Omega ",
        "α": r"\alpha ",
        "β": r"\beta ",
        "γ": r"\gamma ",
        "δ": r"\delta ",
        "Δ": r"\Delta ",
        "ε": r"\epsilon ",
        "θ": r"\theta ",
        "λ": r"\lambda ",
        "μ": r"\mu ",
        "π": r"\pi ",
        "ρ": r"\rho ",
        "σ": r"\sigma ",
        "τ": r"\tau ",
        "φ": r"\phi ",
        "ϕ": r"\phi ",
        "ψ": r"\psi ",
        "ω": r"\omega ",
    }
)

_RAISED = re.compile(f"[{_SUPERSCRIPTS}]+")
_LOWERED = re.compile(f"[{_SUBSCRIPTS}]+")
_RAISED_TO = str.maketrans(_SUPERSCRIPTS, "0123456789+-ni")
_LOWERED_TO = str.maketrans(_SUBSCRIPTS, "0123456789")

# A grouping of digits that is certain: no list is written so.
_GROUPS = re.compile(
    r"(?<=[0-9])(?:\s?,\s?\\!\s?|\{,\}(?:\\!)?|\\[,;:]|(?<=\\!),)\s?(?=[0-9]{3})"
)
_COMMAND = re.compile(r"\\(?:[A-Za-z]+|.)", re.DOTALL)
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
_ALIASES = (
    {
        "\\" + name: ""
        for name in """left right big Big bigg Bigg bigl bigr Bigl Bigr biggl
        biggr Biggl Biggr bigm displaystyle textstyle scriptstyle limits
        nolimits ! hfill hspace phantom""".split()
    }
    | {"\\" + name: " " for name in ", ; : quad qquad enspace > ".split()}
    | {
        "\\" + name: r"\frac"
        for name in ("dfrac", "tfrac", "cfrac", "nicefrac")
    }
    | {
        "\\" + name: r"\text"
        for name in """textbf textit mathrm mbox hbox textrm textnormal rm
        textsf texttt operatorname mathop emph textup""".split()
    }
    | {
        r"\ ": " ",
        r"\%": "%",
        r"\#": "#",
        r"\&": "&",
        r"\_": "_",
        r"\leq": r"\le",
        r"\leqslant": r"\le",
        r"\leqq": r"\le",
        r"\geq": r"\ge",
        r"\geqslant": r"\ge",
        r"\geqq": r"\ge",
        r"\neq": r"\ne",
        r"\lt": "<",
        r"\gt": ">",
        r"\degree": "°",
        r"\degrees": "°",
        r"\rightarrow": r"\to",
        r"\longrightarrow": r"\to",
        r"\varnothing": r"\emptyset",
        r"\dbinom": r"\binom",
        r"\tbinom": r"\binom",
        r"\lvert": "|",
        r"\rvert": "|",
        r"\vert": "|",
        r"\lVert": r"\|",
        r"\rVert": r"\|",
        r"\Vert": r"\|",
        r"\lbrace": r"\{",
        r"\rbrace": r"\}",
        r"\lbrack": "[",
        r"\rbrack": "]",
        r"\lparen": "(",
        r"\rparen": ")",
        r"\colon": ":",
        r"\dots": r"\ldots",
        r"\cdots": r"\ldots",
        r"\ast": r"\cdot",
        r"\bullet": r"\cdot",
        r"\lor": r"\vee",
        r"\land": r"\wedge",
        r"\varphi": r"\phi",
        r"\varepsilon": r"\epsilon",
        r"\prime": "'",
        r"\backslash": r"\setminus",
        r"\$": "¤",
        r"\R": r"\mathbb{R}",
        r"\Z": r"\mathbb{Z}",
        r"\nsubseteq": r"\not\subseteq",
        r"\pounds": "£",
        r"\cent": "¢",
        r"\mod": r"\pmod",
        r"\euro": "€",
        r"\percent": "%",
        r"\ang": "°",
        r"\choose": r"\choose",
        r"\overrightarrow": r"\vec",
        r"\overline": r"\bar",
        r"\widehat": r"\hat",
        r"\tan^{-1}": r"\arctan",
        r"\infin": r"\infty",
        r"\thinspace": " ",
        r"\space": " ",
    }
)
_UNIT_FRACTION = re.compile(
    r"\\frac ?\{\\text ?\{([^{}]*)\}\} ?\{\\text ?\{([^{}]*)\}\}"
)
_SWITCH = re.compile(r"\{ ?\\(?:rm|bf|it) ([^{}]*)\}")
_EMPTY_TEXT = re.compile(r"\\text ?\{[ .,]*\}")
_FEET = re.compile(r"([0-9]+)' ?([0-9.]+)(?:\"|'')")
_SQUARE = re.compile(r"(?<![\\A-Za-z])sq[. ] ?(?=[a-z])")
_REPEATED = re.compile(r"(-?[0-9]{1,9}\.[0-9]{0,6}?)([0-9]{1,6}?)\2{2,20}\.{3}")
# ]1,2[ as some countries write (1,2).
_OUTWARD = re.compile(
    r"([\]\[(])([^\[\](),;]{1,60}[,;][^\[\](),;]{1,60})([\[\])])"
)
_BMOD = re.compile(r"\( ?\\bmod ?([^()]{1,40})\)")
_DEGREE_SIGN = re.compile(r"\^ ?(?:\\circ(?![A-Za-z])|\{ ?(?:\\circ|°) ?\}|°)")
_PRIMES = re.compile(r"\^ ?(?:\{ ?('[' ]*)\}|('+))")
_SPACED = re.compile(r"\s*~\s*|\s+")
_MARKDOWN = re.compile(r"^(\*\*|__|`)(.+)\1$", re.DOTALL)
_WRAPPERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))
_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")
_PREAMBLE = re.compile(
    r"(?:\\text ?\{)?(?:the |our |a )?(?:final )?(?:solution|answer)s?"
    r"(?: set)? (?:is|are)(?: given by)? ?:? ?(?:\} ?|(?<=[ :]))"
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
        text = _RAISED.sub(_raised, text)
        text = _LOWERED.sub(_lowered, text)
        text = text.translate(UNICODE)
        if not text.isascii():  # bold and italic letters of mathematics
            text = unicodedata.normalize("NFKC", text)
    text = _unwrap(text.strip())
    if "\\" in text or "{," in text:
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
    if text.isalpha() and len(text) > 1:
        return text.lower()
    squeezed = text.replace(" ", "")
    if "\\" not in text and len(text) > 4 and _is_prose(text):
        squeezed = squeezed.lower()
    return squeezed.replace(r"\cdot", "*").replace(r"\times", "*")


def closes_at_end(text: str, start: int) -> bool:
    """Is the bracket at `start` closed by the last character of `text`?"""
    depth = 0
    for index in range(start, len(text)):
        character = text[index]
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth <= 0:
                return depth == 0 and index == len(text) - 1
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
    if "'" in text:
        feet = _FEET.fullmatch(text)
        if feet:
            return f"{feet.group(1)} feet {feet.group(2)} inches"
    if "sq" in text:
        text = _SQUARE.sub("square ", text)
    if text.endswith("..."):
        match = _REPEATED.fullmatch(text)
        if match:
            return rf"{match.group(1)}\bar{{{match.group(2)}}}"
    if text.startswith("]") or text.endswith("["):
        text = _OUTWARD.sub(_inward, text)
    return text


def _inward(match: re.Match) -> str:
    opening, inner, closing = match.groups()
    opening = "(" if opening == "]" else opening
    return opening + inner + (")" if closing == "[" else closing)


def _latex(text: str) -> str:
    text = _GROUPS.sub("", text)
    if r"\left" in text or r"\right" in text:
        text = _NULL_DELIMITER.sub("", text)
    if r"\begin" in text:
        text = _ROW_SPACING.sub("", text)
        text = text.replace(r"\hline", "")
    if r"\rm" in text or r"\bf" in text:
        text = _SWITCH.sub(r"\\text{\1}", text)
    text = _BASIS.sub(r"\\hat{\1}", text)
    text = _COMMAND.sub(_alias, text)
    if r"\text" in text:
        text = _EMPTY_TEXT.sub(" ", text)
    text = _FONT.sub(lambda match: match.group(1) or "", text)
    if r"\begin" in text:
        text = _ARRAY.sub(r"\1", text)
    if r"\text" in text and r"\frac" in text:
        text = _UNIT_FRACTION.sub(r"\\text{\1/\2}", text)
    if r"\bmod" in text:
        text = _BMOD.sub(r"\\pmod{\1}", text)
    if "'" in text:
        text = _PRIMES.sub(_primes, text)
    return text


def _alias(match: re.Match) -> str:
    command = match.group()
    return _ALIASES.get(command, command)


def _primes(match: re.Match) -> str:
    return (match.group(1) or match.group(2)).replace(" ", "")
