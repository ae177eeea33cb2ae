"""Arithmetic on long numbers, a line at a time.

A chain about `6430/65 + 316*4108`, `gcd(1341, 11920)` or `lcm(14, 35)` is
written in four sorts of lines:

    main       775*986 - 30        keeps the value of the main line before
    opening    775*986 = 697500 + 775*86     works out a part of the main line
    going on   = 697500 + 62000 + 775*6      keeps the value of the line before
    Euclid     gcd(1341, 11920 - 10728)      a multiple of one is taken off

Every line may carry out one operation: judging more would be working the
problem out.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence

from jaxlrm.verify.answers.exact import NotParsed, Number, Ratio
from jaxlrm.verify.answers.lines import parse
from jaxlrm.verify.inputs import splits_numbers
from jaxlrm.verify.verdict import Verdict

COMPLETE = True  # see `extend.Rule`

_LENGTH = 600
_STATEMENT = re.compile(r"[-+*/^()0-9.]{1,600}")
_PAIR = re.compile(
    r"(gcd|lcm)\(([0-9]{1,40})(?:-([0-9]{1,40}))?,"
    r"([0-9]{1,40})(?:-([0-9]{1,40}))?\)"
)
_PART = re.compile(r"([0-9]{1,40})([-+*/])([0-9]{1,40})")
_NUMBER = re.compile(r"-?[0-9]{1,80}(?:\.[0-9]{1,40})?")
_INTEGER = re.compile(r"-?[0-9]{1,80}")
_FRACTION = re.compile(r"-?[0-9]{1,80}/[0-9]{1,80}")
_INTEGERS = re.compile(r"(?<![0-9.])[0-9]+(?![0-9.])")
_DIVIDEND = re.compile(r"\(([0-9]+)-([0-9]+)\)/")
_EXPONENT = re.compile(r"(?:\*\*|\^)[0-9]+")
_OPERATOR = re.compile(r"(?<=[0-9)])(?:\*\*|[-+*/^])")


@dataclasses.dataclass
class _State:
    """What the lines so far have come to.

    Attributes:
        main: the last main line.
        opened: what was worked out since, the open block last.
        rights: what the open block has come to, line by line.
        pair: the last line of Euclid, "" without one.
        results: the numbers that blocks since the last main line came to.
    """

    main: str
    opened: list[str] = dataclasses.field(default_factory=list)
    rights: list[str] = dataclasses.field(default_factory=lambda: [""])
    pair: str = ""
    results: set[str] = dataclasses.field(default_factory=set)


def reads(statement: str) -> bool:
    """Is it an expression of numbers, a gcd or an lcm?"""
    if splits_numbers(statement):
        return False
    statement = _squeeze(statement)
    pair = _PAIR.fullmatch(statement)
    if pair:
        return not (pair[3] or pair[5])
    return bool(_STATEMENT.fullmatch(statement)) and "=" not in statement


def check(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on the last of `steps`; earlier ones are taken as checked."""
    if splits_numbers(steps[-1]):
        return Verdict.UNKNOWN
    *earlier, last = (_squeeze(line) for line in steps)
    statement = _squeeze(statement)
    if max(len(last), len(statement)) > _LENGTH:
        return Verdict.UNKNOWN
    if last in _comparable(statement, earlier, last):
        return Verdict.INVALID
    state = _State(statement, pair=statement if _PAIR.match(statement) else "")
    for line in earlier:
        _follow(state, line)
    try:
        return _judge(state, statement, last)
    except NotParsed:
        return Verdict.UNKNOWN
    except ZeroDivisionError:
        return Verdict.INVALID


def check_answer(statement: str, steps: Sequence[str]) -> Verdict:
    """The verdict on a chain whose last step claims the answer.

    It must be a plain number, or a fraction in lowest terms.
    """
    last = _squeeze(steps[-1])
    if _FRACTION.fullmatch(last):
        top, bottom = (int(part) for part in last.split("/"))
        if bottom < 2 or math.gcd(top, bottom) > 1:
            return Verdict.INVALID
    elif not _NUMBER.fullmatch(last):
        return Verdict.INVALID
    return check(statement, steps)


