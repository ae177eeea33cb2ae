"""Starts and ends a zygote: an interpreter that others are forked from."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxlrm.verify.workers.messages import receive_json, send_json

START_SECONDS = 60.0  # to import its modules
_END_SECONDS = 5.0
# Of the pool; the sandbox has a start.py of its own.
_PROGRAM = "from jaxlrm.verify.workers.zygote import serve; serve()"


def start_interpreter(
    role: str,
    arguments: Sequence[str | os.PathLike],
    settings: Mapping[str, Any],
    environment: Mapping[str, str],
    refused: Callable[[str], Exception],
    cwd: str | None = None,
    before: bytes = b"",
) -> tuple[subprocess.Popen, socket.socket, dict[str, Any]]:
    """A zygote that is ready, its socket, and what it says of itself.

    Args:
        role: what it is, for a message.
        arguments: of the interpreter. Its standard input is the socket.
        settings: sent to it as JSON; it answers with a JSON object.
        environment: of its own, beside the little that an interpreter needs.
        refused: the exception for an answer with an `error`.
        cwd: where it runs.
        before: sent to it before the settings.

    Raises:
        RuntimeError: it did not start.
    """
    ours, theirs = socket.socketpair()
    # Threads do not survive a fork.
    wanted = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # Where the interpreter's own libraries are.
    for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME"):
        if name in os.environ:
            wanted[name] = os.environ[name]
    with theirs:
        # No preexec_fn: with it subprocess would run Python in a fork. A
        # session of its own keeps the terminal's Ctrl-C away.
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            env=wanted | dict(environment),
            cwd=cwd,
            start_new_session=True,
        )
    try:
        ours.settimeout(START_SECONDS)
        ours.sendall(before)
        send_json(ours, settings)
        reply = receive_json(ours)
        ours.settimeout(None)
        if "error" in reply:
            raise refused(reply["error"])
    except BaseException as error:
        ours.close()
        end_interpreter(process)
        if isinstance(error, (OSError, EOFError)):
            raise RuntimeError(
                f"{sys.executable} did not start as {role} (exit status "
                f"{process.returncode}); its message is on standard error"
            ) from error
        raise
    return process, ours, reply


def end_interpreter(process: subprocess.Popen) -> None:
    """Waits for a zygote whose socket is closed, which ends it."""
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start_zygote(
    settings: dict[str, Any],
) -> tuple[subprocess.Popen, socket.socket, list[str]]:
    """The zygote of a pool: its process, its socket, and its remarks.

    Raises:
        ImportError: a module cannot be imported.
        RuntimeError: it did not start.
    """
    path = [os.path.abspath(entry) for entry in sys.path]
    process, channel, reply = start_interpreter(
        "a verifier",
        ["-c", _PROGRAM],
        settings,
        {"PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1"},
        refused=ImportError,
    )
    channel.setblocking(False)
    return process, channel, reply["notes"]
