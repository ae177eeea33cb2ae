"""Programs in chains of thought: found, run, and what they show written down.

A step that is a program is run in the sandbox, and its output is appended to
the chain as a step that the model did not write. There are two forms.

A line, as in a session with the interpreter. What an expression gives is
shown unless it is None; the output is one line:

    >>> sum(n**2 for n in range(1, 11))
    385

A fenced block, as in ToRA (Gou et al. 2023) and Qwen2.5-Math (Yang et al.
2024). What the program prints is shown in a block of its own, and the value of
a last line that is an expression, as in a notebook:

    ```python
    print(sum(n**2 for n in range(1, 11)))
    ```
    ```output
    385
    ```

Programs of a chain share their names. A program that fails shows the last
line of its traceback.
"""

from __future__ import annotations

import collections
import concurrent.futures
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jaxlrm.verify.blocks import (
    PROMPT,
    Kind,
    Piece,
    is_error,
    next_program,
    program_of,
    split_programs,
)
from jaxlrm.verify.programs.pool import Sandbox
from jaxlrm.verify.programs.run import Run, Status

_FENCE = "```"
_WORKERS = 2
_LIMIT = 1_000  # characters of an output

__all__ = [
    "Interpreter",
    "Kind",
    "Piece",
    "next_program",
    "program_of",
    "split_programs",
]

Chain = tuple[str, ...]  # programs, in order


class _Outcome(NamedTuple):
    """What a program showed, and whether it is part of the state after it."""

    output: str
    counts: bool


class Interpreter:
    """Runs the programs of many chains side by side.

    Equal chains of programs run once: outcomes are remembered, also where a
    program ran out of time. Calls from several threads take turns. Use it in a
    `with` statement, or call `close`.
    """

    def __init__(
        self,
        workers: int = _WORKERS,
        deadline: float = 2.0,
        limit: int = _LIMIT,
        cache: int = 65_536,
        require: bool = False,
        unsafe: bool = False,
    ):
        """Starts the sandbox.

        Args:
            workers: programs that run at once.
            deadline: seconds for a program.
            limit: characters of an output; of a longer one the beginning and
                the end are kept, and how much was cut is said between them.
            cache: outcomes that are remembered; the least recently used go
                first.
            require: as of `Sandbox`.
            unsafe: as of `Sandbox`.

        Raises:
            ValueError: an argument is out of range.
            RuntimeError: this host does not isolate programs well enough.
        """
        for name, value in (("limit", limit), ("cache", cache)):
            if value < 1:
                raise ValueError(f"{name} is {value}; at least 1")
        self._deadline = deadline
        self._limit = limit
        self._cache = cache
        self._sandbox = Sandbox(
            workers=workers, deadline=deadline, require=require, unsafe=unsafe
        )
        self._threads = concurrent.futures.ThreadPoolExecutor(workers)
        self._outcomes: collections.OrderedDict[Chain, _Outcome]
        self._outcomes = collections.OrderedDict()
        self._lock = threading.Lock()

    def __enter__(self) -> Interpreter:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    @property
    def sandbox(self) -> Sandbox:
        """What the programs run in: its protection and its counters."""
        return self._sandbox

    def outputs(
        self, branches: Sequence[tuple[tuple[str, ...], str]]
    ) -> list[str]:
        """What the new programs show.

        Args:
            branches: of each, its earlier programs in order and the new one,
                all as `program_of` gives them. Earlier ones that are not
                remembered run again.

        Returns:
            The text to append to each branch, without a delimiter: one line
            for a program with a prompt, "" where it shows nothing; a fenced
            block for any other. It never reads as a program.

        Raises:
            RuntimeError: the sandbox is closed, or cannot go on.
        """
        chains = [(*earlier, program) for earlier, program in branches]
        with self._lock:
            known = self._resolve(chains)
            for chain, outcome in known.items():
                self._outcomes[chain] = outcome
                self._outcomes.move_to_end(chain)
            while len(self._outcomes) > self._cache:
                self._outcomes.popitem(last=False)
        return [known[chain].output for chain in chains]

    def close(self) -> None:
        """Ends all processes; may be repeated."""
        self._sandbox.close()
        self._threads.shutdown()

    def _resolve(self, chains: Sequence[Chain]) -> dict[Chain, _Outcome]:
        """The outcomes of chains and of their beginnings.

        A chain waits for its beginning: what ran out of time there must not
        run again.
        """
        known: dict[Chain, _Outcome] = {}
        wanted: dict[Chain, None] = {}
        for chain in chains:
            remembered = chain in self._outcomes
            parts = [chain] if remembered else _beginnings(chain)
            wanted.update(dict.fromkeys(parts))
        for chain in wanted:
            if chain in self._outcomes:
                known[chain] = self._outcomes[chain]
        while missing := [chain for chain in wanted if chain not in known]:
            ready = [c for c in missing if len(c) == 1 or c[:-1] in known]
            histories = [
                [p for *_, p in _beginnings(c[:-1], known)] for c in ready
            ]
            found = self._threads.map(self._run, ready, histories)
            known.update(zip(ready, found, strict=True))
        return known

    def _run(self, chain: Chain, history: Sequence[str]) -> _Outcome:
        program = chain[-1]
        run = self._sandbox.run(_runnable(program), [*map(_runnable, history)])
        # As `sandbox.Session`: what was killed has left nothing.
        shown = self._shown(run, program.startswith(PROMPT))
        return _Outcome(shown, run.finished)

    def _shown(self, run: Run, is_line: bool) -> str:
        if run.status is Status.OK:
            text = run.stdout
        elif run.status is Status.TIMEOUT:
            # Without the time for earlier programs, which may vary.
            text = f"TimeoutError: no result within {self._deadline:g} s"
        else:
            text = run.error if is_error(run.error) else _named(run)
        if is_line:
            return _cut(_one_line(text), self._limit, " ", run.left_out)
        text = _cut(_several_lines(text), self._limit, "\n", run.left_out)
        text = text.replace(_FENCE, "'''")
        return f"{_FENCE}output\n{text}\n{_FENCE}"


