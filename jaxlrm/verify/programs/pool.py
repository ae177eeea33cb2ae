"""Runs model-written Python, from the caller's side.

Every run is a process of its own, forked from a warm zygote and confined
before it sees the program (confine.py); its memory, and so all that it has
changed, ends with it. The thread that calls `run` moves the bytes itself: there
is no other thread, and of what a program writes only fixed fields are read.

State of a branch is kept by replay: the earlier steps run again in the new
process, one after another, and their output is thrown away. Their order, their
hash and random seeds and the interpreter's start are the same each time; only a
program that asks the clock, the system's randomness or the number of its
process can tell. A process kept alive for each branch would save the time, for
11 MB each, but could not be copied when a branch forks: a program that can fork
is a program that can fork a bomb.

Programs that name a large package (scipy, pandas) run in children of a second
zygote, which is started for the first of them: nobody else pays for its import.
"""

from __future__ import annotations

import atexit
import collections
import concurrent.futures
import dataclasses
import hashlib
import math
import os
import re
import sys
import threading
import warnings
from collections.abc import Iterable, Sequence

from jaxlrm.verify.blocks import unfenced
from jaxlrm.verify.inputs import check_text
from jaxlrm.verify.programs.child import Job
from jaxlrm.verify.programs.children import Children
from jaxlrm.verify.programs.run import Protection, Run, Status

MODULES = (
    "cmath",
    "collections",
    "copy",
    "dataclasses",
    "datetime",
    "decimal",
    "fractions",
    "functools",
    "heapq",
    "itertools",
    "json",
    "linecache",
    "math",
    "numpy",
    "numpy.fft",
    "numpy.linalg",
    "numpy.polynomial",
    "numpy.random",
    "operator",
    "pickle",
    "platform",
    "random",
    "re",
    "statistics",
    "string",
    "sympy",
    "textwrap",
    "traceback",
    "typing",
    "uuid",
)
# Imported for programs that name the first word of one of them, where they are
# installed.
LARGE_MODULES = (
    "networkx",
    "pandas",
    "scipy.cluster.hierarchy",
    "scipy.constants",
    "scipy.fft",
    "scipy.integrate",
    "scipy.interpolate",
    "scipy.linalg",
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.signal",
    "scipy.sparse.csgraph",
    "scipy.sparse.linalg",
    "scipy.spatial",
    "scipy.special",
    "scipy.stats",
)
_LARGE = re.compile(r"\b(?:networkx|pandas|scipy)\b")
_LARGE_MEMORY = 2**29  # bytes of address space that their libraries take
PROGRAM_BYTES = 2**20  # of one program
STDIN_BYTES = 2**24
# Replay may take this many deadlines beside the new step's own.
REPLAY_DEADLINES = 3
_REMEMBERED = 65_536  # durations of chains of steps

_warned: set[str] = set()


@dataclasses.dataclass
class Statistics:
    """Counters since the sandbox was made.

    Attributes:
        runs: programs asked for.
        cache_hits: of these, answered by an equal one that had finished.
        restarts: zygotes that were replaced.
        seconds: time that programs took, added up.
        statuses: how many runs ended in each status.
    """

    runs: int = 0
    cache_hits: int = 0
    restarts: int = 0
    seconds: float = 0.0
    statuses: collections.Counter[Status] = dataclasses.field(
        default_factory=collections.Counter
    )


