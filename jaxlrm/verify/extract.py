"""Final answers out of model text, in linear time."""

from __future__ import annotations

import re

from jaxlrm.verify.inputs import check_text

# Only the end of a longer text is read: that is where an answer stands.
LENGTH = 1 << 16
# What is longer is no answer; keeps the search for sentences linear.
ANSWER_LENGTH = 1 << 10

_BRACE = re.compile(r"\\(?:boxed|fbox)\s*\{|\\[\\{}]|[{}]")
_UNBRACED = re.compile(r"\\boxed[ \t]{0,4}(-?[0-9A-Za-z.,/]{1,64})")
_STATED = re.compile(
    r"\banswers?\*{0,2}(?: is\b| are\b| would be\b| must be\b|\s?[:=])",
    re.IGNORECASE,
)
_LETTERED = re.compile(r"^A: ?", re.MULTILINE)
# What a sentence says after its answer.
_AFTER = re.compile(
    r"\.(?=\s|$)|\.\*\*|。|[!?](?=\s|$)"
    r"|,? (?:because|since|which|where|as required)\b"
)
_LEAD = re.compile(
    r"(?:[*>•=](?=\s)|(?:ans|result|output)\s?[:.](?=\s)"
    r"|(?:therefore|thus|so|hence|then|now|simply|just|finally|of course"
    r"|equal to|approximately|about|given by|option)\b,?)\s*",
    re.IGNORECASE,
)
# A hyphen that begins a line; before a number or an expression, a minus sign.
_BULLET = re.compile(r"\s*-\s+(?=[$*]|\\[(\[]|[A-Z][a-z]|[A-Za-z]{1,20} ?[=:])")
_DELIMITERS = ((r"\[", r"\]"), (r"\(", r"\)"), ("$$", "$$"), ("$", "$"))
_FORMULA = re.compile(r"\$\$?([^$]{1,512})\$|\\[(\[]([^$]{1,512}?)\\[)\]]")
_NUMBER_IN_PROSE = re.compile(
    r"(?<![\w.])(?:[-−]|(?<=[A-Za-z=:] )[-−] )?(?:[$£€]\s?)?"
    r"[0-9][0-9,]*(?:\.[0-9]+)?(?:/[0-9]+)?(?:\s?%)?"
)
_VERB = re.compile(r"\b(?:is|are|was|were|equals|equal to|be) ")
_WORD = re.compile(r"[A-Za-z]{2,}")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_AROUND = "*` \t\r\n"
_NAME = re.compile(r"[A-Za-z]")
_PROSE = 3  # words without a backslash that make a line prose


def extract_answer(text: str) -> str | None:
    r"""The final answer that `text` states.

    Looked for in this order:
    1. the last complete `\boxed{...}` (braces may nest);
    2. what stands between the last `<answer>` and `</answer>`, which a stop
       string may have taken away;
    3. the rest of the line after the last `####`;
    4. the rest of the sentence after the last `answer is`, `answer:` and the
       like, or of the last line that begins with `A:`;
    5. the last line that is not empty; where it is prose, the last formula or
       number in it.

    A box that is never closed was cut off: where no complete box stands
    beside it, there is no answer.

    Args:
        text: model output; its last 65,536 characters are read.

    Returns:
        The answer without the surrounding `$` and full stop; None if there is
        none, or it is longer than 1,024 characters.

    Raises:
        TypeError: it is no text.
    """
    check_text(text=text)
    text = text[-LENGTH:]
    boxed, truncated = _last_box(text)
    if boxed is not None or truncated:
        return _clean(boxed or "")
    before, closed, _ = text.rpartition("</answer>")
    text = before if closed else text
    _, opened, tagged = text.rpartition("<answer>")
    if opened:
        return _clean(tagged)
    _, marker, rest = text.rpartition("####")
    if marker:
        return _clean(rest.partition("\n")[0])
    for stated in _statements(text):
        rest = text[stated : stated + ANSWER_LENGTH]
        answer = _clean(_first_sentence(rest))
        if answer:
            return _clean(_without_prose(answer, numbers=False)) or answer
    return _last_line(text)


