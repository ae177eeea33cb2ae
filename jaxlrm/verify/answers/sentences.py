"""Answers that sentences state, in English and some other languages."""

from __future__ import annotations

import re

from jaxlrm.verify.answers.phrases import number_in_words

# What is longer is no answer; keeps the search for sentences linear.
ANSWER_LENGTH = 1 << 10
_PROSE = 3  # words without a backslash that make a line prose

_STATED = re.compile(
    r"\banswers?[\"'*]{0,3}(?: is\b| are\b| would be\b| must be\b"
    r"|\s?[:=\uff1a])"
    r"|\b(?:correct|right|best) (?:option|choice)[\"'*]{0,3}(?: is\b|\s?[:=])"
    r"|\b(?:choose|select|pick)(?: option)?(?= [\[(]?[A-J]\b(?!'))",
    re.IGNORECASE,
)
_FOREIGN = re.compile(
    # Chinese, Japanese, Korean
    r"\u7b54\u6848(?:\u5e94\u8be5|\u5c31)?(?:\u662f|\u4e3a|\u70ba|\u7b49\u4e8e"
    r"|\s?[:\uff1a])|\u7b54\s?[:\uff1a]|\u7b54\u3048(?:\u306f|\s?[:\uff1a])"
    r"|\u9009\u62e9?\s?[:\uff1a]?(?=\s?[\uff08(]?[A-J](?![A-Za-z]))"
    r"|(?:\uc815\ub2f5|\ub2f5)(?:\uc740|\s?[:\uff1a])"
    # Spanish, Portuguese, Italian, French, German
    r"|\b(?:respuesta|resposta|risposta|r\u00e9ponse|Antwort)"
    r"(?: final| finale| correcta| correta| corretta)?\*{0,2}"
    r"(?: es\b| \u00e9\b| \u00e8\b| est\b| ist\b| lautet\b|\s?:)"
    # Russian, Swahili, Thai, Bengali, Vietnamese, Hindi, Arabic
    r"|\b\u043e\u0442\u0432\u0435\u0442\*{0,2}\s?(?:[:\u2014\u2013]"
    r"|\u0440\u0430\u0432\u0435\u043d\b)|\bjibu ni\b"
    r"|\u0e04\u0e33\u0e15\u0e2d\u0e1a\u0e04\u0e37\u0e2d"
    r"|\u0989\u09a4\u09cd\u09a4\u09b0 \u09b9\u09b2"
    r"|\u0111\u00e1p \u00e1n(?: l\u00e0\b|\s?:)"
    r"|\u0909\u0924\u094d\u0924\u0930(?: \u0939\u0948|\s?:)?"
    r"|\u0627\u0644\u062c\u0648\u0627\u0628(?: \u0647\u0648|\s?:)",
    re.IGNORECASE,
)
# In every statement of those languages that is written in ASCII.
_FOREIGN_WORDS = ("respuesta", "resposta", "risposta", "ntwort", "ibu ni")
_LETTERED = re.compile(r"^A: ?", re.MULTILINE)
# What a sentence says after its answer.
_AFTER = re.compile(
    r"\.(?=\s|$)|\.\*\*|[\u3002\uff01\u0964]|[!?](?=\s|$)"
    r"|,? (?:because|since|which|where|as required)\b"
)
_LEAD = re.compile(
    r"(?:[*>•=](?=\s)|(?:ans|result|output)\s?[:.](?=\s)"
    r"|(?:therefore|thus|so|hence|then|now|simply|just|finally|of course"
    r"|equal to|approximately|about|given by|option"
    r"|also|daher|donc|entonces|ent\u00e3o|quindi)\b,?"
    r"|\u9009\u9879|\u9009\u62e9|\u9009|\u662f|\u4e3a|\u7ea6)\s*",
    re.IGNORECASE,
)
# A hyphen that begins a line; before a number or an expression, a minus sign.
_BULLET = re.compile(r"\s*-\s+(?=[$*]|\\[(\[]|[A-Z][a-z]|[A-Za-z]{1,20} ?[=:])")
_BOLD = re.compile(r"(?<![\w)])\*\*|\*\*(?![\w(])")
_DELIMITERS = ((r"\[", r"\]"), (r"\(", r"\)"), ("$$", "$$"), ("$", "$"))
_FORMULA = re.compile(r"\$\$?([^$]{1,512})\$|\\[(\[]([^$]{1,512}?)\\[)\]]")
_NUMBER = r"(?:[$£€]\s?)?[0-9][0-9,]*(?:\.[0-9]+)?(?:/[0-9]+)?(?:\s?%)?"
_NUMBER_IN_PROSE = re.compile(
    # a time of the day, or a ratio
    r"(?<![A-Za-z0-9_.:])[0-9]{1,2}(?::[0-9]{2}){0,2}\s?[ap]\.?m\b\.?"
    r"|(?<![A-Za-z0-9_.:])[0-9]{1,6}(?: ?: ?[0-9]{1,6}){1,3}(?![0-9:])"
    r"|(?<![A-Za-z0-9_.])(?:[-−]|(?<=[A-Za-z=:] )[-−] )?" + _NUMBER,
    re.IGNORECASE,
)
_VERB = re.compile(r"\b(?:is|are|was|were|equals|equal to|be) ")
_WORD = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]|[^\W\d_]{2,}")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_CHOICE = re.compile(r"(?:(?:option|choice) )?[\[(]?[A-J][\])]?[.:]?")
# `Profit = 200 - 130 = $70`: words, not a name of mathematics.
_NAMED = re.compile(
    r"\*{0,2}(?!(?:sin|cos|tan|log|exp|max|min|lim|gcd|lcm|det)\b)"
    r"(?=[A-Za-z']{3})[A-Z]?[a-z_']+(?: [A-Za-z'()]+){0,7}\*{0,2} ?= ?"
    r"|\$?\\text ?\{[A-Za-z ]{3,60}\} ?= ?"
    r"|[A-Z][a-z]{2,}(?: [-+*/A-Za-z'()]+){1,9} ?=(?=[^=]{1,200}=)"
)
_LABEL = re.compile(r"(?!Step|Case)[A-Z][A-Za-z' ]{2,40}: (?=.*[0-9])")
_IS_THE_ANSWER = re.compile(
    r"([^\s]{1,80}) is (?:the|our) (?:final |correct |right )?"
    r"(?:answer|option|choice)\b"
    r"|([\[(]?\b[A-J]\b[\])]?) is (?:correct|right|true)\b"
)
# What is said behind the answer to be polite.
_POLITE = re.compile(
    r"(?:let me know|i hope|hope (?:this|that)|feel free|if you (?:have|need)"
    r"|is there anything|please|thank|happy to)\b",
    re.IGNORECASE,
)
_CJK = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]")
# 72 in `72 dollars in total`, 5 in `5 cars in the first 15 minutes`. What
# changes a number is no thing counted.
_TOTAL = r"(?:in total|in all|in the end|all together|altogether|overall|so)"
_HEAD = re.compile(
    r"((?:[-−]\s?)?" + _NUMBER + r"|\$[^$]{1,200}\$)"
    r"(?P<things>(?:\s(?!(?:in|on|at|for|from|during|after|before|with|so|all"
    r"|altogether|overall|or|and|more|less|fewer|times|out|plus|minus|than|to"
    r"|base|mod|modulo|not|half|factorial|repeating|below|above|by|of|is|are"
    r"|was|were|if|when|but|except)\b)[a-z][a-z-]*){0,3})"
    r"(?:,?\s" + _TOTAL + r"\b|\s\(" + _TOTAL + r"\)|, not\b|; [a-z]"
    r"|\s?[\u2013\u2014]\s?[a-z]|\s-\s[a-z]{2}"
    r"|,? and (?:we|this|that|it|he|she|they)\b"
    r"|(?<=[a-z])\s(?:in (?!base)|on|at|for|from|during|after|before|with)\b)"
    r"(?!.*\b(?:or|base|mod|modulo)\b)"
)
# 42 in front of a word of another language.
_MEASURED = re.compile(
    r"((?:[-−]\s?)?" + _NUMBER + r"|\$[^$]{1,200}\$|[\[(]?[A-J][\])]?)\s?"
    r"(?=\S{0,12}[^\x00-\x7f£€¥°²³])[^\W\d_]\S{0,19}"
)
_AMOUNT = re.compile(
    r"((?:[-−]\s?)?[$£€]\s?[0-9][0-9,]*(?:\.[0-9]+)?)"
    r"\s(?:in|on|at|for|from|during|after|before|with)\b"
)
_NUMBER_WORDS = re.compile(
    r"\b((?:(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
    r"(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?"
    r"|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen"
    r"|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|zero|one)"
    r"(?: (?:hundred|thousand|million))?)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"\s{0,9}\"?([^\"\n{}]{1,400})\"?\s{0,9}[},]")
