"""Compares two trees by their kinds."""

from __future__ import annotations

from jaxlrm.verify.answers.equivalence.base import BaseComparer
from jaxlrm.verify.answers.equivalence.containers import compare_lists
from jaxlrm.verify.answers.equivalence.relations import compare_relations
from jaxlrm.verify.answers.equivalence.sets import compare_regions
from jaxlrm.verify.answers.equivalence.simplified import simplified
from jaxlrm.verify.answers.equivalence.solution_families import compare_families
from jaxlrm.verify.answers.equivalence.vectors import compare_tuples
from jaxlrm.verify.answers.regions import is_written_as_region
from jaxlrm.verify.answers.scalars import Judge
from jaxlrm.verify.answers.syntax import Tree
from jaxlrm.verify.verdict import Verdict, any_of, combine

# Budgets, beside those of `syntax`.
NESTING = 5  # of containers
PAIRS = 1200  # of values, for lists of lists


class Comparer(BaseComparer):
    """Compares trees; counts the pairs of values it has looked at."""

    def __init__(self, judge: Judge):
        self.judge = judge
        self.pairs = 0

    def compare(self, answer: Tree, gold: Tree, nesting: int) -> Verdict:
        """The verdict on a tree; UNKNOWN over the budgets."""
        self.pairs += 1
        if answer == gold:
            return Verdict.VALID
        if nesting < 0 or self.pairs > PAIRS:
            return Verdict.UNKNOWN
        if gold[0] == "same":
            verdicts = {self.compare(answer, g, nesting) for g in gold[1:]}
            return any_of(verdicts)
        if answer[0] == "same":
            return combine(self.compare(a, gold, nesting) for a in answer[1:])
        answer, gold = simplified(answer), simplified(gold)
        verdict = compare_families(self, answer, gold)
        if verdict is not None:
            return verdict
        if is_written_as_region(answer) or is_written_as_region(gold):
            verdict = compare_regions(self, answer, gold, nesting)
            if verdict is not None:
                return verdict
        if "rel" in (answer[0], gold[0]):
            if "list" not in (answer[0], gold[0]):
                return compare_relations(self, answer, gold, nesting)
        kinds = {answer[0], gold[0]}
        if "builder" in kinds:
            return Verdict.UNKNOWN
        if kinds & {"list", "set"}:
            return compare_lists(self, answer, gold, nesting)
        if kinds & {"group", "matrix"}:
            return compare_tuples(self, answer, gold, nesting)
        if kinds & {"cup", "cap", "minus"}:
            return Verdict.UNKNOWN
        return self.judge.quantities(answer, gold)