def _beginnings(
    chain: Chain, known: dict[Chain, _Outcome] | None = None
) -> Iterator[Chain]:
    """Of a chain, the shortest first; if known, only those that count."""
    for size in range(1, len(chain) + 1):
        if known is None or known[chain[:size]].counts:
            yield chain[:size]


def _runnable(program: str) -> str:
    """What the sandbox runs for a program in either form.

    It compiles the line there: nothing is parsed in this process. `single` is
    the mode of the interactive interpreter, which shows values.
    """
    if not program.startswith(PROMPT):
        return program
    line = ascii(program.removeprefix(PROMPT) + "\n")
    # A program may have given the names of functions to something else.
    return (
        "(lambda b: b.exec(b.compile("
        f'{line}, "<stdin>", "single"), b.globals()))(__import__("builtins"))'
    )


def _named(run: Run) -> str:
    """An error that is no exception's last line, in that form."""
    if run.status is Status.DENIED:
        return f"PermissionError: {run.error}"
    if run.status is Status.MEMORY:
        return f"MemoryError: {run.error}"
    return f"RuntimeError: {run.error}"


def _one_line(text: str) -> str:
    """On one line, and without characters that are not to be seen."""
    seen = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(seen.split())
    while line.startswith(PROMPT.strip()):
        line = line.removeprefix(PROMPT.strip()).lstrip()
    return line


def _several_lines(text: str) -> str:
    """Without blank lines around it, and with control characters spelt out."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    seen = "".join(
        char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1]
        for char in text
    )
    return seen.strip("\n").rstrip()


def _cut(text: str, limit: int, around: str, left_out: int = 0) -> str:
    """Leaves out the middle of a text that is too long.

    The beginning and the end are kept: an answer is often printed last.

    Args:
        text: what to cut.
        limit: characters that are kept.
        around: separates the remark on what is missing from the rest.
        left_out: what is missing in the middle of the text already.
    """
    if len(text) <= limit:
        return text
    end = limit // 2
    missing = len(text) - limit + left_out
    remark = f"... ({missing} characters left out) ..."
    return around.join((text[: limit - end], remark, text[len(text) - end :]))
