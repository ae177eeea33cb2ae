"""A pool of killable worker processes for jobs on hostile text.

    Pool (holds JAX and threads, so it never forks)
      | one socket, one I/O thread
    zygote (a fresh interpreter, no JAX, modules imported once)
      | fork; one socket and 128 bytes of shared memory each
    worker, worker, ...

The zygote supervises: it gives each worker one chunk of jobs at a time, kills
the worker whose job is over its deadline, and forks a replacement in about a
millisecond. A worker writes the start of its job and every verdict into the
shared memory, so that a kill costs the one job: the rest of its chunk is given
to the replacement. What crosses a socket is lengths and JSON, never pickle.

Works on Linux and macOS. It protects from text that makes our own code slow,
greedy or crash; it is no sandbox for code written by others.
"""

from __future__ import annotations

import collections
import ctypes
import dataclasses
import gc
import hashlib
import importlib
import json
import mmap
import os
import resource
import select
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jaxlrm.verify.verdict import Verdict

CHUNK = 64  # jobs of a message; amortises the system calls
IN_FLIGHT = 4  # chunks sent for each worker: enough that none is ever idle
START_SECONDS = 60.0  # for a zygote to import its modules
# A worker that was given a chunk and starts no job is stopped or stuck.
STUCK_SECONDS = 30.0
ZYGOTE_DEATHS = 3  # in a row without a verdict: then the pool gives up

_LENGTH = struct.Struct("<I")
_CHUNK_HEADER = struct.Struct("<QII")  # chunk, jobs, bytes of JSON
_JOB_HEADER = struct.Struct("<III")  # first job to do, jobs, bytes of JSON
_RESULT_HEADER = struct.Struct("<QIId")  # chunk, jobs, restarts, busy seconds
# Shared with a worker: start of the job, busy seconds, job or _IDLE; then a
# byte for each verdict.
_PROGRESS = struct.Struct("<ddI")
_IDLE = 0xFFFFFFFF
_PENDING = 0xFF
_PR_SET_PDEATHSIG = 1

_NOT_CACHED = (Verdict.TIMEOUT, Verdict.ERROR)


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
    """Verdicts to come, in the order of the jobs."""

    def __init__(self, size: int):
        self._verdicts: list[Verdict | None] = [None] * size
        self._missing = size
        self._finished = threading.Event()
        self._failure: str | None = None
        if not size:
            self._finished.set()

    def result(self, timeout: float | None = None) -> list[Verdict]:
        """Waits for all verdicts.

        Args:
            timeout: seconds to wait at most; None waits for the jobs, each of
                which ends by its deadline.

        Raises:
            TimeoutError: not finished yet; ask again later.
            RuntimeError: the pool was closed or gave up.
        """
        if not self._finished.wait(timeout):
            raise TimeoutError(
                f"{self._missing} of {len(self._verdicts)} jobs are not "
                f"finished after {timeout} s"
            )
        if self._failure:
            raise RuntimeError(self._failure)
        return list(self._verdicts)

    def _set(self, index: int, verdict: Verdict) -> None:
        self._verdicts[index] = verdict
        self._missing -= 1
        if not self._missing:
            self._finished.set()

    def _fail(self, failure: str) -> None:
        if not self._finished.is_set():
            self._failure = failure
            self._finished.set()


@dataclasses.dataclass
class _Chunk:
    keys: list[bytes]
    message: bytes


