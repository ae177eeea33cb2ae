"""Starts a zygote, and sees it end."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
from typing import Any

from jaxlrm.verify.sandbox import zygote

START_SECONDS = 60.0  # for the zygote to import its modules

# No package is imported by its __init__: the zygote has as little as it can.
_ZYGOTE_PROGRAM = """
import sys, types
names = "jaxlrm", "jaxlrm.verify", "jaxlrm.verify.sandbox"
for name, folder in zip(names, sys.argv[1:]):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from jaxlrm.verify.sandbox import zygote
zygote.serve()
"""


def start(
    settings: dict[str, Any],
) -> tuple[subprocess.Popen, socket.socket, dict[str, Any]]:
    """A zygote with its modules imported, its socket, and what it found."""
    ours, theirs = socket.socketpair()
    environment = {
        "PYTHONHASHSEED": "0",
        # Threads do not survive a fork.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    # Where the interpreter's own libraries are.
    for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME"):
        if name in os.environ:
            environment[name] = os.environ[name]
    sandbox = pathlib.Path(__file__).parent
    folders = (sandbox.parent.parent, sandbox.parent, sandbox)
    with theirs:
        # A session of its own keeps the terminal's Ctrl-C away.
        process = subprocess.Popen(
            [sys.executable, "-s", "-P", "-c", _ZYGOTE_PROGRAM, *folders],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    try:
        ours.settimeout(START_SECONDS)
        zygote.send_json(ours, settings)
        reply = zygote.receive_json(ours)
        ours.settimeout(None)
        if "error" in reply:
            raise RuntimeError(f"the sandbox: {reply['error']}")
    except BaseException as error:
        ours.close()
        end(process)
        if isinstance(error, (OSError, EOFError)):
            raise RuntimeError(
                f"{sys.executable} did not start as a sandbox (exit status "
                f"{process.returncode}); its message is on standard error"
            ) from error
        raise
    return process, ours, reply


def end(process: subprocess.Popen) -> None:
    """Waits for a zygote whose socket is closed, which ends it."""
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
