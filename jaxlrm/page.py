"""What the journal knows of one problem while it is being solved."""

from __future__ import annotations

import dataclasses

import numpy as np

from jaxlrm.solution import Thought
from jaxlrm.verify import steps as steps_lib
from jaxlrm.verify.verdict import Verdict, combine


@dataclasses.dataclass
class Entry:
    """A thought while its problem is being solved.

    Attributes:
        thought: what will be reported.
        lines: the chain's finished steps up to here.
        unfinished: tokens of a last step that the limit cut.
        written: the whole step that this thought ends, if it ends one.
        program: what of it a tool has run.
    """

    thought: Thought
    lines: tuple[str, ...]
    unfinished: tuple[int, ...]
    written: str = ""
    program: str = ""


@dataclasses.dataclass
class Page:
    """What is known of one problem.

    Attributes:
        number: its number.
        statement: what it asks about, None if no family reads it.
        outside: no family that the model was trained on reads it.
        started: when its slot was filled.
        entries: thoughts, parents first.
        nodes: the entry of each node of the tree; -1 is the problem.
        last: the entry of each branch of the last round.
        rounds: so far.
        tokens: that the generator wrote.
        read: tokens that a separate reward model has read.
        allowance: tokens that the generator may write.
        wrote: whether it wrote any in the last round.
        answered: an answer came, or a verdict of one, since the votes were
            last counted.
        enough: the problem ends with the last round, whose answers all count.
        model_seconds: waited for the device.
        verify_seconds: waited for verdicts.
        peak_slots: most slots of the trunk in use.
        dropped: steps let go because the cache was full.
        failures: of the user's checkers that failed, the first of each.
    """

    number: int
    statement: str | None
    outside: bool
    started: float
    entries: list[Entry] = dataclasses.field(default_factory=list)
    nodes: dict[int, int] = dataclasses.field(default_factory=lambda: {0: -1})
    last: dict[int, int] = dataclasses.field(default_factory=dict)
    rounds: int = 0
    tokens: int = 0
    read: int = 0
    allowance: int = 0
    wrote: bool = True
    answered: bool = False
    enough: bool = False
    model_seconds: float = 0.0
    verify_seconds: float = 0.0
    peak_slots: int = 0
    dropped: int = 0
    failures: dict[str, str] = dataclasses.field(default_factory=dict)

    def settle(self, nodes: np.ndarray) -> None:
        """Learns which thoughts of the last round were kept."""
        for branch, index in self.last.items():
            entry = self.entries[index]
            kept = nodes[branch] >= 0
            if kept:
                self.nodes[int(nodes[branch])] = index
            if self.enough and entry.thought.kind == "answer":
                kept |= entry.thought.verdict is not Verdict.INVALID
            if kept:
                entry.thought = dataclasses.replace(entry.thought, kept=True)
        self.last = {}

    def verdict_on_chain(self, index: int, verdict: Verdict) -> Verdict:
        """An answer is VALID only if every step before it is.

        And only if it is known what the first of them had to follow from.
        """
        thought = self.entries[index].thought
        if thought.kind != "answer":
            return verdict
        if self.statement is None and verdict is Verdict.VALID:
            return Verdict.UNKNOWN
        verdicts = [verdict]
        parent = thought.parent
        while parent >= 0:
            before = self.entries[parent].thought
            if before.kind != "open":
                verdicts.append(before.verdict)
            parent = before.parent
        return verdict if len(verdicts) == 1 else combine(verdicts)

    def programs(self, index: int) -> tuple[str, ...]:
        """The programs of the chain before a thought."""
        found = []
        parent = self.entries[index].thought.parent
        while parent >= 0:
            entry = self.entries[parent]
            if entry.program:
                found.append(entry.program)
            parent = entry.thought.parent
        return tuple(reversed(found))

    def answers(self) -> dict[int, str]:
        """The answers of the chains that ended, by their last thought."""
        return {
            index: answer
            for index, entry in enumerate(self.entries)
            if entry.thought.kind == "answer"
            and (answer := steps_lib.chain_answer(self.statement, entry.lines))
        }

    def path(self, last: int | None) -> tuple[int, ...]:
        """Thoughts from the first step to `last`."""
        found = []
        while last is not None and last >= 0:
            found.append(last)
            last = self.entries[last].thought.parent
        return tuple(reversed(found))
