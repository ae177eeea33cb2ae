"""Symbolic verifiers: host only, no JAX. Text that they read is hostile."""

from jaxlrm.verify.answers import grade
from jaxlrm.verify.extract import extract_answer
from jaxlrm.verify.maths import is_equivalent
from jaxlrm.verify.sandbox import Run, Sandbox, Session, Status, run_python
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
