"""The side of the caller: queues, the cache of verdicts, the I/O thread."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import selectors
import socket
import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.workers.protocol import (
    CHUNK,
    CHUNK_HEADER,
    RESULT_HEADER,
    VALUE,
)
from jaxlrm.verify.workers.start import end_interpreter, start_zygote

IN_FLIGHT = 4  # chunks sent for each worker: enough that none is ever idle
ZYGOTE_DEATHS = 3  # in a row without a verdict: then the pool gives up

_MISSING: Any = object()  # None is a plain value


@dataclasses.dataclass
class Statistics:
    """Counters since the pool was made.

    Attributes:
        checks: jobs asked for.
        cache_hits: jobs answered by an equal one, finished or under way.
        timeouts: jobs that ended in TIMEOUT.
        errors: jobs that ended in ERROR.
        restarts: workers and zygotes that were replaced.
        busy_seconds: time that workers spent in jobs.
    """

    checks: int = 0
    cache_hits: int = 0
    timeouts: int = 0
    errors: int = 0
    restarts: int = 0
    busy_seconds: float = 0.0


class Batch:
    """Results to come, in the order of the jobs.

    A result is a verdict or, of jobs that return plain values, such a value;
    TIMEOUT or ERROR stands for one that was not found.
    """

    def __init__(self, size: int):
        self._results: list[Any] = [_MISSING] * size
        self._missing = size
        self._finished = threading.Event()
        self._failure: str | None = None
        if not size:
            self._finished.set()

    def result(self, timeout: float | None = None) -> list[Any]:
        """Waits for all results.

        Args:
            timeout: seconds to wait at most; None waits for the jobs, each of
                which ends by its deadline.

        Raises:
            TimeoutError: not finished yet; ask again later.
            RuntimeError: the pool was closed or gave up.
        """
        if not self._finished.wait(timeout):
            raise TimeoutError(
                f"{self._missing} of {len(self._results)} jobs are not "
                f"finished after {timeout} s"
            )
        if self._failure:
            raise RuntimeError(self._failure)
        return list(self._results)

    def so_far(self, timeout: float) -> list[Any]:
        """Waits no longer than this; what is missing then is a TIMEOUT.

        Args:
            timeout: seconds.

        Raises:
            RuntimeError: the pool was closed or gave up.
        """
        try:
            return self.result(timeout)
        except TimeoutError:
            return [
                Verdict.TIMEOUT if result is _MISSING else result
                for result in self._results
            ]

    def _set(self, index: int, result: Any) -> None:
        self._results[index] = result
        self._missing -= 1
        if not self._missing:
            self._finished.set()

    def _fail(self, failure: str) -> None:
        if not self._finished.is_set():
            self._failure = failure
            self._finished.set()


@dataclasses.dataclass
class _Chunk:
    function: bytes
    keys: list[bytes]
    message: bytes


class Pool:
    """Worker processes that run verifiers with deadlines and limits.

    A job is a top-level function of one of `modules` with plain arguments
    (str, int, float, bool, None; lists and tuples of them, which arrive as
    lists), and it returns a `Verdict`, or where the caller says so a plain
    value. A job over its deadline is TIMEOUT; one that raises, runs out of
    memory, crashes or returns anything else is ERROR. Every job gets exactly
    one result. Equal jobs are computed once.

    Thread-safe. Use it in a `with` statement, or call `close`.
    """

    def __init__(
        self,
        workers: int = 2,
        modules: Sequence[str] = ("jaxlrm.verify.steps",),
        deadline: float = 1.0,
        memory: int = 512 * 2**20,
        cache: int = 65536,
    ):
        """Starts the processes.

        Args:
            workers: how many processes check at once.
            modules: what the zygote imports; the functions of these may run.
            deadline: seconds for a job, from its start in the worker.
            memory: bytes of address space of each worker.
            cache: results that are remembered (least recently used go first).

        Raises:
            ValueError: an argument is out of range.
            ImportError: a module cannot be imported in the zygote.
            RuntimeError: the zygote did not start.
        """
        for name, value, least in (
            ("workers", workers, 1),
            ("deadline", deadline, 1e-3),
            ("memory", memory, 64 * 2**20),
            ("cache", cache, 0),
        ):
            if value < least:
                raise ValueError(f"{name} is {value}; at least {least}")
        self._modules = tuple(modules)
        self._settings = {
            "workers": workers,
            "modules": list(modules),
            "deadline": deadline,
            "memory": memory,
        }
        self._in_flight = IN_FLIGHT * workers
        self._cache_size = cache
        self._cache: collections.OrderedDict[bytes, Any]
        self._cache = collections.OrderedDict()
        self._waiting: dict[bytes, list[tuple[Batch, int]]] = {}
        self._queue: collections.deque[int] = collections.deque()
        self._chunks: dict[int, _Chunk] = {}
        self._next_chunk = 0
        self._failures: dict[bytes, str] = {}  # of each function, the first
        self._statistics = Statistics()
        self._lock = threading.Lock()
        self._failure: str | None = None
        self._zygote, self._channel, notes = start_zygote(self._settings)
        for note in notes:
            warnings.warn(note, RuntimeWarning, stacklevel=2)
        self._wake_up, self._wake = socket.socketpair()
        self._wake_up.setblocking(False)
        self._wake.setblocking(False)
        # A daemon: a pool that was never closed does not keep the program.
        self._thread = threading.Thread(
            target=self._run, name="verify-pool", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    @property
    def statistics(self) -> Statistics:
        """A copy of the counters."""
        with self._lock:
            return dataclasses.replace(self._statistics)

    def map(
        self,
        function: Callable[..., Any],
        jobs: Iterable[Sequence[Any]],
        *,
        plain: bool = False,
    ) -> list[Any]:
        """`start(function, jobs, plain=plain).result()`."""
        return self.start(function, jobs, plain=plain).result()

    def start(
        self,
        function: Callable[..., Any],
        jobs: Iterable[Sequence[Any]],
        *,
        plain: bool = False,
    ) -> Batch:
        """Begins jobs; returns at once.

        Args:
            function: a top-level function of one of the pool's modules.
            jobs: the positional arguments of each job, as a tuple or list.
            plain: the function returns no verdict but a plain value, of at
                most 16 KiB as JSON.

        Raises:
            ValueError: the function is not of the pool's modules.
            TypeError: arguments that are not plain.
            RuntimeError: the pool was closed or gave up.
        """
        name = _name(function, self._modules, plain)
        encoded = [_encode(job) for job in jobs]
        with self._lock:
            if self._failure:
                raise RuntimeError(self._failure)
            batch = Batch(len(encoded))
            fresh: list[tuple[bytes, bytes]] = []
            for index, job in enumerate(encoded):
                key = hashlib.blake2b(name + job, digest_size=16).digest()
                known = self._cache.get(key, _MISSING)
                if known is not _MISSING:
                    self._cache.move_to_end(key)
                    batch._set(index, known)
                elif key in self._waiting:
                    self._waiting[key].append((batch, index))
                else:
                    self._waiting[key] = [(batch, index)]
                    fresh.append((key, job))
            self._statistics.checks += len(encoded)
            self._statistics.cache_hits += len(encoded) - len(fresh)
            self._enqueue(name, fresh)
        self._notify()
        return batch

    def failure(self, function: Callable[..., Verdict]) -> str:
        """What a job of this function raised first, such as `KeyError: 'x'`.

        Empty where none did: a process that crashed has told nothing.

        Raises:
            ValueError: the function is not of the pool's modules.
        """
        with self._lock:
            names = (_name(function, self._modules, p) for p in (False, True))
            return next(filter(None, map(self._failures.get, names)), "")

    def close(self) -> None:
        """Ends all processes; what is not finished fails. May be repeated."""
        self._fail("the pool is closed; make a new one")
        self._notify()
        self._thread.join()
        self._wake.close()
        self._wake_up.close()
        end_interpreter(self._zygote)

    # --- Under the lock -----------------------------------------------------

    def _enqueue(self, name: bytes, jobs: list[tuple[bytes, bytes]]) -> None:
        # A small batch is spread over all workers.
        share = -(-len(jobs) // (2 * self._settings["workers"]))
        size = max(1, min(CHUNK, share))
        for start in range(0, len(jobs), size):
            part = jobs[start : start + size]
            body = b"[%b,[%b]]" % (name, b",".join(job for _, job in part))
            number = self._next_chunk
            self._next_chunk += 1
            header = CHUNK_HEADER.pack(number, len(part), len(body))
            keys = [key for key, _ in part]
            self._chunks[number] = _Chunk(name, keys, header + body)
            self._queue.append(number)

    def _settle(self, key: bytes, result: Any) -> None:
        for batch, index in self._waiting.pop(key):
            batch._set(index, result)
        self._statistics.timeouts += result is Verdict.TIMEOUT
        self._statistics.errors += result is Verdict.ERROR
        if result is not Verdict.TIMEOUT and result is not Verdict.ERROR:
            self._cache[key] = result
            if len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)

    # --- In any thread ------------------------------------------------------

    def _notify(self) -> None:
        """Wakes the I/O thread."""
        try:
            self._wake.send(b".")
        except OSError:
            pass  # full, which wakes just as well, or closed

    def _fail(self, failure: str) -> None:
        with self._lock:
            self._failure = self._failure or failure
            for waiters in self._waiting.values():
                for batch, _ in waiters:
                    batch._fail(self._failure)
            self._waiting.clear()
            self._queue.clear()
            self._chunks.clear()

    # --- In the I/O thread --------------------------------------------------

    def _run(self) -> None:
        deaths = 0
        while True:
            try:
                settled = self._exchange()
            except Exception as error:  # a defect: fail, do not hang
                self._fail(f"the pool's I/O failed: {error!r}")
                settled = False
            self._channel.close()
            if self._failure:
                return
            # The zygote died (out of memory, or killed): start another one and
            # send again what was not answered.
            end_interpreter(self._zygote)
            try:
                deaths = self._replace_zygote(1 if settled else deaths + 1)
            except Exception as error:
                self._fail(f"the zygote cannot be replaced: {error}")
                return
            with self._lock:
                self._statistics.restarts += 1
                self._queue = collections.deque(self._chunks)

    def _replace_zygote(self, deaths: int) -> int:
        """Starts another zygote; returns how many have died in a row.

        Args:
            deaths: of them, before this call.
        """
        while deaths < ZYGOTE_DEATHS:
            try:
                self._zygote, self._channel, _ = start_zygote(self._settings)
                return deaths
            except RuntimeError:  # it died before it was ready
                if self._failure:  # nobody waits for it any more
                    raise
                deaths += 1
        raise RuntimeError(f"it died {deaths} times in a row")

    def _exchange(self) -> bool:
        """Sends chunks and receives verdicts until closed or the zygote dies.

        Returns:
            Did any verdict arrive?
        """
        settled = False
        sent = 0  # chunks without an answer
        outgoing, incoming = bytearray(), bytearray()
        # Not select(): JAX programs may hold more than 1,024 descriptors.
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_up, selectors.EVENT_READ)
            selector.register(self._channel, selectors.EVENT_READ)
            while True:
                with self._lock:
                    if self._failure:
                        return settled
                    while self._queue and sent < self._in_flight:
                        number = self._queue.popleft()
                        outgoing += self._chunks[number].message
                        sent += 1
                events = selectors.EVENT_READ
                if outgoing:
                    events |= selectors.EVENT_WRITE
                selector.modify(self._channel, events)
                for key, ready in selector.select():
                    if key.fileobj is self._wake_up:
                        self._wake_up.recv(4096)
                        continue
                    try:
                        if ready & selectors.EVENT_WRITE:
                            del outgoing[: self._channel.send(outgoing)]
                        if not ready & selectors.EVENT_READ:
                            continue
                        data = self._channel.recv(1 << 16)
                    except BlockingIOError:
                        continue
                    except OSError:
                        data = b""
                    if not data:
                        return settled
                    incoming += data
                    answers = self._receive(incoming)
                    sent -= answers
                    settled = settled or answers > 0

    def _receive(self, incoming: bytearray) -> int:
        """Settles the chunks that have arrived whole; returns how many."""
        answers = 0
        while len(incoming) >= RESULT_HEADER.size:
            number, jobs, failed, said, restarts, busy = (
                RESULT_HEADER.unpack_from(incoming)
            )
            middle = RESULT_HEADER.size + jobs
            last = middle + failed
            end = last + said
            if len(incoming) < end:
                break
            codes = bytes(incoming[RESULT_HEADER.size : middle])
            failure = incoming[middle:last].decode(errors="replace")
            values = iter(json.loads(incoming[last:end]) if said else ())
            results = [
                next(values) if code == VALUE else Verdict(code)
                for code in codes
            ]
            del incoming[:end]
            answers += 1
            with self._lock:
                self._statistics.restarts += restarts
                self._statistics.busy_seconds += busy
                chunk = self._chunks.pop(number, None)
                if chunk is not None:  # else the pool was closed
                    if failure:
                        self._failures.setdefault(chunk.function, failure)
                    for key, result in zip(chunk.keys, results, strict=True):
                        self._settle(key, result)
        return answers


def _name(function: Callable, modules: Sequence[str], plain: bool) -> bytes:
    """`["module", "name", plain]`, as JSON."""
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", "")
    if module not in modules or not name.isidentifier():
        raise ValueError(
            f"{function!r} is not a top-level function of {', '.join(modules)};"
            " name its module in Pool(modules=...)"
        )
    return json.dumps([module, name, plain]).encode()


def _encode(job: Sequence[Any]) -> bytes:
    if not isinstance(job, (tuple, list)):
        raise TypeError(
            f"a job is {type(job).__name__} {job!r:.80}; give the arguments "
            "of each job as a tuple"
        )
    return json.dumps(job).encode()
