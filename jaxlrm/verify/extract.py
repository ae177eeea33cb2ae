"""Final answers out of model text, in linear time."""

from __future__ import annotations

import re

# Only the end of a longer text is read: that is where an answer stands.
LENGTH = 1 << 16
# What is longer is no answer; keeps the search for sentences linear.
ANSWER_LENGTH = 1 << 10

_BRACE = re.compile(r"\\(?:boxed|fbox)\s*\{|\\[\\{}]|[{}]")
_STATED = re.compile(r"\banswer(?: is\b|\s?:)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"\.(?=\s|$)")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_NAME = re.compile(r"[A-Za-z]")


def extract_answer(text: str) -> str | None:
    r"""The final answer that `text` states.

    Looked for in this order:
    1. the last complete `\boxed{...}` (braces may nest);
    2. the rest of the line after the last `####`;
    3. the rest of the sentence after the last `answer is` or `answer:`;
    4. the last line that is not empty.

    A box that is never closed was cut off: where no complete box stands
    beside it, there is no answer.

    Args:
        text: model output; its last 65,536 characters are read.

    Returns:
        The answer without the surrounding `$` and full stop; None if there is
        none, or it is longer than 1,024 characters.
    """
    text = text[-LENGTH:]
    boxed, truncated = _last_box(text)
    if boxed is not None or truncated:
        return _clean(boxed or "")
    _, marker, rest = text.rpartition("####")
    if marker:
        return _clean(rest.partition("\n")[0])
    for stated in reversed(list(_STATED.finditer(text))):
        rest = text[stated.end() : stated.end() + ANSWER_LENGTH]
        line = rest.lstrip(" :").partition("\n")[0]
        end = _SENTENCE_END.search(line)
        answer = _clean(line[: end.start()] if end else line)
        if answer:
            return answer
    return _clean(text.rstrip().rpartition("\n")[2])


def bare_answer(text: str) -> str:
    """`-5` for `x = -5` or `-5 = x`; any other text unchanged but stripped.

    An equation whose other side has unknowns (`y = 2x + 1`) stays whole.
    """
    text = text.strip()
    inner = text.strip("$ ")
    left, equals, right = (part.strip() for part in inner.partition("="))
    if equals and left and right and "=" not in right:
        for name, value in ((left, right), (right, left)):
            if _NAME.fullmatch(name) and not _NAME.search(
                _COMMAND.sub("", value)
            ):
                return value
    return text


def _last_box(text: str) -> tuple[str | None, bool]:
    """The content of the box that closes last; was one never closed?"""
    content = None
    open_braces: list[int] = []  # where a box's content starts, −1 for others
    for match in _BRACE.finditer(text):
        token = match.group()
        if token == "}":
            start = open_braces.pop() if open_braces else -1
            if start >= 0:
                content = text[start : match.start()]
        elif token == "{":
            open_braces.append(-1)
        elif len(token) > 2:
            open_braces.append(match.end())
    truncated = any(start >= 0 for start in open_braces)
    return content, truncated


def _clean(answer: str) -> str | None:
    answer = answer.strip().strip("*").strip()
    answer = answer.removesuffix(".").strip()
    if answer.count("$") == 2 and answer[0] == "$" == answer[-1]:
        answer = answer[1:-1].strip()
    return answer if 0 < len(answer) <= ANSWER_LENGTH else None