def _statements(text: str) -> list[int]:
    """Where answers are stated, the last first."""
    found = [match.end() for match in _STATED.finditer(text)]
    found += [match.end() for match in _LETTERED.finditer(text)]
    return sorted(found, reverse=True)


def _first_sentence(text: str) -> str:
    stated = text.lstrip(" :*=_\n\t")
    if "\n" in text[: len(text) - len(stated)]:
        stated = _without_bullet(stated)
    text = stated.lstrip(", ")
    match = _LEAD.match(text)
    while match:
        text = text[match.end() :].lstrip(" :")
        match = _LEAD.match(text)
    for opening, closing in _DELIMITERS:
        if text.startswith(opening):
            end = _closing(text, closing, len(opening))
            after = text[end + len(closing) :]
            # A formula that is the whole answer, of one or more lines.
            if end > 0 and after.lstrip(" *")[:1] in ("", ".", "\n", ",", "!"):
                if not after.lstrip(" *").startswith((", $", ", \\")):
                    return text[len(opening) : end]
            break
    line = text.partition("\n")[0]
    end = _AFTER.search(line)
    return line[: end.start()] if end and end.start() else line


def _without_bullet(line: str) -> str:
    match = _BULLET.match(line)
    return line[match.end() :] if match else line


def _closing(text: str, delimiter: str, start: int) -> int:
    r"""Where a formula ends, not at the `\$` of an amount; −1: nowhere."""
    end = text.find(delimiter, start)
    while end > 0 and delimiter == "$" and text[end - 1] == "\\":
        end = text.find(delimiter, end + 1)
    return end


def _last_line(text: str) -> str | None:
    line = text.rstrip()
    if line.endswith((r"\]", "$$")):
        opening = r"\[" if line.endswith(r"\]") else "$$"
        start = line.rfind(opening, 0, len(line) - 2)
        if start >= 0 and len(line) - start < ANSWER_LENGTH:
            return _clean(line[start + 2 : -2])
    line = line.rpartition("\n")[2][-4 * ANSWER_LENGTH :]
    line = _without_bullet(line)
    match = _LEAD.match(line)
    while match and match.end() < len(line):
        line = line[match.end() :]
        match = _LEAD.match(line)
    return _clean(_without_prose(line, numbers=True))


def _without_prose(line: str, numbers: bool) -> str:
    """What a sentence says: `34` of `The largest n is 34`.

    Args:
        line: one line, a sentence or a formula.
        numbers: take the last number of a sentence that has no verb before
            its answer.
    """
    words = _WORD.findall(_COMMAND.sub(" ", _FORMULA.sub(" ", line)))
    if len(words) < _PROSE:
        return line
    verbs = list(_VERB.finditer(line))
    if verbs:
        rest = line[verbs[-1].end() :].strip().rstrip(".").rstrip()
        known = _WORD.findall(_COMMAND.sub(" ", _FORMULA.sub(" ", rest)))
        if len(known) < _PROSE and any(c.isdigit() or c == "$" for c in rest):
            return rest
    if numbers:
        formulas = _FORMULA.findall(line)
        if formulas:
            return "".join(formulas[-1])
        found = _NUMBER_IN_PROSE.findall(line)
        if found:
            return found[-1].rstrip(",")
    return line


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
                inner = text[start : match.start()]
                # An empty box is a slip where another one holds something.
                content = inner if inner.strip() else content or inner
        elif token == "{":
            open_braces.append(-1)
        elif len(token) > 2:
            open_braces.append(match.end())
    truncated = any(start >= 0 for start in open_braces)
    if content is None and not truncated:
        plain = _UNBRACED.findall(text)
        content = plain[-1] if plain else None
    return content, truncated


def _clean(answer: str) -> str | None:
    answer = answer.strip(_AROUND)
    answer = answer.removesuffix(".").removesuffix("。").strip(_AROUND)
    if answer.count("$") == 2 and answer[0] == "$" == answer[-1]:
        answer = answer[1:-1].strip()
    return answer if 0 < len(answer) <= ANSWER_LENGTH else None
