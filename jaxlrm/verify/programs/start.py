"""How the sandbox starts a zygote."""

from __future__ import annotations

import pathlib
import socket
import subprocess
from typing import Any

from jaxlrm.verify import zygotes

# What the command line shows: a program can read it, so it says nothing. The
# rest comes over the socket, which is the standard input.
TITLE = "# model-written programs run here"
_LENGTH = 16_384  # of the rest, with the spaces behind it
_LOADER = f"""{TITLE}
import socket
channel = socket.socket(fileno=0)
rest = channel.recv({_LENGTH}, socket.MSG_WAITALL)
channel.detach()
exec(rest)
"""
# No package is imported by its __init__: the zygote has as little as it can.
# A child returns from `serve` and leaves no variable behind.
_PROGRAM = """
import sys, types
names = "jaxlrm", "jaxlrm.verify", "jaxlrm.verify.programs"
for name, folder in zip(names, {folders!r}):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from jaxlrm.verify.programs import program, zygote
serve = program.serve
del rest, channel, socket, sys, types, names, name, folder, program
globals().update(main=zygote.serve())
del zygote
serve(main)
"""


def start_zygote(
    settings: dict[str, Any],
) -> tuple[subprocess.Popen, socket.socket, dict[str, Any]]:
    """A zygote with its modules imported, its socket, and what it found.

    Raises:
        RuntimeError: it did not start.
    """
    sandbox = pathlib.Path(__file__).parent
    folders = [str(sandbox.parent.parent), str(sandbox.parent), str(sandbox)]
    return zygotes.start(
        "a sandbox",
        ["-s", "-P", "-c", _LOADER],
        settings,
        {"PYTHONHASHSEED": "0"},
        refused=lambda error: RuntimeError(f"the sandbox: {error}"),
        cwd="/",
        before=_PROGRAM.format(folders=folders).encode().ljust(_LENGTH),
    )
