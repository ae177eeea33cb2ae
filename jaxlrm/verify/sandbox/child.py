"""One run, from the caller's side: bytes in, bytes out, and how it ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time

from jaxlrm.verify.sandbox import program, zygote
from jaxlrm.verify.sandbox.run import Run, Status

# A run whose end the zygote has not reported this long after its deadline.
LOST_SECONDS = 5.0
_ERROR_CHARACTERS = 500


class ZygoteLost(Exception):
    """The zygote ended, or does not answer."""


class Child:
    """A confined interpreter that waits for a program, from outside.

    Attributes:
        number: of the zygote that it belongs to.
        program: descriptor to write the job to.
        stdout: descriptor to read.
        stderr: descriptor to read.
        channel: socket to the zygote, about this child.
    """

    def __init__(self, parent: socket.socket, number: int):
        """Asks a zygote for a child; OSError if it is gone."""
        self.number = number
        theirs: list[int] = []
        ours: list[int] = []
        try:
            for direction in (1, 0, 0):
                pair = os.pipe()
                ours.append(pair[direction])
                theirs.append(pair[1 - direction])
            channel, other = socket.socketpair()
            ours.append(channel.detach())
            theirs.append(other.detach())
            for descriptor in ours:
                os.set_blocking(descriptor, False)
            socket.send_fds(parent, [b"."], theirs)
        except BaseException:
            for descriptor in ours:
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self.program, self.stdout, self.stderr, channel_number = ours
        self.channel = socket.socket(fileno=channel_number)

    def close(self) -> None:
        """Ends the child if it has not ended."""
        for descriptor in {self.program, self.stdout, self.stderr} - {-1}:
            os.close(descriptor)
        self.program = self.stdout = self.stderr = -1
        self.channel.close()


def converse(child: Child, job: bytes, limit: float, output: int) -> Run:
    """Sends the job, collects the output, and waits for the report."""
    with contextlib.suppress(BlockingIOError):
        child.channel.send(zygote.START.pack(time.monotonic(), limit))
    waiting = memoryview(job)
    report = b""
    streams = {child.stdout: bytearray(), child.stderr: bytearray()}
    stdout, stderr = streams.values()
    flooded = False
    poll = select.poll()
    poll.register(child.program, select.POLLOUT)
    poll.register(child.stdout, select.POLLIN)
    poll.register(child.stderr, select.POLLIN)
    poll.register(child.channel, select.POLLIN)
    writing = True
    give_up = time.monotonic() + limit + LOST_SECONDS
    while streams or len(report) < zygote.REPORT.size:
        patience = give_up - time.monotonic()
        if patience <= 0:
            raise ZygoteLost("it does not report an end")
        for descriptor, _ in poll.poll(int(patience * 1000) + 1):
            if descriptor in streams:
                data = _read(descriptor)
                if data is None:
                    continue
                if not data:
                    poll.unregister(descriptor)
                    del streams[descriptor]
                    continue
                seen = streams[descriptor]
                seen += data
                if len(seen) > output:
                    del seen[output:]
                    if not flooded:
                        flooded = True
                        with contextlib.suppress(OSError):
                            child.channel.send(zygote.KILL)
            elif descriptor == child.program and writing:
                waiting = _write(descriptor, waiting)
                if not waiting:
                    writing = False
                    poll.unregister(descriptor)
                    os.close(descriptor)
                    child.program = -1
            elif descriptor == child.channel.fileno():
                data = child.channel.recv(zygote.REPORT.size - len(report))
                if not data:
                    raise ZygoteLost("it ended")
                report += data
                if len(report) == zygote.REPORT.size:
                    poll.unregister(child.channel)
    return _judge(report, bytes(stdout), bytes(stderr), flooded, limit, output)


def _read(descriptor: int) -> bytes | None:
    """What there is; b"" at the end, None if there is nothing yet."""
    try:
        return os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return None


def _write(descriptor: int, data: memoryview) -> memoryview:
    """What is left to write; nothing if the reader is gone."""
    try:
        return data[os.write(descriptor, data) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return data[:0]


def _judge(
    report: bytes,
    stdout: bytes,
    stderr: bytes,
    flooded: bool,
    limit: float,
    output: int,
) -> Run:
    """The run of a child that has ended as reported."""
    wait, overdue, seconds, cpu, memory = zygote.REPORT.unpack(report)
    errors = stderr.decode("utf-8", "replace")
    code = os.waitstatus_to_exitcode(wait)
    killed = -code if code < 0 else 0
    if flooded:
        status, error = Status.OUTPUT, f"more than {output} bytes of output"
    elif (overdue and killed == signal.SIGKILL) or killed == signal.SIGXCPU:
        status, error = Status.TIMEOUT, f"no end within {limit:g} s"
    elif killed == signal.SIGSYS:
        status, error = Status.DENIED, "killed by a forbidden system call"
    elif killed:
        status = Status.KILLED
        error = f"killed by {signal.strsignal(killed) or killed}"
    else:
        status = {
            program.FINISHED: Status.OK,
            program.OUT_OF_MEMORY: Status.MEMORY,
            program.FORBIDDEN: Status.DENIED,
        }.get(code, Status.ERROR)
        error = "" if status is Status.OK else _last_line(errors, code)
    return Run(
        stdout.decode("utf-8", "replace"),
        status,
        seconds,
        error,
        errors,
        cpu,
        memory,
    )


def _last_line(errors: str, code: int) -> str:
    lines = errors.strip().splitlines()
    last = lines[-1].strip() if lines else f"exit status {code}"
    return last[:_ERROR_CHARACTERS]
