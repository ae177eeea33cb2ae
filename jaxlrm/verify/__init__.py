"""Symbolic verifiers: host only, no JAX. Text that they read is hostile."""

from jaxlrm.verify.answers.comparison import is_equivalent
from jaxlrm.verify.answers.extract import extract_answer
from jaxlrm.verify.answers.grading import grade
from jaxlrm.verify.programs import Run, Sandbox, Session, Status, run_python
from jaxlrm.verify.steps import check_step
from jaxlrm.verify.verdict import Verdict

__all__ = [
    "Run",
    "Sandbox",
    "Session",
    "Status",
    "Verdict",
    "check_step",
    "extract_answer",
    "grade",
    "is_equivalent",
    "run_python",
]
