"""How the pool starts a zygote."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

from jaxlrm.verify import zygotes

_PROGRAM = "from jaxlrm.verify.workers.zygote import serve; serve()"


def start_zygote(
    settings: dict[str, Any],
) -> tuple[subprocess.Popen, socket.socket, list[str]]:
    """A zygote with its modules imported, its socket, and its remarks.

    Raises:
        ImportError: a module cannot be imported.
        RuntimeError: it did not start.
    """
    path = [os.path.abspath(entry) for entry in sys.path]
    process, channel, reply = zygotes.start(
        "a verifier",
        ["-c", _PROGRAM],
        settings,
        {"PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1"},
        refused=ImportError,
    )
    channel.setblocking(False)
    return process, channel, reply["notes"]