class Pool:
    """Worker processes that run verifiers with deadlines and limits.

    A job is a top-level function of one of `modules` with plain arguments
    (str, int, float, bool, None; lists and tuples of them, which arrive as
    lists), and it returns a `Verdict`. A job over its deadline is TIMEOUT; one
    that raises, runs out of memory, crashes or returns anything else is ERROR.
    Every job gets exactly one verdict. Equal jobs are computed once.

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
            cache: verdicts that are remembered (least recently used go first).

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
        self._cache: collections.OrderedDict[bytes, Verdict]
        self._cache = collections.OrderedDict()
        self._waiting: dict[bytes, list[tuple[Batch, int]]] = {}
        self._queue: collections.deque[int] = collections.deque()
        self._chunks: dict[int, _Chunk] = {}
        self._next_chunk = 0
        self._statistics = Statistics()
        self._lock = threading.Lock()
        self._failure: str | None = None
        self._zygote, self._channel, notes = _start_zygote(self._settings)
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
        self, function: Callable[..., Verdict], jobs: Iterable[Sequence[Any]]
    ) -> list[Verdict]:
        """`start(function, jobs).result()`."""
        return self.start(function, jobs).result()

    def start(
        self, function: Callable[..., Verdict], jobs: Iterable[Sequence[Any]]
    ) -> Batch:
        """Begins jobs; returns at once.

        Args:
            function: a top-level function of one of the pool's modules.
            jobs: the positional arguments of each job, as a tuple or list.

        Raises:
            ValueError: the function is not of the pool's modules.
            TypeError: arguments that are not plain.
            RuntimeError: the pool was closed or gave up.
        """
        name = json.dumps(_name(function, self._modules)).encode()
        encoded = [_encode(job) for job in jobs]
        with self._lock:
            if self._failure:
                raise RuntimeError(self._failure)
            batch = Batch(len(encoded))
            fresh: list[tuple[bytes, bytes]] = []
            for index, job in enumerate(encoded):
                key = hashlib.blake2b(name + job, digest_size=16).digest()
                known = self._cache.get(key)
                if known is not None:
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

    def close(self) -> None:
        """Ends all processes; what is not finished fails. May be repeated."""
        self._fail("the pool is closed; make a new one")
        self._notify()
        self._thread.join()
        self._wake.close()
        self._wake_up.close()
        _end_zygote(self._zygote)

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
            header = _CHUNK_HEADER.pack(number, len(part), len(body))
            keys = [key for key, _ in part]
            self._chunks[number] = _Chunk(keys, header + body)
            self._queue.append(number)

    def _settle(self, key: bytes, code: int) -> None:
        verdict = Verdict(code)
        for batch, index in self._waiting.pop(key):
            batch._set(index, verdict)
        self._statistics.timeouts += verdict is Verdict.TIMEOUT
        self._statistics.errors += verdict is Verdict.ERROR
        if verdict not in _NOT_CACHED:
            self._cache[key] = verdict
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
            deaths = 1 if settled else deaths + 1
            _end_zygote(self._zygote)
            try:
                if deaths == ZYGOTE_DEATHS:
                    raise RuntimeError(f"it died {deaths} times in a row")
                self._zygote, self._channel, _ = _start_zygote(self._settings)
            except Exception as error:
                self._fail(f"the zygote cannot be replaced: {error}")
                return
            with self._lock:
                self._statistics.restarts += 1
                self._queue = collections.deque(self._chunks)

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
        while len(incoming) >= _RESULT_HEADER.size:
            number, jobs, restarts, busy = _RESULT_HEADER.unpack_from(incoming)
            end = _RESULT_HEADER.size + jobs
            if len(incoming) < end:
                break
            codes = bytes(incoming[_RESULT_HEADER.size : end])
            del incoming[:end]
            answers += 1
            with self._lock:
                self._statistics.restarts += restarts
                self._statistics.busy_seconds += busy
                chunk = self._chunks.pop(number, None)
                if chunk is not None:  # else the pool was closed
                    for key, code in zip(chunk.keys, codes, strict=True):
                        self._settle(key, code)
        return answers


def _name(function: Callable, modules: Sequence[str]) -> list[str]:
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", "")
    if module not in modules or not name.isidentifier():
        raise ValueError(
            f"{function!r} is not a top-level function of {', '.join(modules)};"
            " name its module in Pool(modules=...)"
        )
    return [module, name]


def _encode(job: Sequence[Any]) -> bytes:
    if not isinstance(job, (tuple, list)):
        raise TypeError(
            f"a job is {type(job).__name__} {job!r:.80}; give the arguments "
            "of each job as a tuple"
        )
    return json.dumps(job).encode()


def _start_zygote(
    settings: dict[str, Any],
) -> tuple[subprocess.Popen, socket.socket, list[str]]:
    """A zygote with its modules imported, its socket, and its remarks."""
    ours, theirs = socket.socketpair()
    path = [os.path.abspath(entry) for entry in sys.path]
    environment = {
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONSAFEPATH": "1",
        # Threads do not survive a fork.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME"):
        if name in os.environ:
            environment[name] = os.environ[name]
    with theirs:
        # No preexec_fn: with it subprocess would run Python in a fork. A
        # session of its own keeps the terminal's Ctrl-C away.
        process = subprocess.Popen(
            [sys.executable, "-c", _ZYGOTE_PROGRAM],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    try:
        ours.settimeout(START_SECONDS)
        _send_json(ours, settings)
        reply = _receive_json(ours)
        ours.setblocking(False)
    except (OSError, EOFError) as error:
        ours.close()
        _end_zygote(process)
        raise RuntimeError(
            f"{sys.executable} did not start as a verifier (exit status "
            f"{process.returncode}); its message is on standard error"
        ) from error
    except BaseException:
        ours.close()
        _end_zygote(process)
        raise
    if "error" in reply:
        ours.close()
        _end_zygote(process)
        raise ImportError(reply["error"])
    return process, ours, reply["notes"]


def _end_zygote(process: subprocess.Popen) -> None:
    """Waits for a zygote whose socket is closed, which ends it."""
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _send_json(channel: socket.socket, value: Any) -> None:
    body = json.dumps(value).encode()
    channel.sendall(_LENGTH.pack(len(body)) + body)


def _receive_json(channel: socket.socket) -> Any:
    (length,) = _LENGTH.unpack(_receive_exactly(channel, _LENGTH.size))
    return json.loads(_receive_exactly(channel, length))


def _receive_exactly(channel: socket.socket, length: int) -> bytes:
    """EOFError where the other end has closed."""
    data = bytearray()
    while len(data) < length:
        part = channel.recv(min(length - len(data), 1 << 20))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


# --- The zygote -------------------------------------------------------------

_ZYGOTE_PROGRAM = "from jaxlrm.verify.workers import serve; serve()"


def serve() -> None:
    """The program of the zygote; its standard input is the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    channel = socket.socket(fileno=os.dup(0))
    os.dup2(null, 0)
    settings = _receive_json(channel)
    try:
        for module in settings["modules"]:
            importlib.import_module(module)
            if "jax" in sys.modules:
                raise ImportError("it imports jax, which must not be forked")
    except Exception as error:
        _send_json(channel, {"error": f"{module}: {error}"})
        return
    notes = []
    try:
        limits = resource.getrlimit(resource.RLIMIT_AS)
        _limit_memory(settings["memory"], hard=limits[1])
        resource.setrlimit(resource.RLIMIT_AS, limits)
    except (OSError, ValueError) as error:
        notes.append(f"verifier processes have no memory limit: {error}")
    _send_json(channel, {"notes": notes})
    os.dup2(null, 2)  # until here a failure can be seen
    os.close(null)
    gc.collect()
    gc.freeze()
    _Supervisor(channel, settings).run()