_AROUND = "*` \t\r\n"


def stated(text: str) -> str | None:
    """The answer of the last statement of one; None where there is none."""
    found = [match.end() for match in _STATED.finditer(text)]
    if not text.isascii() or any(word in text for word in _FOREIGN_WORDS):
        found += [match.end() for match in _FOREIGN.finditer(text)]
    found += [match.end() for match in _LETTERED.finditer(text)]
    for start in sorted(found, reverse=True):
        rest = text[start : start + ANSWER_LENGTH]
        if '":' in text[max(0, start - 3) : start]:
            match = _QUOTED.match(rest)  # JSON
            rest = match.group(1) if match else rest
        answer = clean(_first_sentence(rest))
        if answer:
            answer = _head(answer)
            numbers = bool(_CJK.search(answer))
            return clean(_without_prose(answer, numbers)) or answer
    return None


def last_line(text: str, output: str = "") -> str | None:
    """The last line that is not empty, or what it says.

    Args:
        text: prose.
        output: of a program that ran before; where the line repeats it, that
            is the answer.
    """
    line = text.rstrip()
    if line.endswith((r"\]", "$$")):
        opening = r"\[" if line.endswith(r"\]") else "$$"
        start = line.rfind(opening, 0, len(line) - 2)
        if start >= 0 and len(line) - start < ANSWER_LENGTH:
            return clean(line[start + 2 : -2])
    line = _last_told(line)[-4 * ANSWER_LENGTH :]
    line = _BOLD.sub("", _without_bullet(line))
    repeated = _repeated(line, output)
    if repeated:
        return repeated
    match = _LEAD.match(line)
    while match and match.end() < len(line):
        line = line[match.end() :]
        match = _LEAD.match(line)
    told = _IS_THE_ANSWER.search(line)
    if told:
        return clean(told.group(1) or told.group(2))
    label = _LABEL.match(line)
    line = line[label.end() :] if label else line
    return clean(_without_prose(line, numbers=True))


