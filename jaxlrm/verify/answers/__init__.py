"""Answers: found in text, and compared."""

from jaxlrm.verify.answers.grading import (
    grade,
    group_answers,
)

__all__ = ["grade", "group_answers"]
