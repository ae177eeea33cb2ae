"""What is asked of the worker processes about text that a model has written.

Each function here is a job of `verify.workers.Pool`: a pure function of plain
arguments that returns a plain value. The engine's process parses nothing that
a model wrote; it asks for one of these, and waits no longer than its deadline.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jaxlrm import extend
from jaxlrm.extend import is_complete
from jaxlrm.verify.answers.comparison import is_equivalent
from jaxlrm.verify.answers.extract import bare_answer, extract_answer
from jaxlrm.verify.answers.grading import (
    gold_answer,
    group_answers,
    group_names,
)
from jaxlrm.verify.blocks import Kind, split_programs
from jaxlrm.verify.steps import (
    chain_answer,
    check_answer,
    check_chain,
    judge_step,
)
from jaxlrm.verify.verdict import Verdict, combine

_LONGEST = 1 << 12  # characters of an answer; what is longer states none

# Words that steps of the generated families are written with, and functions.
_FORMAL = frozenset(
    """left gcd lcm factors expand mod sqrt log ln sin cos tan abs frac dfrac
    cdot times div boxed or""".split()
)
_WORD = re.compile(r"[A-Za-z]{2,}")


def judge(
    problem: str,
    statement: str | None,
    chain: Sequence[str],
    step: str,
    first: int,
    ended: bool,
    checked: bool,
    trained: bool,
    text: str,
) -> tuple[int, bool, str | None]:
    """Judges a step, and reads the answer of a chain that it ends.

    Args:
        problem: its whole text.
        statement: what the problem states, if a family recognises it.
        chain: texts of the steps before, in order, and of what tools wrote.
        step: text of the new step, of any number of lines; where a strategy
            writes whole chains at once, of all their steps.
        first: the steps of `chain` from this number on are judged as well;
            those before it have been.
        ended: whether the step ends the chain.
        checked: whether to judge; else only the answer is read.
        trained: whether the model was trained on the problem's family, so that
            it writes nothing but steps that the family's rule reads.
        text: of a chain that has ended, its exact text.

    Returns:
        The verdict; whether there is a doubt, see `verify.steps.Judgement`;
        the bare answer, None if the chain goes on or states none.
    """
    verdict, doubt = Verdict.UNKNOWN, False
    if checked and statement is None:
        verdict, doubt = _by_claims(problem, chain, step)
    elif checked:
        verdict, doubt = _by_rule(
            problem, statement, chain, step, first, ended, trained
        )
    answer = None
    if ended:
        answer = _answer(statement, [*chain, step], trained, text)
    return int(verdict), doubt, answer


def group(answers: Sequence[str]) -> tuple[list[int], list[str]]:
    """The group of each answer, and the name of each group."""
    groups = group_answers(answers)
    return groups, group_names(answers, groups)


def is_correct(problem: str, task: str | None, answer: str, gold: str) -> bool:
    """Is an answer right, where `gold` is known to be?

    The family called `task` decides, if there is one and it recognises the
    problem; else `is_equivalent`.

    Args:
        problem: its text.
        task: label of the problem; one that no family has is only a label.
        answer: of a solution, bare.
        gold: the right answer, or a published solution that ends with it.
    """
    family = extend.get(task) if task in extend.names() else None
    statement = family.statement(problem) if family else None
    if statement is not None:
        return family.accepts(statement, answer, gold)
    return is_equivalent(answer, gold_answer(gold))


def reachable(task: str, statement: str, steps: Sequence[str]) -> bool | None:
    """Can the answer still be reached after these steps?

    None where that is not known, see `extend.Family`.
    """
    tell = getattr(extend.get(task), "reachable", None)
    return None if tell is None else tell(statement, steps)


def lines_of(texts: Sequence[str]) -> list[str]:
    """The lines of some texts, without blank ones."""
    return [
        line for text in texts for line in text.splitlines() if line.strip()
    ]


# --- Steps ------------------------------------------------------------------


def _by_rule(
    problem: str,
    statement: str,
    chain: Sequence[str],
    step: str,
    first: int,
    ended: bool,
    trained: bool,
) -> tuple[Verdict, bool]:
    """By the rule of the family, line by line.

    Where the model was trained on the family, a line that its rule cannot read
    is INVALID, if the rule reads all that is right: the model has lost the
    thread, and what it writes would outlive all that is read and found wrong.

    A model that was not trained on the family may write prose, and facts in an
    order of its own: a line of which the rule says INVALID, but which is prose
    or claims what is true, counts for as much as its claims.
    """
    before, new = lines_of(chain[:first]), lines_of([*chain[first:], step])
    if not new:
        return Verdict.INVALID, False  # an empty step says nothing
    strict = trained and is_complete(statement)
    verdicts, doubt = [], False
    for number, line in enumerate(new, 1):
        so_far = before + new[:number]
        check = check_answer if ended and number == len(new) else check_chain
        verdict = check(statement, so_far)
        if verdict is Verdict.INVALID and not trained:
            claims = judge_step(problem, so_far[:-1], line)
            if _is_prose(line) or claims.verdict is Verdict.VALID:
                verdict, doubt = claims.verdict, doubt or claims.doubt
                if verdict is Verdict.VALID:
                    verdict = Verdict.UNKNOWN  # true, and no proof
        if verdict is Verdict.INVALID:
            return verdict, False
        if verdict is Verdict.UNKNOWN and strict:
            return Verdict.INVALID, False
        verdicts.append(verdict)
    return combine(verdicts), doubt


def _by_claims(
    problem: str, chain: Sequence[str], step: str
) -> tuple[Verdict, bool]:
    """By what its prose claims; programs and their outputs claim nothing."""
    *before, step = _without_programs([*chain, step])
    if not step.strip():
        return Verdict.UNKNOWN, False
    return judge_step(problem, before, step)


def _without_programs(texts: Sequence[str]) -> list[str]:
    """The texts of a chain, without the parts that belong to programs."""
    whole = "\n".join(texts)
    if not any(mark in whole for mark in ("```", "~~~", ">>> ")):
        return list(texts)
    prose = list(whole)
    for piece in split_programs(whole):
        if piece.kind is not Kind.TEXT:
            size = piece.end - piece.start
            prose[piece.start : piece.end] = " " * size
    found, start = [], 0
    for text in texts:
        found.append("".join(prose[start : start + len(text)]))
        start += len(text) + 1
    return found


def _is_prose(line: str) -> bool:
    """Is there a word in it, and not only names of functions?"""
    words = (word.lower() for word in _WORD.findall(line))
    return any(word not in _FORMAL for word in words)


# --- Answers ----------------------------------------------------------------


def _answer(
    statement: str | None, steps: Sequence[str], trained: bool, text: str
) -> str | None:
    lines = lines_of(steps)
    if not lines:
        return None
    if statement is None or (not trained and _is_prose(lines[-1])):
        answer = extract_answer(text)
        answer = None if answer is None else bare_answer(answer)
    else:
        answer = chain_answer(statement, lines)
    return answer if answer and len(answer) <= _LONGEST else None