def _last_told(text: str) -> str:
    """The last line of a text that is not only polite."""
    for _ in range(3):
        before, _, line = text.rpartition("\n")
        if not before.strip() or not _POLITE.match(line.lstrip(" *")):
            return line
        text = before.rstrip()
    return text.rpartition("\n")[2]


def clean(answer: str) -> str | None:
    """Without marks around it; None for what is empty or too long."""
    answer = answer.strip(_AROUND)
    answer = answer.removesuffix(".").removesuffix("\u3002").strip(_AROUND)
    if answer.count("$") == 2 and answer[0] == "$" == answer[-1]:
        answer = answer[1:-1].strip()
    return answer if 0 < len(answer) <= ANSWER_LENGTH else None


def number_words(text: str) -> list[str]:
    """The numbers that are written as words."""
    return _NUMBER_WORDS.findall(text)


def _repeated(line: str, output: str) -> str | None:
    """The number of a line that a program put out before it."""
    value = _value(output)
    if value is None:
        return None
    for number in _NUMBER_IN_PROSE.findall(line):
        if _value(number) == value:
            return clean(number.rstrip(","))
    for words in number_words(line):
        if _value(number_in_words(words.lower()) or "") == value:
            return words
    return None


def _value(number: str) -> float | None:
    number = number.strip(" $£€%").replace(",", "")
    if not 0 < len(number) < 32 or not re.fullmatch(r"-?[0-9.]+", number):
        return None
    try:
        return float(number)
    except ValueError:
        return None


def _first_sentence(text: str) -> str:
    statement = text.lstrip(" :*=_\n\t\"'\uff1a")
    if "\n" in text[: len(text) - len(statement)]:
        statement = _without_bullet(statement)
    text = statement.lstrip(", ")
    match = _LEAD.match(text)
    while match:
        text = text[match.end() :].lstrip(" :*")
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
    line = _BOLD.sub("", text.partition("\n")[0])
    end = _AFTER.search(line)
    return line[: end.start()] if end and end.start() else line


def _head(answer: str) -> str:
    """A number, and what it counts, before what else is said of it."""
    match = _HEAD.match(answer)
    if match:
        return match.group(1) + match.group("things")
    match = _MEASURED.fullmatch(answer) or _AMOUNT.match(answer)
    return match.group(1) if match else answer


def _without_bullet(line: str) -> str:
    match = _BULLET.match(line)
    return line[match.end() :] if match else line


def _closing(text: str, delimiter: str, start: int) -> int:
    r"""Where a formula ends, not at the `\$` of an amount; −1: nowhere."""
    end = text.find(delimiter, start)
    while end > 0 and delimiter == "$" and text[end - 1] == "\\":
        end = text.find(delimiter, end + 1)
    return end


def _formulas(line: str) -> list[str]:
    """The formulas in a sentence; `$20 + $30` is none between dollars."""
    found = []
    for match in _FORMULA.finditer(line):
        inner = (match.group(1) or match.group(2)).strip()
        if (
            inner[-1:] in "+-*/="
            or line[match.end() : match.end() + 1].isdigit()
        ):
            continue
        found.append(inner)
    return found


def _without_prose(line: str, numbers: bool) -> str:
    """What a sentence says: `34` of `The largest n is 34`.

    Args:
        line: one line, a sentence or a formula.
        numbers: take the last number of a sentence that has no verb before
            its answer.
    """
    named = _NAMED.match(line)
    if named and "=" in line:
        return line.rpartition("=")[2].removesuffix("$")
    words = _WORD.findall(_COMMAND.sub(" ", _FORMULA.sub(" ", line)))
    spelled = number_words(line) if numbers else []
    if len(words) < _PROSE and not spelled:
        return line
    verbs = list(_VERB.finditer(line))
    if verbs:
        rest = line[verbs[-1].end() :].strip().rstrip(".").rstrip()
        known = _WORD.findall(_COMMAND.sub(" ", _FORMULA.sub(" ", rest)))
        if len(known) < _PROSE and (
            any(c.isdigit() or c == "$" for c in rest)
            or _CHOICE.fullmatch(rest)
        ):
            return rest
    if numbers:
        formulas = _formulas(line)
        if formulas:
            return formulas[-1]
        found = _NUMBER_IN_PROSE.findall(line)
        if found:
            return found[-1].rstrip(",")
        if len(words) >= _PROSE and len(spelled) == 1:
            if spelled[0].lower() != "one":
                return spelled[0]
    return line
