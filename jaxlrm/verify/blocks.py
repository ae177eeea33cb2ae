r"""Finds programs and their outputs in a chain's text, by a scan of its lines.

A program is a fenced block of Python or a line with the interpreter's prompt:

    We add.             TEXT
    ```python           PROGRAM  print(2 + 3)
    print(2 + 3)
    ```
    ```output           OUTPUT   5
    5
    ```
    >>> 2 + 4           PROGRAM  >>> 2 + 4

Fences are those of CommonMark: three or more backticks or tildes, closed by as
many of the same, the indentation of the opening line taken off. A block whose
language is named is a program if that is Python. One without a language is a
program if a line of it is an import, a definition of a function or a call of
`print`, and it is not right behind a program, where it shows output: chat
models also put formulas and tables into such blocks. Nothing is parsed, as this
runs in the engine's process: the cost is linear in the text.
"""

from __future__ import annotations

import bisect
import dataclasses
import enum
import re
from collections.abc import Callable, Iterator, Sequence

PROMPT = ">>> "
_PYTHON = frozenset("python python3 py py3 ipython".split())
_OUTPUT = frozenset(
    "output outputs stdout result results tool_output tool_outputs".split()
)
# Right behind a program, a block of these shows what it is said to print.
_PLAIN = frozenset(("", "text", "txt", "plaintext", "console"))

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_LANGUAGE = re.compile(r"[\s{.]*([A-Za-z0-9_+#-]*)")
_PYTHON_LINE = re.compile(
    r"[ \t]*(?:print ?\(|def \w+ ?\(|import \w[\w., ]*$|from [\w.]+ import )"
)

# How the last line of a traceback starts.
_ERROR = re.compile(
    r"(?:[A-Za-z_][A-Za-z0-9_]{0,60}\.){0,8}[A-Za-z_]{0,60}"
    r"(?:Error|Exception|Exit|Interrupt|Iteration|Warning)(?::|$)"
)


class Kind(enum.StrEnum):
    """What a piece of a chain is."""

    TEXT = "text"
    PROGRAM = "program"
    OUTPUT = "output"


@dataclasses.dataclass(frozen=True)
class Piece:
    """A part of a chain's text; the pieces of a text add up to it.

    Attributes:
        kind: what it is.
        start: of the text, the first character; fences are included.
        end: of the text, one past the last character.
        content: the program (with its prompt, if it has one), the output
            without its fences, or the text itself.
        closed: False for a block whose fence has not closed, or not yet.
    """

    kind: Kind
    start: int
    end: int
    content: str
    closed: bool = True


def split_programs(text: str) -> list[Piece]:
    r"""The pieces of a chain's text, in order.

    An output that follows its program in what a model has written in one go
    is made up: nothing has run yet. Which outputs a tool has written, the
    caller knows by their places. A line behind a program with a prompt is TEXT,
    whoever wrote it.

    >>> [str(p.kind) for p in split_programs("Add.\n```py\nprint(2)\n```\n")]
    ['text', 'program']
    """
    return list(_joined(text, _pieces(text)))


def closed_programs(text: str) -> list[Piece]:
    """The complete programs of a chain's text, in order."""
    if not any(mark in text for mark in ("```", "~~~", PROMPT)):
        return []
    return [
        piece
        for piece in split_programs(text)
        if piece.kind is Kind.PROGRAM and piece.closed
    ]


def completed_program(
    decode: Callable[[Sequence[int]], str],
    before: Sequence[int],
    tokens: Sequence[int],
    kind: str,
) -> tuple[str, int | None] | None:
    """The first program that a step of a chain completes; None if it does not.

    Args:
        decode: tokens to text.
        before: tokens of the chain before the step.
        tokens: of the step.
        kind: of the step: `step`, `open` if it is cut, `answer` if the chain
            ends with it.

    Returns:
        The program, and how many of the step's tokens reach to its end, where
        more stands behind it or the step does not end there; else None.
    """
    text = decode([*before, *tokens])
    found = closed_programs(text)[len(closed_programs(decode(before))) :]
    if not found:
        return None
    program, end = found[0].content, len(text[: found[0].end].rstrip("\r\n"))
    rest = text[end:]
    if kind == "step" and not rest.strip():
        return program, None
    if kind != "step" and program.startswith(PROMPT) and not rest.strip():
        # Its line may go on; or the model had no wish to see what it shows.
        if kind == "answer" or not rest:
            return None
    return program, 1 + bisect.bisect_left(
        range(1, len(tokens)),
        end,
        key=lambda size: len(decode([*before, *tokens[:size]])),
    )


def next_program(text: str, start: int = 0) -> Piece | None:
    """The first complete program that ends behind `start`, a place in `text`.

    With the length of what stood there before, it is the first program that
    was completed since: to be run next. What follows it in the text was
    written without its output.
    """
    found = (piece for piece in closed_programs(text) if piece.end > start)
    return next(found, None)


def program_of(text: str) -> str | None:
    """The program that a chain's text ends with, for `Interpreter.outputs`.

    Args:
        text: of the chain up to here: a block may span several steps.

    Returns:
        The last line, prompt included, if it starts with `>>> `; the inside of
        the block, if the text ends with a complete block of Python; else None.
    """
    pieces = split_programs(text)
    while pieces and not text[pieces[-1].start : pieces[-1].end].strip():
        pieces.pop()
    if pieces and pieces[-1].kind is Kind.PROGRAM and pieces[-1].closed:
        return pieces[-1].content
    return None


