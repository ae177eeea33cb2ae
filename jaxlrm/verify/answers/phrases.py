"""Answers in words: choices, yes and no, dates, times, lists of names."""

from __future__ import annotations

import re

from jaxlrm.verify.answers import units
from jaxlrm.verify.answers.normal import folded

_SYNONYMS = {
    spelling.lower(): names.split("|")[0]
    for names in (
        "yes|yep|true|it is true|this is true|the statement is true",
        "no|nope|false|it is false|this is false|the statement is false",
        "does not exist|dne|doesn't exist|limit does not exist"
        "|the limit does not exist",
        r"\emptyset|no solution|no solutions|none|empty set|the empty set"
        r"|no real solution|no real solutions|there is no solution"
        r"|there are no solutions|no such values|\{\}|\oslash"
        r"|no solution exists|no solutions exist|no real roots"
        r"|{}|no solution: \emptyset|no solution : \emptyset"
        r"|no solution, \emptyset|no solutions: \emptyset",
        r"\mathbb{Z}|all integers|the integers|integers|every integer"
        r"|any integer|x \in \mathbb{Z}|\{x \mid x \in \mathbb{Z}\}",
        "impossible|not possible|it is impossible|it is not possible",
        r"\mathbb{R}|all real numbers|all reals|the real numbers"
        r"|all real numbers.|real numbers|(-\infty,\infty)|(-\infty, \infty)"
        r"|all real x|x \in \mathbb{R}|\{x \mid x \in \mathbb{R}\}",
        "undefined|not defined|is undefined",
        "diverges|divergent|it diverges|the series diverges"
        "|the integral diverges|the sequence diverges",
        "converges|convergent|it converges|the series converges"
        "|the integral converges|the sequence converges",
        r"\infty|infinity|+\infty|positive infinity",
        r"-\infty|negative infinity|minus infinity",
        "infinitely many solutions|infinite solutions|infinitely many"
        "|infinite number of solutions|an infinite number of solutions",
        "even|an even function|even function",
        "odd|an odd function|odd function",
        "neither",
        "linearly independent|independent",
        "linearly dependent|dependent",
        "not a function|it is not a function|no it is not a function",
        "function|it is a function|a function",
        "increasing",
        "decreasing",
        "north",
        "south",
        "east",
        "west",
        "left",
        "right",
        "up|upward|upwards",
        "down|downward|downwards",
        "rational",
        "irrational",
        "ellipse|an ellipse",
        "circle|a circle",
        "parabola|a parabola",
        "hyperbola|a hyperbola",
        "line|a line|a straight line",
        "monday|mon",
        "tuesday|tue|tues",
        "wednesday|wed",
        "thursday|thu|thurs",
        "friday|fri",
        "saturday|sat",
        "sunday|sun",
    )
    for spelling in names.split("|")
}
_CHOICE = re.compile(
    r"(?:(?:[Oo]ption|[Cc]hoice|[Aa]nswer) )?"
    r"(?:\(([A-Ja-j])\)|\[([A-J])\]|([A-J])(?=[.):]|$))[.):]?(?: (.+))?",
    re.DOTALL,
)
_CHOICE_STARTS = frozenset("([\\ ABCDEFGHIJOoCcAa")
_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")
# Not the variable of `a sin x` nor the factorial of `n!`.
_ARTICLE = re.compile(
    r"^(?:the |an? (?=[a-z' -]{3,}$)(?!.*\b[a-z]\b)(?!sin|cos|tan|log))"
)
_A = re.compile(r"^A (?=[a-z]{3})")
_ANSWERED = re.compile(r"(yes|no)[.,;:] (?!.*\b(?:yes|no)\b).+")
_EXCLAIMED = re.compile(r"['\"]?([a-z][a-z ,-]*[a-z]{2})[!'\"]{1,3}")
_MONTHS = {
    name: number
    for number, names in enumerate(
        """january jan|february feb|march mar|april apr|may|june jun|july jul
        |august aug|september sep sept|october oct|november nov
        |december dec""".split("|"),
        1,
    )
    for name in names.split()
}
_DAY_MONTH = re.compile(
    r"(?:(\d{1,2})(?:st|nd|rd|th)?(?: of)? ([a-z]{3,9})|"
    r"([a-z]{3,9})\.? (\d{1,2})(?:st|nd|rd|th)?)(?:,? (\d{4}))?"
)
_ISO = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
# Two digits each, which no quotient of quotients is written with.
_SLASHED = re.compile(r"(\d{2})/(\d{2})/(\d{4})")
_TIME = re.compile(
    r"(\d{1,2})(?: ?: ?(\d{2}))?(?: ?: ?(\d{2}))? ?([ap])\.? ?m\.?"
)
# Times of the day without a number.
HOURS = {"noon": 12, "12 noon": 12, "midnight": 0, "12 midnight": 0}
_CLOCK = re.compile(r"(\d{1,2}) ?: ?(\d{2})")
_EXCEPT = re.compile(
    r"all real (?:numbers|values)(?: of)?(?: ?\$?[a-z]\$?)? except"
    r"(?: for)?(?: [a-z] ?=)? (.+)",
    re.IGNORECASE,
)
_ORDINAL = re.compile(
    r"([0-9]{1,6}) ?\^? ?\{? ?(?:\\text ?\{ ?)?(?:st|nd|rd|th) ?\}?\}?"
)
_UNITS = {
    name: number
    for number, name in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve
        thirteen fourteen fifteen sixteen seventeen eighteen nineteen""".split()
    )
}
_TENS = {
    name: number
    for number, name in enumerate(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(), 2
    )
}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_FRACTIONS = {
    "half": r"\frac{1}{2}",
    "one half": r"\frac{1}{2}",
    "one-half": r"\frac{1}{2}",
    "one third": r"\frac{1}{3}",
    "one-third": r"\frac{1}{3}",
    "two thirds": r"\frac{2}{3}",
    "two-thirds": r"\frac{2}{3}",
    "one fourth": r"\frac{1}{4}",
    "one-fourth": r"\frac{1}{4}",
    "one quarter": r"\frac{1}{4}",
    "three fourths": r"\frac{3}{4}",
    "three-fourths": r"\frac{3}{4}",
    "three quarters": r"\frac{3}{4}",
    "dozen": "12",
}
_AND_PART = re.compile(r"([a-z -]{3,40}) and (?:a |one )?(half|third|quarter)")
_PARTS = {"half": 2, "third": 3, "quarter": 4}
_TO = re.compile(r"([0-9.]+) +to +([0-9.]+)")
_NAMED_RATIO = re.compile(r"ratio (?:of |is )?([0-9. ]+(?::[0-9. ]+)+)")
# Numbers beyond a number: `all real numbers greater than 3`, `at least 3`.
_BOUND = re.compile(
    r"(?:(?:all )?(?:real )?(?:numbers?|values)(?: of)? ?)?([a-z]?) ?"
    r"(?:is |are |that are )?"
    r"(greater than or equal to|less than or equal to|at least|at most"
    r"|no more than|no less than|not less than|not more than"
    r"|strictly greater than|strictly less than|greater than|less than"
    r"|more than|larger than|smaller than|fewer than) (.{1,60})",
    re.IGNORECASE,
)
_BELOW = ("less", "smaller", "fewer", "strictly less")
_SIGNS = {
    "greater than or equal to": r"\ge",
    "less than or equal to": r"\le",
    "at least": r"\ge",
    "no less than": r"\ge",
    "not less than": r"\ge",
    "at most": r"\le",
    "no more than": r"\le",
    "not more than": r"\le",
}
_LABEL = re.compile(
    r"\\text ?\{[A-Za-z .]+\}(?:_?\{?[A-Za-z0-9]\}?)?|[A-Z][a-z]{3,}|[a-z]{5,}"
    r"|(?:m ?)?\\(?:angle|triangle|bar|vec) ?\{?[A-Z]{1,4}\}?"
    r"|\|[A-Za-z]\||\\\|\\?[a-z]{1,6}\\\||[A-Z]{2,4}"
    r"|\|?\\vec\{[A-Za-z]{1,2}\}\|?"
    r"|(?:[PEV]|Var|\\text ?\{Var\}|\\mathbb\{[PE]\}) ?[(\[][^=]{1,40}[)\]]"
    r"|\\(?:lim|int)(?![A-Za-z])[^=]{1,50}"
    r"|\( ?[A-Za-z] ?\\circ ?[A-Za-z] ?\) ?\([a-z]\)"
)
_WORD_LIST = re.compile(r" ?(?:,|;|\band\b) ?")


def plain(text: str) -> str:
    r"""Words without `\text`, case and articles."""
    return _bare(_without_text(text).lower())


def spelled(text: str) -> str:
    """As `plain`, where letters that may be variables keep their case."""
    return _bare(_A.sub("a ", folded(_without_text(text))))


def _without_text(text: str) -> str:
    text = _TEXT.sub(r" \1 ", text) if "\\text" in text else text
    return " ".join(text.split())


def _bare(text: str) -> str:
    text = text.strip(' .,;:"')
    exclaimed = _EXCLAIMED.fullmatch(text)
    if exclaimed:
        text = exclaimed.group(1)
    return _ARTICLE.sub("", text)


def canonical(text: str) -> str | None:
    """One word for all that mean the same; None for what is not known."""
    if len(text) > 60:
        return None
    text = plain(text)
    return _SYNONYMS.get(text)


def yes_or_no_letter(text: str) -> str | None:
    """`yes` for `Y` and `T`, `no` for `N` and `F`."""
    return {"Y": "yes", "T": "yes", "N": "no", "F": "no"}.get(text.upper())


def yes_or_no(text: str) -> str | None:
    """`no` for `No, it is not`; None for what begins otherwise."""
    match = _ANSWERED.fullmatch(plain(text[:400]))
    return match.group(1) if match else None


def choice(text: str) -> tuple[str, str] | None:
    """`("C", "")` for `(C)`, `("C", "5")` for `(C) 5`; None for others."""
    if text[:1] not in _CHOICE_STARTS:
        return None
    text = " ".join(_TEXT.sub(r"\1 ", text[:400]).split())
    match = _CHOICE.fullmatch(text)
    if match is None:
        return None
    letter = (match.group(1) or match.group(2) or match.group(3)).upper()
    rest = match.group(4) or ""
    if _CHOICE.fullmatch(rest) or rest.startswith(("and ", "or ", ",")):
        return None  # several choices are a list
    return letter, rest


def moment(text: str) -> str | None:
    """A date or a time of the day in one spelling; None for what is neither."""
    if len(text) > 60:
        return None
    text = plain(text)
    match = _ISO.fullmatch(text)
    if match:
        return _date(*map(int, match.groups()))
    match = _SLASHED.fullmatch(text)
    if match:
        first, second, year = map(int, match.groups())
        # The month first, as in the United States, where it can be one.
        return _date(year, first, second) or _date(year, second, first)
    match = _DAY_MONTH.fullmatch(text)
    if match:
        day, name, other_name, other_day, year = match.groups()
        month = _MONTHS.get(name or other_name)
        if month:
            return _date(int(year or 0), month, int(day or other_day))
    if text in HOURS:
        return f"time {HOURS[text]}:0:0"
    match = _TIME.fullmatch(text)
    if match:
        hour, minute, second, half = match.groups()
        hour = int(hour) % 12 + (12 if half == "p" else 0)
        return f"time {hour}:{int(minute or 0)}:{int(second or 0)}"
    return None


def clock(text: str) -> str | None:
    """A text such as `3:30`, which may be a time or a ratio."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    hour, minute = int(match.group(1)), int(match.group(2))
    if hour > 24 or minute > 59:
        return None
    return f"time {hour}:{minute}:0"


def as_formula(text: str) -> str | None:
    """Mathematics for a few phrases: `all real numbers except 3`, `3 to 4`."""
    if len(text) > 200:
        return None
    if not any(c.isdigit() for c in text):
        if len(text) > 80:
            return None
        words = plain(text)
        return (
            _FRACTIONS.get(words)
            or number_in_words(words)
            or _measured(words)
            or _with_part(words)
        )
    ordinal = _ORDINAL.fullmatch(text)
    if ordinal:
        return ordinal.group(1)
    text = _TEXT.sub(r" \1 ", text)
    match = _EXCEPT.fullmatch(" ".join(text.split()))
    if match:
        return rf"\mathbb{{R}} \setminus \{{{match.group(1)}\}}"
    text = " ".join(text.split())
    match = _TO.fullmatch(text)
    if match:
        return f"{match.group(1)} : {match.group(2)}"
    match = _NAMED_RATIO.fullmatch(plain(text)) if "atio" in text else None
    return match.group(1) if match else _bound(text)


def _bound(text: str) -> str | None:
    """`x > 3` for `x is greater than 3`; an interval without a name."""
    match = _BOUND.fullmatch(text) if "than" in text or "at " in text else None
    if match is None:
        return None
    name, words, end = match.groups()
    words = words.lower()
    sign = "<" if words.startswith(_BELOW) else ">"
    sign = _SIGNS.get(words, sign)
    if name:
        return f"{name} {sign} {end}"
    closed = sign[0] == "\\"
    if sign in ("<", r"\le"):
        return rf"(-\infty, {end}{']' if closed else ')'}"
    return rf"{'[' if closed else '('}{end}, \infty)"


def number_in_words(text: str) -> str | None:
    """`121` for `one hundred and twenty-one`; None for other words."""
    total = part = 0
    for word in text.replace("-", " ").replace(" and ", " ").split():
        if word == "hundred" and part < 10:
            part = 100 * (part or 1)
        elif word in _SCALES:
            total += (part or 1) * _SCALES[word]
            part = 0
        elif word in _TENS and not part % 100:
            part += 10 * _TENS[word]
        elif word in _UNITS and not part % (10 if _UNITS[word] < 10 else 100):
            part += _UNITS[word]
        else:
            return None
    return str(total + part) if text else None


def _measured(text: str) -> str | None:
    """`3 dollars` for `three dollars`."""
    number, space, unit = text.rpartition(" ")
    known = unit in units.PLAIN or _is_counted(unit)
    value = number_in_words(number) if space and known else None
    return f"{value} {unit}" if value else None


def _is_counted(word: str) -> bool:
    """May it be a thing, as the cars of `five cars`?"""
    if len(word) < 3 or not word.isalpha() or word in units.CHANGING:
        return False
    return word not in ("quarter", "quarters", "squared", "cubed", "percent")


def _with_part(text: str) -> str | None:
    """`2 + 1/2` for `two and a half`."""
    match = _AND_PART.fullmatch(text)
    whole = number_in_words(match.group(1)) if match else None
    return f"{whole} + 1/{_PARTS[match.group(2)]}" if whole else None


def letters(text: str) -> str | None:
    """`ACD` for `A, C, D`, `D, C and A` and `ACD`: several choices."""
    if len(text) > 40:
        return None
    text = _TEXT.sub(r"\1", text).replace("and", ",")
    found = [c for c in text if c not in " ,()"]
    if len(found) < 2 or not all("A" <= c <= "J" for c in found):
        return None
    return "".join(sorted(found))


def label(text: str) -> tuple[str, str]:
    r"""`("\\angle ABC", "45°")` for `\angle ABC = 45°`; `("", text)` else."""
    name, equals, value = text.partition("=")
    name, value = name.strip(), value.strip()
    if not equals or not value or "=" in value or len(name) > 60:
        return "", text
    return (name, value) if _LABEL.fullmatch(name) else ("", text)


def words(text: str) -> list[str] | None:
    """The items of a list of names; None where there are formulas."""
    if len(text) > 400:
        return None
    text = spelled(text)
    if not all(
        character.isalpha() or character in " ,;'-" for character in text
    ):
        return None
    return sorted(item for item in _WORD_LIST.split(text) if item)


def _date(year: int, month: int, day: int) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return f"date {year}-{month}-{day}"
