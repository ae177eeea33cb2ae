"""Compares answers as text: spellings, words, and how they may be read."""

from __future__ import annotations

import re

from jaxlrm.verify.answers import phrases
from jaxlrm.verify.answers.equivalence.comparer import NESTING, Comparer
from jaxlrm.verify.answers.exact import LENGTH, NotParsed
from jaxlrm.verify.answers.lines import ungroup
from jaxlrm.verify.answers.normal import normal_form, squeeze
from jaxlrm.verify.answers.qualifiers import unqualified
from jaxlrm.verify.answers.scalars import Judge
from jaxlrm.verify.answers.syntax import Tree, parse_answer
from jaxlrm.verify.verdict import Verdict, decided

_COMMA = re.compile(
    r"[-¤€£]{0,2} ?[0-9]{1,15},(?:[0-9]{1,2}|[0-9]{4,15})(?: ?[€%])?"
)
_ZEROS = re.compile(r"(?<=[0-9]),0[0-9]")
# [1, 2; 3, 4] is a matrix for some.
_ROWS = re.compile(r"\[([^\[\]]{1,400})\]")


def decide(prediction: str, gold: str, judge: Judge) -> Verdict:
    """The verdict on `prediction`, by the policies of `comparison.compare`.

    Returns:
        VALID or INVALID where shown, else UNKNOWN.
    """
    form, right = normal_form(prediction), normal_form(gold)
    if not right:
        return Verdict.UNKNOWN
    if not form:
        return Verdict.INVALID
    if form == right:
        return Verdict.VALID
    if (
        (form + right).isascii()
        and form.isdecimal()
        and right.isdecimal()
        and len(form) < LENGTH
    ):
        return decided(form.lstrip("0") == right.lstrip("0"))
    if squeeze(form) == squeeze(right):
        return Verdict.VALID
    if len(form) > LENGTH or len(right) > LENGTH:
        return Verdict.UNKNOWN
    verdict = _compare_phrases(form, right)
    if verdict is not None:
        return verdict
    form, right = _without_choice(form, right)
    form, right = unqualified(form), unqualified(right)
    if form == right:
        return Verdict.VALID
    form = _with_point(form, right)
    try:
        verdict = _compare_readings(form, right, judge)
        if verdict is Verdict.UNKNOWN and ("=" in form or "=" in right):
            return _compare_labelled(form, right, judge)
        return verdict
    except RecursionError:
        return Verdict.UNKNOWN


def _without_choice(form: str, right: str) -> tuple[str, str]:
    """The 5 of `(C) 5`, where the other one is no choice."""
    answer, gold = phrases.choice(form), phrases.choice(right)
    if answer and answer[1] and not gold:
        return answer[1], right
    if gold and gold[1] and not answer:
        return form, gold[1]
    return form, right


def _with_point(form: str, right: str) -> str:
    """1000.99 for 1000,99 where one number is asked for, not a list.

    Three digits behind the comma may be thousands: they stay.
    """
    if "," in form and "," not in right and _COMMA.fullmatch(form):
        return form.replace(",", ".")
    return form


def _compare_labelled(form: str, right: str, judge: Judge) -> Verdict:
    """`AB = 5` and 5."""
    name, value = phrases.label(form)
    gold_name, gold_value = phrases.label(right)
    if not name and not gold_name:
        return Verdict.UNKNOWN
    if name and gold_name and squeeze(name) != squeeze(gold_name):
        return Verdict.UNKNOWN
    if "=" in value or "=" in gold_value:
        return Verdict.UNKNOWN
    return _compare_readings(value, gold_value, judge)


def _compare_phrases(form: str, right: str) -> Verdict | None:
    """Answers in words; None where they are mathematics."""
    if not any(c.isalpha() or c == ":" for c in right):
        if right.count("-") != 2 and right.count("/") != 2:  # 2020-03-05
            return None
    gold_choice, answer = phrases.choice(right), phrases.choice(form)
    if gold_choice and answer and not (answer[1] and gold_choice[1]):
        return decided(answer[0] == gold_choice[0])
    one, other = phrases.letters(form), phrases.letters(right)
    if one and other and ("," in form + right or " " in form + right):
        return decided(one == other)
    one, other = phrases.canonical(form), phrases.canonical(right)
    if one in ("yes", "no"):
        other = other or phrases.yes_or_no(right)
        other = other or phrases.yes_or_no_letter(right)
    elif other in ("yes", "no"):
        one = one or phrases.yes_or_no(form)
        one = one or phrases.yes_or_no_letter(form)
    if one and other:
        return decided(one == other)
    if any(c.isdigit() for c in right) or right.lower() in phrases.HOURS:
        one, other = phrases.moment(form), phrases.moment(right)
        if one and other:
            return decided(one == other)
        times = phrases.clock(form), phrases.clock(right)
        if all(times):
            # Where 2:30 is a ratio, another one may be equal.
            return decided(True) if times[0] == times[1] else Verdict.UNKNOWN
        one, other = one or times[0], other or times[1]
        return decided(one == other) if one and other else None
    if phrases.spelled(form) == phrases.spelled(right) and len(form) > 1:
        return Verdict.VALID
    if len(right) > 3:
        one, other = phrases.words(form), phrases.words(right)
        if one and one == other:
            return Verdict.VALID
    return None


# --- Readings ---------------------------------------------------------------


def _compare_readings(form: str, right: str, judge: Judge) -> Verdict:
    judge.reach("containers")
    golds = _readings(right)
    if not golds:
        return Verdict.UNKNOWN
    answers = _readings(form)
    verdicts = set()
    for gold in golds:
        for answer in answers:
            verdict = Comparer(judge).compare(answer, gold, NESTING)
            if verdict is Verdict.VALID:
                return verdict
            verdicts.add(verdict)
    return verdicts.pop() if len(verdicts) == 1 else Verdict.UNKNOWN


def _readings(text: str) -> list[Tree]:
    """`1,234` is a number or a list of two."""
    texts = [text]
    worded = "=" not in text or "except" in text
    worded = worded and any(c.isalpha() for c in text)
    formula = phrases.as_formula(text) if worded else None
    if formula:
        texts = [formula]
    elif "," in text:
        grouped = ungroup(text)
        if grouped != text:
            # No list has an item 000.
            listed = [] if _ZEROS.search(text) else [text]
            texts = [grouped, *listed]
        rows = _ROWS.fullmatch(text) if ";" in text else None
        if rows:
            texts.append("[[" + rows.group(1).replace(";", "],[") + "]]")
    elif " " in text and text.replace(" ", "").isdecimal():
        first, *rest = text.split(" ")
        if len(first) < 4 and all(len(part) == 3 for part in rest):
            texts = [text.replace(" ", "")]
    trees = []
    for reading in texts:
        try:
            trees.append(parse_answer(reading))
        except NotParsed:
            continue
    return trees
