"""The zygote: imports the modules once, then supervises forked workers."""

from __future__ import annotations

import collections
import dataclasses
import gc
import importlib
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import Any

from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.workers.messages import receive_json, send_json
from jaxlrm.verify.workers.protocol import (
    CHUNK_HEADER,
    JOB_HEADER,
    PENDING,
    RESULT_HEADER,
    VALUE,
    Shared,
)
from jaxlrm.verify.workers.worker import confine, limit_memory, work

# A worker that was given a chunk and starts no job is stopped or stuck.
STUCK_SECONDS = 30.0


def serve() -> None:
    """The program of the zygote; its standard input is the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    channel = socket.socket(fileno=os.dup(0))
    os.dup2(null, 0)
    settings = receive_json(channel)
    try:
        for module in settings["modules"]:
            importlib.import_module(module)
            if "jax" in sys.modules:
                raise ImportError("it imports jax, which must not be forked")
    except Exception as error:
        send_json(channel, {"error": f"{module}: {error}"})
        return
    notes = []
    try:
        limits = resource.getrlimit(resource.RLIMIT_AS)
        limit_memory(settings["memory"], hard=limits[1])
        resource.setrlimit(resource.RLIMIT_AS, limits)
    except (OSError, ValueError) as error:
        notes.append(f"verifier processes have no memory limit: {error}")
    send_json(channel, {"notes": notes})
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
        codes: of each job, see `Shared`; those pending are last.
        values: plain values, as JSON, of the jobs that returned one.
        spared: the last job that was given another chance after a death.
        failure: what the first of its jobs that failed has raised.
    """

    number: int
    body: bytes
    codes: bytearray
    values: dict[int, bytes] = dataclasses.field(default_factory=dict)
    spared: int | None = None
    failure: bytes = b""


@dataclasses.dataclass
class _Worker:
    pid: int
    channel: socket.socket
    shared: Shared
    task: _Task | None = None
    assigned: float = 0.0


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
        """Forks a worker."""
        ours, theirs = socket.socketpair()
        ours.settimeout(STUCK_SECONDS)
        shared = Shared()
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
            confine(zygote, self.settings["memory"])
            work(theirs, shared)
        finally:
            os._exit(0)

    def receive(self) -> bool:
        """Reads tasks; False at the end."""
        data = self.channel.recv(1 << 18)
        self.incoming += data
        start, size = 0, CHUNK_HEADER.size
        while len(self.incoming) >= start + size:
            number, jobs, length = CHUNK_HEADER.unpack_from(
                self.incoming, start
            )
            end = start + size + length
            if len(self.incoming) < end:
                break
            body = bytes(self.incoming[start + size : end])
            codes = bytearray([PENDING]) * jobs
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
            worker.shared.stop(0.0)
            worker.shared.fail("")
            jobs = len(task.codes)
            worker.shared.codes[:jobs] = task.codes
            first = task.codes.index(PENDING)
            header = JOB_HEADER.pack(first, jobs, len(task.body))
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
                # Else it is about to start.
                start, _ = worker.shared.running() or (now, 0)
                limits.append(start + self.deadline)
        return max(0.0, min(limits) - now)

    def enforce(self) -> None:
        """Kills workers that are over their deadline."""
        now = time.monotonic()
        for worker in list(self.workers):
            if worker.task is None:
                continue
            running = worker.shared.running()
            if running is None:
                if now - worker.assigned > STUCK_SECONDS:
                    self.replace(worker)
            elif now - running[0] > self.deadline:
                self.replace(worker, overdue=running)

    def replace(
        self, worker: _Worker, overdue: tuple[float, int] | None = None
    ) -> None:
        """Kills a worker and forks another; its task goes back in the queue.

        Args:
            worker: it may be dead already.
            overdue: start and index of the job that it is killed for.
        """
        status = _kill(worker.pid)
        worker.channel.close()
        self.restarts += 1
        task = worker.task
        if task is not None:
            self.collect(worker)
            running = worker.shared.running()
            if running is not None and task.codes[running[1]] != PENDING:
                running = None  # it had just ended
            if running is not None:
                self.busy += time.monotonic() - running[0]
            if overdue is not None:
                # Else it ended meanwhile, and another one is innocent.
                if running == overdue:
                    task.codes[overdue[1]] = Verdict.TIMEOUT
            elif PENDING in task.codes:
                # SIGKILL may come from anyone, so a job is blamed for its
                # second one.
                suspect = task.codes.index(PENDING)
                outside = os.WIFSIGNALED(status) and (
                    os.WTERMSIG(status) == signal.SIGKILL
                )
                crashed = running is not None and not outside
                if crashed or task.spared == suspect:
                    task.codes[suspect] = Verdict.ERROR
                else:
                    task.spared = suspect
            if PENDING in task.codes:
                self.tasks.appendleft(task)
            else:
                self.report(task)
        worker.shared.close()
        self.workers.remove(worker)
        self.workers.append(self.spawn())

    def collect(self, worker: _Worker) -> None:
        """Takes over the results and the time of a worker."""
        task, codes = worker.task, worker.task.codes
        codes[:] = worker.shared.codes[: len(codes)]
        for job, code in enumerate(codes):
            # Those that are known may be of a worker before this one.
            if code == VALUE and job not in task.values:
                task.values[job] = worker.shared.value(job)
        task.failure = task.failure or worker.shared.failure()
        self.busy += worker.shared.busy()

    def report(self, task: _Task) -> None:
        """Tells the pool how a chunk ended."""
        ordered = (task.values[job] for job in sorted(task.values))
        values = b"[%b]" % b",".join(ordered) if task.values else b""
        header = RESULT_HEADER.pack(
            task.number,
            len(task.codes),
            len(task.failure),
            len(values),
            self.restarts,
            self.busy,
        )
        self.restarts, self.busy = 0, 0.0
        self.channel.sendall(header + task.codes + task.failure + values)


def _kill(pid: int) -> int:
    """Ends a child, if it has not ended; returns its wait status."""
    os.kill(pid, signal.SIGKILL)  # not reaped yet, so the pid is still its own
    return os.waitpid(pid, 0)[1]
