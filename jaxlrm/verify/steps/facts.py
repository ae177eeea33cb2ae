"""Facts of a claim: what two neighbouring sides without unknowns say.

Each is true, false, doubtful or unread, as `find` says; how certain it is that
the claim says just that is in the `Pair`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jaxlrm.verify.steps.claims import Claim
from jaxlrm.verify.steps.deduction.values import ORDERS
from jaxlrm.verify.steps.equations import has_unknowns
from jaxlrm.verify.steps.readings import (
    Finding,
    Sentence,
    compare,
    holds_in_a_base,
    holds_modulo,
)
from jaxlrm.verify.steps.sentence import moduli, uses_bases
from jaxlrm.verify.steps.sides import Side
from jaxlrm.verify.steps.values import value_of


class Pair(NamedTuple):
    """Two neighbouring sides of a claim, without unknowns.

    Attributes:
        left: the first side.
        right: the second side.
        relation: between them.
        first: does the claim begin with them?
        certain: does nothing beside the claim belong to them?
    """

    left: Side
    right: Side
    relation: str
    first: bool
    certain: bool


def pairs_of(claim: Claim) -> Iterator[Pair]:
    """The neighbouring sides of a claim that have no unknowns."""
    last = len(claim.relations) - 1
    for index, relation in enumerate(claim.relations):
        left, right = claim.sides[index : index + 2]
        if has_unknowns(left) or has_unknowns(right):
            continue
        first = index == 0
        certain = (not first or claim.left) and (index < last or claim.right)
        yield Pair(left, right, relation, first, certain)


def find(
    pair: Pair, modulus: str, sentence: Sentence, texts: Sequence[str]
) -> Finding:
    """Does it hold?

    Args:
        pair: two sides.
        modulus: of the claim, else "".
        sentence: what the sentence around the claim says.
        texts: all that may speak of other bases or residues.
    """
    left, right, relation = pair.left, pair.right, pair.relation
    if relation in ("=", "~"):
        finding = compare(left, right, relation == "~", sentence)
    elif relation == "==":
        finding = _congruent(left, right, modulus)
    else:
        finding = _ordered(left, right, relation)
    if relation == "=" and modulus and finding is not Finding.TRUE:
        finding = _congruent(left, right, modulus)
    if finding is Finding.FALSE and not modulus:
        if _holds_in_other_numbers(left, right, texts):
            return Finding.DOUBTFUL
    return finding


def _holds_in_other_numbers(
    left: Side, right: Side, texts: Sequence[str]
) -> bool:
    """Does a false claim hold in a base, or modulo a number, of the text?"""
    pieces = left.pieces + right.pieces
    if r"\bmod" in pieces:
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
