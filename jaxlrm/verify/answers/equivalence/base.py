"""The interface by which comparisons of containers compare their parts.

`comparer` implements it with comparisons of lists, tuples, relations and sets,
each of which takes its two trees apart and calls it for the parts.
"""

from __future__ import annotations

import abc

from jaxlrm.verify.answers.scalars import Judge
from jaxlrm.verify.answers.syntax import Tree
from jaxlrm.verify.verdict import Verdict


class BaseComparer(abc.ABC):
    """Compares trees.

    Attributes:
        judge: of single values.
    """

    judge: Judge

    @abc.abstractmethod
    def compare(self, answer: Tree, gold: Tree, nesting: int) -> Verdict:
        """The verdict on a tree; UNKNOWN over the budgets.

        Args:
            answer: tree of `syntax`.
            gold: tree of `syntax`.
            nesting: how many containers may still be entered.
        """
