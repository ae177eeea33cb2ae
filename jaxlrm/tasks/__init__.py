"""Families of problems, by name."""

from __future__ import annotations

from jaxlrm.tasks.arithmetic import AddSubMultiple
from jaxlrm.tasks.linear import LinearEquation
from jaxlrm.tasks.task import Problem, Task

TASKS: dict[str, Task] = {
    family.name: family for family in (LinearEquation(), AddSubMultiple())
}


def get(name: str) -> Task:
    """The family called `name`; ValueError lists the known ones."""
    if name not in TASKS:
        raise ValueError(
            f"unknown task {name!r}; known tasks: {', '.join(TASKS)}"
        )
    return TASKS[name]


def recognise(text: str) -> tuple[Task, str] | None:
    """The family that phrases problems like `text`, and the statement."""
    for family in TASKS.values():
        statement = family.statement(text)
        if statement:
            return family, statement
    return None


__all__ = ["TASKS", "Problem", "Task", "get", "recognise"]