@dataclasses.dataclass
class _Task:
    """A chunk in the zygote.

    Attributes:
        number: the pool's name for it.
        body: its jobs, as JSON that only workers read.
        codes: a verdict for each job, or `_PENDING`; those pending are last.
        spared: has a death been blamed on nobody?
    """

    number: int
    body: bytes
    codes: bytearray
    spared: bool = False


@dataclasses.dataclass
class _Worker:
    pid: int
    channel: socket.socket
    shared: mmap.mmap
    task: _Task | None = None
    assigned: float = 0.0

    def progress(self) -> tuple[float, float, int]:
        """Start of the job, busy seconds, and the job or `_IDLE`."""
        return _PROGRESS.unpack_from(self.shared)


class _Supervisor:
    """Hands tasks to workers; kills and replaces them."""

    def __init__(self, channel: socket.socket, settings: dict[str, Any]):
        self.channel = channel
        self.settings = settings
        self.deadline = settings["deadline"]
        self.incoming = bytearray()
        self.tasks: collections.deque[_Task] = collections.deque()
        self.restarts = 0  # not reported yet
        self.busy = 0.0  # not reported yet
        self.workers: list[_Worker] = []

    def run(self) -> None:
        """Works until the pool closes the socket, or its process is gone."""
        parent = os.getppid()
        try:
            for _ in range(self.settings["workers"]):
                self.workers.append(self.spawn())
            while os.getppid() == parent:
                self.dispatch()
                sockets = {worker.channel: worker for worker in self.workers}
                ready, _, _ = select.select(
                    [self.channel, *sockets], [], [], self.patience()
                )
                if self.channel in ready and not self.receive():
                    break
                for channel in ready:
                    if channel is not self.channel:
                        self.listen(sockets[channel])
                self.enforce()
        except OSError:
            pass  # the pool is gone, or no process can be made
        finally:
            for worker in self.workers:
                _kill(worker.pid)
            os._exit(0)

    def spawn(self) -> _Worker:
        ours, theirs = socket.socketpair()
        ours.settimeout(STUCK_SECONDS)
        shared = mmap.mmap(-1, _PROGRESS.size + CHUNK)
        _PROGRESS.pack_into(shared, 0, 0.0, 0.0, _IDLE)
        zygote = os.getpid()
        pid = os.fork()
        if pid:
            theirs.close()
            return _Worker(pid, ours, shared)
        try:
            # A worker that held the other ends would hide their closing.
            for channel in (self.channel, ours):
                channel.close()
            for worker in self.workers:
                worker.channel.close()
            _confine(zygote, self.settings["memory"])
            _work(theirs, shared)
        finally:
            os._exit(0)

    def receive(self) -> bool:
        """Reads tasks; False at the end."""
        data = self.channel.recv(1 << 18)
        self.incoming += data
        start, size = 0, _CHUNK_HEADER.size
        while len(self.incoming) >= start + size:
            number, jobs, length = _CHUNK_HEADER.unpack_from(
                self.incoming, start
            )
            end = start + size + length
            if len(self.incoming) < end:
                break
            body = bytes(self.incoming[start + size : end])
            codes = bytearray([_PENDING]) * jobs
            self.tasks.append(_Task(number, body, codes))
            start = end
        del self.incoming[:start]
        return bool(data)

    def dispatch(self) -> None:
        """Gives tasks to workers that have none."""
        for worker in list(self.workers):
            if worker.task is not None or not self.tasks:
                continue
            task = worker.task = self.tasks.popleft()
            worker.assigned = time.monotonic()
            _PROGRESS.pack_into(worker.shared, 0, 0.0, 0.0, _IDLE)
            jobs = len(task.codes)
            start = _PROGRESS.size
            worker.shared[start : start + jobs] = bytes(task.codes)
            first = task.codes.index(_PENDING)
            header = _JOB_HEADER.pack(first, jobs, len(task.body))
            try:
                worker.channel.sendall(header + task.body)
            except OSError:
                self.replace(worker)

    def listen(self, worker: _Worker) -> None:
        """A worker has finished its task, or died."""
        try:
            finished = worker.channel.recv(1)
        except OSError:
            finished = b""
        if not finished:
            self.replace(worker)
        elif worker.task is not None:
            self.collect(worker)
            self.report(worker.task)
            worker.task = None

    def patience(self) -> float:
        """Seconds until a deadline may pass; at most one."""
        now = time.monotonic()
        limits = [now + 1.0]
        for worker in self.workers:
            if worker.task is not None:
                start, _, job = worker.progress()
                if job == _IDLE:  # about to start
                    start = now
                limits.append(start + self.deadline)
        return max(0.0, min(limits) - now)

    def enforce(self) -> None:
        """Kills workers that are over their deadline."""
        now = time.monotonic()
        for worker in list(self.workers):
            if worker.task is None:
                continue
            start, _, job = worker.progress()
            if job == _IDLE:
                if now - worker.assigned > STUCK_SECONDS:
                    self.replace(worker)
            elif now - start > self.deadline:
                self.replace(worker, overdue=(start, job))

    def replace(
        self, worker: _Worker, overdue: tuple[float, int] | None = None
    ) -> None:
        """Kills a worker and forks another; its task goes back in the queue.

        Args:
            worker: it may be dead already.
            overdue: start and number of the job that it is killed for.
        """
        status = _kill(worker.pid)
        worker.channel.close()
        self.restarts += 1
        task = worker.task
        if task is not None:
            self.collect(worker)
            start, _, job = worker.progress()
            running = job != _IDLE and task.codes[job] == _PENDING
            if running:
                self.busy += time.monotonic() - start
            if overdue is not None:
                # Else it ended meanwhile, and another one is innocent.
                if running and (start, job) == overdue:
                    task.codes[job] = Verdict.TIMEOUT
            elif _PENDING in task.codes:
                # SIGKILL may come from anyone, so it is believed only twice.
                outside = os.WIFSIGNALED(status) and (
                    os.WTERMSIG(status) == signal.SIGKILL
                )
                if task.spared or (running and not outside):
                    task.codes[task.codes.index(_PENDING)] = Verdict.ERROR
                else:
                    task.spared = True
            if _PENDING in task.codes:
                self.tasks.appendleft(task)
            else:
                self.report(task)
        worker.shared.close()
        self.workers.remove(worker)
        self.workers.append(self.spawn())

    def collect(self, worker: _Worker) -> None:
        """Takes over the verdicts and the time of a worker."""
        codes = worker.task.codes
        start = _PROGRESS.size
        codes[:] = worker.shared[start : start + len(codes)]
        self.busy += worker.progress()[1]

    def report(self, task: _Task) -> None:
        header = _RESULT_HEADER.pack(
            task.number, len(task.codes), self.restarts, self.busy
        )
        self.restarts, self.busy = 0, 0.0
        self.channel.sendall(header + task.codes)


