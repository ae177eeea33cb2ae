"""What a forked worker does: limits on itself, then job after job."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.workers.messages import receive_exactly
from jaxlrm.verify.workers.protocol import JOB_HEADER, SLOT, VALUE, Shared

_PR_SET_PDEATHSIG = 1


def confine(zygote: int, memory: int) -> None:
    """Limits this process; it ends when the zygote does."""
    if sys.platform == "linux":
        # Elsewhere the end of the socket is noticed between chunks.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != zygote:
            os._exit(0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        limit_memory(memory)
    except (OSError, ValueError):
        pass  # the zygote has said so
    sys.setrecursionlimit(1000)  # a module may have raised it


def limit_memory(memory: int, hard: int | None = None) -> None:
    """Limits the address space; `hard` is the hard limit, if to be kept."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        memory = min(memory, most)
    resource.setrlimit(
        resource.RLIMIT_AS, (memory, memory if hard is None else hard)
    )


def work(channel: socket.socket, shared: Shared) -> None:
    """Does tasks until the zygote closes the socket."""
    while True:
        try:
            header = receive_exactly(channel, JOB_HEADER.size)
            first, count, length = JOB_HEADER.unpack(header)
            body = receive_exactly(channel, length)
        except (OSError, EOFError):
            return
        try:
            (module, name, plain), jobs = json.loads(body)
            function = getattr(sys.modules[module], name)
        except Exception:
            function, plain, jobs = _refuse, False, [()] * count
        busy = 0.0
        start = time.monotonic()
        for job in range(first, count):
            shared.begin(job, start, busy)
            shared.codes[job] = _code(function, jobs[job], plain, job, shared)
            end = time.monotonic()
            busy += end - start
            start = end
        shared.stop(busy)
        channel.send(b".")


def _code(
    function: Callable,
    arguments: Sequence[Any],
    plain: bool,
    job: int,
    shared: Shared,
) -> int:
    """Does a job; a plain value is left in its slot."""
    try:
        found = function(*arguments)
        if plain:
            value = json.dumps(found).encode()
            if len(value) > SLOT:
                raise ValueError(f"it returned {len(value)} bytes of {SLOT}")
            shared.put(job, value)
            return VALUE
        if not isinstance(found, Verdict):
            raise TypeError(f"it returned {found!r:.80}, which is no Verdict")
    except BaseException as error:  # SystemExit too
        shared.fail(f"{type(error).__name__}: {error}")
        return Verdict.ERROR
    return found


def _refuse() -> Verdict:
    """Stands for a function that is not there, or jobs that do not fit."""
    return Verdict.ERROR