class Sandbox:
    """Interpreters for programs that nobody has read.

    Thread-safe. Use it in a `with` statement, or call `close`; if the caller
    ends without it, all processes end by themselves.
    """

    def __init__(
        self,
        workers: int = 2,
        deadline: float = 2.0,
        memory: int = 512 * 2**20,
        output: int = 64 * 2**10,
        flood: int = 2**20,
        cache: int = 0,
        modules: Sequence[str] = MODULES,
        require: bool = False,
        unsafe: bool = False,
    ):
        """Starts the zygote and tries what it can protect from.

        Args:
            workers: how many programs run at once; others wait their turn,
                which their deadline does not count.
            deadline: seconds for a program, from its start.
            memory: bytes of address space of a program's process; of the
                default, numpy and sympy leave 280 MB to a program.
            output: bytes of standard output, and of standard error, that are
                kept: of more, the beginning and the end.
            flood: bytes of either that end a program.
            cache: runs that are remembered (least recently used go first) and
                answer an equal program with equal earlier steps. Only those
                that ended by themselves are.
            modules: imported once, before any program. All others of the
                standard library and of these packages can be imported too,
                and those of `LARGE_MODULES` that are installed.
            require: refuse a host on which any layer of isolation is missing,
                namespaces excepted (`Protection.complete`).
            unsafe: run programs on a host that cannot isolate them.

        Raises:
            ValueError: an argument is out of range.
            RuntimeError: the zygote did not start, or this host does not
                isolate well enough.
        """
        for name, value, least in (
            ("workers", workers, 1),
            ("deadline", deadline, 1e-3),
            ("memory", memory, 256 * 2**20),
            ("output", output, 1),
            ("flood", flood, output),
            ("cache", cache, 0),
        ):
            if not (value >= least and math.isfinite(value)):
                raise ValueError(f"{name} is {value}; at least {least}")
        if require and unsafe:
            raise ValueError("require and unsafe exclude each other")
        self._workers = workers
        self._deadline = deadline
        self._output, self._flood = output, flood
        self._settings = {
            "memory": memory,
            "cpu": math.ceil(deadline * (1 + REPLAY_DEADLINES)) + 1,
            "modules": list(modules),
            # Their extension modules too, which cannot be imported later.
            "whole": sorted(
                {name for name in modules if "." not in name} - set(MODULES)
            ),
            "path": [os.path.abspath(entry) for entry in sys.path if entry],
        }
        self._statistics = Statistics()
        self._runs: collections.OrderedDict[bytes, Run]
        self._runs = collections.OrderedDict()
        self._cache_size = cache
        self._durations: collections.OrderedDict[bytes, float]
        self._durations = collections.OrderedDict()
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(workers)
        self._closed = False
        self._owner = os.getpid()
        self._large: Children | None = None
        self._large_lock = threading.Lock()
        self._children = Children(self._settings, workers)
        self._protection = self._children.protection
        try:
            self._admit(require, unsafe, self._children.absent)
            self._children.fill()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    @property
    def protection(self) -> Protection:
        """The layers that hold on this host, and what they do not cover."""
        return self._protection

    @property
    def statistics(self) -> Statistics:
        """A copy of the counters."""
        with self._lock:
            groups = filter(None, (self._children, self._large))
            return dataclasses.replace(
                self._statistics,
                restarts=sum(children.restarts for children in groups),
                statuses=self._statistics.statuses.copy(),
            )

    def run(
        self,
        code: str,
        history: Sequence[str | tuple[str, str]] = (),
        stdin: str = "",
        show: bool = True,
    ) -> Run:
        """Runs a program to its end, at most until its deadline.

        Args:
            code: Python, with a Markdown fence around it or without; the new
                step of a branch.
            history: the branch's earlier steps that have finished
                (`Run.finished`), in order, each as code or as (code, its
                output). They run first, without input and output; what they
                raise is ignored, as it was then. The deadline is longer by the
                time that they took in this sandbox, up to `REPLAY_DEADLINES`
                of them.
            stdin: what the new step reads from standard input.
            show: print the value of a last line that is an expression, as a
                notebook does, unless it is None or ends in a semicolon. What a
                step shows or not must be the same in all its replays.

        Raises:
            RuntimeError: the sandbox is closed, or its zygote keeps dying.
            TypeError: the code is no text.
        """
        check_text(code=code, stdin=stdin)
        steps = [step if isinstance(step, str) else step[0] for step in history]
        steps = [unfenced(step) for step in (*steps, code)]
        given = stdin.encode("utf-8", "surrogatepass")
        chain = _chain([repr(show), *steps[:-1]])
        key = _chain([steps[-1], stdin], chain)
        with self._lock:
            self._statistics.runs += 1
            known = self._runs.get(key)
            if known is not None:
                self._runs.move_to_end(key)
                self._statistics.cache_hits += 1
                self._statistics.statuses[known.status] += 1
                return known
            replay = self._durations.get(chain, 0.0) if history else 0.0
        allowance = min(1.5 * replay, REPLAY_DEADLINES * self._deadline)
        refused = _refusal(steps, given)
        if refused:
            run = Run("", Status.ERROR, 0.0, refused)
        else:
            job = Job(
                steps,
                given,
                show,
                self._deadline + allowance,
                self._output,
                self._flood,
            )
            with self._slots:
                run = self._children_for(steps).run(job)
        with self._lock:
            self._statistics.statuses[run.status] += 1
            self._statistics.seconds += run.seconds
            if run.finished:
                _remember(
                    self._durations,
                    _chain([steps[-1]], chain),
                    run.seconds,
                    _REMEMBERED,
                )
            if run.status in (Status.OK, Status.ERROR):
                _remember(self._runs, key, run, self._cache_size)
        return run

    def run_many(self, programs: Iterable[str]) -> list[Run]:
        """Runs programs, as many at once as there are workers.

        Returns:
            Their runs, in order.
        """
        with concurrent.futures.ThreadPoolExecutor(self._workers) as threads:
            return list(threads.map(self.run, programs))

    def session(self) -> Session:
        """A new branch, without steps."""
        return Session(self)

    def close(self) -> None:
        """Ends all processes; runs under way fail. May be repeated."""
        with self._large_lock:
            self._closed = True
            large = self._large
        for children in filter(None, (self._children, large)):
            children.close()

    # --- Inside -------------------------------------------------------------

    def _admit(self, require: bool, unsafe: bool, absent: list[str]) -> None:
        """Refuses this host, or says once what is missing."""
        protection = self._protection
        if require and not protection.complete:
            raise RuntimeError(
                "the full sandbox is required, and this host lacks: "
                + protection.remark()
            )
        if not (protection.isolated or unsafe):
            raise RuntimeError(
                "this host cannot isolate model-written programs ("
                + protection.remark()
                + "); unsafe=True runs them with this user's rights"
            )
        remark = protection.remark()
        if remark:
            _warn_once(f"the sandbox lacks: {remark}")
        if absent:
            _warn_once(f"programs have no module {', '.join(absent)}")

    def _children_for(self, steps: Sequence[str]) -> Children:
        """The one whose zygote has what the steps may import."""
        wanted = any(map(_LARGE.search, steps))
        if not wanted or self._owner != os.getpid():  # who is refused there
            return self._children
        with self._large_lock:
            if self._closed:
                raise RuntimeError("the sandbox is closed; make a new one")
            if self._large is None:
                self._large = self._start_large()
            return self._large or self._children

    def _start_large(self) -> Children | None:
        """A zygote with the large packages; None where it does not start."""
        modules = (*self._settings["modules"], *LARGE_MODULES)
        memory = self._settings["memory"] + _LARGE_MEMORY
        wanted = {"modules": [*dict.fromkeys(modules)], "memory": memory}
        try:
            large = Children(self._settings | wanted, self._workers)
        except RuntimeError as error:
            _warn_once(f"programs have no large packages: {error}")
            return None
        if large.protection.missing.keys() <= self._protection.missing.keys():
            return large
        large.close()
        _warn_once("large packages cannot be isolated on this host")
        return None


