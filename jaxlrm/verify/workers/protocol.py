"""What crosses the sockets, and the memory shared with a worker.

A job leaves a byte: a verdict, or `VALUE` for a plain value, which then stands
as JSON in the job's slot.
"""

from __future__ import annotations

import mmap
import struct

CHUNK = 64  # jobs of a message; amortises the system calls

CHUNK_HEADER = struct.Struct("<QII")  # chunk, jobs, bytes of JSON
JOB_HEADER = struct.Struct("<III")  # first job to do, jobs, bytes of JSON
# chunk, jobs, bytes of the failure, bytes of the values, restarts, busy seconds
RESULT_HEADER = struct.Struct("<QIIIId")
FAILURE = 256  # bytes kept of what a failed job raised
PENDING = 0xFF  # the code of a job that has not ended
VALUE = 0xFE  # the code of a job that returned a plain value
SLOT = 1 << 14  # bytes of a plain value as JSON, at most
_SIZE = struct.Struct("<I")


class Shared:
    """Memory that the zygote shares with a worker.

    Each number is stored by one aligned write, so that no reader sees half of
    it; `struct.pack_into` clears the bytes first, and a reader may see that.

    Attributes:
        codes: a byte for each job of a chunk: a verdict, `VALUE` or `PENDING`.
    """

    _START, _BUSY, _JOB = range(3)
    _IDLE = -1.0

    def __init__(self):
        size = 8 * 3
        slots = size + CHUNK + FAILURE
        # Pages that no value was written to take no memory.
        self._memory = mmap.mmap(-1, slots + CHUNK * (_SIZE.size + SLOT))
        self._bytes = memoryview(self._memory)
        self._numbers = self._bytes[:size].cast("d")
        self.codes = self._bytes[size : size + CHUNK]
        self._failure = self._bytes[size + CHUNK : slots]
        self._slots = self._bytes[slots:]
        self.stop(0.0)

    def begin(self, job: int, start: float, busy: float) -> None:
        """Tells which job runs since when, and the seconds of others."""
        # In this order: a reader in between sees an old job that has ended.
        self._numbers[self._BUSY] = busy
        self._numbers[self._START] = start
        self._numbers[self._JOB] = job

    def stop(self, busy: float) -> None:
        """Tells that no job runs, and the seconds of all."""
        self._numbers[self._BUSY] = busy
        self._numbers[self._JOB] = self._IDLE

    def running(self) -> tuple[float, int] | None:
        """Start of the job that runs and its index; None between chunks."""
        start = self._numbers[self._START]
        job = self._numbers[self._JOB]
        return None if job == self._IDLE else (start, int(job))

    def busy(self) -> float:
        """Seconds that finished jobs took."""
        return self._numbers[self._BUSY]

    def put(self, job: int, value: bytes) -> None:
        """Stores the plain value of a job, of at most `SLOT` bytes."""
        start = job * (_SIZE.size + SLOT)
        _SIZE.pack_into(self._slots, start, len(value))
        start += _SIZE.size
        self._slots[start : start + len(value)] = value

    def value(self, job: int) -> bytes:
        """The plain value of a job whose code is `VALUE`."""
        start = job * (_SIZE.size + SLOT)
        (size,) = _SIZE.unpack_from(self._slots, start)
        start += _SIZE.size
        return bytes(self._slots[start : start + min(size, SLOT)])

    def fail(self, text: str) -> None:
        """Tells what a job raised; replaces what another one did."""
        text = text.encode(errors="replace")[:FAILURE]
        self._failure[:] = text.ljust(FAILURE, b"\0")

    def failure(self) -> bytes:
        """What a job has raised; empty if none has told of it."""
        return bytes(self._failure).rstrip(b"\0")

    def close(self) -> None:
        """Gives the memory back."""
        self.codes.release()
        self._failure.release()
        self._slots.release()
        self._numbers.release()
        self._bytes.release()
        self._memory.close()
