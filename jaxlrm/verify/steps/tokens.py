r"""A step of a chain as tokens: prose, markdown and LaTeX alike.

Formulas are told from prose by their delimiters (`$...$`, `\(...\)`,
`\[...\]`, environments); what stands between them is read with the same
tokens, so that `5 \times 37 = 200` is read without any. Work is linear in the
length of the text but for brackets, whose depth is limited.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from jaxlrm.verify.answers import units
from jaxlrm.verify.answers.syntax.names import FUNCTIONS, GREEK, SHORT_WORDS
from jaxlrm.verify.inputs import NUMBER
from jaxlrm.verify.steps.latex import (
    ARROWS,
    DROPPED,
    FRACTIONS,
    OPERATIONS,
    RELATIONS,
    ROWS,
    SPACES,
    TEXTS,
    UNWRAPPED,
    clean,
    closing,
)
from jaxlrm.verify.steps.markup import LENGTH, parts, plain
from jaxlrm.verify.steps.words import OPERATORS

TOKENS = 3000


class Token(NamedTuple):
    """A part of a text.

    Attributes:
        kind: number, word, letter, operator, relation, open, close, atom (a
            whole operand), function, script (an exponent or subscript),
            percent, currency, dots, bang, modulus, row (a new line or row),
            edge (of a formula), stop (the end of a sentence), break (other
            punctuation), bad (what is not read).
        text: as the parser of values reads it; of words in lower case.
        spaced: does a blank stand before it?
        maths: does it stand in a formula?
    """

    kind: str
    text: str
    spaced: bool
    maths: bool


END = Token("stop", "", True, False)
_TOKEN = re.compile(
    r"\\[A-Za-z]+|\\.|"
    r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?"
    rf"|{NUMBER}"
    r"|[A-Za-z]+(?:['-][A-Za-z]+)*|\*\*|//|<=|>=|!=|==|=>|->|\.\.\.+|[^\S\n]+|."
    r"|\n",
    re.DOTALL,
)
_OPERAND = re.compile(
    r"\s+(?:(?:the|another|an?) )?[-$£€(\\]*\s?[0-9.\\({]", re.IGNORECASE
)
_CHOICE = re.compile(r"[CP]\( ?([0-9]{1,4}) ?, ?([0-9]{1,4}) ?\)")
_FACTORIALS = frozenset(("number", "close", "letter"))
_KINDS = {
    "+": "operator",
    "-": "operator",
    "*": "operator",
    "/": "operator",
    "(": "open",
    "[": "open",
    "{": "open",
    ")": "close",
    "]": "close",
    "}": "close",
    "%": "percent",
    "$": "currency",
    "£": "currency",
    "€": "currency",
    "¥": "currency",
    "₹": "currency",
    "!": "bang",
    "?": "stop",
    ";": "break",
    ",": "break",
    ":": "break",
}


def is_too_long(text: str) -> bool:
    """Is it left unread?"""
    return len(text) > LENGTH


# Claims are kept longer than the many small tokens they are made of.
@functools.lru_cache(maxsize=64)
def tokenize(text: str) -> tuple[Token, ...]:
    """The tokens of a step; none of one that is too long."""
    if is_too_long(text):
        return ()
    reader = _Reader()
    for formula, part in parts(plain(text)):
        reader.read(part, formula)
    return tuple(reader.tokens)


class _Reader:
    """Makes tokens of parts, one after another."""

    def __init__(self):
        self.tokens: list[Token] = []
        self.spaced = True
        self.maths = False

    def add(self, kind: str, text: str) -> None:
        """Adds a token."""
        self.tokens.append(Token(kind, text, self.spaced, self.maths))
        self.spaced = False

    def read(self, text: str, maths: bool) -> None:
        """Reads a part: a formula, or prose."""
        if not text:
            return
        if maths:
            self.add("edge", "")
        before, self.maths = self.maths, maths
        self.tokens_of(text)
        self.maths = before
        if maths:
            self.add("edge", "")

    def tokens_of(self, text: str) -> None:
        """Reads a text in order."""
        index, size = 0, len(text)
        match_at = _TOKEN.match
        while index < size and len(self.tokens) < TOKENS:
            match = match_at(text, index)
            token = match.group()
            index = match.end()
            first = token[0]
            if first.isspace():
                if first == "\n":
                    self.add("row", "\n")
                self.spaced = True
            elif first.isdigit() or (first == "." and token[1:2].isdigit()):
                self.number(token, text, index)
            elif first.isalpha():
                index = self.word(token, text, index)
            elif first == "\\":
                index = self.command(token, text, index)
            else:
                index = self.sign(token, text, index)

    # --- Numbers and words --------------------------------------------------

    def number(self, token: str, text: str, index: int) -> None:
        """Adds a number, or what only looks like one."""
        if "," in token:
            token = token.replace(",", "")
        before = self.tokens[-1] if self.tokens else END
        joined = not self.spaced
        if joined and before.kind == "word" and not before.maths:
            self.add("bad", token)  # B2, covid19
        elif len(token) > 2 and token[0] == "0" and token.isdigit():
            self.add("bad", token)  # 0930 hours
        elif joined and before == Token("break", ":", False, before.maths):
            if len(self.tokens) > 1 and self.tokens[-2].kind == "number":
                del self.tokens[-2:]
                self.add("bad", token)  # 2:15
            else:
                self.add("number", token)
        else:
            self.add("number", token)

    def word(self, token: str, text: str, index: int) -> int:
        """Adds a word or letter; returns the index behind it."""
        lower = token.lower()
        if token in ("C", "P"):
            match = _CHOICE.match(text, index - 1)
            if match:
                top, bottom = match[1], match[2]
                chosen = rf"\binom{{{top}}}{{{bottom}}}"
                if token == "P":
                    chosen += f"*{bottom}!"
                self.add("atom", f"({chosen})")
                return match.end()
        if len(token) == 1:
            self.add("letter", token)
        elif token in FUNCTIONS and text[index : index + 1] == "(":
            end = closing(text, index, "(", ")")
            if end < 0:
                self.add("bad", token)
            else:
                self.add("atom", token + clean(text[index : end + 1]))
                return end + 1
        elif lower in OPERATORS and _OPERAND.match(text, index):
            self.add("operator", OPERATORS[lower])
        elif lower == "mod":
            self.add("operator", r"\bmod")
        elif lower == "pi":
            self.add("atom", r"\pi")
        elif self.maths and "'" not in token and "-" not in token:
            self.letters(token)
        elif token[0].isupper() and not self.spaced and self.follows_number():
            self.add("bad", token)  # 1/4Papillon
        else:
            self.add("word", lower)
        return index

    def follows_number(self) -> bool:
        """Is the last token a number?"""
        return bool(self.tokens) and self.tokens[-1].kind == "number"

    def letters(self, token: str) -> None:
        """`xy` of a formula; the words in it too."""
        lower = token.lower()
        if len(token) > 3 or lower in SHORT_WORDS or units.is_known(token):
            self.add("word", token.lower())
            return
        for letter in token:
            self.add("letter", letter)

    # --- Signs --------------------------------------------------------------

    def sign(self, token: str, text: str, index: int) -> int:
        """Adds a sign; returns the index behind it."""
        before = self.tokens[-1] if self.tokens else END
        if token == "!=" and not self.spaced and before.kind in _FACTORIALS:
            self.add("bang", "!")  # 3!=6
            self.add("relation", "=")
        elif token in RELATIONS:
            self.add("relation", RELATIONS[token])
        elif token == "*" and not self.maths and self.is_emphasis(text, index):
            self.spaced = True
        elif token in _KINDS:
            kind = _KINDS[token]
            if kind in ("open", "close"):
                token = "(" if kind == "open" else ")"
            self.add(kind, token)
        elif token == "**":
            joined = before.kind in ("number", "close", "letter")
            if joined and not self.spaced and text[index : index + 1].strip():
                if text[index] in "(-" or text[index].isalnum():
                    return self.script("^", text, index)
            self.spaced = True
        elif token == "//":
            self.add("operator", "//")
        elif token == "^":
            return self.script("^", text, index)
        elif token == "_":
            if before.kind in ("number", "letter", "close", "atom") and (
                not self.spaced
            ):
                return self.script("_", text, index)
            self.spaced = True
        elif token in ("=>", "->", "—", '"', "“", "”"):
            self.add("break", token)
        elif token[0] == ".":
            self.add("dots" if len(token) > 1 else "stop", token)
        elif token == "|":
            return self.bar(text, index)
        elif token in "`&~":
            self.spaced = True
        elif token == "'":
            self.add("bad" if before.kind == "letter" else "break", token)
        else:
            self.add("bad", token)
        return index

    def is_emphasis(self, text: str, index: int) -> bool:
        """Is a star a mark of markdown, no sign of a product?"""
        before = text[index - 2 : index - 1]
        after = text[index : index + 1]
        if before.isspace() == after.isspace() and before and after:
            return False
        return before.isalpha() or after.isalpha() or not before or not after

    def bar(self, text: str, index: int) -> int:
        r"""`|3 - 5|` in a formula; in prose it parts the cells of a table."""
        if self.maths:
            end = text.find("|", index)
            inner = text[index:end] if 0 < end - index < 80 else ""
            if inner.strip() and not re.search(r"[=<>&\n]|\\\\", inner):
                self.add("atom", f"|{clean(inner)}|")
                return end + 1
            self.add("bad", "|")
            return index
        self.add("stop", "|")
        return index

    def script(self, sign: str, text: str, index: int) -> int:
        """An exponent or a subscript, whole."""
        while text[index : index + 1] == " ":
            index += 1
        first = text[index : index + 1]
        if first in "{(" and first:
            end = closing(text, index, first, "})"["{(".index(first)])
            if end < 0:
                self.add("bad", sign)
                return index
            inner, index = text[index + 1 : end], end + 1
        else:
            match = re.compile(
                r"-?[0-9]+(?:\.[0-9]+)?|-?[A-Za-z]|\\[a-z]+|[*'+-]"
            ).match(text, index)
            if match is None:
                self.add("bad", sign)
                return index
            inner, index = match.group(), match.end()
        inner = inner.strip()
        if sign == "^" and inner in (r"\circ", r"\degree", "o"):
            self.add("degree", "°")
        elif sign == "^":
            self.add("script", f"^{{{clean(inner)}}}")
        else:
            self.add("script", f"_{{{clean(inner)}}}")
        return index

    # --- Commands -----------------------------------------------------------

    def command(self, token: str, text: str, index: int) -> int:
        """Adds what a LaTeX command means; returns the index behind it."""
        name = token
        if name in SPACES:
            self.spaced = True
        elif name in OPERATIONS:
            self.add("operator", OPERATIONS[name])
        elif name in RELATIONS:
            self.add("relation", RELATIONS[name])
        elif name == r"\\":
            self.add("row", "\\")
        elif name in ARROWS:
            self.add("break", name)
        elif name in (r"\ldots", r"\cdots", r"\dots", r"\dotsb", r"\dotsc"):
            self.add("dots", "...")
        elif name == r"\%":
            self.add("percent", "%")
        elif name == r"\$":
            self.add("currency", "$")
        elif name in FRACTIONS:
            return self.fraction(name, text, index)
        elif name == r"\sqrt":
            return self.root(text, index)
        elif name in TEXTS:
            return self.words_of(text, index)
        elif name in UNWRAPPED:
            self.spaced = True
        elif name in DROPPED or name == r"\textcolor":
            return self.argument(text, index)[1]
        elif name in (r"\recurring", r"\pmod", r"\pod"):
            inner, index = self.argument(text, index)
            kind = "atom" if name == r"\recurring" else "modulus"
            self.add(kind, inner)
        elif name == r"\pi":
            self.add("atom", r"\pi")
        elif name == r"\circ" or name == r"\degree":
            self.add("degree", "°")
        elif name in (r"\begin", r"\end"):
            return self.environment(name, text, index)
        elif name in (r"\lfloor", r"\lceil", r"\lvert"):
            return self.enclosed(name, text, index)
        elif name[1:] in FUNCTIONS:
            return self.function(name, text, index)
        elif name in GREEK:
            self.add("letter", name)
        elif name in (r"\bullet", r"\item"):
            self.add("break", name)
        else:
            self.add("bad", name)
        return index

    def argument(self, text: str, index: int) -> tuple[str, int]:
        """The raw argument of a command and the index behind it."""
        while text[index : index + 1] == " ":
            index += 1
        if text[index : index + 1] == "{":
            end = closing(text, index, "{", "}")
            if end >= 0:
                return text[index + 1 : end], end + 1
            return "", index + 1
        return text[index : index + 1], index + 1

    def fraction(self, name: str, text: str, index: int) -> int:
        """Adds a fraction or binomial."""
        top, index = self.argument(text, index)
        bottom, index = self.argument(text, index)
        if not top.strip() or not bottom.strip():
            self.add("bad", name)
            return index
        name = r"\binom" if "binom" in name else r"\frac"
        self.add("atom", f"{name}{{{clean(top)}}}{{{clean(bottom)}}}")
        return index

    def root(self, text: str, index: int) -> int:
        """Adds a root."""
        degree = ""
        if text[index : index + 1] == "[":
            end = text.find("]", index)
            if end > 0:
                degree, index = text[index : end + 1], end + 1
        inner, index = self.argument(text, index)
        if inner.strip():
            self.add("atom", rf"\sqrt{degree}{{{clean(inner)}}}")
        else:
            self.add("bad", r"\sqrt")
        return index

    def words_of(self, text: str, index: int) -> int:
        r"""Adds the words of `\text{...}`."""
        inner, index = self.argument(text, index)
        maths, self.maths = self.maths, False
        self.spaced = True
        self.tokens_of(inner)
        self.maths = maths
        self.spaced = True
        return index

    def enclosed(self, name: str, text: str, index: int) -> int:
        """Adds what stands between two commands, such as floors."""
        closing = "\\r" + name[2:]
        end = text.find(closing, index)
        if not 0 < end - index < 200:
            self.add("bad", name)
            return index
        inner = clean(text[index:end])
        if name == r"\lvert":
            self.add("atom", f"|{inner}|")
        else:
            self.add("atom", f"{name} {inner} {closing}")
        return end + len(closing)

    def function(self, name: str, text: str, index: int) -> int:
        r"""`\log_2`, `\sin^2`; with its argument where that is in brackets."""
        for _ in range(2):
            if text[index : index + 1] in ("_", "^"):
                inner, after = self.argument(text, index + 1)
                if text[index] == "^" and inner.strip() == r"\circ":
                    break
                name += f"{text[index]}{{{clean(inner)}}}"
                index = after
        rest = text[index:]
        skipped = len(rest) - len(rest.removeprefix(r"\left").lstrip())
        if text[index + skipped : index + skipped + 1] == "(":
            end = closing(text, index + skipped, "(", ")")
            if end > 0:
                inner = text[index + skipped : end + 1]
                self.add("atom", name + clean(inner))
                return end + 1
        self.add("function", name)
        return index

    def environment(self, name: str, text: str, index: int) -> int:
        """Adds a row for an environment of rows; leaves others unread."""
        kind, index = self.argument(text, index)
        if kind in ROWS or name == r"\end":
            self.add("row", "\\")
            return index
        end = text.find(rf"\end{{{kind}}}", index)
        self.add("bad", name)
        return len(text) if end < 0 else end
