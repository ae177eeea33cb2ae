"""One run, from the caller's side: bytes in, bytes out, and how it ended."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence

from jaxlrm.verify.programs import program, zygote
from jaxlrm.verify.programs.run import Run, Status

# A run whose end the zygote has not reported this long after its deadline.
LOST_SECONDS = 5.0
OUTSIDE = "killed by SIGKILL from outside"  # nothing that a program can do
_READ = 1 << 16  # bytes at a time
_REMARK = "\n... ({} bytes left out) ...\n"
_STATUSES = {
    program.FINISHED: Status.OK,
    program.RAISED: Status.ERROR,
    program.OUT_OF_MEMORY: Status.MEMORY,
    program.FORBIDDEN: Status.DENIED,
    program.CUT_OFF: Status.OK,
}
# After these, later steps can see what a step did.
_LASTING = (program.FINISHED, program.RAISED, program.FORBIDDEN)


class ZygoteLost(Exception):
    """The zygote ended, or does not answer."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What a child is to do.

    Attributes:
        steps: programs; the last one is the new one, and those before it run
            for what they define, their output thrown away.
        stdin: standard input of the new one.
        show: display the value of a last expression.
        limit: seconds until the child is killed.
        kept: bytes of each stream that are kept.
        most: bytes of a stream that end the child.
    """

    steps: Sequence[str]
    stdin: bytes
    show: bool
    limit: float
    kept: int
    most: int


class Child:
    """A confined interpreter that waits for a program, from outside.

    Attributes:
        number: of the zygote that it belongs to.
        steps: descriptor to write programs to; -1 once it is closed.
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
        self.steps, self.stdout, self.stderr, last = ours
        self.channel = socket.socket(fileno=last)

    def end_steps(self) -> None:
        """Lets the child see that no more steps, or input, will come."""
        if self.steps != -1:
            os.close(self.steps)
            self.steps = -1

    def close(self) -> None:
        """Ends the child if it has not ended."""
        self.end_steps()
        for descriptor in {self.stdout, self.stderr} - {-1}:
            os.close(descriptor)
        self.stdout = self.stderr = -1
        self.channel.close()


def converse(child: Child, job: Job) -> Run:
    """Sends the steps, collects the output, and waits for the report.

    Args:
        child: one that has had no job yet.
        job: what it is to do.

    Raises:
        ZygoteLost: it ended, or did not report in time.
    """
    conversation = _Conversation(child, job)
    report = conversation.hold()
    return _judge(conversation, report)


class _Stream:
    """The beginning and the end of what a step writes.

    Attributes:
        size: bytes so far.
        end: what came behind the secret; None while that has not come.
    """

    def __init__(self, kept: int):
        self._kept = kept
        self._head_size = kept - kept // 2
        self._tail_size = kept // 2
        self.begin(b"")

    def begin(self, secret: bytes) -> None:
        """Forgets what was written; the next step has this secret."""
        self.size = 0
        self.end: bytearray | None = None
        self._secret = secret
        self._head, self._tail = bytearray(), bytearray()
        self._held = b""  # may be the beginning of the secret

    def add(self, data: bytes) -> None:
        """Takes the next bytes; b"" at the end of the stream."""
        if self.end is not None:
            self.end += data
            return
        whole = self._held + data
        place = whole.find(self._secret) if self._secret else -1
        if place >= 0:
            self.end = bytearray(whole[place + len(self._secret) :])
        elif data:
            place = max(0, len(whole) - len(self._secret) + 1)
        else:
            place = len(whole)
        self._held = whole[place:] if self.end is None else b""
        self._keep(whole[:place])

    def _keep(self, data: bytes) -> None:
        self.size += len(data)
        room = self._head_size - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > self._tail_size + _READ:
            del self._tail[: len(self._tail) - self._tail_size]

    def text(self) -> tuple[str, int]:
        """What is kept, and how many bytes are not.

        A line in the middle says so; with it, the text is not longer than what
        was to be kept, unless that is less than a few lines.
        """
        missing = self.size - self._kept
        if missing <= 0:
            return (self._head + self._tail).decode("utf-8", "replace"), 0
        tail = self._tail[len(self._tail) - self._tail_size :]
        if self._kept > 20 * len(_REMARK):
            del tail[: 2 * len(_REMARK)]
            missing += 2 * len(_REMARK)
        # A character may have been cut in two.
        head = self._head.decode("utf-8", "replace").rstrip("\ufffd")
        end = tail.decode("utf-8", "replace").lstrip("\ufffd")
        return f"{head}{_REMARK.format(missing)}{end}", missing


