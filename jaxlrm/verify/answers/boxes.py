r"""The answer in the boxes of a solution, `\boxed{...}`, in linear time."""

from __future__ import annotations

import re
from typing import NamedTuple

BOXES = 64  # that are read as one answer
_GAP = 120  # characters between two boxes of one answer
_NAME_LENGTH = 40

_BRACE = re.compile(r"\\(?:boxed|fbox)\s{0,8}\{|\\[\\{}]|[{}]")
_UNBRACED = re.compile(r"\\boxed[ \t]{0,4}(-?[0-9A-Za-z.,/]{1,64})")
# What is left open for the reader to fill in.
_PLACEHOLDER = re.compile(
    r"(?:\\text ?\{)?(?:[\s.?_$~]|\\[?_ ,;:!]|\\(?:[lc]?dots|square|Box|q?quad"
    r"|hspace\{[^{}]{0,20}\}|(?:h?phantom|underline)\{[^{}]{0,40}\}))*"
    r"(?:(?:your |the )?(?:final )?answer(?: here)?)?[ .?_$]*\}?",
    re.IGNORECASE,
)
_LAYOUT = re.compile(r"\\(?:[()\[\],; ]|q?quad(?![A-Za-z])|newline)|[$*~]")
_WORD = re.compile(r"\\text ?\{([^{}]{0,20})\}")
_JOINED = re.compile(
    r"([,;\u3001\uff0c])? ?(and|or|&|\u548c|\u6216|\u4e0e)? ?"
    r"(?:([A-Za-z](?:_\{?\w{1,3}\}?)?) ?=)?",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![A-Za-z\\])([A-Za-z](?:_\{?\w{1,3}\}?)?) ?=$")
_ABOUT = re.compile(
    r"\\(?:approx|simeq|sim|doteq)(?![A-Za-z])|\u2248|~"
    r"|\b(?:approximately|about|roughly|around|nearly)\b"
)
_DECIMAL = re.compile(r"-?[0-9][0-9,]*\.[0-9]+")


class Boxed(NamedTuple):
    """The boxes of a text, read as one answer.

    Attributes:
        answer: None where no complete box holds anything.
        end: where the last box of it ends in the text.
        truncated: was a box opened that is never closed?
        is_empty: were there boxes, and none of them holds anything?
        text: the text, without boxes that only hold a place.
    """

    answer: str | None
    end: int
    truncated: bool
    is_empty: bool
    text: str


class _Box(NamedTuple):
    start: int  # of the command
    inner: int  # of its content
    end: int  # behind its brace


def boxed(text: str) -> Boxed:
    r"""Reads the boxes of a solution.

    The last box that holds something is the answer. Those before it belong to
    it where only commas, `and`, `or` and names stand between: `\boxed{2} and
    \boxed{3}` is `2, 3`. A last box that rounds the one before it is left out.
    """
    if r"\boxed" not in text and r"\fbox" not in text:
        return Boxed(None, 0, False, False, text)
    found, truncated = _complete(text)
    held = []
    for box in reversed(found):
        if not _is_placeholder(text, box):
            held.append(box)
            if len(held) > BOXES:
                break
    if not held:
        if not truncated and not found:
            *_, last = None, *_UNBRACED.finditer(text)
            if last:
                return Boxed(last.group(1), last.end(), False, False, text)
        return Boxed(None, 0, truncated, bool(found), _without(text, found))
    end = held[0].end
    if len(held) > 1 and _rounds(text, held[1], held[0]):
        held = held[1:]
    return Boxed(_joined(text, held), end, truncated, False, text)


def _complete(text: str) -> tuple[list[_Box], bool]:
    """Complete boxes, without those inside of others; was one never closed?"""
    found: list[_Box] = []
    open_braces: list[tuple[int, int]] = []  # (-1, -1) for others than boxes
    for match in _BRACE.finditer(text):
        token = match.group()
        if token == "}":
            start, inner = open_braces.pop() if open_braces else (-1, -1)
            if start >= 0:
                while found and found[-1].start > start:
                    found.pop()
                found.append(_Box(start, inner, match.end()))
        elif token == "{":
            open_braces.append((-1, -1))
        elif len(token) > 2:
            open_braces.append((match.start(), match.end()))
    return found, any(start >= 0 for start, _ in open_braces)


def _content(text: str, box: _Box) -> str:
    return text[box.inner : box.end - 1]


def _is_placeholder(text: str, box: _Box) -> bool:
    if box.end - box.inner > 100:
        return not text[box.inner : box.end - 1].strip()
    return _PLACEHOLDER.fullmatch(_content(text, box)) is not None


def _without(text: str, found: list[_Box]) -> str:
    parts, start = [], 0
    for box in found:
        parts.append(text[start : box.start])
        start = box.end
    return " ".join((*parts, text[start:]))


def _rounds(text: str, exact: _Box, last: _Box) -> bool:
    """Is the last box only the one before it, rounded?"""
    content = _content(text, last)[:200].strip()
    about = _ABOUT.match(content)
    if about:
        content = content[about.end() :].strip(" $")
    else:
        gap = text[exact.end : last.start]
        if len(gap) > _GAP or "\n\n" in gap or not _ABOUT.search(gap):
            return False
        if re.search(r"[.!?]\s", gap):
            return False
    before = _content(text, exact)[:200].strip(" $")
    return bool(_DECIMAL.fullmatch(content)) and not _DECIMAL.fullmatch(before)


def _joined(text: str, held: list[_Box]) -> str:
    """The last boxes as one answer; `held` has the last of them first."""
    contents = [_content(text, held[0])]
    names: list[str | None] = []
    word = ","
    for box, following in zip(held[1:], held, strict=False):
        gap = text[box.end : following.start]
        match = None
        if len(gap) <= _GAP and "\n\n" not in gap:
            gap = _WORD.sub(r" \1 ", gap).replace("\\\\", " ; ")
            match = _JOINED.fullmatch(" ".join(_LAYOUT.sub(" ", gap).split()))
        if match is None or not (match.group(1) or match.group(2)):
            break
        if (match.group(2) or "").lower() in ("or", "\u6216"):
            word = " or"
        names.append(match.group(3))
        contents.append(_content(text, box))
    if len(contents) == 1:
        return contents[0]
    first = held[len(contents) - 1]
    before = text[max(0, first.start - _NAME_LENGTH) : first.start]
    name = _NAME.search(" ".join(_LAYOUT.sub(" ", before).split()))
    names.append(name.group(1) if name else None)
    contents.reverse()
    names.reverse()
    if None not in names and len(set(names)) == len(names):
        pairs = zip(names, contents, strict=True)
        return ", ".join(f"{name} = {value}" for name, value in pairs)
    if len({content.strip() for content in contents}) == 1:
        return contents[0]
    return f"{word} ".join(content.strip() for content in contents)
