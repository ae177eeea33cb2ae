"""Sessions with an interpreter: `>>> 2**10`, its output, `answer: 1024`.

A line that starts with `>>> ` is a program, and the line after one that shows
something is its output, which a tool has written. Nobody knows here whether a
program is the right one, and no output is worked out again: no line is VALID.
What can be told is that a program failed, that it says nothing new, and that
an answer is not what the last program gave. Chains with programs in fenced
blocks are not judged.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence

from jaxlrm.verify.answers.extract import extract_answer
from jaxlrm.verify.blocks import PROMPT, is_error
from jaxlrm.verify.verdict import Verdict

ANSWER = "answer: "
_FENCE = "```"
_STATEMENT = "python: "
_LENGTH = 700  # characters of a statement
_LINE = 2000  # characters of a line that is read

# Programs that show nothing, unless they fail.
_TARGET = r"[A-Za-z_][A-Za-z0-9_]{0,30}"
_ASSIGNMENT = rf"{_TARGET}(?:, {_TARGET}){{0,4}} ?(?:[-+*/%]|//|\*\*)?=(?!=)"
_SILENT = re.compile(
    rf"(?:(?:for|while)\b[^:]{{1,80}}: ?)?{_ASSIGNMENT}|import |from |def "
)
_GUESS = re.compile(r"(?:print\()?[-+(]*[0-9_.]+\)*")
_NUMBER = re.compile(r"[-+]?[0-9][0-9.,]*")


class _Sort(enum.Enum):
    PROGRAM = enum.auto()
    OUTPUT = enum.auto()
    ANSWER = enum.auto()
    PROSE = enum.auto()


def reads(statement: str) -> bool:
    """Is it a question for a program?"""
    return statement.startswith(_STATEMENT) and len(statement) <= _LENGTH


def check(statement: str, steps: Sequence[str]) -> Verdict:
    """INVALID for a line that failed, repeats, or is not what was found.

    - A program: one that was written before, or is a bare number.
    - An output: one that names an exception.
    - An answer: one that is not the last output, or not the first answer.
    - Any other line: a number, or one that was written before.
    """
    del statement
    if _is_fenced(steps):
        return Verdict.UNKNOWN
    sorts = _sorts(steps)
    *earlier, last = (line.strip() for line in steps)
    sort = sorts.pop()
    if _Sort.ANSWER in sorts:
        return Verdict.INVALID
    match sort:
        case _Sort.PROGRAM:
            wrong = _is_useless(last) or _repeats(last, earlier)
        case _Sort.OUTPUT:
            wrong = is_error(last)
        case _Sort.ANSWER:
            wrong = not _is_found(last, earlier, sorts)
        case _Sort.PROSE:
            wrong = bool(_NUMBER.fullmatch(last)) or _repeats(last, earlier)
    return Verdict.INVALID if wrong else Verdict.UNKNOWN


def check_answer(statement: str, steps: Sequence[str]) -> Verdict:
    """The last line must be an answer that passes; at best UNKNOWN."""
    if not _is_fenced(steps) and _sorts(steps)[-1] is not _Sort.ANSWER:
        return Verdict.INVALID
    return check(statement, steps)


def answer(statement: str, steps: Sequence[str]) -> str | None:
    """What the last line states; nothing of a chain that ends in a program."""
    del statement
    if not steps or steps[-1].startswith(PROMPT):
        return None
    if steps[-1].startswith(ANSWER):
        return steps[-1].removeprefix(ANSWER).strip() or None
    return extract_answer("\n".join(steps))


def _is_fenced(steps: Sequence[str]) -> bool:
    return any(line.startswith(_FENCE) for line in steps) and not any(
        line.startswith(PROMPT) for line in steps
    )


def _sorts(steps: Sequence[str]) -> list[_Sort]:
    sorts: list[_Sort] = []
    for number, line in enumerate(steps):
        before = steps[number - 1][:_LINE] if number else ""
        if line.startswith(PROMPT.strip()):
            sorts.append(_Sort.PROGRAM)
        elif line.startswith(ANSWER):
            sorts.append(_Sort.ANSWER)
        elif before.startswith(PROMPT) and (
            not _SILENT.match(before.removeprefix(PROMPT)) or is_error(line)
        ):
            sorts.append(_Sort.OUTPUT)
        else:
            sorts.append(_Sort.PROSE)
    return sorts


def _is_useless(line: str) -> bool:
    """A guess dressed as a program, or nothing that a tool would run."""
    if not line.startswith(PROMPT):
        return True
    program = line[:_LINE].removeprefix(PROMPT).strip()
    return bool(_GUESS.fullmatch(program))


def _repeats(line: str, earlier: Sequence[str]) -> bool:
    form = "".join(line.split())
    return any("".join(other.split()) == form for other in earlier)


def _is_found(line: str, earlier: Sequence[str], sorts: Sequence[_Sort]):
    """Is what the answer states the last output, and no error?"""
    for output, sort in zip(reversed(earlier), reversed(sorts), strict=True):
        if sort is _Sort.OUTPUT:
            stated = line.removeprefix(ANSWER.strip()).strip()
            return stated == output and not is_error(output)
    return False
