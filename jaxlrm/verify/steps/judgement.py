"""One step of a chain about a problem that no family recognises.

A step is judged by what it claims. A false fact is INVALID: an equality of
numbers that no reading saves. A true one, an identity, or an equation that
follows from the chain is VALID, where no claim of the step is in doubt. All
else is UNKNOWN: a new condition, a name, a case, prose.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from jaxlrm.verify.inputs import check_text
from jaxlrm.verify.steps import equations, facts
from jaxlrm.verify.steps.claims import Claim, claims_of
from jaxlrm.verify.steps.markup import ANNOTATION, LENGTH
from jaxlrm.verify.steps.readings import (
    Finding,
    Sentence,
    compare,
)
from jaxlrm.verify.steps.sentence import is_tried, setting
from jaxlrm.verify.steps.sides import Side
from jaxlrm.verify.steps.tokens import tokenize
from jaxlrm.verify.steps.words import CASES
from jaxlrm.verify.verdict import Verdict

CONTEXT = 40  # steps of a chain that are read, the last ones


class Judgement(NamedTuple):
    """What is found about a step.

    Attributes:
        verdict: INVALID for a false fact alone.
        doubt: a claim that only some reading saves, or an equation that
            contradicts the one it is made of. It speaks against a step
            without refuting it.
    """

    verdict: Verdict
    doubt: bool = False


@dataclasses.dataclass
class _Notes:
    """What the claims of a step have shown so far.

    Attributes:
        false: one is false.
        shown: one is true, or follows from the chain.
        doubt: one is in doubt.
        blocked: something may be wrong, so that nothing makes it VALID.
    """

    false: bool = False
    shown: bool = False
    doubt: bool = False
    blocked: bool = False

    def judgement(self) -> Judgement:
        """The judgement on the step."""
        if self.false:
            return Judgement(Verdict.INVALID, self.doubt)
        if self.shown and not self.doubt and not self.blocked:
            return Judgement(Verdict.VALID)
        return Judgement(Verdict.UNKNOWN, self.doubt)


def judge_step(problem: str, chain: Sequence[str], step: str) -> Judgement:
    """Judges a step by what it claims, whatever the problem.

    Args:
        problem: its whole text; "" where it is not known.
        chain: the steps or lines before, in order.
        step: the new step, of any number of lines.

    Raises:
        TypeError: one of them is no text.
    """
    check_text(problem=problem, step=step)
    if len(step) > LENGTH:
        return Judgement(Verdict.UNKNOWN)
    chain = [line for line in chain if line.strip()][-CONTEXT:]
    notes = _Notes()
    tokens = tokenize(step)
    statements = equations.statements_of(step)
    tried = is_tried(chain)
    earlier = None
    texts = (problem, *chain, step)
    for claim, new in statements:
        if not claim.relations:
            continue
        claimed, sentence = setting(tokens, claim)
        claimed = claimed and not tried
        _judge_closed(notes, claim, claimed, sentence, texts)
        if notes.false:
            break
        if new is not None and claimed:
            if earlier is None:
                earlier = _earlier(problem, chain)
            _judge_open(notes, new, earlier, chain, step)
            earlier.insert(0, new)
        elif claimed and any(map(equations.has_unknowns, claim.sides)):
            _judge_value(notes, claim, chain, sentence)
    for text in ANNOTATION.findall(step):
        _judge_annotation(notes, text)
    if not notes.false and not notes.shown and not tried:
        claims = [claim for claim, _ in statements]
        _judge_whole(notes, claims, tokens, chain, step)
    return notes.judgement()


def check_step(context: str | Sequence[str], step: str) -> Verdict:
    """The verdict of `judge_step` on a step behind a chain.

    Args:
        context: the chain so far: a text, or its steps or lines in order.
        step: the new step, of any number of lines.

    Returns:
        INVALID where a claim without unknowns is false in every reading; VALID
        where one is true, or an equation follows from the chain, and no claim
        is in doubt; else UNKNOWN. Never raises on any text.

    Raises:
        TypeError: one of them is no text.
    """
    if isinstance(context, (list, tuple)):
        chain = list(context)
        for number, before in enumerate(chain):
            check_text(**{f"context[{number}]": before})
    else:
        check_text(context=context)
        chain = context.split("\n")
    check_text(step=step)
    return judge_step("", chain, step).verdict


# --- Facts ------------------------------------------------------------------


def _judge_closed(
    notes: _Notes,
    claim: Claim,
    claimed: bool,
    sentence: Sentence,
    texts: Sequence[str],
) -> None:
    """Judges each pair of sides without unknowns."""
    for pair in facts.pairs_of(claim):
        finding = facts.find(pair, claim.modulus, sentence, texts)
        _note(notes, finding, pair, claim, claimed)


def _note(
    notes: _Notes,
    finding: Finding,
    pair: facts.Pair,
    claim: Claim,
    claimed: bool,
) -> None:
    """What a fact says about the step."""
    left, right = pair.left, pair.right
    congruent = "==" in claim.relations
    if finding is Finding.NOTHING:
        return
    if finding is Finding.TRUE:
        both_numbers = _is_number(left) and _is_number(right)
        says = congruent or (left.pieces != right.pieces and not both_numbers)
        if pair.certain and claimed and says:
            notes.shown = True
        return
    if left.plain and right.plain and not congruent:
        # 15 gallons = 60 pints: a conversion, a name, a candidate.
        notes.blocked = notes.blocked or pair.certain
        return
    notes.blocked = True
    bare = pair.first and left.plain and not congruent
    if not claimed or not pair.certain or bare:
        return  # it may be a part of something else, a name, a candidate
    if finding is Finding.DOUBTFUL or (
        finding is Finding.FALSE and claim.loose
    ):
        notes.doubt = notes.doubt or _computes(left) or not claim.loose
    elif finding is Finding.FALSE:
        notes.false = True


def _is_number(side: Side) -> bool:
    """Is it written as an integer or a decimal?"""
    return side.plain and not any("/" in p or "\\" in p for p in side.pieces)


def _computes(side: Side) -> bool:
    return not _OPERATORS.isdisjoint(side.pieces)


_OPERATORS = frozenset("+-*/")


def _judge_annotation(notes: _Notes, text: str) -> None:
    """`<<16-3-4=9>>`, what a calculator was asked and said."""
    for claim in claims_of(text):
        if len(claim.sides) == 2 and claim.whole:
            before = notes.shown
            _judge_closed(notes, claim, True, Sentence(), ())
            notes.shown = before


# --- Lines with unknowns ----------------------------------------------------


def _earlier(problem: str, chain: Sequence[str]) -> list[equations.Open]:
    """The equations of the chain and of the problem, the last first."""
    found: list[equations.Open] = []
    for text in reversed((problem, *chain)):
        found.extend(reversed(equations.equations_of(text)))
        if len(found) >= equations.EARLIER:
            break
    return found[: equations.EARLIER]


def _judge_open(
    notes: _Notes,
    new: equations.Open,
    earlier: list[equations.Open],
    chain: Sequence[str],
    step: str,
) -> None:
    if equations.is_identity(new) or equations.follows(new, earlier):
        notes.shown = True
        return
    if chain and not CASES.isdisjoint(equations.words_of(chain[-1])):
        return
    if equations.contradicts(new, earlier, equations.words_of(step)):
        notes.doubt = True


def _judge_value(
    notes: _Notes, claim: Claim, chain: Sequence[str], sentence: Sentence
) -> None:
    """`C = 56.5` where the chain has said that `C = 18 * pi`."""
    value = equations.rests_on_value(claim, chain)
    last = claim.sides[-1]
    if value is None or last is None or equations.has_unknowns(last):
        return
    if len(claim.sides) != 2 or not (claim.left and claim.right):
        return
    finding = compare(value, last, claim.relations[0] == "~", sentence)
    if finding is Finding.TRUE and not value.plain:
        notes.shown = True


def _judge_whole(
    notes: _Notes,
    claims: Sequence[Claim],
    tokens,
    chain: Sequence[str],
    step: str,
) -> None:
    """A step that is a formula alone, behind another one."""
    if not chain or not claims:
        return
    claim = claims[0]
    if claim.left and claim.end >= len(tokens) - 1:
        if not claim.relations:
            notes.shown = _keeps_value(claim, chain[-1])
            return
        if equations.solves(claim, chain):
            notes.shown = True
            return
    if equations.whole_line_follows(step, chain):
        notes.shown = True


def _keeps_value(claim: Claim, before: str) -> bool:
    """An expression after another one of the same value."""
    others = claims_of(before)
    if len(others) != 1 or others[0].relations or not others[0].whole:
        return False
    side, other = claim.sides[0], others[0].sides[0]
    if side is None or other is None or side.pieces == other.pieces:
        return False
    if equations.has_unknowns(side) or equations.has_unknowns(other):
        return equations.are_identical(other, side)
    return compare(other, side, False, Sentence()) is Finding.TRUE
