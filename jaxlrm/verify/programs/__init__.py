"""Runs model-written Python and says what that does not protect from."""

from jaxlrm.verify.programs.pool import MODULES, Sandbox, Session, run_python
from jaxlrm.verify.programs.run import Protection, Run, Status

__all__ = [
    "MODULES",
    "Protection",
    "Run",
    "Sandbox",
    "Session",
    "Status",
    "run_python",
]
