"""What the journal knows of one problem while it is being solved."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from jaxlrm.engine.solution import Thought
from jaxlrm.verify.verdict import Verdict, combine


@dataclasses.dataclass
class Entry:
    """A thought while its problem is being solved.

    Attributes:
        thought: what will be reported.
        tokens: that the model wrote.
        unfinished: tokens of a last step that the limit cut.
        step: text of the whole step that this thought ends, if it ends one.
        behind: text behind the step's delimiter, in the token that ended it:
            the next step begins with it.
        program: what of it a tool has run.
        output: tokens of what the tool wrote.
        answer: of the chain that it ends, bare; None if it states none.
        doubtful: whether a step of the chain up to here is in doubt.
    """

    thought: Thought
    tokens: tuple[int, ...]
    unfinished: tuple[int, ...]
    step: str = ""
    behind: str = ""
    program: str = ""
    output: tuple[int, ...] = ()
    answer: str | None = None
    doubtful: bool = False


@dataclasses.dataclass
class Page:
    """What is known of one problem.

    Attributes:
        number: its number.
        problem: its text.
        begun: steps that its chains begin with, before what was written.
        statement: what it asks about, None if no family recognises it.
        trained: the model was trained on the family that recognises it.
        outside: it was trained on families, but not on one of this problem.
        started: when its slot was filled.
        entries: thoughts, parents first.
        nodes: the entry of each node of the tree; -1 is the problem.
        last: the entry of each branch of the last round.
        rounds: so far.
        tokens: that the generator wrote.
        read: tokens that a separate reward model has read.
        allowance: tokens that the generator may write.
        wrote: whether it wrote any in the last round.
        answered: an answer came since the votes were last counted.
        enough: the problem ends with the last round, whose answers all count.
        model_seconds: waited for the device.
        verify_seconds: waited for verdicts.
        peak_slots: most slots of the trunk in use.
        dropped: steps let go because the cache was full.
        failures: of the user's checkers that failed, the first of each.
    """

    number: int
    problem: str
    begun: tuple[str, ...]
    statement: str | None
    trained: bool
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

    @property
    def written(self) -> list[int]:
        """The entries of the last round, each once."""
        return list(dict.fromkeys(self.last.values()))

    def change(self, index: int, **fields) -> None:
        """Replaces fields of a thought."""
        entry = self.entries[index]
        entry.thought = dataclasses.replace(entry.thought, **fields)

    def settle(self, nodes: np.ndarray) -> None:
        """Learns which thoughts of the last round were kept."""
        for branch, index in self.last.items():
            thought = self.entries[index].thought
            kept = nodes[branch] >= 0
            if kept:
                self.nodes[int(nodes[branch])] = index
            if self.enough and thought.kind == "answer":
                kept |= thought.verdict is not Verdict.INVALID
            if kept:
                self.change(index, kept=True)
        self.last = {}

    def path(self, last: int | None) -> tuple[int, ...]:
        """Thoughts from the first step to `last`."""
        return () if last is None else tuple(self._upwards(last))[::-1]

    def chain(self, index: int) -> list[str]:
        """Texts of the finished steps before a thought, and tools' outputs."""
        parent = self.entries[index].thought.parent
        texts = list(self.begun)
        for before in map(self.entries.__getitem__, self.path(parent)):
            if before.thought.kind != "open":
                texts.append(before.step)
            if before.thought.output:
                texts.append(before.thought.output)
        return texts

    def ids(self, last: int) -> list[int]:
        """Tokens of a chain, with what tools wrote, up to a thought."""
        return [
            token
            for entry in map(self.entries.__getitem__, self.path(last))
            for token in (*entry.tokens, *entry.output)
        ]

    def programs(self, index: int) -> tuple[str, ...]:
        """The programs of the chain before a thought."""
        parent = self.entries[index].thought.parent
        entries = map(self.entries.__getitem__, self.path(parent))
        return tuple(entry.program for entry in entries if entry.program)

    def judge(
        self, index: int, verdict: Verdict, doubt: bool, answer: str | None
    ) -> None:
        """Writes down what was found about a thought."""
        entry = self.entries[index]
        entry.answer = answer
        entry.doubtful |= doubt
        verdict = self._verdict_on_chain(index, verdict)
        self.change(index, verdict=verdict, doubt=doubt)
        self.answered |= entry.thought.kind == "answer"

    def answers(self) -> dict[int, str]:
        """The answers of the chains that ended, by their last thought."""
        return {
            index: entry.answer
            for index, entry in enumerate(self.entries)
            if entry.answer is not None
        }

    def _verdict_on_chain(self, index: int, verdict: Verdict) -> Verdict:
        """An answer stands and falls with the steps before it.

        It is INVALID if one of them is, and VALID, which proves it, only if
        all of them are. And only if a family recognises the problem: of any
        other, what is VALID is true, but does not show that it answers it.
        """
        thought = self.entries[index].thought
        if thought.kind != "answer":
            return verdict
        before = (
            self.entries[i].thought for i in self._upwards(thought.parent)
        )
        found = combine(t.verdict for t in before if t.kind != "open")
        if found is Verdict.INVALID:
            return found
        proven = self.statement is not None and found is Verdict.VALID
        if verdict is Verdict.VALID and not (
            proven and self.entries[index].answer is not None
        ):
            return Verdict.UNKNOWN
        return verdict

    def _upwards(self, last: int) -> Iterator[int]:
        while last >= 0:
            yield last
            last = self.entries[last].thought.parent