class _Conversation:
    """What goes to a child and comes from it and about it.

    Attributes:
        confined: did the child say that all layers hold? None: it said nothing.
        ended: steps that have ended in the child's interpreter.
        ending: of the last of them, one of those in program.py.
        error: the last line of its traceback.
        flooded: was the child killed for its output?
    """

    def __init__(self, child: Child, job: Job):
        self.child = child
        self.job = job
        self.stdout, self.stderr = _Stream(job.kept), _Stream(job.kept)
        self.confined: bool | None = None
        self.ended = 0
        self.ending = program.RAISED
        self.error = ""
        self.flooded = False
        self._unsent = memoryview(b"")
        self._report = bytearray()
        self._poll = select.poll()
        # What to do when a descriptor is ready, until it has no more.
        self._open: dict[int, Callable[[], bool]] = {
            child.stdout: lambda: self._collect(child.stdout, self.stdout),
            child.stderr: lambda: self._collect(child.stderr, self.stderr),
            child.channel.fileno(): self._hear,
        }
        self._awaited = set(self._open)
        for descriptor in self._open:
            self._poll.register(descriptor, select.POLLIN)

    @property
    def finished(self) -> bool:
        """Has the new step ended in the child's interpreter?"""
        return self.ended == len(self.job.steps)

    def hold(self) -> bytes:
        """Until all is said; returns the zygote's report."""
        start = time.monotonic()
        self._tell(zygote.START.pack(start, self.job.limit))
        give_up = start + self.job.limit + LOST_SECONDS
        self._next_step()
        while self._awaited & self._open.keys():
            patience = give_up - time.monotonic()
            if patience <= 0:
                raise ZygoteLost("it does not report an end")
            for descriptor, _ in self._poll.poll(
                min(patience, 3600) * 1000 + 1
            ):
                # One before it may have put an end to it.
                act = self._open.get(descriptor)
                if act and not act():
                    self._stop(descriptor)
        return bytes(self._report)

    def _stop(self, descriptor: int) -> None:
        """Listens to a descriptor no longer."""
        if self._open.pop(descriptor, None):
            self._poll.unregister(descriptor)

    def _tell(self, message: bytes) -> None:
        """Says something to the zygote."""
        try:
            self.child.channel.send(message)
        except OSError as error:
            raise ZygoteLost("it does not listen") from error

    # --- Steps out ----------------------------------------------------------

    def _next_step(self) -> None:
        """Begins to send the step after those that have ended."""
        is_new = self.ended + 1 == len(self.job.steps)
        secret = secrets.token_bytes(program.SECRET_SIZE)
        for stream in (self.stdout, self.stderr):
            stream.begin(secret)
        step = {
            "code": self.job.steps[self.ended],
            "number": self.ended + 1,
            "secret": secret.hex(),
            "show": self.job.show,
            "stdin": is_new and bool(self.job.stdin),
        }
        body = json.dumps(step).encode()
        message = program.LENGTH.pack(len(body)) + body
        if is_new:
            message += self.job.stdin
        self._unsent = memoryview(message)
        self._open[self.child.steps] = self._send
        self._poll.register(self.child.steps, select.POLLOUT)

    def _send(self) -> bool:
        """Sends more of a step; False when nothing is left."""
        try:
            sent = os.write(self.child.steps, self._unsent)
            self._unsent = self._unsent[sent:]
        except BlockingIOError:
            return True
        except BrokenPipeError:  # the child has ended
            self._unsent = self._unsent[:0]
        if not self._unsent and self.job.stdin and self._is_new():
            self._stop(self.child.steps)
            self.child.end_steps()  # a program sees the end of its input
        return bool(self._unsent)

    def _is_new(self) -> bool:
        return self.ended + 1 >= len(self.job.steps)

    # --- What comes back ----------------------------------------------------

    def _collect(self, descriptor: int, stream: _Stream) -> bool:
        """Takes output; False at its end. Ends the child if it is too much."""
        try:
            data = os.read(descriptor, _READ)
        except BlockingIOError:
            return True
        ends = not data
        if self.confined is None and stream is self.stderr and data:
            self.confined = data[:1] == program.CONFINED
            data = data[1:]
        if data or ends:
            stream.add(data)
        if stream.size > self.job.most and not self.flooded:
            self.flooded = True
            with contextlib.suppress(ZygoteLost):  # it may have been reported
                self._tell(zygote.KILL)
        if stream.end is not None and not self.finished:
            self._read_end(stream.end)
        return not ends

    def _read_end(self, said: bytearray) -> None:
        """Takes the end of the step that runs, and goes on to the next."""
        size = program.END.size
        if len(said) < size:
            return
        ending, length = program.END.unpack_from(said)
        if len(said) < size + length or ending not in _STATUSES:
            return
        self.ended += 1
        self.ending = ending
        self.error = said[size : size + length].decode("utf-8", "replace")
        if self.finished:
            self._stop(self.child.steps)
            self.child.end_steps()
            return
        # All that it has written is in the pipes, and nobody wants it.
        for descriptor in (self.child.stdout, self.child.stderr):
            with contextlib.suppress(BlockingIOError):
                while os.read(descriptor, _READ):
                    pass
        self._next_step()

    def _hear(self) -> bool:
        """Takes the report; False when it is whole."""
        missing = zygote.REPORT.size - len(self._report)
        try:
            data = self.child.channel.recv(missing)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            raise ZygoteLost("it ended")
        self._report += data
        return len(data) < missing