def answer(statement: str, steps: Sequence[str]) -> str | None:
    """The last line."""
    del statement
    return steps[-1].strip().removesuffix(".") if steps else None


def _squeeze(line: str) -> str:
    return "".join(line.split()).removesuffix(".")


def _comparable(statement: str, earlier: Sequence[str], last: str):
    """The lines that `last` must not repeat."""
    if last.startswith("="):
        return ()
    main = [n for n, line in enumerate(earlier) if _is_main(line)]
    if _is_main(last):
        return (statement, *(earlier[n] for n in main))
    return earlier[main[-1] if main else 0 :]


def _is_main(line: str) -> bool:
    return "=" not in line and not line.startswith("gcd")


def _follow(state: _State, line: str) -> None:
    if line.startswith("="):
        state.rights.append(line[1:])
    elif "=" in line:
        left, right = line.split("=", 1)
        state.opened.append(left)
        state.rights = [right]
    elif line.startswith("gcd"):
        state.pair = line
    else:
        state.main, state.opened, state.rights = line, [], [""]
        state.pair, state.results = "", set()
    state.results |= {n for n in state.rights if _NUMBER.fullmatch(n)}


def _judge(state: _State, statement: str, line: str) -> Verdict:
    if line.startswith("="):
        if not state.opened or _NUMBER.fullmatch(state.rights[-1]):
            return Verdict.INVALID  # no block is open
        if line[1:] in state.rights:
            return Verdict.INVALID
        return _goes_on(state.rights[-1], line[1:])
    if "=" in line:
        left, right = line.split("=", 1)
        if left == right or left in state.opened:
            return Verdict.INVALID
        if not _serves(state, left):
            return Verdict.INVALID
        return _goes_on(left, right)
    if line.startswith("gcd"):
        if _PAIR.match(statement) and not _PAIR.match(state.main):
            return Verdict.INVALID  # the divisor is found
        return _euclid(state, line)
    if _PAIR.match(state.main):
        return _after_euclid(state, statement, line)
    if _INTEGER.fullmatch(state.main):
        return Verdict.INVALID  # nothing is left to do
    verdict = _keeps_value(state.main, line)
    if verdict is Verdict.UNKNOWN and line in state.results:
        return Verdict.VALID  # the blocks have come to it, one by one
    return verdict


def _goes_on(before: str, after: str) -> Verdict:
    """The verdict on a line of a block.

    A division takes a part of the dividend off it, as Euclid does: with more
    taken off, `48/99 = 4 + (48 - 396)/99`, the quotient is not nearer.
    """
    for whole, taken in _DIVIDEND.findall(after):
        if not 0 < int(taken) <= int(whole):
            return Verdict.INVALID
    return _keeps_value(before, after)


def _keeps_value(before: str, after: str) -> Verdict:
    new = _value(after)
    if _value(before) != new:
        return Verdict.INVALID
    many = _operations(before) > _operations(after) + 1
    if many and _written_otherwise(before, after):
        many = False
    return Verdict.UNKNOWN if many else Verdict.VALID


def _written_otherwise(before: str, after: str) -> bool:
    """`2*5**2 + 3*5` as `(2*5 + 3)*5`: the same numbers, none worked out."""
    old = set(_INTEGERS.findall(_EXPONENT.sub("", before)))
    return old == set(_INTEGERS.findall(after))


def _value(text: str) -> Number:
    sides = parse(text).sides
    if len(sides) != 1 or isinstance(sides[0], Ratio):
        raise NotParsed("not an expression of numbers")
    return sides[0]


def _operations(line: str) -> int:
    """Written operators between two operands; signs do not count."""
    return len(_OPERATOR.findall(line))


