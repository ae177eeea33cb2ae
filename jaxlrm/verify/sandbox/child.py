"""One run, from the caller's side: bytes in, bytes out, and how it ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable

from jaxlrm.verify.sandbox import program, zygote
from jaxlrm.verify.sandbox.run import Run, Status

# A run whose end the zygote has not reported this long after its deadline.
LOST_SECONDS = 5.0
_ERROR_CHARACTERS = 500
OUTSIDE = "killed by SIGKILL from outside"  # nothing that a program can do


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
        """Asks a zygote for a child.

        Raises:
            ZygoteLost: it is gone.
            OSError: this process has too many open files.
        """
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
            _send_descriptors(parent, theirs)
        except BaseException:
            for descriptor in ours:
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self.program, self.stdout, self.stderr, number_of_channel = ours
        self.channel = socket.socket(fileno=number_of_channel)

    def close(self) -> None:
        """Ends the child if it has not ended."""
        for descriptor in {self.program, self.stdout, self.stderr} - {-1}:
            os.close(descriptor)
        self.program = self.stdout = self.stderr = -1
        self.channel.close()


def converse(child: Child, job: bytes, limit: float, output: int) -> Run:
    """Sends the job, collects the output, and waits for the report.

    Args:
        child: one that has had no job yet.
        job: what program.py reads.
        limit: seconds until the child is killed.
        output: bytes of each stream that are kept; more end the child.

    Raises:
        ZygoteLost: it ended, or did not report in time.
    """
    conversation = _Conversation(child, job, output)
    report = conversation.hold(limit)
    return _judge(
        report,
        bytes(conversation.stdout),
        bytes(conversation.stderr),
        conversation.flooded,
        limit,
        output,
    )


class _Conversation:
    """What goes to a child and comes from it and about it."""

    def __init__(self, child: Child, job: bytes, output: int):
        self.child = child
        self.output = output
        self.unsent = memoryview(job)
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.report = bytearray()
        self.flooded = False
        self.poll = select.poll()
        # What to do when a descriptor is ready, until it has no more.
        self.open: dict[int, Callable[[int], bool]] = {
            child.program: self.send,
            child.stdout: self.collect,
            child.stderr: self.collect,
            child.channel.fileno(): self.hear,
        }
        for descriptor in self.open:
            writes = descriptor == child.program
            self.poll.register(
                descriptor, select.POLLOUT if writes else select.POLLIN
            )

    def hold(self, limit: float) -> bytes:
        """Until all is said; returns the zygote's report."""
        start = time.monotonic()
        self.tell(zygote.START.pack(start, limit))
        give_up = start + limit + LOST_SECONDS
        while self.open:
            patience = give_up - time.monotonic()
            if patience <= 0:
                raise ZygoteLost("it does not report an end")
            for descriptor, _ in self.poll.poll(min(patience, 3600) * 1000 + 1):
                if not self.open[descriptor](descriptor):
                    self.poll.unregister(descriptor)
                    del self.open[descriptor]
        return bytes(self.report)

    def tell(self, message: bytes) -> None:
        """Says something to the zygote."""
        try:
            self.child.channel.send(message)
        except OSError as error:
            raise ZygoteLost("it does not listen") from error

    def send(self, descriptor: int) -> bool:
        """Sends more of the job; False when nothing is left."""
        try:
            self.unsent = self.unsent[os.write(descriptor, self.unsent) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:  # the child has ended
            self.unsent = self.unsent[:0]
        if self.unsent:
            return True
        os.close(descriptor)  # by which the child sees the end of the job
        self.child.program = -1
        return False

    def collect(self, descriptor: int) -> bool:
        """Takes output; False at its end. Ends the child if it is too much."""
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return True
        kept = self.stdout if descriptor == self.child.stdout else self.stderr
        kept += data
        if len(kept) > self.output:
            del kept[self.output :]
            if not self.flooded:
                self.flooded = True
                # It may have ended meanwhile, and been reported.
                with contextlib.suppress(ZygoteLost):
                    self.tell(zygote.KILL)
        return bool(data)

    def hear(self, descriptor: int) -> bool:
        """Takes the report; False when it is whole."""
        missing = zygote.REPORT.size - len(self.report)
        try:
            data = self.child.channel.recv(missing)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            raise ZygoteLost("it ended")
        self.report += data
        return len(data) < missing


def _send_descriptors(parent: socket.socket, descriptors: list[int]) -> None:
    try:
        socket.send_fds(parent, [b"."], descriptors)
    except OSError as error:
        raise ZygoteLost("it takes no requests") from error


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
        error = f"killed by {_signal_name(killed)}"
        if killed == signal.SIGKILL:
            error = OUTSIDE
    elif code == program.UNCONFINED:
        status, error = Status.KILLED, "not run: a layer of isolation failed"
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


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(errors: str, code: int) -> str:
    lines = errors.strip().splitlines()
    last = lines[-1].strip() if lines else f"exit status {code}"
    return last[:_ERROR_CHARACTERS]
