"""Answers: found in text, and compared.

completion, boxes, sentences, extract   the answer in a model's text
normal, spellings, printed              one spelling for what means the same
syntax                                  an answer as a tree
phrases, qualifiers, units              words and units in it
lines, exact, rational                  exact values
modular, numerical, evaluation, floats  values at points, certified numerics
scalars, regions, equivalence           two answers compared
maths, algebra, grading                 tier by tier; whole completions
"""

from jaxlrm.verify.answers.grading import (
    grade,
    group_answers,
)

__all__ = ["grade", "group_answers"]