def unfenced(code: str) -> str:
    """A program without the fences around it; other text as it is.

    Only a text that begins with a fence is changed. Several blocks are one
    program; one that was cut off before its fence closed counts.
    """
    head = code.removeprefix("\ufeff").lstrip()
    if _fence(head[: head.find("\n") if "\n" in head else None]) is None:
        return code
    programs = [
        piece.content.strip("\r\n")
        for piece in split_programs(head)
        if piece.kind is Kind.PROGRAM
    ]
    if not programs:  # a block without a language that shows no sign of Python
        opened = _Block.open(head, *next(_lines(head)))
        programs = [opened.closed_at(head, _end_of_block(head, opened)).content]
    return "\n".join(programs)


# --- Inside -----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Fence:
    indent: int
    marks: str  # its backticks or tildes
    language: str
    bare: bool  # nothing but marks: it may close a block

    def closes(self, opened: _Fence) -> bool:
        """Does it end a block that another fence has begun?"""
        return self.bare and self.marks.startswith(opened.marks)


def _fence(line: str) -> _Fence | None:
    """The fence that a line is, if any."""
    marks = line.lstrip(" \t")
    indent = len(line) - len(marks)
    mark = marks[:1]
    if mark not in ("`", "~"):
        return None
    info = marks.lstrip(mark)
    marks = marks[: len(marks) - len(info)]
    if len(marks) < 3 or mark == "`" and "`" in info:  # code in a line
        return None
    language = _LANGUAGE.match(info)[1].lower()
    return _Fence(indent, marks, language, not info.strip())


@dataclasses.dataclass(frozen=True)
class _Block:
    """A fenced block that has been opened."""

    fence: _Fence
    start: int
    inside: int  # where its first line starts

    @classmethod
    def open(cls, text: str, start: int, end: int) -> _Block:
        """The block that a line opens."""
        return cls(_fence(text[start:end].rstrip("\r\n")), start, end)

    def closed_at(
        self, text: str, end: int, closing: int | None = None, follows=False
    ) -> Piece:
        """The piece that it is.

        Args:
            text: that it is in.
            end: where it ends.
            closing: where its closing fence starts; None where it has none.
            follows: is it right behind a program?
        """
        last = end if closing is None else closing
        content = text[self.inside : max(self.inside, last)]
        for ending in ("\n", "\r"):  # of the last line; the fence's own
            content = content.removesuffix(ending)
        if self.fence.indent:
            content = "\n".join(
                line[_margin(line, self.fence.indent) :]
                for line in content.split("\n")
            )
        kind = self._kind(content, follows)
        return Piece(kind, self.start, end, content, closing is not None)

    def _kind(self, content: str, follows: bool) -> Kind:
        language = self.fence.language
        if not content.strip():
            return Kind.OUTPUT if language in _OUTPUT else Kind.TEXT
        if language in _PYTHON:
            return Kind.PROGRAM
        if language in _OUTPUT or follows and language in _PLAIN:
            return Kind.OUTPUT
        if not language and any(map(_PYTHON_LINE.match, content.splitlines())):
            return Kind.PROGRAM
        return Kind.TEXT


def _margin(line: str, most: int) -> int:
    """How much of a line's indentation the fence's accounts for."""
    blank = len(line) - len(line.lstrip(" \t"))
    return min(blank, most)


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Where each line starts and ends, its end of line included."""
    for match in _LINE.finditer(text):
        if match.end() > match.start():
            yield match.span()


def _end_of_block(text: str, block: _Block) -> int:
    """Where a block's content ends, before its closing fence if it has one."""
    for start, end in _lines(text):
        if start >= block.inside:
            fence = _fence(text[start:end].rstrip("\r\n"))
            if fence and fence.closes(block.fence):
                return start
    return len(text)


def _pieces(text: str) -> Iterator[Piece]:
    """Blocks, programs with a prompt, and lines of text."""
    block: _Block | None = None
    follows = False  # nothing but blank lines since a program
    for start, end in _lines(text):
        line = text[start:end].rstrip("\r\n")
        fence = _fence(line)
        python = fence is not None and fence.language in _PYTHON
        if block and fence and fence.closes(block.fence):
            piece = block.closed_at(text, end, start, follows)
            yield piece
            block, follows = None, piece.kind is Kind.PROGRAM
        elif block and not (python and block.fence.language not in _PYTHON):
            continue
        elif fence:
            if block:  # a stray fence: no program stands in another block
                yield Piece(
                    Kind.TEXT,
                    block.start,
                    start,
                    text[block.start : start],
                    closed=False,
                )
            block = _Block.open(text, start, end)
        elif line.startswith(PROMPT) and line.removeprefix(PROMPT).strip():
            yield Piece(Kind.PROGRAM, start, end, line.rstrip())
            follows = False
        else:
            yield Piece(Kind.TEXT, start, end, text[start:end])
            follows = follows and not line.strip()
    if block:
        yield block.closed_at(text, len(text), None, follows)


def _joined(text: str, pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The pieces, with neighbours of text as one."""
    start = end = 0  # of the text that has not been given yet
    for piece in pieces:
        if piece.kind is Kind.TEXT and piece.closed:
            end = piece.end
            continue
        if start < end:
            yield Piece(Kind.TEXT, start, end, text[start:end])
        yield piece
        start = end = piece.end
    if start < end:
        yield Piece(Kind.TEXT, start, end, text[start:end])


def is_error(output: str) -> bool:
    """Does the output say that the program failed?"""
    return bool(_ERROR.match(output))