def _serves(state: _State, left: str) -> bool:
    """Is `left` an operation on numbers of the main line?"""
    part = _PART.fullmatch(left)
    if not part:
        return False
    known = set(_INTEGERS.findall(state.main)) | state.results
    if part[1] in known and part[3] in known:
        return True
    # The terms of a fraction are divided by their greatest common divisor.
    common = _ended(state.pair)
    return part[2] == "/" and part[3] == common and part[1] in known


def _ended(pair: str) -> str | None:
    """`6` for `gcd(6, 0)` or `gcd(0, 6)`: what Euclid came to."""
    match = _PAIR.fullmatch(pair)
    if not match or match[3] or match[5]:
        return None
    if "1" in (match[2], match[4]):
        return "1"
    if "0" in (match[2], match[4]):
        return match[4] if match[2] == "0" else match[2]
    return None


def _euclid(state: _State, line: str) -> Verdict:
    """A multiple of one is taken off the other, or a difference worked out."""
    new = _PAIR.fullmatch(line)
    if not new or new[1] != "gcd":
        return Verdict.UNKNOWN
    old = _PAIR.fullmatch(state.pair)
    if old is None or _ended(state.pair) is not None:
        if _PAIR.match(state.main):
            return Verdict.INVALID  # no other pair than that of the problem
        return _opens(state, new)
    if old[1] == "lcm":
        old = _PAIR.fullmatch(state.pair.replace("lcm", "gcd"))
    follows = _takes_off(old, new)
    if not follows and not _PAIR.match(state.main):
        return _opens(state, new)  # of another fraction
    return Verdict.VALID if follows else Verdict.INVALID


def _opens(state: _State, new: re.Match) -> Verdict:
    """The first line of Euclid about a fraction of the main line."""
    place = f"+{state.main}+{state.rights[-1]}+"
    for one, other in ((2, 4), (4, 2)):
        quotient = rf"(?<![0-9])\(?-?{new[one]}\)?/\(?-?{new[other]}(?![0-9])"
        if re.search(quotient, place):
            plain = re.fullmatch(_PAIR, f"gcd({new[2]},{new[4]})")
            if not (new[3] or new[5]) or _takes_off(plain, new):
                return Verdict.VALID
    return Verdict.INVALID


def _takes_off(old: re.Match, new: re.Match) -> bool:
    before, after = _numbers(old), _numbers(new)
    if old[3] or old[5]:  # the difference is worked out
        return not (new[3] or new[5]) and before == after
    for one, other, whole, part in ((0, 1, 2, 3), (1, 0, 4, 5)):
        if after[other] != before[other] or not before[other]:
            continue
        if new[5 if part == 3 else 3]:
            continue
        if new[part]:
            taken = int(new[part])
            if int(new[whole]) == before[one] >= taken > 0:
                return taken % before[other] == 0
        elif before[one] > after[one]:
            return (before[one] - after[one]) % before[other] == 0
    return False


def _numbers(pair: re.Match) -> tuple[int, int]:
    return (
        int(pair[2]) - int(pair[3] or 0),
        int(pair[4]) - int(pair[5] or 0),
    )


def _after_euclid(state: _State, statement: str, line: str) -> Verdict:
    """The line that states a gcd, or what is left to do for an lcm."""
    common = _ended(state.pair)
    if common is None:
        return Verdict.INVALID
    match = _PAIR.fullmatch(statement)
    if match[1] == "gcd":
        return Verdict.VALID if line == common else Verdict.INVALID
    one, other = match[2], match[4]
    forms = {
        f"{one}/{common}*{other}",
        f"{other}/{common}*{one}",
        f"{one}*({other}/{common})",
    }
    if common == "1":
        forms |= {f"{one}*{other}", f"{other}*{one}"}
    return Verdict.VALID if line in forms else Verdict.INVALID