def _kill(pid: int) -> int:
    """Ends a child, if it has not ended; returns its wait status."""
    os.kill(pid, signal.SIGKILL)  # not reaped yet, so the pid is still its own
    return os.waitpid(pid, 0)[1]


# --- A worker ---------------------------------------------------------------


def _confine(zygote: int, memory: int) -> None:
    """Limits this process; it ends when the zygote does."""
    if sys.platform == "linux":
        # Elsewhere the end of the socket is noticed between chunks.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != zygote:
            os._exit(0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        _limit_memory(memory)
    except (OSError, ValueError):
        pass  # the zygote has said so
    sys.setrecursionlimit(1000)  # a module may have raised it


def _limit_memory(memory: int, hard: int | None = None) -> None:
    """Limits the address space; `hard` is the hard limit, if to be kept."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        memory = min(memory, most)
    resource.setrlimit(
        resource.RLIMIT_AS, (memory, memory if hard is None else hard)
    )


def _work(channel: socket.socket, shared: mmap.mmap) -> None:
    """Does tasks until the zygote closes the socket."""
    while True:
        try:
            header = _receive_exactly(channel, _JOB_HEADER.size)
            first, count, length = _JOB_HEADER.unpack(header)
            body = _receive_exactly(channel, length)
        except (OSError, EOFError):
            return
        try:
            (module, name), jobs = json.loads(body)
            function = getattr(sys.modules[module], name)
        except Exception:
            function, jobs = _refuse, [()] * count
        busy = 0.0
        start = time.monotonic()
        for job in range(first, count):
            _PROGRESS.pack_into(shared, 0, start, busy, job)
            shared[_PROGRESS.size + job] = _verdict(function, jobs[job])
            end = time.monotonic()
            busy += end - start
            start = end
        _PROGRESS.pack_into(shared, 0, start, busy, _IDLE)
        channel.send(b".")


def _verdict(function: Callable, arguments: Sequence[Any]) -> int:
    try:
        verdict = function(*arguments)
    except BaseException:  # SystemExit too
        return Verdict.ERROR
    return verdict if isinstance(verdict, Verdict) else Verdict.ERROR


def _refuse() -> Verdict:
    """Stands for a function that is not there, or jobs that do not fit."""
    return Verdict.ERROR
