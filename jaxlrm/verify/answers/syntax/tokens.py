"""Characters to tokens: numbers, words, commands, signs.

A run of letters is a word that means something, or variables multiplied; the
rest of the grammar sees the difference no more.
"""

from __future__ import annotations

import re

from jaxlrm.verify.answers import units
from jaxlrm.verify.answers.exact import NotParsed
from jaxlrm.verify.answers.syntax.names import (
    BASES,
    CONSTANTS,
    FUNCTIONS,
    GREEK_WORDS,
    SHORT_WORDS,
)

TOKENS = 800  # of an answer

_TOKEN = re.compile(
    r"\\text ?\{[^{}]*\}|\\begin ?\{[A-Za-z]+\*?\}|\\end ?\{[A-Za-z]+\*?\}"
    r"|\\mathbb ?(?:\{[A-Z]\}|[A-Z])|\\[A-Za-z]+|\\."
    r"|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?:[eE][-+]?[0-9]{1,3}(?![A-Za-z0-9.]))?"
    r"|[A-Za-z]{2,}|'+|\*\*|<=|>=|!=|==|->|\S"
)


def tokenize(text: str) -> tuple[list[str], list[int]]:
    """The tokens of a text, the last of them empty, and where they start.

    Raises:
        NotParsed: prose, or over the budget.
    """
    tokenizer = _Tokenizer(text)
    return tokenizer.tokens, tokenizer.starts


class _Tokenizer:
    def __init__(self, text: str):
        self.tokens: list[str] = []
        self.starts: list[int] = []
        for match in _TOKEN.finditer(text):
            token = match.group()
            start = match.start()
            if len(token) > 1 and token.isalpha():
                self.word(token, start)
                continue
            if token.startswith(r"\text") and token[-1] == "}":
                token = r"\text{" + token[token.index("{") + 1 : -1].strip()
                inner = token[6:].strip(",; ").lower()
                if inner in ("or", "and"):
                    token = inner
                elif 1 < len(inner) < 4 and self.is_product(token[6:]):
                    self.tokens.extend(token[6:])
                    self.starts.extend([start] * len(inner))
                    continue
            self.tokens.append(token)
            self.starts.append(start)
        if len(self.tokens) > TOKENS:
            raise NotParsed(f"{len(self.tokens)} tokens; at most {TOKENS}")
        self.tokens.append("")
        self.starts.append(len(text))

    def is_product(self, word: str) -> bool:
        """Are letters in \\text multiplied, not a unit or a name?"""
        before = self.tokens[-1][-1] if self.tokens else ""
        return (
            word.isalpha()
            and word not in FUNCTIONS
            and not units.is_known(word)
            and word.lower() not in SHORT_WORDS
            and not (before.isdigit() or before in ")}")
        )

    def is_subscript(self) -> bool:
        """Does the next token begin a subscript?"""
        return self.tokens[-1:] == ["_"] or self.tokens[-2:] == ["_", "{"]

    def word(self, word: str, start: int) -> None:
        """A word of the text: a name of something, or letters multiplied."""
        lower = word.lower()
        word = GREEK_WORDS.get(word, word)
        if (
            word[0] == "\\"
            or word in FUNCTIONS
            or word in CONSTANTS
            or word in units.PLAIN
            or lower in ("or", "and")
            or ((len(word) > 3 or word == "per") and self.tokens)
            or (lower in BASES and self.is_subscript())
        ):
            self.tokens.append(lower if lower in ("or", "and") else word)
            self.starts.append(start)
            return
        if len(word) > 3 or lower in SHORT_WORDS:
            if word.startswith(("sin", "cos", "tan", "ln", "log")):
                # sinx, lnx
                size = 2 if word.startswith("ln") else 3
                if len(word) - size <= 2:
                    self.tokens.append(word[:size])
                    self.tokens.extend(word[size:])
                    self.starts.extend(range(start, start + len(word)))
                    del self.starts[-(size - 1) :]
                    return
            raise NotParsed(f"a word: {word[:80]}")
        self.tokens.extend(word)
        self.starts.extend(range(start, start + len(word)))
