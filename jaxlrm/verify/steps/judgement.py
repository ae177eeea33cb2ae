"""One step of a chain about a problem that no family recognises.

A step is judged by what it claims. A false fact is INVALID: an equality of
numbers that no reading saves. A true one, an identity, or an equation that
follows from the chain is VALID, where no claim of the step is in doubt. All
else is UNKNOWN: a new condition, a name, a case, prose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jaxlrm.verify.inputs import check_text
from jaxlrm.verify.steps import equations
from jaxlrm.verify.steps.claims import Claim, claims_of
from jaxlrm.verify.steps.deduction.values import ORDERS
from jaxlrm.verify.steps.markup import ANNOTATION, LENGTH
from jaxlrm.verify.steps.readings import (
    Finding,
    Sentence,
    compare,
    holds_in_a_base,
    holds_modulo,
)
from jaxlrm.verify.steps.sentence import is_tried, moduli, setting, uses_bases
from jaxlrm.verify.steps.sides import Side
from jaxlrm.verify.steps.tokens import tokenize
from jaxlrm.verify.steps.values import value_of
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


class _Notes:
    """What the claims of a step have shown so far."""

    def __init__(self):
        self.false = False
        self.shown = False
        self.doubt = False
        self.blocked = False  # something may be wrong: no VALID

    def judgement(self) -> Judgement:
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
    last = len(claim.relations) - 1
    for index, relation in enumerate(claim.relations):
        left, right = claim.sides[index], claim.sides[index + 1]
        if left is None or right is None:
            continue
        if equations.has_unknowns(left) or equations.has_unknowns(right):
            continue
        first = index == 0
        certain = (not first or claim.left) and (index < last or claim.right)
        if relation in ("=", "~"):
            finding = compare(left, right, relation == "~", sentence)
        elif relation == "==":
            finding = _congruent(left, right, claim.modulus)
        else:
            finding = _ordered(left, right, relation)
        if relation == "=" and claim.modulus and finding is not Finding.TRUE:
            finding = _congruent(left, right, claim.modulus)
        if finding is Finding.FALSE and _has_other_numbers(
            left, right, claim, texts
        ):
            finding = Finding.DOUBTFUL
        _note(notes, finding, left, right, first, certain, claimed, claim)


def _note(
    notes: _Notes,
    finding: Finding,
    left: Side,
    right: Side,
    first: bool,
    certain: bool,
    claimed: bool,
    claim: Claim,
) -> None:
    if finding is Finding.NOTHING:
        return
    if finding is Finding.TRUE:
        says = (
            "==" in claim.relations
            or left.pieces != right.pieces
            and not (_is_number(left) and _is_number(right))
        )
        if certain and claimed and says:
            notes.shown = True
        return
    if left.plain and right.plain and "==" not in claim.relations:
        # 15 gallons = 60 pints: a conversion, a name, a candidate.
        notes.blocked = notes.blocked or certain
        return
    notes.blocked = True
    bare = first and left.plain and "==" not in claim.relations
    if not claimed or not certain or bare:
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


def _has_other_numbers(
    left: Side, right: Side, claim: Claim, texts: Sequence[str]
) -> bool:
    """Does a false claim hold in a base, or modulo a number, of the text?"""
    pieces = left.pieces + right.pieces
    if claim.modulus or r"\bmod" in pieces:
        return False
    if not any(piece.startswith("_{") for piece in pieces):
        if uses_bases(*texts) and holds_in_a_base(left, right):
            return True
    return holds_modulo(left, right, moduli(*texts))


def _congruent(left: Side, right: Side, modulus: str) -> Finding:
    values = [value_of(text) for text in (left.text, right.text, modulus)]
    if None in values or not all(value.exact for value in values):
        return Finding.NOTHING
    one, other, size = (value.number for value in values)
    if size.denominator != 1 or size < 1:
        return Finding.NOTHING
    difference = one - other
    if difference.denominator != 1:
        return Finding.NOTHING
    return Finding.TRUE if difference % size == 0 else Finding.FALSE


def _ordered(left: Side, right: Side, relation: str) -> Finding:
    """An inequality: often a condition that is tried, so never FALSE."""
    one, other = value_of(left.text), value_of(right.text)
    if one is None or other is None or not (one.exact and other.exact):
        return Finding.NOTHING
    holds = ORDERS[relation](one.number, other.number)
    return Finding.TRUE if holds else Finding.DOUBTFUL


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
