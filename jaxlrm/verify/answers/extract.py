"""Final answers out of model text, in linear time."""

from __future__ import annotations

import re

from jaxlrm.verify.answers.boxes import boxed
from jaxlrm.verify.answers.completion import spoken, without_programs
from jaxlrm.verify.answers.sentences import clean, last_line, stated
from jaxlrm.verify.inputs import check_text

# Only the end of a longer text is read: that is where an answer stands.
LENGTH = 1 << 16

_NAME = re.compile(r"[A-Za-z]")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_LABEL = re.compile(
    r"\**(?:the )?(?:final )?answers?(?: is)?\**\s?:?\**", re.IGNORECASE
)
# `#### Step 2: ...` heads a part of a solution.
_HEADING = re.compile(
    r"(?:step|part|case|solution|explanation|conclusion|problem|question)\b"
    r"|[0-9]{1,2}[.)] [a-z]{3}|[^\n]{0,80}:\**$",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[A-Za-z][a-z]{3,}(?: [A-Za-z]+){0,8}")


def extract_answer(text: str) -> str | None:
    r"""The final answer that `text` states.

    What a model thinks (`<think>...</think>`), special tokens, programs and
    their output, and what follows when it goes on with another question are
    left out first; thinking that never ends is no answer. Then, in this order:
    1. the last complete `\boxed{...}` (braces may nest) that holds more than
       a place; those before it too where only commas, `and` and `or` stand
       between (`\boxed{2} and \boxed{3}`); but what stands behind a `####`
       that follows it;
    2. what stands between the last `<answer>` and `</answer>`, which a stop
       string may have taken away;
    3. the rest of the line after the last `####`;
    4. the rest of the sentence after the last `answer is`, `answer:` and the
       like, or of the last line that begins with `A:`;
    5. the last line that is not empty; where it is prose, the number in it
       that a program put out before, or the last formula or number;
    6. the last line that a program put out, where nothing follows it.

    A box that is never closed was cut off: where no complete box stands
    beside it, there is no answer.

    Args:
        text: model output; the last 65,536 characters of what it says are
            read.

    Returns:
        The answer without the surrounding `$` and full stop; None if there is
        none, or it is longer than 1,024 characters.

    Raises:
        TypeError: it is no text.
    """
    check_text(text=text)
    said = spoken(text)
    if said is None:
        return None
    prose = without_programs(said[-LENGTH:])
    found = boxed(prose.text)
    if found.answer is not None:
        after = _marked(found.text[found.end :])
        return after or clean(found.answer)
    if found.truncated:
        return None
    text = found.text
    before, closed, _ = text.rpartition("</answer>")
    text = before if closed else text
    _, opened, tagged = text.rpartition("<answer>")
    if opened:
        return clean(tagged)
    answer = _marked(text) or stated(text)
    if answer is not None:
        return answer
    if "####" in text and not text.rpartition("####")[2].strip():
        return None
    if not prose.tail:
        return clean(prose.output)
    if found.is_empty:
        return None
    return last_line(text, prose.output)


def _marked(text: str) -> str | None:
    """The rest of the line after the last `####` that heads no part."""
    while "####" in text:
        text, _, rest = text.rpartition("####")
        line, _, following = rest.lstrip(" #").partition("\n")
        label = _LABEL.match(line)
        if label:
            line = line[label.end() :]
            if not line.strip(" *:"):
                line = following.lstrip().partition("\n")[0]
        elif _HEADING.match(line):
            continue
        elif _WORDS.fullmatch(line.strip()) and following.strip():
            continue
        answer = clean(line)
        if answer:
            return answer
    return None


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