def _send_descriptors(parent: socket.socket, descriptors: list[int]) -> None:
    try:
        socket.send_fds(parent, [b"."], descriptors)
    except OSError as error:
        raise ZygoteLost("it takes no requests") from error


def _judge(said: _Conversation, report: bytes) -> Run:
    """The run of a child that has ended as reported."""
    wait, overdue, seconds, cpu, memory = zygote.REPORT.unpack(report)
    code = os.waitstatus_to_exitcode(wait)
    status, error = _ending(said, code, overdue)
    stdout, left_out = said.stdout.text()
    lasting = said.finished and said.ending in _LASTING and not said.flooded
    return Run(
        stdout,
        status,
        seconds,
        error,
        said.stderr.text()[0],
        cpu,
        memory,
        lasting,
        left_out,
    )


def _ending(
    said: _Conversation, code: int, overdue: bool
) -> tuple[Status, str]:
    """How a run ended, and why that is not OK.

    Args:
        said: what the child's interpreter has said.
        code: exit status of the child, or the negative of a signal.
        overdue: did the zygote kill it at its deadline?
    """
    if said.flooded:
        return Status.OUTPUT, f"more than {said.job.most} bytes of output"
    if said.finished:
        status = _STATUSES[said.ending]
        # The program may have written this itself.
        line = " ".join(said.error.splitlines())[: program.ERROR_CHARACTERS]
        return status, "" if status is Status.OK else line or "no reason given"
    if code == -signal.SIGXCPU or overdue and code == -signal.SIGKILL:
        return Status.TIMEOUT, f"no end within {said.job.limit:g} s"
    if code == -signal.SIGSYS:
        return Status.DENIED, "killed by a forbidden system call"
    if code == -signal.SIGKILL:
        return Status.KILLED, OUTSIDE
    if code < 0:
        return Status.KILLED, f"killed by {_signal_name(-code)}"
    if said.confined is None:
        return Status.KILLED, "not run: its process ended before it began"
    if not said.confined:
        return Status.KILLED, "not run: a layer of isolation failed"
    left = f"exit status {code}"
    if said.ended + 1 < len(said.job.steps):
        return (
            Status.ERROR,
            f"not run: step {said.ended + 1} ended the process ({left}) when "
            "it ran again",
        )
    return Status.ERROR, left if code else f"{left}, before its end"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
