"""How the pool starts and ends a zygote."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

from jaxlrm.verify.workers.protocol import receive_json, send_json

START_SECONDS = 60.0  # for a zygote to import its modules

_ZYGOTE_PROGRAM = "from jaxlrm.verify.workers.zygote import serve; serve()"


def start_zygote(
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
        send_json(ours, settings)
        reply = receive_json(ours)
        ours.setblocking(False)
    except (OSError, EOFError) as error:
        ours.close()
        end_zygote(process)
        raise RuntimeError(
            f"{sys.executable} did not start as a verifier (exit status "
            f"{process.returncode}); its message is on standard error"
        ) from error
    except BaseException:
        ours.close()
        end_zygote(process)
        raise
    if "error" in reply:
        ours.close()
        end_zygote(process)
        raise ImportError(reply["error"])
    return process, ours, reply["notes"]


def end_zygote(process: subprocess.Popen) -> None:
    """Waits for a zygote whose socket is closed, which ends it."""
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