class Session:
    """A branch: programs that see what the earlier ones have defined."""

    def __init__(self, sandbox: Sandbox, steps: Sequence[tuple[str, Run]] = ()):
        """Begins with the given steps, which have run elsewhere."""
        self._sandbox = sandbox
        self._steps = list(steps)

    @property
    def steps(self) -> tuple[tuple[str, Run], ...]:
        """The steps that are part of the state, and their runs."""
        return tuple(self._steps)

    def run(self, code: str) -> Run:
        """Runs the next step.

        Only steps that finish become part of the state (`Run.finished`): what
        one had done before it was killed or left its interpreter is lost, and
        one that ran out of memory would do so again.
        """
        history = [(code, run.stdout) for code, run in self._steps]
        run = self._sandbox.run(code, history)
        if run.finished:
            self._steps.append((code, run))
        return run

    def fork(self) -> Session:
        """Another branch with the same past."""
        return Session(self._sandbox, self._steps)


_default: Sandbox | None = None
_default_owner = 0  # pid
_default_lock = threading.Lock()


def run_python(
    code: str,
    history: Sequence[str | tuple[str, str]] = (),
    stdin: str = "",
    show: bool = True,
) -> Run:
    """Runs a program in the process's own sandbox, made when first needed.

    Args:
        code: Python, with a Markdown fence around it or without.
        history: as for `Sandbox.run`.
        stdin: what the program reads from standard input.
        show: as for `Sandbox.run`.

    Raises:
        RuntimeError: this host cannot isolate programs; a `Sandbox` can be
            told to run them all the same.
        TypeError: the code is no text.
    """
    check_text(code=code, stdin=stdin)
    global _default, _default_owner
    with _default_lock:
        if _default is None or _default_owner != os.getpid():
            _default, _default_owner = Sandbox(), os.getpid()
            atexit.register(_default.close)
        sandbox = _default
    return sandbox.run(code, history, stdin, show)


def _refusal(steps: Sequence[str], stdin: bytes) -> str:
    """Why these steps are not run; "" if they are."""
    for number, step in enumerate(steps, 1):
        size = len(step.encode("utf-8", "surrogatepass"))
        if size > PROGRAM_BYTES:
            which = "a program" if number == len(steps) else f"step {number}"
            return f"{which} of {size} bytes; at most {PROGRAM_BYTES}"
    if len(stdin) > STDIN_BYTES:
        return f"an input of {len(stdin)} bytes; at most {STDIN_BYTES}"
    return ""


def _remember(
    known: collections.OrderedDict, key: bytes, value: object, most: int
) -> None:
    """Keeps a value; the one used least recently goes."""
    if most:
        known[key] = value
        known.move_to_end(key)
        if len(known) > most:
            known.popitem(last=False)


def _chain(steps: Iterable[str], before: bytes = bytes(16)) -> bytes:
    """A digest of a chain of steps, from that of its beginning."""
    for step in steps:
        text = step.encode("utf-8", "surrogatepass")
        before = hashlib.blake2b(before + text, digest_size=16).digest()
    return before


def _warn_once(text: str) -> None:
    if text not in _warned:
        _warned.add(text)
        warnings.warn(text, RuntimeWarning, stacklevel=4)
