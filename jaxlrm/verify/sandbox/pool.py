"""Runs model-written Python, from the caller's side.

Every run is a process of its own, forked from a warm zygote and confined
before it sees the program (confine.py); its memory, and so all that it has
changed, ends with it. The thread that calls `run` moves the bytes itself: there
is no other thread, and no message of a program is ever interpreted.

State of a branch is kept by replay: the earlier steps run again in the new
process, without their output. Their order, their hash and random seeds and the
interpreter's start are the same each time; only a program that asks the clock
or the system's randomness can tell. Measured on one x86 core beside other work:
a sixth step costs 9 ms like the first where steps are plain Python, and 29 ms
for 11 where each calls sympy. A process kept alive for each branch would save
that, for 11 MB each, but could not be copied when a branch forks: a program
that can fork is a program that can fork a bomb.
"""

from __future__ import annotations

import atexit
import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import math
import os
import sys
import threading
import warnings
from collections.abc import Iterable, Sequence

from jaxlrm.verify import zygotes
from jaxlrm.verify.inputs import check_text
from jaxlrm.verify.sandbox.child import OUTSIDE, Child, ZygoteLost, converse
from jaxlrm.verify.sandbox.run import Protection, Run, Status
from jaxlrm.verify.sandbox.start import start_zygote

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
PROGRAM_BYTES = 2**20  # of a program and its earlier steps, together
# Replay may take this many deadlines beside the new step's own.
REPLAY_DEADLINES = 3
ATTEMPTS = 3  # zygotes lost under one program, or in a row at their start
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
            output: bytes of standard output, and of standard error.
            cache: runs that are remembered (least recently used go first) and
                answer an equal program with equal earlier steps. Only those
                that ended by themselves are.
            modules: imported once, before any program. All others of the
                standard library and of these packages can be imported too.
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
            ("cache", cache, 0),
        ):
            if not (value >= least and math.isfinite(value)):
                raise ValueError(f"{name} is {value}; at least {least}")
        if require and unsafe:
            raise ValueError("require and unsafe exclude each other")
        self._workers = workers
        self._deadline = deadline
        self._output = output
        self._settings = {
            "memory": memory,
            "cpu": math.ceil(deadline * (1 + REPLAY_DEADLINES)) + 1,
            "modules": list(modules),
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
        self._ready: collections.deque[Child] = collections.deque()
        self._number = 0
        self._closed = False
        self._owner = os.getpid()
        self._process, self._channel, reply = start_zygote(self._settings)
        self._protection = Protection(
            reply["missing"], tuple(reply["breaches"])
        )
        try:
            self._admit(require, unsafe, reply["absent"])
            for _ in range(workers):
                self._ready.append(Child(self._channel, self._number))
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
            return dataclasses.replace(
                self._statistics, statuses=self._statistics.statuses.copy()
            )

    def run(
        self, code: str, history: Sequence[str | tuple[str, str]] = ()
    ) -> Run:
        """Runs a program to its end, at most until its deadline.

        Args:
            code: Python; the new step of a branch.
            history: the branch's earlier steps that ended in OK or ERROR, in
                order, each as code or as (code, its output). They run first,
                without output; what they raise is ignored, as it was then.
                The deadline is longer by the time that they took in this
                sandbox, up to `REPLAY_DEADLINES` of them.

        Raises:
            RuntimeError: the sandbox is closed, or its zygote keeps dying.
            TypeError: the code is no text.
        """
        check_text(code=code)
        steps = [step if isinstance(step, str) else step[0] for step in history]
        chain = _chain(steps)
        key = _chain([code], chain)
        with self._lock:
            self._statistics.runs += 1
            known = self._runs.get(key)
            if known is not None:
                self._runs.move_to_end(key)
                self._statistics.cache_hits += 1
                self._statistics.statuses[known.status] += 1
                return known
            replay = self._durations.get(chain, 0.0) if steps else 0.0
        allowance = min(1.5 * replay, REPLAY_DEADLINES * self._deadline)
        limit = self._deadline + allowance
        job = json.dumps({"history": steps, "code": code, "limit": limit})
        if len(job) > PROGRAM_BYTES:
            run = Run(
                "",
                Status.ERROR,
                0.0,
                f"a program of {len(job)} bytes; at most {PROGRAM_BYTES}",
            )
        else:
            with self._slots:
                run = self._attempt(job.encode(), limit)
        with self._lock:
            self._remember(key, run)
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
        with self._lock:
            self._closed = True
            children = list(self._ready)
            self._ready.clear()
        for child in children:
            child.close()
        self._channel.close()
        if self._owner == os.getpid():
            zygotes.end(self._process)

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

    def _attempt(self, job: bytes, limit: float) -> Run:
        """Runs a job; again where somebody else has ended it."""
        lost, spared = 0, False
        while lost < ATTEMPTS:
            number = self._number
            try:
                child = self._take()
                number = child.number
                with contextlib.closing(child):
                    run = converse(child, job, limit, self._output)
            except ZygoteLost as error:
                lost += 1
                self._replace_zygote(number, error)
                continue
            self._replenish()
            # SIGKILL may come from anyone, so it is believed only twice.
            if run.error != OUTSIDE or spared:
                return run
            spared = True
        raise RuntimeError(
            f"the sandbox's zygote was lost {ATTEMPTS} times under one program"
        )

    def _take(self) -> Child:
        """A waiting child, or a new one."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the sandbox is closed; make a new one")
            if self._owner != os.getpid():
                raise RuntimeError(
                    "the sandbox belongs to another process, of which this "
                    "is a fork; make a new one"
                )
            if self._ready:
                return self._ready.popleft()
            return Child(self._channel, self._number)

    def _replenish(self) -> None:
        """Has the next child made while the caller does something else."""
        with self._lock:
            if not self._closed and len(self._ready) < self._workers:
                with contextlib.suppress(ZygoteLost, OSError):  # the next run's
                    self._ready.append(Child(self._channel, self._number))

    def _replace_zygote(self, number: int, cause: Exception) -> None:
        """Starts another zygote, unless somebody has."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the sandbox is closed; make a new one")
            if number != self._number:
                return
            self._number += 1
            self._statistics.restarts += 1
            for child in self._ready:
                child.close()
            self._ready.clear()
            self._channel.close()
            self._process.kill()
            self._process.wait()
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    started = start_zygote(self._settings)
                    break
                except RuntimeError as error:
                    if attempt == ATTEMPTS:
                        self._closed = True
                        raise RuntimeError(
                            f"the zygote was lost ({cause}); no other starts"
                        ) from error
            self._process, self._channel, reply = started
            if reply["breaches"] and not self._protection.breaches:
                self._closed = True
                self._channel.close()
                raise RuntimeError("this host no longer isolates programs")

    def _remember(self, key: bytes, run: Run) -> None:
        self._statistics.statuses[run.status] += 1
        self._statistics.seconds += run.seconds
        self._durations[key] = run.seconds
        if len(self._durations) > _REMEMBERED:
            self._durations.popitem(last=False)
        if self._cache_size and run.status in (Status.OK, Status.ERROR):
            self._runs[key] = run
            if len(self._runs) > self._cache_size:
                self._runs.popitem(last=False)


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

        Only steps that end in OK or ERROR become part of the state: what one
        had done before it was killed is lost, and one that ran out of memory
        would do so again.
        """
        history = [(code, run.stdout) for code, run in self._steps]
        run = self._sandbox.run(code, history)
        if run.status in (Status.OK, Status.ERROR):
            self._steps.append((code, run))
        return run

    def fork(self) -> Session:
        """Another branch with the same past."""
        return Session(self._sandbox, self._steps)


_default: Sandbox | None = None
_default_lock = threading.Lock()


def run_python(code: str, history: Sequence[str | tuple[str, str]] = ()) -> Run:
    """Runs a program in the process's own sandbox, made when first needed.

    Args:
        code: Python.
        history: as for `Sandbox.run`.

    Raises:
        RuntimeError: this host cannot isolate programs; a `Sandbox` can be
            told to run them all the same.
        TypeError: the code is no text.
    """
    check_text(code=code)
    global _default
    with _default_lock:
        if _default is None or _default._owner != os.getpid():
            _default = Sandbox()
            atexit.register(_default.close)
        sandbox = _default
    return sandbox.run(code, history)


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
