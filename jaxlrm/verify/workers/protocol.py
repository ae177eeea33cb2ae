"""What crosses the sockets, and the memory shared with a worker."""

from __future__ import annotations

import mmap
import struct

CHUNK = 64  # jobs of a message; amortises the system calls

CHUNK_HEADER = struct.Struct("<QII")  # chunk, jobs, bytes of JSON
JOB_HEADER = struct.Struct("<III")  # first job to do, jobs, bytes of JSON
# chunk, jobs, bytes of the failure, restarts, busy seconds
RESULT_HEADER = struct.Struct("<QIIId")
FAILURE = 256  # bytes kept of what a failed job raised
PENDING = 0xFF  # the code of a job without a verdict


class Shared:
    """Memory that the zygote shares with a worker.

    Each number is stored by one aligned write, so that no reader sees half of
    it; `struct.pack_into` clears the bytes first, and a reader may see that.

    Attributes:
        codes: a byte for each verdict of a chunk, or `PENDING`.
    """

    _START, _BUSY, _JOB = range(3)
    _IDLE = -1.0

    def __init__(self):
        size = 8 * 3
        self._memory = mmap.mmap(-1, size + CHUNK + FAILURE)
        self._bytes = memoryview(self._memory)
        self._numbers = self._bytes[:size].cast("d")
        self.codes = self._bytes[size : size + CHUNK]
        self._failure = self._bytes[size + CHUNK :]
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
        self._numbers.release()
        self._bytes.release()
        self._memory.close()
